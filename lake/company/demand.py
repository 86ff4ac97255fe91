"""What was needed at a place, day by day, and how much that is over the time until new stock can be there."""

from datetime import date

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import DecimalType

from lake.company.places import COMPANY, HISTORY_DAYS, PLACE, for_both

WINDOW_STEP_DAYS = 7
QUANTITY = DecimalType(18, 3)


def daily(stock_change_day: DataFrame, sales_lines: DataFrame) -> DataFrame:
    """One row per place and day on which something was needed there: issued, ordered by a customer, or sent elsewhere.

    What one site sends to another is no demand on the company.
    """
    issued = for_both(stock_change_day.select(*PLACE, "day", F.col("issued").alias("demand")))
    sent = stock_change_day.select(*PLACE, "day", F.col("transferred_out").alias("demand"))
    sold = for_both(
        sales_lines.where("status <> 'cancelled' AND quantity > 0").select(
            "item_id",
            F.col("ship_from_site").alias("site"),
            F.to_date("ordered_at").alias("day"),
            F.col("quantity").alias("demand"),
        )
    )
    together = issued.unionByName(sent).unionByName(sold).where("demand > 0")
    return together.groupBy(*PLACE, "day").agg(F.sum("demand").alias("demand")).withColumn("on", F.col("day"))


def monthly(demand_month: DataFrame, known_daily: DataFrame, places: DataFrame, as_of: date) -> DataFrame:
    """One row per place and month of items whose demand nobody knows by the day: needed on the month's last day.

    Such a history ends when it was handed over, not today: its days are moved so that the last month that its system
    knows ends on `as_of`; `on` is the day as it was. An item that lies at one site is needed there; of others only the
    company's demand is known.
    """
    ends = demand_month.groupBy("source_system").agg(F.last_day(F.max("month")).alias("end"))
    lying = places.where(F.col("site") != COMPANY).groupBy("item_id")
    sites = lying.agg(F.count("*").alias("sites"), F.min("site").alias("site")).join(
        known_daily.select("item_id").distinct(), on="item_id", how="left_anti"
    )
    where = F.when(F.col("sites") == 1, F.array("site", F.lit(COMPANY))).otherwise(F.array(F.lit(COMPANY)))
    on = F.last_day("month")
    return (
        demand_month.where("demand > 0")
        .join(F.broadcast(ends), on="source_system", how="inner")
        .join(sites, on="item_id", how="inner")
        .select(
            "item_id",
            F.explode(where).alias("site"),
            F.date_add(on, F.datediff(F.lit(as_of), "end")).alias("day"),
            "demand",
            on.alias("on"),
        )
    )


def over_protection(places: DataFrame, demand: DataFrame, as_of: date) -> DataFrame:
    """One row per place: exact quantiles of the demand over its `protection_days`.

    They are taken over the sums of all windows of that length that end on `as_of` or whole weeks before it, and lie in
    the last 365 days and after the first movement or demand. Windows in which nothing was needed count as zero.
    """
    today = F.lit(as_of)
    spare_days = F.least(F.lit(HISTORY_DAYS), "seen_days") - F.col("protection_days")
    count = F.floor(spare_days / WINDOW_STEP_DAYS) + 1
    windows = places.select(*PLACE, "protection_days", count.alias("windows")).where("windows > 0")
    age = F.datediff(today, "day")
    newest = F.floor(age / WINDOW_STEP_DAYS)
    oldest = F.greatest(F.ceil((age - F.col("protection_days") + 1) / WINDOW_STEP_DAYS), F.lit(0))
    sums = (
        demand.join(windows, on=PLACE, how="inner")
        .withColumn("newest", F.least(newest, F.col("windows") - 1))
        .withColumn("oldest", oldest)
        .where("oldest <= newest")
        .withColumn("window", F.explode(F.sequence("oldest", "newest")))
        .groupBy(*PLACE, "window")
        .agg(F.sum("demand").alias("needed"), F.lit(1).cast("long").alias("times"))
        .drop("window")
    )
    idle = (
        windows.join(sums.groupBy(*PLACE).agg(F.count("*").alias("busy")), on=PLACE, how="left")
        .select(*PLACE, F.lit(0).alias("needed"), (F.col("windows") - F.coalesce("busy", F.lit(0))).alias("times"))
        .where("times > 0")
    )
    return (
        sums.unionByName(idle)
        .groupBy(*PLACE)
        .agg(
            F.percentile("needed", 0.5, F.col("times")).cast(QUANTITY).alias("demand_p50"),
            F.percentile("needed", 0.9, F.col("times")).cast(QUANTITY).alias("demand_p90"),
        )
    )
