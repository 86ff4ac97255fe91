"""Lead times in two clocks: what had happened, and been told, before an order line was placed."""

from __future__ import annotations

from pyspark.sql import Column as Expression
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import DecimalType
from pyspark.sql.window import Window

from lake.supply import gold

LINE = ["order_id", "line"]
LAST = 20
"""How many of the newest known lead times a trailing figure looks at."""
PROMISE_TOLD_WITHIN_DAYS = 7
"""A promise that reached us later may have been rewritten after the fact."""

SCOPES = {
    "supplier_lane": ["supplier_id", "ship_to_site", "transport_mode"],
    "supplier": ["supplier_id"],
    "lane": ["ship_to_site", "transport_mode"],
    "part": ["supplier_id", "part_id"],
    "overall": [],
}
"""Whose lead times are looked back at: name → the columns that an order line shares with them."""

DAYS = DecimalType(9, 2)


def told(records: DataFrame, happened_on: Expression) -> DataFrame:
    """`records` with told_on: the day of delivery, or the day it happened for what a source's first delivery brought.

    The first delivery hands over what the company had long known; anything later was news on the day it came.
    """
    first = Window.partitionBy("source_system")
    is_opening = F.col("known_on") == F.min("known_on").over(first)
    return records.withColumn(
        "told_on", F.when(is_opening, F.least(happened_on, F.col("known_on"))).otherwise(F.col("known_on"))
    )


def placed(order_line_changes: DataFrame) -> DataFrame:
    """One row per line ordered from its maker: what the first word of it said, whatever was said later."""
    first_word = Window.partitionBy(*LINE).orderBy("known_on", "revision")
    placed_on = F.to_date("ordered_at")
    is_prompt = F.datediff("known_on", placed_on) <= PROMISE_TOLD_WITHIN_DAYS
    promised_days = F.when(
        (F.col("source_system") == "erp") & is_prompt, F.greatest(F.datediff("promised_on", placed_on), F.lit(0))
    )
    is_direct = F.coalesce(F.col("route") == "direct", F.lit(True))
    return (
        told(order_line_changes, F.coalesce(placed_on, F.col("known_on")))
        .withColumn("_word", F.row_number().over(first_word))
        .where((F.col("_word") == 1) & F.col("ordered_at").isNotNull() & is_direct)
        .select(
            *LINE,
            "supplier_id",
            "part_id",
            "ship_to_site",
            "transport_mode",
            "quantity",
            "unit_price",
            "currency",
            placed_on.alias("placed_on"),
            promised_days.alias("promised_days"),
            "told_on",
            "source_system",
        )
    )


def observed(lines: DataFrame, receipts: DataFrame) -> DataFrame:
    """One row per line of which something came: its lead time as the first word of a receipt said it, and when."""
    heard = (
        told(receipts, F.to_date("received_at"))
        .groupBy(*LINE)
        .agg(F.min(F.struct("told_on", F.to_date("received_at").alias("received_on"))).alias("word"))
        .select(*LINE, "word.*")
    )
    line = lines.select(*LINE, "placed_on", F.col("told_on").alias("_placed_told"), *_shared())
    return (
        line.join(heard, on=LINE, how="inner")
        .withColumn("days", F.datediff("received_on", "placed_on"))
        .withColumn("known_on", F.greatest("told_on", "received_on", "_placed_told"))
        .select(*LINE, *_shared(), "days", "known_on")
    )


def looked_back(lines: DataFrame, arrivals: DataFrame) -> DataFrame:
    """One row per line: in each scope, figures over the lead times that were known before the day it was placed."""
    asked = lines.select(*LINE, *_shared(), F.col("placed_on").alias("day"), F.lit(0).alias("is_known"), _no_days())
    known = arrivals.where("days >= 0").select(
        *LINE, *_shared(), F.col("known_on").alias("day"), F.lit(1).alias("is_known"), "days"
    )
    scopes = F.array(*[_scope(name, shared) for name, shared in SCOPES.items()])
    # on one day the questions stand before the arrivals: what became known on the order's day is not in its row
    order = ["day", "is_known", *LINE]
    events = asked.unionByName(known).withColumn("scope", F.explode(scopes)).select("*", "scope.*").drop("scope")
    in_scope = Window.partitionBy("name", "key")
    so_far = in_scope.orderBy(*order).rowsBetween(Window.unboundedPreceding, 0)
    of_known = Window.partitionBy("name", "key", "is_known").orderBy(*order).rowsBetween(1 - LAST, 0)
    states = (
        events.withColumn("window", F.array_sort(F.collect_list("days").over(of_known)))
        .withColumn("count", F.sum("is_known").over(so_far))
        .withColumn("state", F.when(F.col("is_known") == 1, F.struct("count", "day", "window")))
        .withColumn("state", F.max("state").over(so_far))
        .where("is_known = 0")
    )
    window, size = F.col("state.window"), F.size("state.window")
    low, high = (
        F.element_at(window, F.expr("div(size(state.window) + 1, 2)").cast("int")),
        F.element_at(window, F.expr("div(size(state.window), 2) + 1").cast("int")),
    )
    total = F.aggregate(window, F.lit(0), lambda so_far, days: so_far + days)
    rank = F.ceil(size * F.lit(9) / F.lit(10)).cast("int")
    figures = F.struct(
        ((low + high).cast(DAYS) / 2).cast(DAYS).alias("median"),
        (total.cast(DAYS) / size).cast(DAYS).alias("mean"),
        F.element_at(window, rank).cast(DAYS).alias("p90"),
        F.col("state.count").alias("known"),
        F.datediff("day", "state.day").alias("age"),
    )
    by_scope = states.select(*LINE, "name", F.when(F.col("state").isNotNull(), figures).alias("figures"))
    wide = by_scope.groupBy(*LINE).agg(
        *[F.max(F.when(F.col("name") == scope, F.col("figures"))).alias(scope) for scope in SCOPES]
    )
    named = [("median", "median"), ("mean", "mean"), ("p90", "p90"), ("known", "known"), ("age", "age")]
    return wide.select(
        *LINE, *[F.col(f"{scope}.{field}").alias(f"{scope}_{name}") for scope in SCOPES for field, name in named]
    )


def quoted(lines: DataFrame, supplier_parts: DataFrame) -> DataFrame:
    """One row per line: the lead time that its agreement quoted in the last word of it before the line was placed."""
    pair = ["supplier_id", "part_id"]
    asked = lines.select(
        *pair, *LINE, F.col("placed_on").alias("day"), F.lit(0).alias("is_quote"), _no_days("quoted_days")
    )
    said = supplier_parts.where(F.col("quoted_lead_time_days").isNotNull()).select(
        *pair,
        F.lit(None).cast("string").alias("order_id"),
        F.lit(None).cast("int").alias("line"),
        F.col("known_on").alias("day"),
        F.lit(1).alias("is_quote"),
        F.col("quoted_lead_time_days").alias("quoted_days"),
    )
    so_far = Window.partitionBy(*pair).orderBy("day", "is_quote", *LINE).rowsBetween(Window.unboundedPreceding, 0)
    newest = F.max(F.when(F.col("is_quote") == 1, F.struct("day", "quoted_days"))).over(so_far)
    return (
        asked.unionByName(said)
        .withColumn("newest", newest)
        .where("is_quote = 0")
        .select(*LINE, F.col("newest.quoted_days").alias("quoted_days"))
    )


def waiting_lines(lines: DataFrame, arrivals: DataFrame, order_line_changes: DataFrame) -> DataFrame:
    """One row per line: how many lines of its supplier were waited for on the evening before it was placed."""
    given_up = (
        told(order_line_changes, F.to_date("changed_at"))
        .where(F.col("status").isin(*gold.NO_LONGER_WAITED_FOR))
        .groupBy(*LINE)
        .agg(F.min("told_on").alias("given_up_on"))
    )
    begun = lines.select("supplier_id", *LINE, "placed_on", F.greatest("placed_on", "told_on").alias("from_on"))
    span = (
        begun.join(arrivals.select(*LINE, F.col("known_on").alias("arrived_on")), on=LINE, how="left")
        .join(given_up, on=LINE, how="left")
        .withColumn("ended_on", F.least("arrived_on", "given_up_on"))
        .withColumn("until_on", F.when(F.col("ended_on").isNotNull(), F.greatest("ended_on", "from_on")))
    )
    asked = span.select(
        "supplier_id", *LINE, F.col("placed_on").alias("day"), F.lit(0).alias("turn"), F.lit(0).alias("step")
    )
    added = span.select(
        "supplier_id", *LINE, F.col("from_on").alias("day"), F.lit(1).alias("turn"), F.lit(1).alias("step")
    )
    ended = span.where("until_on IS NOT NULL").select(
        "supplier_id", *LINE, F.col("until_on").alias("day"), F.lit(1).alias("turn"), F.lit(-1).alias("step")
    )
    until_now = (
        Window.partitionBy("supplier_id")
        .orderBy("day", "turn", *LINE, "step")
        .rowsBetween(Window.unboundedPreceding, Window.currentRow)
    )
    return (
        asked.unionByName(added)
        .unionByName(ended)
        .withColumn("open_lines", F.sum("step").over(until_now))
        .where("turn = 0")
        .select(*LINE, "open_lines")
    )


def labelled(lines: DataFrame, fct_order_line: DataFrame, receipts: DataFrame) -> DataFrame:
    """One row per line: how long it took, when that became known, and whether it is still waited for."""
    heard = (
        told(receipts, F.to_date("received_at"))
        .groupBy(*LINE)
        .agg(F.min(F.struct(F.to_date("received_at").alias("received_on"), "told_on")).alias("earliest"))
        .select(*LINE, F.greatest("earliest.received_on", "earliest.told_on").alias("receipt_told_on"))
    )
    days = F.when(F.col("lead_time_days") >= 0, F.col("lead_time_days"))
    is_waiting = F.col("is_open") & F.col("first_received_on").isNull()
    return (
        lines.select(*LINE, F.col("told_on").alias("line_told_on"))
        .join(fct_order_line.select(*LINE, "lead_time_days", "is_open", "first_received_on"), on=LINE, how="inner")
        .join(heard, on=LINE, how="left")
        .select(
            *LINE,
            days.alias("lead_time_days"),
            F.when(days.isNotNull(), F.greatest("receipt_told_on", "line_told_on")).alias("known_on"),
            is_waiting.alias("is_waiting"),
        )
    )


def _shared() -> list[str]:
    """Every column that some scope shares."""
    return ["supplier_id", "part_id", "ship_to_site", "transport_mode"]


def _scope(name: str, shared: list[str]) -> Expression:
    key = F.to_json(F.array(*[F.coalesce(F.col(c), F.lit("")) for c in shared])) if shared else F.lit("[]")
    return F.struct(F.lit(name).alias("name"), key.alias("key"))


def _no_days(name: str = "days") -> Expression:
    return F.lit(None).cast("int").alias(name)
