"""Robots, their controllers, their samples, faults and accuracy: typed once."""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import DateType, LongType, StringType, TimestampType

from lake.core.refresh import append, slices
from lake.core.table import Column, table
from lake.robot import bronze

KNOWN_ON = Column("known_on", DateType(), null=False, parse="_dt", doc="day of delivery")
SOURCE_SYSTEM = Column(
    "source_system", StringType(), null=False, doc="where the record comes from: fleet, or a public set"
)

AT = Column(
    "at",
    TimestampType(),
    null=False,
    check="at >= TIMESTAMP'2000-01-01'",
    doc="by the robot's clock",
)
FAULT = [
    Column("fault_id", StringType(), key=True),
    Column("serial", StringType(), null=False),
    AT,
    Column("code", StringType(), null=False),
    Column("severity", StringType()),
    Column(
        "joint",
        StringType(),
        parse="regexp_replace(joint, '[.]0$', '')",
        doc="null where the fault is the whole robot's",
    ),
    Column("cleared_at", TimestampType(), check="cleared_at >= at"),
]
POSE = [
    *[Column(f"joint_{n}_rad", resolution="0.000001", unit="rad", check=f"abs(joint_{n}_rad) <= 13") for n in range(6)],
    *[
        Column(f"{side}_{axis}_mm", resolution="0.0001", unit="mm", check=f"abs({side}_{axis}_mm) <= 10000")
        for side in ("target", "measured")
        for axis in "xyz"
    ],
    *[
        Column(f"{side}_r{axis}_rad", resolution="0.000001", unit="rad", check=f"abs({side}_r{axis}_rad) <= 7")
        for side in ("target", "measured")
        for axis in "xyz"
    ],
]


@table(
    inputs=[bronze.robots],
    refresh=append(["serial", "known_on"], by="known_on", newest=["updated_at"]),
    columns=[
        Column("serial", StringType(), key=True),
        Column("arm_variant", StringType(), null=False),
        Column("hand_variant", StringType()),
        Column("end_effector", StringType()),
        Column("transmission", StringType()),
        Column("customer_id", StringType(), doc="null while the robot is ours"),
        Column("site", StringType(), pii="person"),
        Column("channel", StringType(), check="channel IN ('lab', 'pilot', 'field')"),
        Column("commissioned_on", DateType()),
        Column("retired_on", DateType(), check="retired_on >= commissioned_on"),
        Column("status", StringType(), null=False),
        Column("updated_at", TimestampType()),
        Column("known_on", DateType(), key=True, parse="_dt", doc="day of delivery"),
    ],
)
def robot_files(records: DataFrame) -> DataFrame:
    """One row per robot and day of delivery, with where it stands."""
    return records


@table(
    inputs=[bronze.boots],
    refresh=append(["serial", "boot_id"], by="to_date(at)"),
    columns=[
        Column("serial", StringType(), key=True),
        Column("boot_id", StringType(), key=True),
        AT,
        Column("firmware", StringType(), null=False),
        Column("position_model", StringType(), doc="version of the on-robot model"),
        Column("force_model", StringType(), doc="version of the on-robot model"),
        Column("wear_model", StringType(), doc="version of the on-robot model"),
        Column("calibration_id", StringType()),
        Column("clock_offset_ms", LongType(), unit="ms", doc="by which the robot's clock was ahead when it started"),
        KNOWN_ON,
    ],
)
def boots(records: DataFrame) -> DataFrame:
    """One row per start of a robot's controller, with the software it runs."""
    return records


@table(
    inputs=[bronze.telemetry],
    refresh=append(["serial", "boot_id", "seq", "joint"], by="to_date(at)"),
    columns=[
        Column("serial", StringType(), key=True),
        Column("boot_id", StringType(), key=True),
        Column(
            "seq",
            LongType(),
            key=True,
            check="seq >= 0",
            doc="counts the samples of a boot without a gap, over all joints",
        ),
        AT,
        Column("received_at", TimestampType()),
        Column("joint", StringType(), key=True),
        Column("position_cmd_rad", resolution="0.000001", unit="rad", check="abs(position_cmd_rad) <= 13"),
        Column("position_rad", resolution="0.000001", unit="rad", check="abs(position_rad) <= 13"),
        Column("velocity_rad_s", resolution="0.0001", unit="rad/s", check="abs(velocity_rad_s) <= 50"),
        Column("current_a", resolution="0.001", unit="A", check="abs(current_a) <= 100"),
        Column("torque_nm", resolution="0.001", unit="Nm", check="abs(torque_nm) <= 1000"),
        Column("temperature_c", resolution="0.01", unit="°C", check="temperature_c BETWEEN -40 AND 150"),
        Column("cycle", LongType(), check="cycle >= 0", doc="pick or task the robot was in; null between them"),
        KNOWN_ON,
    ],
)
def telemetry(records: DataFrame) -> DataFrame:
    """One row per sample of one joint."""
    return records


@table(
    inputs=[bronze.faults],
    refresh=append(["fault_id"], by="to_date(at)"),
    columns=[*FAULT, Column("message", StringType(), pii="text"), KNOWN_ON],
)
def fault_files(records: DataFrame) -> DataFrame:
    """One row per fault a robot reported, with its message."""
    return records


@table(
    inputs=[fault_files],
    refresh=slices("day", by="to_date(at)"),
    columns=[*FAULT, KNOWN_ON, SOURCE_SYSTEM],
)
def faults(files: DataFrame) -> DataFrame:
    """One row per fault a robot reported, by its code."""
    return files.select(*[c.name for c in FAULT], "known_on", F.lit("fleet").alias("source_system"))


@table(
    inputs=[bronze.accuracy_tests],
    refresh=append(["test_id", "pose_id"], by="to_date(at)"),
    columns=[
        Column("test_id", StringType(), key=True),
        Column("serial", StringType(), null=False),
        Column("experiment_id", StringType()),
        AT,
        Column("pose_id", StringType(), key=True),
        Column("frame", StringType(), doc="frame that target and measured positions are given in"),
        *POSE,
        Column("payload_kg", resolution="0.001", unit="kg", check="payload_kg BETWEEN 0 AND 100"),
        Column("temperature_c", resolution="0.01", unit="°C", check="temperature_c BETWEEN -40 AND 150"),
        Column("instrument", StringType()),
        Column("calibration_id", StringType()),
        KNOWN_ON,
    ],
)
def accuracy_tests(records: DataFrame) -> DataFrame:
    """One row per pose measured against its target."""
    return records
