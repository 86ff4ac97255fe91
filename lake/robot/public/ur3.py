"""One arm watched every second (UR3 CobotOps, UCI), read as joint days and faults."""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import BooleanType, LongType, TimestampType
from pyspark.sql.window import Window

from lake.core.public import HANDED_OVER, flag
from lake.core.refresh import append
from lake.core.table import Column, mapping, source, table
from lake.robot import gold, silver

SOURCE_SYSTEM = "ur3_cobotops"
SERIAL = "UR3"
JOINTS = range(6)
FAULTS = {"PROTECTIVE_STOP": "protective_stop", "GRIP_LOST": "grip_lost"}
"""Code of the fault, by the flag that is up in every second of it."""


def sensor(name: str, raw: str, unit: str, *, resolution: str, check: str) -> Column:
    """A measured value; a second without it is a second all the same."""
    return Column(name, resolution=resolution, unit=unit, raw=raw, check=check.format(name), required=False)


ur3 = source(
    "ur3_seconds",
    __name__,
    "One line per second of one arm.",
    format="csv",
    path="ur3_cobotops/*.csv*",
    delimiter=";\t|,",
    line_end="any",
    decimal=",",
    delivered=HANDED_OVER,
    public=True,
    required=False,
)


@table(
    inputs=[ur3],
    refresh=append(["sample", "at"], by="to_date(at)"),
    columns=[
        Column("sample", LongType(), key=True, raw="Num", check="sample >= 0"),
        Column(
            "at",
            TimestampType(),
            key=True,
            raw="Timestamp",
            parse="try_to_timestamp(trim(BOTH '\"' FROM trim(at)))",
            check="at >= TIMESTAMP'2000-01-01'",
        ),
        Column(
            "is_quoted",
            BooleanType(),
            parse="at LIKE '\"%'",
            check="NOT is_quoted",
            breach="warn",
            doc="whether the timestamp was delivered in quotes",
        ),
        *[
            sensor(f"current_j{n}_a", f"Current_J{n}", "A", resolution="0.000001", check="abs({}) <= 100")
            for n in JOINTS
        ],
        *[
            sensor(
                f"temperature_j{n}_c",
                f"Temperature_{'T' if n == 0 else 'J'}{n}",
                "°C",
                resolution="0.0001",
                check="{} BETWEEN -40 AND 150",
            )
            for n in JOINTS
        ],
        *[
            sensor(f"speed_j{n}_rad_s", f"Speed_J{n}", "rad/s", resolution="0.000001", check="abs({}) <= 50")
            for n in JOINTS
        ],
        sensor("tool_current_a", "Tool_current", "A", resolution="0.000001", check="abs({}) <= 100"),
        Column("cycle", LongType(), raw="cycle", check="cycle >= 0", required=False),
        flag("protective_stop", "Robot_ProtectiveStop"),
        flag("grip_lost", "grip_lost"),
        silver.KNOWN_ON,
    ],
)
def ur3_seconds(records: DataFrame) -> DataFrame:
    """One row per second of the arm, its joints side by side; null where a sensor said nothing."""
    return records


@mapping(to=gold.joint_day, inputs=[ur3_seconds])
def ur3_joint_day(ur3_seconds: DataFrame) -> DataFrame:
    """One row per joint and day; a second without any value of the joint is a missing sample.

    The set has no commanded positions and no torque, and does not say when the controller was started.
    """
    joints = F.array(
        *[
            F.struct(
                F.lit(str(n)).alias("joint"),
                F.abs(f"current_j{n}_a").alias("current"),
                F.col(f"temperature_j{n}_c").alias("temperature"),
                F.col(f"speed_j{n}_rad_s").alias("speed"),
            )
            for n in JOINTS
        ]
    )
    seconds = ur3_seconds.select(F.to_date("at").alias("day"), "cycle", F.explode(joints).alias("joint")).select(
        "day", "cycle", "joint.*"
    )
    is_sampled = F.coalesce("current", "temperature", "speed").isNotNull()
    days = seconds.groupBy("joint", "day").agg(
        F.count_if(is_sampled).alias("samples"),
        F.count_if(~is_sampled).alias("missing_samples"),
        F.count_distinct(F.when(is_sampled, F.col("cycle"))).alias("cycles"),
        F.percentile("current", [0.5, 0.95, 0.99]).alias("current"),
        F.avg("temperature").cast("decimal(18,2)").alias("temperature_mean_c"),
        F.max("temperature").cast("decimal(18,2)").alias("temperature_max_c"),
    )
    unknown = F.lit(None).cast("decimal(18,6)")
    return days.where("samples > 0").select(
        F.lit(SERIAL).alias("serial"),
        "joint",
        "day",
        "samples",
        F.lit(1).cast("bigint").alias("boots"),
        "missing_samples",
        "cycles",
        unknown.alias("tracking_error_mean_rad"),
        unknown.alias("tracking_error_p95_rad"),
        *[F.lit(None).cast("decimal(18,3)").alias(f"torque_p{share}_nm") for share in (50, 95, 99)],
        *[
            F.get("current", F.lit(n)).cast("decimal(18,3)").alias(f"current_p{share}_a")
            for n, share in enumerate((50, 95, 99))
        ],
        "temperature_mean_c",
        "temperature_max_c",
        F.lit(0).cast("bigint").alias("faults"),
    )


@mapping(to=silver.faults, inputs=[ur3_seconds])
def ur3_faults(ur3_seconds: DataFrame) -> DataFrame:
    """One row per run of seconds with a flag up, cleared by the next second of the day without it.

    Seconds without telemetry (null protective_stop) say nothing; they neither end a run nor begin one.
    """
    codes = [F.struct(F.lit(code).alias("code"), F.col(flag).alias("is_up")) for code, flag in FAULTS.items()]
    in_order = Window.partitionBy("code", "day").orderBy("at", "sample")
    later = in_order.rowsBetween(1, Window.unboundedFollowing)
    was_up = F.coalesce(F.lag("is_up").over(in_order), F.lit(False))
    return (
        ur3_seconds.where("protective_stop IS NOT NULL AND grip_lost IS NOT NULL")
        .select("at", "sample", F.to_date("at").alias("day"), F.inline(F.array(*codes)))
        .withColumn("begins", F.col("is_up") & ~was_up)
        .withColumn("cleared_at", F.min(F.when(~F.col("is_up"), F.col("at"))).over(later))
        .where("begins")
        .select(
            F.concat_ws("-", F.lit(SERIAL), "code", F.date_format("at", "yyyyMMdd"), "sample").alias("fault_id"),
            F.lit(SERIAL).alias("serial"),
            "at",
            "code",
            F.when(F.col("code") == "PROTECTIVE_STOP", "stop").otherwise("warning").alias("severity"),
            F.lit(None).cast("string").alias("joint"),
            "cleared_at",
            F.col("day").alias("known_on"),
            F.lit(SOURCE_SYSTEM).alias("source_system"),
        )
    )
