"""What a joint's last two weeks say of its health: our own robots among the inputs of remaining life."""

from pyspark.sql import Column as Expression
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.window import Window

from lake.core.table import mapping
from lake.robot import gold, silver
from lake.robot.features import FEATURE, TRAILING, health_features

TWO_WEEKS, WEEK = 13, 6
"""So many days before the present one belong to it."""
assert TWO_WEEKS < TRAILING, "the table recomputes so many days when one changes"

FEATURES = {
    "tracking_error_rad": "error",
    "tracking_error_7_rad": "error_7",
    "tracking_error_14_rad": "error_14",
    "tracking_error_times": "error_times",
    "current_a": "current",
    "current_7_a": "current_7",
    "current_times": "current_times",
    "temperature_7_c": "temperature_7",
    "temperature_max_7_c": "temperature_max_7",
    "torque_7_nm": "torque_7",
    "faults_7": "faults_7",
    "faults_14": "faults_14",
    "days_seen": "days_seen",
}
"""Column of each feature. …_7 and …_14 look back so many days; …_times is a week as a multiple of the week before."""


@mapping(to=health_features, inputs=[gold.joint_day, silver.robot_files])
def joint_health(joint_day: DataFrame, robot_files: DataFrame) -> DataFrame:
    """One row per robot, joint and day with samples, once it is known since when the robot is in service."""
    stated = robot_files.groupBy("serial", F.col("known_on").alias("day")).agg(
        F.max(F.struct("commissioned_on", "arm_variant")).alias("robot")
    )
    days = joint_day.join(stated, on=["serial", "day"], how="left").withColumn("n", F.unix_date("day"))
    joint = Window.partitionBy("serial", "joint").orderBy("n")
    week, two = joint.rangeBetween(-WEEK, 0), joint.rangeBetween(-TWO_WEEKS, 0)
    before = joint.rangeBetween(-TWO_WEEKS, -WEEK - 1)
    error, current = F.col("tracking_error_p95_rad"), F.col("current_p95_a")
    seen = days.withColumns(
        {
            "robot": F.max("robot").over(two),
            "days_seen": F.count_if(F.col("samples") > 0).over(two),
            "error": error,
            "error_7": F.avg(error).over(week),
            "error_14": F.avg(error).over(two),
            "error_times": times(F.avg(error).over(week), F.avg(error).over(before)),
            "current": current,
            "current_7": F.avg(current).over(week),
            "current_times": times(F.avg(current).over(week), F.avg(current).over(before)),
            "temperature_7": F.avg("temperature_mean_c").over(week),
            "temperature_max_7": F.max("temperature_max_c").over(week),
            "torque_7": F.avg("torque_p95_nm").over(week),
            "faults_7": F.sum("faults").over(week),
            "faults_14": F.sum("faults").over(two),
        }
    )
    features = [part for name, column in FEATURES.items() for part in (F.lit(name), F.col(column).try_cast(FEATURE))]
    return (
        seen.withColumn("age", F.datediff("day", "robot.commissioned_on"))
        .where("samples > 0 AND age >= 0")
        .select(
            "serial",
            "joint",
            "age",
            F.lit("day").alias("age_unit"),
            F.col("day").alias("on"),
            F.col("robot.arm_variant").alias("fleet"),
            F.create_map(*features).alias("features"),
            F.lit(None).cast("int").alias("life_left"),
            F.lit("robots").alias("source_system"),
        )
    )


def times(week: Expression, before: Expression) -> Expression:
    """The week as a multiple of the week before; null where that is not known, or nothing."""
    return F.try_divide(week, F.nullif(before, F.lit(0)))
