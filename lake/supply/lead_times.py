"""Lead times in two clocks: what had happened, and been told, before an order line was placed."""

from __future__ import annotations

from pyspark.sql import Column as Expression
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import DecimalType
from pyspark.sql.window import Window

from lake.supply.silver import LINE

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


def placed(order_line_told: DataFrame) -> DataFrame:
    """One row per line ordered from its maker: what its first word said, and since when what was known of it.

    `days` is the lead time by the receipt that was told first, known since arrival_known_on; the label is by the
    earliest receipt, which may have been told later.
    """
    opening = order_line_told.groupBy("source_system").agg(
        F.min("known_on").alias("_opening"), F.min("heard_of_known_on").alias("_opening_of_receipts")
    )
    is_prompt = F.datediff("known_on", "placed_on") <= PROMISE_TOLD_WITHIN_DAYS
    promised_days = F.when(
        (F.col("source_system") == "erp") & is_prompt, F.greatest(F.datediff("promised_on", "placed_on"), F.lit(0))
    )
    told_on = _told("placed_on", "known_on", "_opening")
    heard_on = _told("heard_of_on", "heard_of_known_on", "_opening_of_receipts")
    received_on = _told("received_on", "received_known_on", "_opening_of_receipts")
    was_heard = F.col("heard_of_on").isNotNull()
    is_direct = F.coalesce(F.col("route") == "direct", F.lit(True))
    return (
        order_line_told.where("placed_on IS NOT NULL")
        .where(is_direct)
        .join(F.broadcast(opening), on="source_system", how="left")
        .select(
            *LINE,
            *_shared(),
            "quantity",
            "unit_price",
            "currency",
            "placed_on",
            promised_days.alias("promised_days"),
            told_on.alias("told_on"),
            F.datediff("heard_of_on", "placed_on").alias("days"),
            F.when(was_heard, F.greatest(heard_on, "heard_of_on", told_on)).alias("arrival_known_on"),
            F.greatest("received_on", received_on, told_on).alias("label_known_on"),
            _told("given_up_on", "given_up_known_on", "_opening").alias("given_up_on"),
            "source_system",
        )
    )


def _told(happened_on: str, known_on: str, opening: str) -> Expression:
    """The day of delivery, or the day it happened for what a source's first delivery brought.

    The first delivery hands over what the company had long known; anything later was news on the day it came.
    """
    return F.when(F.col(known_on) == F.col(opening), F.least(happened_on, known_on)).otherwise(F.col(known_on))


def looked_back(lines: DataFrame) -> DataFrame:
    """One row per line: in each scope, figures over the lead times that were known before the day it was placed."""
    scopes = F.explode(F.array(*[_scope(name, shared) for name, shared in SCOPES.items()])).alias("scope")
    by_arrival = Window.partitionBy("hash", "key").orderBy("day", *LINE)
    known = (
        lines.where("days >= 0")
        .select(*LINE, F.col("arrival_known_on").alias("day"), "days", scopes)
        .select("*", "scope.*")
        .withColumn("turn", F.row_number().over(by_arrival))
        .withColumn("next", F.lead("day").over(by_arrival))
        .withColumn("last", F.array_sort(F.collect_list("days").over(by_arrival.rowsBetween(1 - LAST, 0))))
        .where("next IS NULL OR next > day")  # whoever looks back sees all of a day or nothing of it
        .select("hash", "key", "name", "day", "turn", _figures().alias("state"), *_no_line())
    )
    asked = lines.select(F.col("placed_on").alias("day"), scopes, *LINE).select(
        "scope.*", "day", F.lit(0).alias("turn"), F.lit(None).alias("state"), *LINE
    )
    # on one day the questions stand before the arrivals: what became known on the order's day is not in its row
    so_far = Window.partitionBy("hash", "key").orderBy("day", "turn").rowsBetween(Window.unboundedPreceding, 0)
    by_scope = known.unionByName(asked).withColumn("state", F.max("state").over(so_far)).where("turn = 0")
    found = by_scope.withColumn("age", F.datediff("day", "state.day")).select(*LINE, "name", "state.*", "age")

    def of(scope: str, figure: str) -> Expression:
        return F.max(F.when(F.col("name") == scope, F.col(figure))).alias(f"{scope}_{figure}")

    named = ("median", "mean", "p90", "known", "age")
    return found.groupBy(*LINE).agg(*[of(scope, figure) for scope in SCOPES for figure in named])


def _figures() -> Expression:
    """Figures of the lead times in `last`, sorted: the newest of `turn` that are known, by which they are ordered."""
    last, size = F.col("last"), F.size("last")
    low = F.element_at(last, F.floor((size + 1) / 2).cast("int"))
    high = F.element_at(last, F.floor(size / 2).cast("int") + 1)
    total = F.aggregate(last, F.lit(0), lambda so_far, days: so_far + days)
    rank = F.ceil(size * F.lit(9) / F.lit(10)).cast("int")
    return F.struct(
        F.col("turn").cast("bigint").alias("known"),
        ((low + high).cast(DAYS) / 2).cast(DAYS).alias("median"),
        (total.cast(DAYS) / size).cast(DAYS).alias("mean"),
        F.element_at(last, rank).cast(DAYS).alias("p90"),
        "day",
    )


def quoted(lines: DataFrame, supplier_parts: DataFrame) -> DataFrame:
    """One row per line: the lead time that its agreement quoted in the last word of it before the line was placed."""
    pair = ["supplier_id", "part_id"]
    asked = lines.select(
        *pair,
        *LINE,
        F.col("placed_on").alias("day"),
        F.lit(0).alias("is_quote"),
        F.lit(None).cast("int").alias("quoted_days"),
    )
    said = supplier_parts.where(F.col("quoted_lead_time_days").isNotNull()).select(
        *pair,
        *_no_line(),
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


def waiting_lines(lines: DataFrame) -> DataFrame:
    """One row per line: how many lines of its supplier were waited for on the evening before it was placed."""
    ended_on = F.least("arrival_known_on", "given_up_on")
    span = lines.withColumn("from_on", F.greatest("placed_on", "told_on")).withColumn(
        "until_on", F.when(ended_on.isNotNull(), F.greatest(ended_on, "from_on"))
    )

    # on one day the questions stand before what begins and ends on it
    def event(day: str, turn: int, step: int) -> Expression:
        return F.struct(F.col(day).alias("day"), F.lit(turn).alias("turn"), F.lit(step).alias("step"))

    events = F.array(event("placed_on", 0, 0), event("from_on", 1, 1), event("until_on", 1, -1))
    so_far = Window.partitionBy("supplier_id").orderBy("day", "turn").rowsBetween(Window.unboundedPreceding, 0)
    return (
        span.select("supplier_id", *LINE, F.inline(events))
        .where("day IS NOT NULL")
        .withColumn("open_lines", F.sum("step").over(so_far))
        .where("turn = 0")
        .select(*LINE, "open_lines")
    )


def labelled(lines: DataFrame, fct_order_line: DataFrame) -> DataFrame:
    """One row per line: how long it took, when that became known, and whether it is still waited for."""
    days = F.when(F.col("lead_time_days") >= 0, F.col("lead_time_days"))
    is_waiting = F.col("is_open") & F.col("first_received_on").isNull()
    facts = fct_order_line.select(*LINE, "lead_time_days", "is_open", "first_received_on")
    return (
        lines.select(*LINE, "label_known_on")
        .join(facts, on=LINE, how="inner")
        .select(
            *LINE,
            days.alias("lead_time_days"),
            F.when(days.isNotNull(), F.col("label_known_on")).alias("known_on"),
            is_waiting.alias("is_waiting"),
        )
    )


def _shared() -> list[str]:
    """Every column that some scope shares."""
    return ["supplier_id", "part_id", "ship_to_site", "transport_mode"]


def _scope(name: str, shared: list[str]) -> Expression:
    key = F.to_json(F.array(F.lit(name), *[F.coalesce(F.col(c), F.lit("")) for c in shared]))
    # almost every comparison of a sort ends in the hash
    return F.struct(F.xxhash64(key).alias("hash"), key.alias("key"), F.lit(name).alias("name"))


def _no_line() -> list[Expression]:
    return [F.lit(None).cast(kind).alias(name) for name, kind in zip(LINE, ("string", "int"), strict=True)]
