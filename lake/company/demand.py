"""What was needed at a place, day by day, and how much that is over the time until new stock can be there."""

from datetime import date
from functools import reduce

from pyspark.sql import Column as Expression
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lake.company.places import COMPANY, HISTORY_DAYS
from lake.warehouse.gold import PLACE, QUANTITY

WINDOW_STEP_DAYS = 7


def needed(stock_change_day: DataFrame, sales_lines: DataFrame, demand_month: DataFrame, as_of: date) -> DataFrame:
    """One row per place and day until `as_of` on which something was needed there; `on` is the day as it was told.

    Needed is what was issued, ordered by a customer, or sent elsewhere; what one site sends to another is no demand on
    the company. Months that somebody told are rows also if they say 0, or (null) that there was some, not how much.
    """
    issued = stock_change_day.select("item_id", _both("site"), "day", F.col("issued").alias("demand"))
    sent = stock_change_day.select("item_id", F.array("site").alias("sites"), "day", "transferred_out")
    sold = sales_lines.where("status <> 'cancelled' AND quantity > 0").select(
        "item_id", _both("ship_from_site"), F.to_date("ordered_at").alias("day"), F.col("quantity").alias("demand")
    )
    told = [issued, sent.withColumnRenamed("transferred_out", "demand"), sold]
    daily = reduce(DataFrame.unionByName, told).where("demand > 0").withColumn("on", F.col("day"))
    return (
        daily.unionByName(monthly(demand_month, as_of))
        .where(F.col("day") <= F.lit(as_of))
        .withColumn("site", F.explode("sites"))
        .groupBy(*PLACE, "day", "on")
        .agg(F.sum("demand").alias("demand"))
    )


def _both(site: str) -> Expression:
    return F.array(F.col(site), F.lit(COMPANY)).alias("sites")


def monthly(demand_month: DataFrame, as_of: date) -> DataFrame:
    """One row per item and month of which nobody told the single days: needed by the company on the month's last day.

    Such a history ends when it was handed over, not today: its days are moved so that the last month that its system
    knows ends on `as_of`.
    """
    sums = demand_month.where("lines IS NULL")
    ends = sums.groupBy("source_system").agg(F.last_day(F.max("month")).alias("end"))
    on = F.last_day("month")
    return sums.join(F.broadcast(ends), on="source_system", how="inner").select(
        "item_id",
        F.array(F.lit(COMPANY)).alias("sites"),
        F.date_add(on, F.datediff(F.lit(as_of), "end")).alias("day"),
        "demand",
        on.alias("on"),
    )


def windows() -> Expression:
    """How many windows of `protection_days` lie in the last 365 of the `seen_days`, a week apart; 0 or less: none."""
    spare_days = F.least(F.lit(HISTORY_DAYS), "seen_days") - F.col("protection_days")
    return F.floor(spare_days / WINDOW_STEP_DAYS) + 1


def over_protection(places: DataFrame, demand: DataFrame, as_of: date) -> DataFrame:
    """One row per place with demand: exact quantiles of the demand over its `protection_days`.

    They are taken over the sums of all `windows` of that length that end on `as_of` or whole weeks before it. Windows
    in which nothing was needed count as zero; where that is all of them there is no row.
    """
    age = F.datediff(F.lit(as_of), "day")
    newest = F.floor(age / WINDOW_STEP_DAYS)
    oldest = F.greatest(F.ceil((age - F.col("protection_days") + 1) / WINDOW_STEP_DAYS), F.lit(0))
    sums = (
        demand.where("demand > 0")
        .join(places.select(*PLACE, "protection_days", "windows"), on=PLACE, how="inner")
        .withColumn("newest", F.least(newest, F.col("windows") - 1))
        .withColumn("oldest", oldest)
        .where("oldest <= newest")
        .withColumn("window", F.explode(F.sequence("oldest", "newest")))
        .groupBy(*PLACE, "windows", "window")
        .agg(F.sum("demand").cast("double").alias("needed"))
        .groupBy(*PLACE, "windows")
        .agg(F.array_sort(F.collect_list("needed")).alias("sums"))
    )
    return sums.select(
        *PLACE,
        quantile(F.col("sums"), F.col("windows"), 0.5).cast(QUANTITY).alias("demand_p50"),
        quantile(F.col("sums"), F.col("windows"), 0.9).cast(QUANTITY).alias("demand_p90"),
    )


def quantile(values: Expression, times: Expression, share: float) -> Expression:
    """The quantile, linear between its neighbours, of `times` values: the sorted ones given, and before them zeros."""
    place = (times - 1) * F.lit(share)
    below, above = F.floor(place), F.ceil(place)

    def at(number: Expression) -> Expression:
        return F.coalesce(F.get(values, (number - times + F.size(values)).cast("int")), F.lit(0.0))

    between = (above - place) * at(below) + (place - below) * at(above)
    return F.when(below == above, at(below)).otherwise(between)
