"""robolake: raw logs of a maker of robotic hands and arms, turned into released tables, models and decisions."""
