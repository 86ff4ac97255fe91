"""What the robot department wants to be told of in the morning."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from lake.core.watch import watch
from lake.robot import silver

if TYPE_CHECKING:
    import pandas as pd

MEASURED = ["position_rad", "torque_nm", "current_a", "temperature_c"]
SAMPLES = 10
"""Fewer samples than this may be alike by chance."""
HOURS = 6
"""A clock is off if it differs by so many hours; small differences are corrected by the offset its robot tells."""


@watch(inputs={silver.telemetry: "serial", silver.robot_files: "serial status"})
def silent_robots(night: date, samples: pd.DataFrame, robots: pd.DataFrame) -> pd.DataFrame:
    """Robots at work that sent no sample."""
    at_work = robots[robots["status"] == "active"]
    return at_work[~at_work["serial"].isin(samples["serial"].unique())]


@watch(inputs={silver.telemetry: f"serial joint {' '.join(MEASURED)}"})
def stuck_sensors(night: date, samples: pd.DataFrame) -> pd.DataFrame:
    """Joints with a sensor that said one value all night while others moved."""
    joints = samples.groupby(["serial", "joint"])[MEASURED]
    count, moves = joints.count(), joints.max() != joints.min()
    stuck = ~moves & (count >= SAMPLES)
    found = stuck.any(axis=1) & moves.any(axis=1)
    names = stuck[found].apply(lambda row: ", ".join(row.index[row]), axis=1)
    return names.rename("stuck").reset_index() if found.any() else stuck[found].reset_index()


@watch(inputs={silver.telemetry: "serial at received_at"})
def clocks_off(night: date, samples: pd.DataFrame) -> pd.DataFrame:
    """Robots whose clock is hours off."""
    ahead = (samples["at"] - samples["received_at"]).dt.total_seconds() / 3600
    hours = ahead.groupby(samples["serial"]).median().rename("hours_ahead").reset_index()
    return hours[hours["hours_ahead"].abs() >= HOURS]
