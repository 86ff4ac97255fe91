"""What robots did cycle by cycle, who served them, and what the lab asks of them: typed once, then as last said."""

from pyspark.sql import DataFrame
from pyspark.sql.types import (
    BooleanType,
    DateType,
    DecimalType,
    IntegerType,
    LongType,
    MapType,
    StringType,
    TimestampType,
)

from lake.core.refresh import append, latest
from lake.core.table import Column, table
from lake.robot import bronze

KNOWN_ON = Column("known_on", DateType(), null=False, parse="_dt", doc="day of delivery")

SERVICE_LINE = [
    Column("work_order_id", StringType(), key=True),
    Column("line", IntegerType(), key=True, check="line > 0"),
    Column("revision", IntegerType(), key=True, check="revision >= 0"),
    Column("serial", StringType(), null=False),
    Column("joint", StringType(), doc="null where the work was on no single joint"),
    Column("opened_at", TimestampType(), null=False, check="opened_at >= TIMESTAMP'2000-01-01'"),
    Column("closed_at", TimestampType(), check="closed_at >= opened_at", doc="null while the work order is open"),
    Column("component", StringType(), doc="what was worked on: joint, hand, base"),
    Column("action", StringType(), doc="replace, calibrate, …"),
    Column("is_failure", BooleanType(), null=False, doc="whether something failed; false for upkeep"),
    Column("part_id", StringType(), doc="part replaced"),
    Column("quantity", DecimalType(14, 3), unit="unit of the part", check="quantity > 0"),
    Column("lot_removed", StringType(), doc="unique within supplier and part"),
    Column("lot_installed", StringType(), doc="unique within supplier and part"),
    Column("labour_minutes", IntegerType(), unit="min", check="labour_minutes >= 0"),
    Column("downtime_minutes", IntegerType(), unit="min", check="downtime_minutes >= 0"),
    Column("cost", DecimalType(18, 2), check="cost >= 0", doc="of labour and parts, in currency"),
    Column("currency", StringType(), check="currency RLIKE '^[A-Z]{3}$'"),
]
SERVICE_CHANGED = Column(
    "changed_at", TimestampType(), null=False, doc="when the revision was made, as its system claims"
)
EXPERIMENT = [
    Column("experiment_id", StringType(), key=True),
    Column("revision", IntegerType(), key=True, check="revision >= 0"),
    Column("serial", StringType(), null=False),
    Column("question", StringType(), doc="what is to be found out, as a code"),
    Column("arm_variant", StringType()),
    Column("hand_variant", StringType()),
    Column("end_effector", StringType()),
    Column("transmission", StringType()),
    Column("firmware", StringType()),
    Column("started_at", TimestampType(), null=False),
    Column("ended_at", TimestampType(), check="ended_at >= started_at", doc="null while it goes on"),
    Column("outcome", StringType(), check="outcome IN ('confirmed', 'rejected', 'inconclusive')"),
    Column("changed_at", TimestampType(), null=False, doc="when the revision was made, as its system claims"),
]


@table(
    inputs=[bronze.work_cycles],
    refresh=append(["serial", "boot_id", "cycle"], by="to_date(started_at)"),
    columns=[
        Column("serial", StringType(), key=True),
        Column("boot_id", StringType(), key=True),
        Column(
            "cycle",
            LongType(),
            key=True,
            check="cycle >= 0",
            doc="counts all cycles of the robot; logged is each that did not end well, and a sample of the others",
        ),
        Column(
            "started_at",
            TimestampType(),
            null=False,
            check="started_at >= TIMESTAMP'2000-01-01'",
            doc="by the robot's clock",
        ),
        Column("ended_at", TimestampType(), check="ended_at >= started_at", doc="by the robot's clock"),
        Column("task", StringType()),
        Column("object_class", StringType()),
        Column("hand_orientation", StringType()),
        Column("payload_kg", resolution="0.001", unit="kg", check="payload_kg BETWEEN 0 AND 100"),
        Column("peak_force_n", resolution="0.01", unit="N", check="peak_force_n BETWEEN 0 AND 2000"),
        Column("tool_current_a", resolution="0.001", unit="A", check="abs(tool_current_a) <= 100"),
        Column(
            "tactile",
            MapType(StringType(), DecimalType(18, 6)),
            required=False,
            doc="value by name of the sensor; the name ends in its unit",
        ),
        Column(
            "result",
            StringType(),
            null=False,
            check="result IN ('ok', 'slip', 'grip_lost', 'protective_stop', 'operator_stop', 'aborted')",
        ),
        KNOWN_ON,
    ],
)
def work_cycles(records: DataFrame) -> DataFrame:
    """One row per logged pick or task, with how it ended."""
    return records


@table(
    inputs=[bronze.service],
    refresh=append(["work_order_id", "line", "revision"], by="to_date(changed_at)", newest=["changed_at"]),
    columns=[
        *SERVICE_LINE,
        SERVICE_CHANGED,
        Column("cause", StringType(), pii="text"),
        Column("technician", StringType(), pii="person"),
        KNOWN_ON,
    ],
)
def service_files(records: DataFrame) -> DataFrame:
    """One row per revision of a work order's line, with its cause and who did it."""
    return records


@table(
    inputs=[service_files],
    refresh=latest(["work_order_id", "line"], newest="revision", by="to_date(opened_at)"),
    columns=[
        *SERVICE_LINE[:2],
        Column("revision", IntegerType(), null=False),
        *SERVICE_LINE[3:],
        SERVICE_CHANGED,
        Column("technician", StringType(), doc="pseudonym"),
        KNOWN_ON,
    ],
)
def service_lines(files: DataFrame) -> DataFrame:
    """One row per line of a work order, as last revised."""
    return files.select(*[c.name for c in SERVICE_LINE], "changed_at", "technician", "known_on")


@table(
    inputs=[bronze.experiments],
    refresh=append(["experiment_id", "revision"], by="to_date(changed_at)", newest=["changed_at"]),
    columns=[*EXPERIMENT, KNOWN_ON],
)
def experiment_changes(records: DataFrame) -> DataFrame:
    """One row per revision of a test campaign in the lab."""
    return records


@table(
    inputs=[experiment_changes],
    refresh=latest(["experiment_id"], newest="revision"),
    columns=[EXPERIMENT[0], Column("revision", IntegerType(), null=False), *EXPERIMENT[2:], KNOWN_ON],
)
def experiments(changes: DataFrame) -> DataFrame:
    """One row per test campaign in the lab, as last revised."""
    return changes.select(*[c.name for c in EXPERIMENT], "known_on")
