"""What is at a place, on its way to it, or promised away: the supply side of a stock position.

A place is an item at a site; the site `*` stands for the company as a whole.
"""

from datetime import date
from functools import reduce

from pyspark.sql import Column as Expression
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lake.core.transforms import latest_by
from lake.warehouse.gold import PLACE, QUANTITY

COMPANY = "*"
"""The site of a row that speaks for all sites together."""
HISTORY_DAYS = 365
INSPECTION_DAYS = 3
"""Incoming inspection takes no longer: what nobody has judged by then was let through."""
AMOUNTS = ("on_hand", "blocked", "in_inspection", "ordered", "on_order", "overdue", "in_transfer")


def holding(facts: list[DataFrame]) -> DataFrame:
    """One row per place of which any of the `facts` tells something, and per item for the company.

    Besides the sums of AMOUNTS: since, through (of the stock; null where none ever was), order_up_to (of the company,
    if one is set wherever there is stock), `free` (on hand, and neither blocked, in inspection nor ordered), `to_build`
    (ordered beyond what is free to ship) and `build_at` (where the item was last built, else is most to be shipped).
    """
    together = reduce(lambda one, other: one.unionByName(other, allowMissingColumns=True), facts)
    of_site = together.groupBy(*PLACE).agg(
        *[_sum(c) for c in AMOUNTS],
        *[F.max(c).alias(c) for c in ("through", "built_on", "order_up_to")],
        F.min("since").alias("since"),
    )
    limit = F.when(F.col("since").isNotNull(), F.col("order_up_to"))
    last_built = F.max(F.when(F.col("built_on").isNotNull(), F.struct("built_on", "at")))["at"]
    most_ordered = F.max(F.when(F.col("ordered") > 0, F.struct("ordered", "at")))["at"]
    both = of_site.select("*", F.col("site").alias("at"), limit.alias("limit"))
    on_shelf = F.col("on_hand") - F.col("blocked")
    return (
        for_both(both)
        .groupBy(*PLACE)
        .agg(
            *[_sum(c) for c in AMOUNTS],
            F.max("through").alias("through"),
            F.min("since").alias("since"),
            F.when(F.count("limit") == F.count("since"), F.sum("limit")).alias("order_up_to"),
            F.coalesce(last_built, most_ordered).alias("build_at"),
        )
        .withColumn("free", on_shelf - F.col("in_inspection") - F.col("ordered"))
        .withColumn("to_build", F.col("ordered") - F.greatest(on_shelf, F.lit(0)))
    )


def for_both(rows: DataFrame) -> DataFrame:
    """Each row twice: for its site, and for the company as a whole."""
    return rows.withColumn("site", F.explode(F.array(F.col("site"), F.lit(COMPANY))))


def _sum(name: str) -> Expression:
    return F.coalesce(F.sum(name), F.lit(0)).cast(QUANTITY).alias(name)


def on_hand(stock_day: DataFrame, as_of: date) -> DataFrame:
    """One row per item and site: the balances at the end of the last day of stock until `as_of`, which is `through`."""
    until = stock_day.where((F.col("day") <= F.lit(as_of)) & F.col("since").isNotNull())
    through = until.agg(F.max("day").alias("day"))
    return until.join(F.broadcast(through), on="day", how="inner").select(
        *PLACE, F.col("closing").alias("on_hand"), "blocked", "since", F.col("day").alias("through")
    )


def last_built(stock_change_day: DataFrame) -> DataFrame:
    """One row per item, site and day on which it was built there."""
    return stock_change_day.where("built > 0").select(*PLACE, F.col("day").alias("built_on"))


def in_inspection(receipts: DataFrame, inspections: DataFrame, fct_order_line: DataFrame, as_of: date) -> DataFrame:
    """One row per receipt of the last days that no inspection has judged yet."""
    came_on = F.to_date("received_at")
    recent = (came_on > F.date_sub(F.lit(as_of), INSPECTION_DAYS)) & (came_on <= F.lit(as_of))
    judged = inspections.where(F.to_date("inspected_at") <= F.lit(as_of)).select("receipt_id")
    unjudged = receipts.where(recent).join(judged, on="receipt_id", how="left_anti")
    lines = fct_order_line.select("order_id", "line", F.col("part_id").alias("item_id"))
    return unjudged.join(lines, on=["order_id", "line"], how="inner").select(
        *PLACE, F.col("quantity").alias("in_inspection")
    )


def in_transfer(movements: DataFrame) -> DataFrame:
    """One row per transfer that a site sent and of which not all is known to have arrived elsewhere."""
    is_out = F.col("kind") == "transfer_out"
    return (
        movements.where("kind IN ('transfer_out', 'transfer_in') AND reference_id IS NOT NULL")
        .groupBy("item_id", "reference_id")
        .agg(
            F.max(F.when(is_out, F.col("site"))).alias("site"),
            F.sum(F.when(is_out, F.col("quantity")).otherwise(-F.col("quantity"))).alias("in_transfer"),
        )
        .where("site IS NOT NULL AND in_transfer > 0")
        .select(*PLACE, "in_transfer")
    )


def on_order(fct_order_line: DataFrame, as_of: date) -> DataFrame:
    """One row per open purchase-order line: what the supplier still owes, and whether past its last promise."""
    is_overdue = F.col("promised_last") < F.lit(as_of)
    return fct_order_line.where("is_open").select(
        F.col("part_id").alias("item_id"),
        F.col("ship_to_site").alias("site"),
        F.col("quantity_open").alias("on_order"),
        F.when(is_overdue, F.col("quantity_open")).alias("overdue"),
    )


def ordered(sales_lines: DataFrame) -> DataFrame:
    """One row per sales line: what a customer has ordered and not yet got."""
    return sales_lines.where("shipped_at IS NULL AND status <> 'cancelled' AND quantity > 0").select(
        "item_id", F.col("ship_from_site").alias("site"), F.col("quantity").alias("ordered")
    )


def planned(planning_parameters: DataFrame) -> DataFrame:
    """One row per item and site: as much as the planner wants there at most."""
    return planning_parameters.select(*PLACE, "order_up_to")


def lead_times(fct_order_line: DataFrame, supplier_parts: DataFrame, as_of: date) -> DataFrame:
    """One row per bought item: median days to receipts of the last 365 days, else the longest a supplier quotes."""
    today = F.lit(as_of)
    is_recent = F.col("first_received_on").between(F.date_sub(today, HISTORY_DAYS), today)
    taken = (
        fct_order_line.where(is_recent)
        .groupBy(F.col("part_id").alias("item_id"))
        .agg(F.ceil(F.percentile("lead_time_days", 0.5)).cast("int").alias("taken"))
    )
    stated = supplier_parts.where(F.col("known_on") <= today)
    quoted = (
        latest_by(stated, key=["supplier_id", "part_id"], newest=["known_on"])
        .where("status = 'active' AND coalesce(approved, true)")
        .groupBy(F.col("part_id").alias("item_id"))
        .agg(F.max("quoted_lead_time_days").alias("quoted"))
    )
    return taken.join(quoted, on="item_id", how="full").select(
        "item_id", F.coalesce("taken", "quoted").alias("lead_time_days")
    )
