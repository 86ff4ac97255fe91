"""Words: what a table promises and how it follows its inputs. Pure: no session, no path, no clock."""
