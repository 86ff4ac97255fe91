"""What holds between the robots' tables: no sample is lost on its way to a day."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lake.core.law import law
from lake.robot import gold, silver

JOINT = ["serial", "joint", "day"]


@law(inputs=[silver.telemetry, gold.joint_day])
def every_sample_is_in_a_day(telemetry: DataFrame, days: DataFrame) -> DataFrame:
    """A joint's samples of a day are counted there, for every robot that sends telemetry."""
    sent = telemetry.groupBy("serial", "joint", F.to_date("at").alias("day")).agg(F.count("*").alias("sent"))
    both = sent.join(days.select(*JOINT, "samples"), on=JOINT, how="left")
    return both.where(~F.col("sent").eqNullSafe(F.col("samples")))
