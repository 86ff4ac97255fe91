"""How the robots are, by joint, by day, and against their first tests."""

from pyspark.sql import Column as Expression
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import BooleanType, DateType, LongType, StringType, TimestampType
from pyspark.sql.window import Window

from lake.core.refresh import history, keyed, slices
from lake.core.table import Column, table
from lake.robot import silver

FIRST_TESTS_DAYS = 7
"""What a robot's tests said in so many days from the first one is what its later accuracy is held against."""


@table(
    inputs=[silver.robot_files],
    refresh=history(["serial"], at="known_on"),
    columns=[
        Column("serial", StringType(), key=True),
        Column("arm_variant", StringType(), null=False),
        Column("hand_variant", StringType()),
        Column("end_effector", StringType()),
        Column("transmission", StringType()),
        Column("customer_id", StringType(), doc="null while the robot is ours"),
        Column("site", StringType(), doc="pseudonym"),
        Column("channel", StringType()),
        Column("commissioned_on", DateType()),
        Column("retired_on", DateType()),
        Column("status", StringType(), null=False),
        Column("valid_from", DateType(), key=True),
        Column("valid_to", DateType(), check="valid_to > valid_from", doc="first day of the next version"),
        Column("is_current", BooleanType(), null=False),
    ],
)
def dim_robot(files: DataFrame) -> DataFrame:
    """One row per version of a robot: its variant, hand and owner over time."""
    return files.select(
        "serial",
        "arm_variant",
        "hand_variant",
        "end_effector",
        "transmission",
        "customer_id",
        "site",
        "channel",
        "commissioned_on",
        "retired_on",
        "status",
        "known_on",
    )


@table(
    inputs=[silver.telemetry, silver.faults],
    refresh=slices("day", by="day"),
    columns=[
        Column("serial", StringType(), key=True),
        Column("joint", StringType(), key=True),
        Column("day", DateType(), key=True),
        Column("samples", LongType(), null=False),
        Column("boots", LongType(), null=False, doc="controller starts that sent samples"),
        Column(
            "missing_samples",
            LongType(),
            null=False,
            check="missing_samples >= 0",
            doc="numbers left out within a boot",
        ),
        Column("cycles", LongType(), null=False, doc="picks and tasks in which the joint was sampled"),
        Column("tracking_error_mean_rad", resolution="0.000001", unit="rad", doc="of the absolute deviation"),
        Column("tracking_error_p95_rad", resolution="0.000001", unit="rad", doc="of the absolute deviation"),
        *[
            Column(f"{name}_p{share}_{unit.lower()}", resolution="0.001", unit=unit, doc="of the absolute value")
            for name, unit in (("torque", "Nm"), ("current", "A"))
            for share in (50, 95, 99)
        ],
        Column("temperature_mean_c", resolution="0.01", unit="°C"),
        Column("temperature_max_c", resolution="0.01", unit="°C"),
        Column("faults", LongType(), null=False, doc="reported for this joint; those of the whole robot do not count"),
    ],
)
def joint_day(telemetry: DataFrame, faults: DataFrame) -> DataFrame:
    """One row per robot, joint and day with a sample or a fault: how the joint ran."""
    joint = ["serial", "joint", "day"]
    samples = telemetry.withColumn("day", F.to_date("at"))
    by_boot = (
        samples.groupBy(*joint, "boot_id")
        .agg(
            F.min("seq").alias("from"),
            F.max("seq").alias("to"),
            F.count("*").alias("came"),
            F.size(F.collect_set("cycle")).alias("cycles"),
        )
        .withColumn("missing_samples", missing_samples())
    )
    gaps = by_boot.groupBy(*joint).agg(
        F.count("*").alias("boots"),
        F.sum("missing_samples").alias("missing_samples"),
        F.sum("cycles").alias("cycles"),
    )
    error = F.abs(F.col("position_cmd_rad") - F.col("position_rad"))
    torque, current = F.abs("torque_nm"), F.abs("current_a")
    # a percentile is a double whatever it is of; to keep each decimal until then costs a third more
    ran = samples.groupBy(*joint).agg(
        F.count("*").alias("samples"),
        F.avg(error).cast("decimal(18,6)").alias("tracking_error_mean_rad"),
        F.percentile(error.cast("double"), 0.95).cast("decimal(18,6)").alias("tracking_error_p95_rad"),
        F.percentile(torque.cast("double"), [0.5, 0.95, 0.99]).alias("torque"),
        F.percentile(current.cast("double"), [0.5, 0.95, 0.99]).alias("current"),
        F.avg("temperature_c").cast("decimal(18,2)").alias("temperature_mean_c"),
        F.max("temperature_c").alias("temperature_max_c"),
    )
    failed = faults.where("joint IS NOT NULL").groupBy("serial", "joint", F.to_date("at").alias("day"))
    counts = ("samples", "boots", "missing_samples", "cycles", "faults")
    return (
        ran.join(gaps, on=joint, how="inner")
        .join(failed.agg(F.count("*").alias("faults")), on=joint, how="full")
        .withColumns({name: F.coalesce(name, F.lit(0)) for name in counts})
        .select(
            *joint,
            *counts[:4],
            "tracking_error_mean_rad",
            "tracking_error_p95_rad",
            *[
                F.get(name, F.lit(n)).cast("decimal(18,3)").alias(f"{name}_p{share}_{unit}")
                for name, unit in (("torque", "nm"), ("current", "a"))
                for n, share in enumerate((50, 95, 99))
            ],
            "temperature_mean_c",
            "temperature_max_c",
            "faults",
        )
    )


@table(
    inputs=[silver.accuracy_tests],
    refresh=keyed(["test_id", "pose_id"], group=["test_id"], by="to_date(at)"),
    columns=[
        Column("serial", StringType(), null=False),
        Column("test_id", StringType(), key=True),
        Column("pose_id", StringType(), key=True),
        Column("at", TimestampType(), null=False),
        Column("frame", StringType(), doc="frame of target and deviation; fitted: laid over the robot's by the poses"),
        *[Column(f"joint_{n}_rad", resolution="0.000001", unit="rad") for n in range(6)],
        *[Column(f"target_{axis}_mm", resolution="0.0001", unit="mm") for axis in "xyz"],
        *[Column(f"d{axis}_mm", resolution="0.0001", unit="mm", doc="measured minus target") for axis in "xyz"],
        Column("error_mm", resolution="0.0001", unit="mm", doc="distance from the target; null where it is not known"),
        Column("payload_kg", resolution="0.001", unit="kg"),
        Column("temperature_c", resolution="0.01", unit="°C"),
        silver.SOURCE_SYSTEM,
    ],
)
def pose_error(accuracy_tests: DataFrame) -> DataFrame:
    """One row per measured pose: by how much, and in which direction, the robot missed it."""
    return deviations(accuracy_tests, source_system="fleet")


@table(
    inputs=[pose_error],
    refresh=keyed(["serial", "on"], group=["serial"], by="on"),
    columns=[
        Column("serial", StringType(), key=True),
        Column("on", DateType(), key=True),
        Column("poses", LongType(), null=False, check="poses > 0", doc="measured that day"),
        Column("position_error_mean_mm", resolution="0.0001", unit="mm"),
        Column("position_error_p95_mm", resolution="0.0001", unit="mm"),
        Column("first_error_mean_mm", resolution="0.0001", unit="mm", doc="over all poses of its first week of tests"),
        Column("drift_mm", resolution="0.0001", unit="mm", doc="mean of the day minus first_error_mean_mm"),
        Column("payload_max_kg", resolution="0.001", unit="kg"),
    ],
)
def accuracy_day(pose_error: DataFrame) -> DataFrame:
    """One row per robot and day with accuracy tests: position error, and its drift since the first tests."""
    whole = Window.partitionBy("serial").rowsBetween(Window.unboundedPreceding, Window.unboundedFollowing)
    is_first = F.col("on") < F.date_add(F.min("on").over(whole), FIRST_TESTS_DAYS)
    first_sum, first_poses = (F.sum(F.when(F.col("is_first"), F.col(c))).over(whole) for c in ("error_sum", "poses"))
    at_first = first_sum / first_poses
    return (
        pose_error.where("error_mm IS NOT NULL")
        .groupBy("serial", F.to_date("at").alias("on"))
        .agg(
            F.count("*").alias("poses"),
            F.sum("error_mm").alias("error_sum"),
            F.percentile("error_mm", 0.95).cast("decimal(18,4)").alias("position_error_p95_mm"),
            F.max("payload_kg").alias("payload_max_kg"),
        )
        .withColumn("is_first", is_first)
        .withColumn("first_error_mean_mm", at_first.cast("decimal(18,4)"))
        .withColumn("position_error_mean_mm", (F.col("error_sum") / F.col("poses")).cast("decimal(18,4)"))
        .select(
            "serial",
            "on",
            "poses",
            "position_error_mean_mm",
            "position_error_p95_mm",
            "first_error_mean_mm",
            (F.col("position_error_mean_mm") - F.col("first_error_mean_mm")).cast("decimal(18,4)").alias("drift_mm"),
            "payload_max_kg",
        )
    )


def missing_samples() -> Expression:
    """Numbers left out between the first and the last sample that a joint sent in a boot on a day.

    A boot counts its samples over all joints, or once for all of them: then they begin with the same number.
    """
    of_boot = Window.partitionBy("serial", "boot_id", "day").rowsBetween(
        Window.unboundedPreceding, Window.unboundedFollowing
    )
    joints = F.count("*").over(of_boot)
    step = F.when(F.size(F.collect_set("from").over(of_boot)) == joints, joints).otherwise(1)
    return F.greatest(F.floor((F.col("to") - F.col("from")) / step) + 1 - F.col("came"), F.lit(0))


def deviations(poses: DataFrame, *, source_system: str) -> DataFrame:
    """Poses with target and measured position in one frame, as rows of pose_error."""
    x, y, z = (
        (F.col(f"measured_{axis}_mm").cast("decimal(18,4)") - F.col(f"target_{axis}_mm")).cast("decimal(18,4)")
        for axis in "xyz"
    )
    distance = F.sqrt((x * x + y * y + z * z).cast("double"))
    return poses.select(
        "serial",
        "test_id",
        "pose_id",
        "at",
        "frame",
        *[f"joint_{n}_rad" for n in range(6)],
        *[f"target_{axis}_mm" for axis in "xyz"],
        *[off.alias(f"d{axis}_mm") for off, axis in zip((x, y, z), "xyz", strict=True)],
        distance.cast("decimal(18,4)").alias("error_mm"),
        "payload_kg",
        "temperature_c",
        F.lit(source_system).alias("source_system"),
    )
