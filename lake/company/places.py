"""What is at a place, on its way to it, or promised away: the supply side of a stock position.

A place is an item at a site; the site `*` stands for the company as a whole.
"""

from datetime import date

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lake.core.transforms import latest_by

COMPANY = "*"
"""The site of a row that speaks for all sites together."""
PLACE = ["item_id", "site"]
HISTORY_DAYS = 365
INSPECTION_DAYS = 3
"""Incoming inspection takes no longer: what nobody has judged by then was let through."""


def for_both(rows: DataFrame) -> DataFrame:
    """Each row twice: for its site, and for the company as a whole."""
    return rows.withColumn("site", F.explode(F.array(F.col("site"), F.lit(COMPANY))))


def on_hand(stock_day: DataFrame, as_of: date) -> DataFrame:
    """One row per place: the balances at the end of the last day of stock until `as_of`, which is `through`."""
    until = stock_day.where((F.col("day") <= F.lit(as_of)) & F.col("since").isNotNull())
    through = until.agg(F.max("day").alias("day"))
    return (
        for_both(until.join(F.broadcast(through), on="day", how="inner"))
        .groupBy(*PLACE)
        .agg(
            F.sum("closing").alias("on_hand"),
            F.sum("blocked").alias("blocked"),
            F.min("since").alias("since"),
            F.max("day").alias("through"),
        )
    )


def in_inspection(receipts: DataFrame, inspections: DataFrame, fct_order_line: DataFrame, as_of: date) -> DataFrame:
    """One row per place: what suppliers brought in the last days and no inspection has judged yet."""
    came_on = F.to_date("received_at")
    recent = (came_on > F.date_sub(F.lit(as_of), INSPECTION_DAYS)) & (came_on <= F.lit(as_of))
    judged = inspections.where(F.to_date("inspected_at") <= F.lit(as_of)).select("receipt_id")
    unjudged = receipts.where(recent).join(judged, on="receipt_id", how="left_anti")
    lines = fct_order_line.select("order_id", "line", F.col("part_id").alias("item_id"))
    return (
        for_both(unjudged.join(lines, on=["order_id", "line"], how="inner").select("item_id", "site", "quantity"))
        .groupBy(*PLACE)
        .agg(F.sum("quantity").alias("in_inspection"))
    )


def in_transfer(movements: DataFrame) -> DataFrame:
    """One row per place: what it sent to other sites, of which no arrival under the same reference is known yet."""
    is_out = F.col("kind") == "transfer_out"
    transfers = (
        movements.where("kind IN ('transfer_out', 'transfer_in') AND reference_id IS NOT NULL")
        .groupBy("item_id", "reference_id")
        .agg(
            F.max(F.when(is_out, F.col("site"))).alias("site"),
            F.sum(F.when(is_out, F.col("quantity")).otherwise(-F.col("quantity"))).alias("under_way"),
        )
        .where("site IS NOT NULL AND under_way > 0")
    )
    return for_both(transfers).groupBy(*PLACE).agg(F.sum("under_way").alias("in_transfer"))


def on_order(fct_order_line: DataFrame, as_of: date) -> DataFrame:
    """One row per place: what suppliers still owe, and how much of that is past its last promise."""
    is_overdue = F.col("promised_last") < F.lit(as_of)
    owed = fct_order_line.where("is_open").select(
        F.col("part_id").alias("item_id"),
        F.col("ship_to_site").alias("site"),
        "quantity_open",
        is_overdue.alias("is_overdue"),
    )
    return (
        for_both(owed)
        .groupBy(*PLACE)
        .agg(
            F.sum("quantity_open").alias("on_order"),
            F.coalesce(F.sum(F.when(F.col("is_overdue"), F.col("quantity_open"))), F.lit(0)).alias("overdue"),
        )
    )


def ordered(sales_lines: DataFrame) -> DataFrame:
    """One row per place: what customers have ordered and not yet got."""
    waiting = sales_lines.where("shipped_at IS NULL AND status <> 'cancelled' AND quantity > 0")
    return (
        for_both(waiting.select("item_id", F.col("ship_from_site").alias("site"), "quantity"))
        .groupBy(*PLACE)
        .agg(F.sum("quantity").alias("ordered"))
    )


def planned(planning_parameters: DataFrame, places: DataFrame) -> DataFrame:
    """One row per place with the planner's order-up-to; for the company, if one is set wherever there is stock."""
    of_site = places.where(F.col("site") != COMPANY).select(*PLACE)
    both = for_both(of_site.join(planning_parameters.select(*PLACE, "order_up_to"), on=PLACE, how="left"))
    is_set = F.count("order_up_to") == F.count("*")
    return both.groupBy(*PLACE).agg(F.when(is_set, F.sum("order_up_to")).alias("order_up_to"))


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
