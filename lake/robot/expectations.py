"""What is expected of the robots' tables as a whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lake.core.expect import ask, expectation
from lake.robot import gold, silver

if TYPE_CHECKING:
    import pandas as pd


@expectation(
    ask("expect_column_mean_to_be_between", column="temperature_mean_c", min_value=5, max_value=90, severity="stop"),
    ask(
        "expect_column_pair_values_a_to_be_greater_than_b",
        column_A="torque_p99_nm", column_B="torque_p50_nm", or_equal=True, severity="stop",
    ),
    reads={gold.joint_day: "temperature_mean_c torque_p50_nm torque_p99_nm"},
)  # fmt: skip
def joints_run_as_joints_do(days: pd.DataFrame) -> pd.DataFrame:
    """Joints are as warm as running machines are, and their torque's quantiles lie in order."""
    return days.dropna()


@expectation(
    ask("expect_column_values_to_be_between", column="share", min_value=0.5, mostly=0.95),
    reads={gold.joint_day: "serial day joint samples"},
)
def the_joints_of_a_robot_are_sampled_alike(days: pd.DataFrame) -> pd.DataFrame:
    """No joint sends less than half of what the joint of its robot sends that sends most."""
    sent = days[days["samples"] > 0]
    return sent.assign(share=sent["samples"] / sent.groupby(["serial", "day"])["samples"].transform("max"))


@expectation(
    ask("expect_column_values_to_be_in_set", column="is_known", value_set=[True], mostly=0.98),
    reads={silver.faults: "serial source_system", gold.dim_robot: "serial"},
)
def faults_are_of_known_robots(faults: pd.DataFrame, robots: pd.DataFrame) -> pd.DataFrame:
    """Nearly every fault of the fleet is of a robot that we know."""
    own = faults[faults["source_system"] == "fleet"]
    return own.assign(is_known=own["serial"].isin(robots["serial"]))
