"""Poses of a UR10, commanded and as a laser tracker saw them (IPA robot accuracy, Fraunhofer), read as pose errors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import StringType, TimestampType

from lake.core.public import HANDED_OVER
from lake.core.refresh import append
from lake.core.table import Column, mapping, source, table
from lake.robot import silver
from lake.robot.frames import moved, rigid_fit
from lake.robot.gold import deviations, pose_error

if TYPE_CHECKING:
    import pandas as pd

SOURCE_SYSTEM = "ipa_robot_accuracy"
SERIAL = "UR10"
JOINTS = ("shoulder_pan", "shoulder_lift", "elbow", "wrist_1", "wrist_2", "wrist_3")


def goal(name: str, unit: str) -> Column:
    """Where the robot was sent, in its own frame."""
    limit = "abs({0}) <= 10" if unit == "m" else "abs({0}) <= 7"
    named = f"goal_{name}_{unit}"
    return Column(named, resolution="0.000000001", null=False, unit=unit, raw=f"Goal {name}", check=limit.format(named))


def measured(name: str, unit: str) -> Column:
    """Where the tracker saw it, in the tracker's frame."""
    limit = "abs({0}) <= 100000" if unit == "mm" else "abs({0}) <= 360"
    named = f"measured_{name}_{unit}"
    return Column(
        named, resolution="0.000001", null=False, unit=unit, raw=f"measurement_{name}", check=limit.format(named)
    )


ipa = source(
    "ipa_poses",
    __name__,
    "One line per pose of one arm that a laser tracker measured.",
    format="csv",
    path="ipa_robot_accuracy/*.csv*",
    delimiter=";\t|,",
    line_end="any",
    decimal=",",
    delivered=HANDED_OVER,
    public=True,
    required=False,
)


@table(
    inputs=[ipa],
    refresh=append(["test_id", "at"], by="to_date(at)"),
    columns=[
        Column(
            "test_id",
            StringType(),
            key=True,
            parse="regexp_extract(_file, '([^/.]+)[^/]*$', 1)",
            doc="the file: a series of poses measured in one set-up",
        ),
        Column(
            "at",
            TimestampType(),
            key=True,
            raw="Timestamp",
            parse="coalesce(try_to_timestamp(trim(at), 'yyyyMMddHHmmss'), try_to_timestamp(trim(at)))",
            check="at >= TIMESTAMP'2000-01-01'",
        ),
        *[goal(axis, "m") for axis in "xyz"],
        *[goal(angle, "rad") for angle in ("roll", "pitch", "yaw")],
        *[
            Column(f"joint_{n}_rad", resolution="0.000000001", null=False, unit="rad", raw=f"{name}_joint")
            for n, name in enumerate(JOINTS)
        ],
        Column(
            "temperature_c",
            resolution="0.0001",
            unit="°C",
            raw="measurement_temperature",
            required=False,
            check="temperature_c BETWEEN -40 AND 150",
        ),
        *[measured(axis, "mm") for axis in "xyz"],
        *[measured(f"r{axis}", "deg") for axis in "xyz"],
        silver.KNOWN_ON,
    ],
)
def ipa_poses(records: DataFrame) -> DataFrame:
    """One row per measured pose: sent to in m and rad of the robot's frame, seen in mm and degrees of the tracker's."""
    return records


@mapping(to=pose_error, inputs=[ipa_poses])
def ipa_pose_error(poses: DataFrame) -> DataFrame:
    """One row per pose: how far off it was, once the tracker's frame is laid over the robot's as well as it can be."""
    targets = [(F.col(f"goal_{axis}_m") * 1000).cast("decimal(18,4)").alias(f"target_{axis}_mm") for axis in "xyz"]
    seen = [F.col(f"measured_{axis}_mm").cast("double").alias(f"measured_{axis}_mm") for axis in "xyz"]
    given = poses.select("test_id", "at", *targets, *seen)
    in_robots_frame = given.groupBy("test_id").applyInPandas(laid_over, given.schema)
    rest = poses.select("test_id", "at", *[f"joint_{n}_rad" for n in range(6)], "temperature_c")
    return deviations(
        in_robots_frame.join(rest, on=["test_id", "at"], how="inner").select(
            F.lit(SERIAL).alias("serial"),
            F.date_format("at", "yyyyMMddHHmmss").alias("pose_id"),
            "*",
            F.lit("robot, fitted").alias("frame"),
            F.lit(None).cast("decimal(18,3)").alias("payload_kg"),
        ),
        source_system=SOURCE_SYSTEM,
    )


def laid_over(poses: pd.DataFrame) -> pd.DataFrame:
    """The poses of one test, with what the tracker measured turned and shifted into the robot's frame."""
    measured_mm, target_mm = (
        poses[[f"{side}_{axis}_mm" for axis in "xyz"]].to_numpy(dtype=float) for side in ("measured", "target")
    )
    there = moved(measured_mm, rigid_fit(measured_mm, target_mm))
    return poses.assign(**{f"measured_{axis}_mm": there[:, n] for n, axis in enumerate("xyz")})
