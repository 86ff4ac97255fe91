"""How long the parts in the robots last, and which lot of them does not."""

from pyspark.sql import Column as Expression
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import BooleanType, DateType, DecimalType, IntegerType, LongType, StringType
from pyspark.sql.window import Window

from lake.core.intervals import poisson
from lake.core.refresh import full
from lake.core.table import Column, table
from lake.robot import gold as robot_gold
from lake.robot import gold_work as robot_work
from lake.robot import silver_work as robot_silver
from lake.supply import gold as supply_gold
from lake.supply import silver as supply_silver
from lake.warehouse import silver_builds

UNKNOWN = "unknown"
"""The supplier of a lot that no receipt, or more than one supplier's, tells of."""
SLOT = ["serial", "position", "part_id"]
LOT = ["part_id", "supplier_id", "lot"]
RATE = DecimalType(18, 3)
FEWEST_FAILURES = 3
"""Fewer failures of a lot are accidents."""


@table(
    inputs=[
        silver_builds.build_records,
        robot_silver.service_lines,
        robot_work.work_day,
        robot_gold.dim_robot,
        supply_silver.receipts,
        supply_gold.fct_order_line,
    ],
    refresh=full(),
    columns=[
        Column("serial", StringType(), key=True),
        Column("position", StringType(), key=True, doc="joint or place in the robot"),
        Column("part_id", StringType(), key=True),
        Column("supplier_id", StringType(), key=True, doc="unknown where no receipt tells whose lot it is"),
        Column("lot", StringType(), key=True),
        Column(
            "fitted_on", DateType(), key=True, doc="first day at risk: when it was fitted, or the robot commissioned"
        ),
        Column("fitted_by", StringType(), null=False, doc="build or service"),
        Column("quantity", DecimalType(14, 3), null=False, unit="unit of the part"),
        Column("removed_on", DateType(), doc="null while it is in the robot"),
        Column("ended_on", DateType(), doc="last day at risk: of the failure, the removal, or the robot's last work"),
        Column("failed", BooleanType(), null=False, doc="false: removed before it failed, or still running (censored)"),
        Column("is_running", BooleanType(), null=False, doc="in a robot that is not retired"),
        Column("days_at_risk", IntegerType(), unit="day", check="days_at_risk >= 0"),
        Column(
            "cycles_at_risk", LongType(), check="cycles_at_risk >= 0", doc="null if nobody knows the robot's counter"
        ),
    ],
)
def part_life(
    build_records: DataFrame,
    service_lines: DataFrame,
    work_day: DataFrame,
    dim_robot: DataFrame,
    receipts: DataFrame,
    fct_order_line: DataFrame,
) -> DataFrame:
    """One row per part fitted into a robot: how long it has run, and whether it failed.

    A part ends with the next work order that is closed at its place; a robot's counter between two known points is
    taken to have run evenly, from 0 on the day before it was commissioned.
    """
    robots = dim_robot.where("is_current").select("serial", "commissioned_on", "retired_on")
    worked = work_day.groupBy("serial").agg(F.max("day").alias("last_day"))
    lives = (
        fitted(build_records, service_lines, whose(receipts, fct_order_line))
        .join(robots, on="serial", how="inner")
        .join(worked, on="serial", how="left")
    )
    until = F.coalesce("ended_on", F.least("retired_on", "last_day"))
    begins = F.greatest("fitted_on", "commissioned_on")
    lives = lives.withColumns({"begins": begins, "until": F.greatest(until, begins)})
    is_first = F.col("begins") == F.col("commissioned_on")
    day_before = F.when(is_first, F.date_sub("begins", 1)).otherwise(F.col("begins"))
    return (
        lives.join(points(work_day, robots), on="serial", how="left")
        .withColumns({"counter_from": counter(day_before), "counter_until": counter(F.col("until"))})
        .groupBy("serial", "position", *LOT, F.col("begins").alias("fitted_on"))
        .agg(
            F.max("fitted_by").alias("fitted_by"),
            F.sum("quantity").cast("decimal(14,3)").alias("quantity"),
            F.max("removed_on").alias("removed_on"),
            F.max("until").alias("ended_on"),
            F.max("failed").alias("failed"),
            F.max(F.col("removed_on").isNull() & F.col("retired_on").isNull()).alias("is_running"),
            F.max(F.datediff("until", "begins")).alias("days_at_risk"),
            F.max(F.col("counter_until") - F.col("counter_from")).alias("cycles_at_risk"),
        )
    )


def fitted(build_records: DataFrame, service_lines: DataFrame, whose: DataFrame) -> DataFrame:
    """One row per part that was fitted, with what ended its time at its place."""
    built = build_records.select(
        *SLOT,
        F.col("built_at").alias("at"),
        F.lit("build").alias("fitted_by"),
        "supplier_id",
        "lot",
        "quantity",
        F.lit(None).cast("date").alias("opened_on"),
        F.lit(False).alias("was_failure"),
    )
    changed = service_lines.where(
        "closed_at IS NOT NULL AND part_id IS NOT NULL AND coalesce(lot_removed, lot_installed) IS NOT NULL"
    ).withColumns({"position": F.coalesce("joint", "component"), "lot": F.col("lot_installed")})
    served = (
        changed.join(whose, on=["part_id", "lot"], how="left")
        .select(
            *SLOT,
            F.col("closed_at").alias("at"),
            F.lit("service").alias("fitted_by"),
            "supplier_id",
            "lot",
            F.coalesce("quantity", F.lit(1)).cast("decimal(14,3)").alias("quantity"),
            F.to_date("opened_at").alias("opened_on"),
            F.col("is_failure").alias("was_failure"),
        )
        .where("position IS NOT NULL")
    )
    later = Window.partitionBy(*SLOT).orderBy(F.unix_micros("at")).rangeBetween(1, Window.unboundedFollowing)
    following = F.min(F.struct("at", (~F.col("was_failure")).alias("is_upkeep"), "opened_on")).over(later)
    failed = ~F.coalesce("following.is_upkeep", F.lit(True))
    return (
        built.unionByName(served)
        .withColumn("following", following)
        .where("lot IS NOT NULL")
        .select(
            *SLOT,
            F.coalesce("supplier_id", F.lit(UNKNOWN)).alias("supplier_id"),
            "lot",
            "quantity",
            "fitted_by",
            F.to_date("at").alias("fitted_on"),
            F.to_date("following.at").alias("removed_on"),
            F.when(failed, F.col("following.opened_on")).otherwise(F.to_date("following.at")).alias("ended_on"),
            failed.alias("failed"),
        )
    )


def whose(receipts: DataFrame, fct_order_line: DataFrame) -> DataFrame:
    """One row per part and lot that one supplier alone delivered."""
    of = fct_order_line.select("order_id", "line", "part_id", "supplier_id")
    known = receipts.where("lot IS NOT NULL").join(of, on=["order_id", "line"], how="inner")
    suppliers = known.groupBy("part_id", "lot").agg(
        F.min("supplier_id").alias("supplier_id"), F.max("supplier_id").alias("other")
    )
    return suppliers.where("supplier_id = other").select("part_id", "lot", "supplier_id")


def points(work_day: DataFrame, robots: DataFrame) -> DataFrame:
    """One row per robot: its counter at the end of the days on which it is known, in their order."""
    new = robots.where("commissioned_on IS NOT NULL").select(
        "serial", F.date_sub("commissioned_on", 1).alias("day"), F.lit(0).cast("long").alias("cycles")
    )
    known = work_day.select("serial", "day", F.col("cycle_last").alias("cycles")).unionByName(new)
    return known.groupBy("serial").agg(F.array_sort(F.collect_list(F.struct("day", "cycles"))).alias("points"))


def counter(day: Expression) -> Expression:
    """A robot's counter at the end of a day, by its `points`.

    Between two of them lies a straight line; after the last one the counter stands still.
    """
    past = F.filter(F.col("points"), lambda p: p["day"] <= day)
    before = F.get(past, F.size(past) - 1)
    after = F.get(F.filter(F.col("points"), lambda p: p["day"] >= day), F.lit(0))
    span = F.datediff(after["day"], before["day"])
    gone = (after["cycles"] - before["cycles"]) * F.datediff(day, before["day"])
    return before["cycles"] + F.when(span > 0, F.floor(gone / span)).otherwise(0)


@table(
    inputs=[part_life],
    refresh=full(),
    columns=[
        Column("part_id", StringType(), key=True),
        Column("supplier_id", StringType(), key=True, doc="unknown where no receipt tells whose lot it is"),
        Column("lot", StringType(), key=True),
        Column("parts", LongType(), null=False, doc="fitted into robots so far, each at its place"),
        Column("robots", LongType(), null=False, doc="that ever carried it"),
        Column("robots_carrying", LongType(), null=False, doc="that still do"),
        Column("parts_running", LongType(), null=False),
        Column("failures", LongType(), null=False),
        Column("days_at_risk", LongType(), null=False, unit="day"),
        Column("cycles_at_risk", LongType(), null=False),
        Column("failures_per_million", RATE, doc="of cycles at risk; null without any"),
        Column("failures_per_million_low", RATE, doc="lower end of the exact 90 % interval (Garwood)"),
        Column("failures_per_million_high", RATE, doc="upper end of the exact 90 % interval (Garwood)"),
        Column("others_per_million", RATE, doc="of all other lots of the part together"),
        Column("others_per_million_high", RATE, doc="upper end of its exact 90 % interval"),
        Column(
            "standing",
            StringType(),
            null=False,
            check="standing IN ('worse', 'not worse', 'too little')",
            doc="worse: 3 failures or more, and the lower end above the others' upper end; too little: none to compare",
        ),
    ],
)
def part_reliability(part_life: DataFrame) -> DataFrame:
    """One row per lot fitted into robots: does it fail in the field, and where is it still?"""
    running = F.col("is_running")
    lots = part_life.groupBy(*LOT).agg(
        F.count("*").alias("parts"),
        F.count_distinct("serial").alias("robots"),
        F.count_distinct(F.when(running, F.col("serial"))).alias("robots_carrying"),
        F.count_if(running).alias("parts_running"),
        F.count_if("failed").alias("failures"),
        F.coalesce(F.sum("days_at_risk"), F.lit(0)).alias("days_at_risk"),
        F.coalesce(F.sum("cycles_at_risk"), F.lit(0)).alias("cycles_at_risk"),
    )
    of_part = Window.partitionBy("part_id").rowsBetween(Window.unboundedPreceding, Window.unboundedFollowing)
    others = {f"others_{c}": F.sum(c).over(of_part) - F.col(c) for c in ("failures", "cycles_at_risk")}
    rated = lots.withColumns(others)
    own = per_million("failures", "cycles_at_risk")
    rest = per_million("others_failures", "others_cycles_at_risk")
    is_known = own[1].isNotNull() & rest[2].isNotNull()
    is_worse = (own[1] > rest[2]) & (F.col("failures") >= FEWEST_FAILURES)
    standing = F.when(~is_known, "too little").when(is_worse, "worse").otherwise("not worse")
    return rated.select(
        *LOT,
        "parts",
        "robots",
        "robots_carrying",
        "parts_running",
        "failures",
        "days_at_risk",
        "cycles_at_risk",
        own[0].alias("failures_per_million"),
        own[1].alias("failures_per_million_low"),
        own[2].alias("failures_per_million_high"),
        rest[0].alias("others_per_million"),
        rest[2].alias("others_per_million_high"),
        standing.alias("standing"),
    )


def per_million(count: str, cycles: str) -> tuple[Expression, Expression, Expression]:
    """A rate of a million cycles, and both ends of its exact 90 % interval; null without cycles."""
    low, high = poisson(F.col(count))
    millions = F.nullif(F.col(cycles), F.lit(0)).cast("double") / 1_000_000
    rate = F.col(count).cast("double")
    return tuple(F.try_divide(v, millions).try_cast(RATE) for v in (rate, low, high))  # type: ignore[return-value]
