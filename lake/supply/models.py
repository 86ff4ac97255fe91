"""How long an order line will take: what was known when it was placed, and the model that learns from it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import Column as Expression
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import ArrayType, BooleanType, DateType, DecimalType, IntegerType, LongType, StringType

from lake.core.model import ANCHOR, BASELINE, SPREAD, TARGET, Conf, Model
from lake.core.refresh import Full, full
from lake.core.table import Column, Table, table
from lake.supply import gold, silver
from lake.supply.gold_told import order_line_told
from lake.supply.lead_times import DAYS, LAST, SCOPES, labelled, looked_back, placed, quoted, waiting_lines
from lake.supply.silver import LINE

if TYPE_CHECKING:
    from pyspark.ml import Pipeline


def trailing(scope: str) -> list[Column]:
    """The promised columns of one scope."""
    return [
        Column(f"{scope}_median", DAYS, unit="day", doc=f"of the last {LAST} lead times known before the order's day"),
        Column(f"{scope}_mean", DAYS, unit="day"),
        Column(f"{scope}_p90", DAYS, unit="day", doc="nearest rank"),
        Column(f"{scope}_known", LongType(), doc="lead times known before the order's day, of all time"),
        Column(f"{scope}_age", IntegerType(), unit="day", doc="since the last of them became known"),
    ]


@table(
    inputs=[order_line_told, silver.supplier_parts, gold.fct_order_line],
    refresh=full(),
    columns=[
        Column("order_id", StringType(), key=True),
        Column("line", IntegerType(), key=True),
        Column("supplier_id", StringType(), null=False),
        Column("part_id", StringType(), null=False),
        Column("ship_to_site", StringType(), null=False),
        Column("transport_mode", StringType()),
        Column("quantity", DecimalType(14, 3), null=False),
        Column("unit_price", DecimalType(18, 4)),
        Column("currency", StringType(), null=False),
        Column("placed_on", DateType(), null=False),
        Column("month", IntegerType(), null=False, doc="of the year"),
        Column("quarter", IntegerType(), null=False),
        Column("quoted_days", IntegerType(), unit="day", doc="in the agreement as known before the order's day"),
        Column(
            "promised_days", IntegerType(), unit="day", doc="first promise; null if it reached us long after the order"
        ),
        Column(
            "open_lines",
            LongType(),
            null=False,
            check="open_lines >= 0",
            doc="of the supplier, as known the day before",
        ),
        *[column for scope in SCOPES for column in trailing(scope)],
        Column(
            "lead_time_days", IntegerType(), unit="day", check="lead_time_days >= 0", doc="the label; null while open"
        ),
        Column("known_on", DateType(), doc="day on which the label became known"),
        Column("is_waiting", BooleanType(), null=False, doc="nothing has come, and it is still waited for"),
        Column("source_system", StringType(), null=False),
    ],
)
def lead_time_features(order_line_told: DataFrame, supplier_parts: DataFrame, fct_order_line: DataFrame) -> DataFrame:
    """One row per purchase-order line, as it was known when the line was placed.

    Two clocks: what happened on the order's day or later, or was told on it or later, is not in its row.
    """
    lines = placed(order_line_told)
    return (
        lines.join(looked_back(lines), on=LINE, how="left")
        .join(quoted(lines, supplier_parts), on=LINE, how="left")
        .join(waiting_lines(lines), on=LINE, how="left")
        .join(labelled(lines, fct_order_line), on=LINE, how="left")
        .select(
            *LINE,
            "supplier_id",
            "part_id",
            "ship_to_site",
            "transport_mode",
            "quantity",
            "unit_price",
            "currency",
            "placed_on",
            F.month("placed_on").alias("month"),
            F.quarter("placed_on").alias("quarter"),
            "quoted_days",
            "promised_days",
            F.coalesce("open_lines", F.lit(0)).cast("bigint").alias("open_lines"),
            *[c.name for scope in SCOPES for c in trailing(scope)],
            "lead_time_days",
            "known_on",
            F.coalesce("is_waiting", F.lit(False)).alias("is_waiting"),
            "source_system",
        )
    )


def lead_time_prior(rows: DataFrame) -> DataFrame:
    """What trailing figures alone say, in days: the baseline, the anchor the forest corrects, and how wide to be.

    The anchor is the plain mean of three trailing medians: learnt weights did worse than equal ones on real orders.
    """
    supplier_lane = F.coalesce("supplier_lane_median", "supplier_median", "lane_median", "overall_median")
    supplier = F.coalesce("supplier_median", "overall_median")
    lane = F.coalesce("lane_median", "overall_median")
    spread = F.coalesce(
        F.col("supplier_p90") - F.col("supplier_median"), F.col("overall_p90") - F.col("overall_median"), F.lit(0)
    )
    return (
        rows.withColumn(BASELINE, supplier_lane.cast("double"))
        .withColumn(ANCHOR, ((supplier_lane + supplier + lane) / 3).cast("double"))
        .withColumn(SPREAD, (spread + supplier_lane / 4 + 2).cast("double"))
    )


def lead_time_learner(conf: Conf) -> Pipeline:
    """A random forest over the numbers and the hashed words, learning what the anchor misses."""
    from pyspark.ml import Pipeline
    from pyspark.ml.feature import VectorAssembler
    from pyspark.ml.regression import RandomForestRegressor

    forest = RandomForestRegressor(
        featuresCol="inputs",
        labelCol=TARGET,
        numTrees=int(conf["trees"]),
        maxDepth=int(conf["depth"]),
        minInstancesPerNode=int(conf["min_leaf"]),
        maxBins=int(conf["bins"]),
        featureSubsetStrategy="onethird",
        subsamplingRate=1.0,
        seed=int(conf["seed"]),
    )
    return Pipeline(stages=[VectorAssembler(inputCols=["features", "hashed"], outputCol="inputs"), forest])


def lead_time_reasons() -> Expression:
    """What was looked back at, in words, nearest first."""

    def said(text: str, value: str, *more: str) -> Expression:
        shown = F.format_string(text, F.col(value).cast("int"), *[F.col(c).cast("string") for c in more])
        return F.when(F.col(value).isNotNull(), shown)

    return F.array_compact(
        F.array(
            said("supplier on this lane: median %d days (%s known)", "supplier_lane_median", "supplier_lane_known"),
            said("supplier: median %d days (%s known)", "supplier_median", "supplier_known"),
            said("lane: median %d days (%s known)", "lane_median", "lane_known"),
            said("agreement quotes %d days", "quoted_days"),
            said("first promise: %d days", "promised_days"),
            said("%d lines of the supplier open", "open_lines"),
        )
    )


lead_time_score = Table(
    domain="supply",
    layer="gold",
    name="lead_time_score",
    doc="One row per order line waited for on `as_of`: when its first receipt is to be expected, and why.",
    columns=(
        Column("order_id", StringType(), key=True),
        Column("line", IntegerType(), key=True),
        Column("as_of", DateType(), key=True, doc="day from which it is looked"),
        Column("model", StringType(), null=False, doc="id of the model version"),
        Column("served", StringType(), null=False, check="served IN ('model', 'baseline')"),
        Column("placed_on", DateType(), null=False),
        Column("waited_days", IntegerType(), null=False, unit="day"),
        Column("p10_days", DAYS, unit="day", doc="from the order; given that it has not come until as_of"),
        Column("p50_days", DAYS, unit="day", check="p50_days >= p10_days"),
        Column("p90_days", DAYS, unit="day", check="p90_days >= p50_days"),
        Column("p10_on", DateType()),
        Column("p50_on", DateType()),
        Column("p90_on", DateType()),
        Column("reasons", ArrayType(StringType()), null=False),
        Column(
            "in_scope",
            BooleanType(),
            null=False,
            doc="false: nothing comparable was known, or it waits longer than any did",
        ),
    ),
    inputs=(lead_time_features,),
    refresh=Full(),
    owner="supply data owner",
)

lead_time = Model(
    domain="supply",
    name="lead_time",
    doc="Days from an order to its first receipt, forecast when the line is placed.",
    features=lead_time_features,
    scores=lead_time_score,
    label="lead_time_days",
    placed_at="placed_on",
    known_at="known_on",
    waiting="is_waiting",
    together="order_id",
    numbers=(
        "quantity",
        "unit_price",
        "month",
        "quarter",
        "quoted_days",
        "promised_days",
        "open_lines",
        *[c.name for scope in SCOPES for c in trailing(scope)],
    ),
    words=("supplier_id", "ship_to_site", "transport_mode", "part_id"),
    baseline_name=f"median by supplier and lane of what was known then (last {LAST})",
    prior=lead_time_prior,
    learner=lead_time_learner,
    reasons=lead_time_reasons,
    conf={
        "folds": 6,
        "trees": 40,
        "depth": 8,
        "min_leaf": 10,
        "bins": 256,
        "hashes": 64,
        "window": 1500,
        "min_rows": 100,
        "mature_share": 0.8,
        "max_age_days": 30,
        "changed_share": 0.2,
    },
    margin=0.02,
    forbidden=("first_received_on", "completed_on", "promised_last", "late_days_first", "late_days_last"),
    owner="supply data owner",
    limits=(
        "the first receipt, not the completion, of a line",
        "lines from stock and lines without an order date are not looked at",
        "a public set holds delivered lines only, so its newest months look faster than they were",
    ),
)
