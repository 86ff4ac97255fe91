"""Which variant of a robot holds: accuracy, failures and what service costs, with how sure that is."""

from dataclasses import dataclass

from pyspark.sql import Column as Expression
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import DateType, IntegerType, LongType, StringType
from pyspark.sql.window import Window

from lake.company.gold_parts import per_million
from lake.core.intervals import ratio
from lake.core.refresh import slices
from lake.core.table import Column, table
from lake.robot import gold as robot_gold
from lake.robot import gold_work as robot_work
from lake.robot import silver_work as robot_silver

ANY = "*"
"""Stands for all variants of a kind together."""
NONE = "none"
TOO_FEW = 5
"""Fewer robots than this are no comparison."""
VARIANT = ["arm_variant", "hand_variant", "end_effector", "transmission", "channel"]
BANDS = ((2, "up to 2 kg"), (5, "2 to 5 kg"))
HEAVIER = "above 5 kg"
FACTOR = "decimal(18,4)"
ENDS = ("", "_low", "_high")


@dataclass(frozen=True)
class Estimate:
    """A column that is sum(y) / sum(x) over robots, `scale` times, and both ends of its interval."""

    name: str
    y: str
    x: str
    units: str
    scale: int
    kind: str


ESTIMATES = (
    Estimate("service_cost_per_1000", "cost", "cycles", "robots", 1000, "decimal(18,3)"),
    Estimate("downtime_per_1000", "downtime", "cycles", "robots", 1000, "decimal(18,3)"),
    Estimate("position_error_mm", "error_mm", "tested", "robots_tested", 1, "decimal(18,4)"),
    Estimate("drift_mm", "drift_mm", "tested", "robots_tested", 1, "decimal(18,4)"),
)


def interval(name: str, *, doc: str, unit: str | None = None, resolution: str = "0.001") -> list[Column]:
    return [
        Column(name, resolution=resolution, unit=unit, doc=doc),
        Column(f"{name}_low", resolution=resolution, unit=unit, doc="lower end of its 90 % interval"),
        Column(f"{name}_high", resolution=resolution, unit=unit, doc="upper end of its 90 % interval"),
    ]


@table(
    inputs=[robot_work.work_day, robot_gold.accuracy_day, robot_silver.service_lines, robot_gold.dim_robot],
    refresh=slices("month", by="month"),
    columns=[
        *[Column(name, StringType(), key=True, doc="* for all together") for name in VARIANT],
        Column("month", DateType(), key=True, doc="its first day"),
        Column("robots", LongType(), null=False, doc="that worked in the month"),
        Column("cycles", LongType(), null=False),
        Column("payload_mean_kg", resolution="0.001", unit="kg", doc="over the logged cycles"),
        Column("payload_band", StringType(), doc="of the mean payload"),
        Column("robots_tested", LongType(), null=False, doc="for accuracy"),
        *interval(
            "position_error_mm", unit="mm", doc="mean over the robots of their mean over poses", resolution="0.0001"
        ),
        *interval("drift_mm", unit="mm", doc="mean of it since each robot's first tests", resolution="0.0001"),
        Column("failures", LongType(), null=False, doc="work orders' lines that say something failed"),
        *interval("failures_per_million", doc="of a million cycles; its interval is exact (Garwood)"),
        Column("currency", StringType(), doc="of the cost; null without cost, or with several"),
        *interval("service_cost_per_1000", doc="of a thousand cycles, in currency"),
        *interval("downtime_per_1000", unit="min", doc="of a thousand cycles"),
        Column("failure_rank", IntegerType(), doc="by failures_per_million among those told apart by the same columns"),
        Column("remark", StringType(), check="remark = 'too few'", doc="fewer than 5 robots are never ranked"),
    ],
)
def variant_scorecard(
    work_day: DataFrame, accuracy_day: DataFrame, service_lines: DataFrame, dim_robot: DataFrame
) -> DataFrame:
    """One row per variant of a robot and month: how accurate, how reliable and how dear is it?

    Variants are told apart by all of arm, hand, end effector, transmission and channel, by each of these alone, and
    not at all; * stands in the others. Costs, downtime and accuracy vary from robot to robot: their intervals say how
    much that leaves open. Service counts in the month in which it was called for.
    """
    robots = robot_months(work_day, accuracy_day, service_lines, dim_robot)
    grain = [*VARIANT, "month"]
    sums = [
        F.sum(F.col(a).cast(FACTOR) * F.col(b).cast(FACTOR)).cast("decimal(38,8)").alias(f"{e.y}_{how}")
        for e in ESTIMATES
        for how, a, b in (("yy", e.y, e.y), ("xy", e.x, e.y), ("xx", e.x, e.x))
    ]
    groups = (
        robots.withColumn("variant", F.explode(told_apart()))
        .drop(*VARIANT)
        .select("variant.*", "*")
        .groupBy(*grain)
        .agg(
            F.count("*").alias("robots"),
            F.count("tested").alias("robots_tested"),
            *[F.sum(c).alias(c) for c in ("cycles", "logged", "payload", "failures", "cost", "downtime")],
            *[F.sum(c).alias(c) for c in ("error_mm", "drift_mm", "tested")],
            F.min("currency").alias("currency"),
            F.max("currency_last").alias("currency_last"),
            *sums,
        )
        .withColumn("remark", F.when(F.col("robots") < TOO_FEW, "too few"))
    )
    failures = per_million("failures", "cycles")
    estimated = {name: value for e in ESTIMATES for name, value in values(e).items()}
    single = F.col("currency") == F.col("currency_last")
    several = F.coalesce(~single, F.lit(False))
    rated = groups.withColumns(
        {
            **{f"failures_per_million{end}": v for end, v in zip(ENDS, failures, strict=True)},
            **{n: F.when(several, None).otherwise(v) if n.startswith("service_cost") else v
               for n, v in estimated.items()},
            "payload_mean_kg": F.try_divide("payload", F.nullif("logged", F.lit(0))).cast("decimal(18,3)"),
        }
    )  # fmt: skip
    kind = [F.col(c) == ANY for c in VARIANT]
    rank = F.rank().over(Window.partitionBy("month", *kind, "remark").orderBy("failures_per_million"))
    is_ranked = F.col("remark").isNull() & F.col("failures_per_million").isNotNull()
    return rated.select(
        *grain,
        "robots",
        "cycles",
        "payload_mean_kg",
        band().alias("payload_band"),
        "robots_tested",
        *[f"{name}{end}" for name in ("position_error_mm", "drift_mm") for end in ENDS],
        "failures",
        *[f"failures_per_million{end}" for end in ENDS],
        F.when(single, F.col("currency")).alias("currency"),
        *[f"{name}{end}" for name in ("service_cost_per_1000", "downtime_per_1000") for end in ENDS],
        F.when(is_ranked, rank).alias("failure_rank"),
        "remark",
    )


def values(of: Estimate) -> dict[str, Expression]:
    """The estimate and both ends of its interval, by name of the column."""
    y, x = F.col(of.y), F.nullif(F.col(of.x), F.lit(0))
    low, high = ratio(F.col(of.units), y, x, *[F.col(f"{of.y}_{how}") for how in ("yy", "xy", "xx")])
    found = (F.try_divide(y.cast("double"), x), low, high)
    return {f"{of.name}{e}": (of.scale * v).try_cast(of.kind) for e, v in zip(ENDS, found, strict=True)}


def told_apart() -> Expression:
    """The variants that a robot counts for: itself, each of its columns alone, and all robots together."""
    whole = F.struct(*VARIANT)
    alone = [F.struct(*[(F.col(c) if c == kept else F.lit(ANY)).alias(c) for c in VARIANT]) for kept in VARIANT]
    return F.array(whole, *alone, F.struct(*[F.lit(ANY).alias(c) for c in VARIANT]))


def band() -> Expression:
    """The band of a mean payload."""
    found = F.when(F.col("payload_mean_kg").isNull(), None)
    for highest, name in BANDS:
        found = found.when(F.col("payload_mean_kg") <= highest, name)
    return found.otherwise(HEAVIER)


def robot_months(
    work_day: DataFrame, accuracy_day: DataFrame, service_lines: DataFrame, dim_robot: DataFrame
) -> DataFrame:
    """One row per robot and month in which it worked, with its variant at the end of the month."""
    place = ["serial", "month"]
    worked = work_day.groupBy("serial", month("day")).agg(
        F.sum("cycles").alias("cycles"),
        F.sum("logged").alias("logged"),
        F.sum(F.col("payload_mean_kg") * F.col("logged")).alias("payload"),
    )
    tests = accuracy_day.groupBy("serial", month("on")).agg(
        F.lit(1).alias("tested"),
        *[
            F.try_divide(F.sum(F.col("poses") * F.col(name)), F.sum("poses")).cast("decimal(18,4)").alias(short)
            for name, short in (("position_error_mean_mm", "error_mm"), ("drift_mm", "drift_mm"))
        ],
    )
    called = service_lines.groupBy("serial", month(F.to_date("opened_at"))).agg(
        F.count_if("is_failure").alias("failures"),
        F.sum("cost").alias("cost"),
        F.sum("downtime_minutes").alias("downtime"),
        F.min(F.when(F.col("cost").isNotNull(), F.col("currency"))).alias("currency"),
        F.max(F.when(F.col("cost").isNotNull(), F.col("currency"))).alias("currency_last"),
    )
    known = (
        worked.join(tests, on=place, how="left")
        .join(called, on=place, how="left")
        .withColumns({c: F.coalesce(c, F.lit(0)) for c in ("failures", "cost", "downtime")})
    )
    version = F.struct("valid_from", F.struct(*VARIANT).alias("of"))
    versions = dim_robot.groupBy("serial").agg(F.array_sort(F.collect_list(version)).alias("versions"))
    past = F.filter(F.col("versions"), lambda v: v["valid_from"] < F.add_months("month", 1))
    variant = F.coalesce(F.get(past, F.size(past) - 1), F.get("versions", F.lit(0)))["of"]
    named = [F.coalesce(variant[c], F.lit(NONE)).alias(c) for c in VARIANT]
    return known.join(versions, on="serial", how="inner").select("*", *named).drop("versions")


def month(day: Expression | str) -> Expression:
    return F.to_date(F.trunc(day, "month")).alias("month")
