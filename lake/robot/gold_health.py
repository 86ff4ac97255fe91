"""What a joint's last two weeks say of its health: the input of its remaining life."""

from pyspark.sql import Column as Expression
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import DateType, IntegerType, LongType, StringType
from pyspark.sql.window import Window

from lake.core.refresh import slices
from lake.core.table import Column, table
from lake.robot import gold, silver

REACH_DAYS = 13
"""A day's features look back so many days."""
WEEK_DAYS = 6


@table(
    inputs=[gold.joint_day, silver.robot_files],
    refresh=slices("day", by="day", reach=REACH_DAYS),
    columns=[
        Column("serial", StringType(), key=True),
        Column("joint", StringType(), key=True),
        Column("day", DateType(), key=True),
        Column("age_days", IntegerType(), unit="day", doc="since the robot was commissioned; null if nobody said when"),
        Column("days_seen", LongType(), null=False, doc="days with samples among the last 14"),
        Column("tracking_error_rad", resolution="0.000001", unit="rad", doc="95 % quantile of the day"),
        Column("tracking_error_7_rad", resolution="0.000001", unit="rad", doc="its mean over the last 7 days"),
        Column("tracking_error_14_rad", resolution="0.000001", unit="rad", doc="its mean over the last 14 days"),
        Column("tracking_error_times", resolution="0.001", doc="mean of 7 days as a multiple of that of the 7 before"),
        Column("current_a", resolution="0.001", unit="A", doc="95 % quantile of the day"),
        Column("current_7_a", resolution="0.001", unit="A", doc="its mean over the last 7 days"),
        Column("current_times", resolution="0.001", doc="mean of 7 days as a multiple of that of the 7 before"),
        Column("temperature_7_c", resolution="0.01", unit="°C", doc="mean of the days' means over the last 7 days"),
        Column("temperature_max_7_c", resolution="0.01", unit="°C", doc="highest of the last 7 days"),
        Column("torque_7_nm", resolution="0.001", unit="Nm", doc="mean of the days' 95 % quantiles over 7 days"),
        Column("faults_7", LongType(), null=False, doc="of the joint in the last 7 days"),
        Column("faults_14", LongType(), null=False, doc="of the joint in the last 14 days"),
    ],
)
def health_features(joint_day: DataFrame, robot_files: DataFrame) -> DataFrame:
    """One row per robot, joint and day with samples: how it ran then, and in the two weeks before."""
    stated = robot_files.groupBy("serial", F.col("known_on").alias("day")).agg(
        F.max("commissioned_on").alias("commissioned_on")
    )
    days = joint_day.join(stated, on=["serial", "day"], how="left").withColumn("n", F.unix_date("day"))
    joint = Window.partitionBy("serial", "joint").orderBy("n")
    week, two = joint.rangeBetween(-WEEK_DAYS, 0), joint.rangeBetween(-REACH_DAYS, 0)
    before = joint.rangeBetween(-REACH_DAYS, -WEEK_DAYS - 1)
    error, current = F.col("tracking_error_p95_rad"), F.col("current_p95_a")
    return (
        days.withColumns(
            {
                "commissioned_on": F.max("commissioned_on").over(two),
                "days_seen": F.count_if(F.col("samples") > 0).over(two),
                "error_7": F.avg(error).over(week),
                "error_14": F.avg(error).over(two),
                "error_before": F.avg(error).over(before),
                "current_7": F.avg(current).over(week),
                "current_before": F.avg(current).over(before),
                "temperature_7": F.avg("temperature_mean_c").over(week),
                "temperature_max_7": F.max("temperature_max_c").over(week),
                "torque_7": F.avg("torque_p95_nm").over(week),
                "faults_7": F.sum("faults").over(week),
                "faults_14": F.sum("faults").over(two),
            }
        )
        .where("samples > 0")
        .select(
            "serial",
            "joint",
            "day",
            F.datediff("day", "commissioned_on").alias("age_days"),
            "days_seen",
            error.alias("tracking_error_rad"),
            F.col("error_7").cast("decimal(18,6)").alias("tracking_error_7_rad"),
            F.col("error_14").cast("decimal(18,6)").alias("tracking_error_14_rad"),
            times("error").alias("tracking_error_times"),
            current.alias("current_a"),
            F.col("current_7").cast("decimal(18,3)").alias("current_7_a"),
            times("current").alias("current_times"),
            F.col("temperature_7").cast("decimal(18,2)").alias("temperature_7_c"),
            F.col("temperature_max_7").alias("temperature_max_7_c"),
            F.col("torque_7").cast("decimal(18,3)").alias("torque_7_nm"),
            "faults_7",
            "faults_14",
        )
    )


def times(name: str) -> Expression:
    """The week as a multiple of the week before; null where that is not known, or nothing."""
    return F.try_divide(f"{name}_7", F.nullif(f"{name}_before", F.lit(0))).try_cast("decimal(18,3)")
