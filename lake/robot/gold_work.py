"""How the robots worked, day by day, and whether new software made that better or worse."""

from pyspark.sql import Column as Expression
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import DateType, DecimalType, LongType, StringType
from pyspark.sql.window import Window

from lake.core.intervals import rate_ratio
from lake.core.refresh import full, slices
from lake.core.table import Column, table
from lake.robot import gold, silver, silver_work

BEFORE_DAYS = 28
"""A robot's work with new software is held against so many of its days with the software before."""
MARGIN = "1.25"
"""Software that makes something happen a quarter more often than before does harm,"""
FEWEST = 5
"""if it has happened so many times since: of many things looked at, some go wrong two or three times by chance."""

ENDS = {
    "protective_stops": "protective_stop",
    "slips": "slip",
    "grip_losses": "grip_lost",
    "operator_stops": "operator_stop",
    "aborted": "aborted",
}
JUDGED = ("protective_stops", "slips", "grip_losses")
SOFTWARE = ["firmware", "models", "arm_variant", "week"]
RATE, RATIO = DecimalType(18, 4), DecimalType(18, 3)


@table(
    inputs=[silver_work.work_cycles],
    refresh=slices("day", by="day", reach=1),
    columns=[
        Column("serial", StringType(), key=True),
        Column("day", DateType(), key=True, doc="by the robot's clock"),
        Column("cycle_first", LongType(), null=False, doc="lowest logged number of a cycle"),
        Column("cycle_last", LongType(), null=False, check="cycle_last >= cycle_first"),
        Column(
            "cycles",
            LongType(),
            null=False,
            check="cycles >= 0",
            doc="all cycles, logged or not: the counter since the last one logged on the day before, if there is one",
        ),
        Column("logged", LongType(), null=False, doc="cycles in the log"),
        *[Column(name, LongType(), null=False, doc=f"cycles that ended so: {end}") for name, end in ENDS.items()],
        Column("payload_mean_kg", resolution="0.001", unit="kg", doc="over the logged cycles"),
        Column("payload_max_kg", resolution="0.001", unit="kg"),
    ],
)
def work_day(work_cycles: DataFrame) -> DataFrame:
    """One row per robot and day with a logged cycle: how many cycles it did, and how they ended."""
    days = work_cycles.groupBy("serial", F.to_date("started_at").alias("day")).agg(
        F.min("cycle").alias("cycle_first"),
        F.max("cycle").alias("cycle_last"),
        F.count("*").alias("logged"),
        *[F.count_if(F.col("result") == end).alias(name) for name, end in ENDS.items()],
        F.avg("payload_kg").cast("decimal(18,3)").alias("payload_mean_kg"),
        F.max("payload_kg").alias("payload_max_kg"),
    )
    by_day = Window.partitionBy("serial").orderBy("day")
    follows = F.lag("day").over(by_day) == F.date_sub("day", 1)
    since = F.col("cycle_last") - F.lag("cycle_last").over(by_day)
    whole = F.col("cycle_last") - F.col("cycle_first") + 1
    return days.withColumn("cycles", F.when(follows & (since >= 0), since).otherwise(whole)).select(
        "serial",
        "day",
        "cycle_first",
        "cycle_last",
        "cycles",
        "logged",
        *ENDS,
        "payload_mean_kg",
        "payload_max_kg",
    )


def change(name: str) -> list[Column]:
    of = name.replace("_", " ")
    return [
        Column(f"{name}_times", RATIO, doc=f"{of} per cycle since the update, as a multiple of those before it"),
        Column(f"{name}_times_low", RATIO, doc="lower end of its 90 % interval"),
        Column(f"{name}_times_high", RATIO, doc="upper end of it; null while there were none before"),
    ]


@table(
    inputs=[work_day, silver.boots, gold.accuracy_day, gold.dim_robot],
    refresh=full(by="week"),
    columns=[
        Column("firmware", StringType(), key=True),
        Column("models", StringType(), key=True, doc="versions of the on-robot models: position, force, wear"),
        Column("arm_variant", StringType(), key=True),
        Column("week", DateType(), key=True, doc="its Monday"),
        Column("robots", LongType(), null=False, doc="that worked with this software in the week"),
        Column("cycles", LongType(), null=False),
        *[Column(name, LongType(), null=False) for name in JUDGED],
        *[Column(f"{name}_per_1000", RATE, doc="of a thousand cycles") for name in JUDGED],
        Column("position_error_mean_mm", resolution="0.0001", unit="mm", doc="over the poses tested in the week"),
        Column("robots_compared", LongType(), null=False, doc="that ran other software before, seen in the log"),
        *[column for name in JUDGED for column in change(name)],
        Column(
            "verdict", StringType(), check="verdict IN ('keep', 'hold', 'roll back')", doc="null: nothing before it"
        ),
    ],
)
def software_scorecard(
    work_day: DataFrame, boots: DataFrame, accuracy_day: DataFrame, dim_robot: DataFrame
) -> DataFrame:
    """One row per software, arm variant and week: how it worked, and whether to keep it, hold it or roll it back.

    Each robot is its own control: its work since the update, to the end of the week, against its last 28 days with the
    software before. Roll back: stops, slips or grip losses are at least a quarter more often, even at the lower end of
    the interval, and happened five times or more. Keep: none of them is, even at the upper end. Hold: too early to say.
    """
    arms = dim_robot.where("is_current").select("serial", "arm_variant")
    weeks = compared(stints(work_day, boots, accuracy_day).join(arms, on="serial", how="inner"))
    thousand = F.col("cycles").cast("decimal(18,0)") / 1000
    scored = weeks.where("robots > 0").select(
        *SOFTWARE,
        "robots",
        "cycles",
        *JUDGED,
        *[F.try_divide(F.col(name), thousand).cast(RATE).alias(f"{name}_per_1000") for name in JUDGED],
        F.try_divide("error_mm", F.nullif("poses", F.lit(0))).cast("decimal(18,4)").alias("position_error_mean_mm"),
        "robots_compared",
        *[end for name in JUDGED for end in times(name)],
        *[f"{name}_since" for name in JUDGED],
    )
    margin, worse, better = F.lit(MARGIN).cast(RATIO), F.lit(False), F.lit(True)
    for name in JUDGED:
        is_worse = (F.col(f"{name}_times_low") >= margin) & (F.col(f"{name}_since") >= FEWEST)
        worse = worse | F.coalesce(is_worse, F.lit(False))
        better = better & F.coalesce(F.col(f"{name}_times_high") < margin, F.lit(False))
    verdict = F.when(worse, "roll back").when(better, "keep").otherwise("hold")
    judged = scored.withColumn("verdict", F.when(F.col("robots_compared") > 0, verdict))
    return judged.drop(*[f"{name}_since" for name in JUDGED])


def stints(work_day: DataFrame, boots: DataFrame, accuracy_day: DataFrame) -> DataFrame:
    """One row per robot and day that it worked or was tested, with its software; `stint` counts its updates.

    A day's software is what the robot ran at noon: by its own clock, a start at midnight may lie on either side.
    """
    models = [F.coalesce(F.col(f"{m}_model"), F.lit("-")) for m in ("position", "force", "wear")]
    started = boots.select(
        "serial",
        F.to_date(F.col("at") + F.expr("INTERVAL 12 HOURS")).alias("day"),
        F.struct("at", "boot_id", "firmware", F.concat_ws(" ", *models).alias("models")).alias("boot"),
    )
    boot_days = started.groupBy("serial", "day").agg(F.max("boot").alias("boot"))
    worked = work_day.select("serial", "day", "cycles", *JUDGED)
    tested = accuracy_day.select(
        "serial",
        F.col("on").alias("day"),
        "poses",
        (F.col("poses") * F.col("position_error_mean_mm")).alias("error_mm"),
    )
    until = Window.partitionBy("serial").orderBy("day").rowsBetween(Window.unboundedPreceding, 0)
    software = F.struct("boot.firmware", "boot.models")
    is_new = ~software.eqNullSafe(F.lag(software).over(Window.partitionBy("serial").orderBy("day")))
    return (
        boot_days.join(worked, on=["serial", "day"], how="full")
        .join(tested, on=["serial", "day"], how="full")
        .withColumn("boot", F.max("boot").over(until))
        .where("boot IS NOT NULL")
        .withColumn("is_new", is_new.cast("int"))
        .withColumn("stint", F.sum("is_new").over(until))
        .where("cycles IS NOT NULL OR poses IS NOT NULL")
        .select(
            "serial",
            "day",
            F.to_date(F.trunc("day", "week")).alias("week"),
            "boot.firmware",
            "boot.models",
            "stint",
            *[F.coalesce(c, F.lit(0)).alias(c) for c in ("cycles", *JUDGED, "poses")],
            F.coalesce("error_mm", F.lit(0)).cast("decimal(28,4)").alias("error_mm"),
        )
    )


def compared(days: DataFrame) -> DataFrame:
    """One row per software, arm variant and week: what happened in it, …_since the update, and …_before it.

    Since and before are of the robots that worked both with this software and with other software before it.
    """
    counts, run = ["cycles", *JUDGED], ["serial", "stint", *SOFTWARE[:3]]
    by_stint = Window.partitionBy("serial").orderBy("stint")
    day = F.struct("day", "week", *counts, "poses", "error_mm")
    runs = days.groupBy(*run).agg(
        F.min(F.when(F.col("cycles") > 0, F.col("day"))).alias("since"), F.array_sort(F.collect_list(day)).alias("days")
    )
    recent = F.filter(F.col("last_days"), lambda d: d["day"] >= F.date_sub("since", BEFORE_DAYS))
    before = runs.withColumn("last_days", F.lag("days").over(by_stint)).withColumn("last_days", recent)
    sums = {f"{c}_before": total("last_days", c) for c in counts}
    weeks = (
        before.withColumns(sums)
        .select(*run, *sums, F.explode("days").alias("d"))
        .select(*run, *sums, "d.*")
        .groupBy(*run, "week", *sums)
        .agg(*[F.sum(c).alias(c) for c in (*counts, "poses", "error_mm")])
    )
    so_far = Window.partitionBy("serial", "stint").orderBy("week").rowsBetween(Window.unboundedPreceding, 0)
    since = {f"{c}_since": F.sum(c).over(so_far) for c in counts}
    is_compared = (F.col("cycles_before") > 0) & (F.col("cycles_since") > 0)
    return (
        weeks.withColumns(since)
        .withColumn("compared", F.coalesce(is_compared, F.lit(False)))
        .groupBy(*SOFTWARE)
        .agg(
            F.count_distinct(F.when(F.col("cycles") > 0, F.col("serial"))).alias("robots"),
            F.count_distinct(F.when(F.col("compared"), F.col("serial"))).alias("robots_compared"),
            *[F.sum(c).alias(c) for c in (*counts, "poses", "error_mm")],
            *[F.sum(F.when(F.col("compared"), F.col(c))).alias(c) for c in (*since, *sums)],
        )
    )


def total(rows: str, name: str) -> Expression:
    """The sum of a field over an array of rows; null without the array."""
    return F.aggregate(rows, F.lit(0).cast("long"), lambda so_far, row: so_far + row[name])


def times(name: str) -> list[Expression]:
    """How many times as often as before, and both ends of that."""
    now, before = ((F.col(f"{name}_{when}"), F.col(f"cycles_{when}")) for when in ("since", "before"))
    rate, rate_before = (n.cast("decimal(18,0)") / c.cast("decimal(18,0)") for n, c in (now, before))
    low, high = rate_ratio(*now, *before)
    said = (F.try_divide(rate, F.nullif(rate_before, F.lit(0))), low, high)
    return [v.try_cast(RATIO).alias(f"{name}_times{end}") for v, end in zip(said, ("", "_low", "_high"), strict=True)]
