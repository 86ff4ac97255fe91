"""What customers wanted, by day and by month."""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import BooleanType, DateType, IntegerType, LongType, StringType
from pyspark.sql.window import Window

from lake.core.refresh import slices
from lake.core.table import Column, table
from lake.warehouse import silver
from lake.warehouse.gold import QUANTITY, quantity, stock_change_day, stock_month


@table(
    inputs=[silver.sales_lines, stock_change_day, stock_month],
    refresh=slices("month", by="day"),
    columns=[
        Column("item_id", StringType(), key=True),
        Column("day", DateType(), key=True),
        quantity("demand", doc="ordered that day by customers and not cancelled; sales taken back count negative"),
        quantity("shipped", doc="left the warehouses that day", check="shipped >= 0"),
        Column("lines", LongType(), null=False, doc="sales lines ordered that day"),
        Column(
            "out_of_stock",
            BooleanType(),
            doc="nothing on any shelf all day: no sale says nothing about demand; null where stock is not tracked",
        ),
    ],
)
def demand_day(sales_lines: DataFrame, stock_change_day: DataFrame, stock_month: DataFrame) -> DataFrame:
    """One row per item and day with an order, a shipment or empty shelves: what customers wanted.

    Empty days are listed up to the last day of their month on which anything was sold or moved.
    """
    key = ["item_id", "day"]
    ordered = (
        sales_lines.where("status <> 'cancelled'")
        .groupBy("item_id", F.to_date("ordered_at").alias("day"))
        .agg(F.sum("quantity").alias("demand"), F.count("*").alias("lines"))
    )
    shipped = stock_change_day.groupBy(*key).agg(
        F.sum("shipped").alias("shipped"),
        F.sum(F.col("quantity_in") + F.greatest("adjusted", F.lit(0))).alias("came"),
    )
    seen = ordered.select("day").unionByName(stock_change_day.select("day"))
    ends = seen.groupBy(F.trunc("day", "month").alias("month")).agg(F.max("day").alias("end"))
    empty = empty_days(stock_month, stock_change_day, ends).withColumn("is_empty", F.lit(True))
    tracked = stock_month.groupBy("item_id", "month").agg(F.min("since").alias("since"))
    is_tracked = F.coalesce(F.col("day") >= F.col("since"), F.lit(False))
    is_empty = F.coalesce("is_empty", F.lit(False)) & (F.coalesce("came", F.lit(0)) == 0)
    return (
        ordered.join(shipped, on=key, how="full")
        .join(empty, on=key, how="full")
        .withColumn("month", F.trunc("day", "month"))
        .join(tracked, on=["item_id", "month"], how="left")
        .select(
            *key,
            F.coalesce("demand", F.lit(0)).cast(QUANTITY).alias("demand"),
            F.coalesce("shipped", F.lit(0)).cast(QUANTITY).alias("shipped"),
            F.coalesce("lines", F.lit(0)).alias("lines"),
            F.when(is_tracked, is_empty).alias("out_of_stock"),
        )
        .where("lines > 0 OR shipped > 0 OR out_of_stock")
    )


def empty_days(stock_month: DataFrame, stock_change_day: DataFrame, ends: DataFrame) -> DataFrame:
    """One row per item and day that began with nothing on any shelf, of the days until each month's `end`."""
    shelf = ["item_id", "site", "month"]
    month = F.trunc("day", "month")
    opened = stock_month.select(*shelf, F.greatest("month", "since").alias("from"), F.col("opening").alias("change"))
    moved = stock_change_day.select("item_id", "site", month.alias("month"), F.date_add("day", 1).alias("from"), "net")
    steps = (
        opened.unionByName(moved.withColumnRenamed("net", "change"))
        .groupBy(*shelf, "from")
        .agg(F.sum("change").alias("change"))
    )
    of_shelf = Window.partitionBy(*shelf).orderBy("from")
    balance = F.sum("change").over(of_shelf.rowsBetween(Window.unboundedPreceding, 0))
    there = F.greatest("balance", F.lit(0))
    of_item = Window.partitionBy("item_id", "month").orderBy("from")
    return (
        steps.withColumn("balance", balance)
        .withColumn("gained", there - F.coalesce(F.lag(there).over(of_shelf), F.lit(0)))
        .groupBy("item_id", "month", "from")
        .agg(F.sum("gained").alias("gained"))
        .withColumn("on_hand", F.sum("gained").over(of_item.rowsBetween(Window.unboundedPreceding, 0)))
        .withColumn("next", F.lead("from").over(of_item))
        .join(ends, on="month", how="inner")
        .withColumn("to", F.least(F.date_sub("next", 1), "end"))
        .where("on_hand = 0 AND from <= to")
        .select("item_id", F.explode(F.sequence("from", "to")).alias("day"))
    )


@table(
    inputs=[silver.sales_lines, demand_day],
    refresh=slices("month", by="month"),
    columns=[
        Column("item_id", StringType(), key=True),
        Column("month", DateType(), key=True, check="day(month) = 1", doc="its first day"),
        Column(
            "demand",
            QUANTITY,
            unit=silver.PIECES,
            check="demand >= 0",
            doc="ordered by customers, or consumed, and not cancelled; null: there was some, nobody knows how much",
        ),
        quantity("returned", doc="taken back; not taken off the demand", check="returned >= 0"),
        Column(
            "lines",
            LongType(),
            doc="sales lines ordered or taken back; null where only the month's sum is known",
            check="lines >= 0",
        ),
        Column(
            "days_out_of_stock",
            IntegerType(),
            unit="day",
            check="days_out_of_stock BETWEEN 0 AND 31",
            doc="days on which no sale says nothing about demand; null where stock is not tracked",
        ),
        silver.SOURCE_SYSTEM,
    ],
)
def demand_month(sales_lines: DataFrame, demand_day: DataFrame) -> DataFrame:
    """One row per item and month with an order or a day without stock: what customers wanted."""
    key = ["item_id", "month"]
    wanted, taken_back = F.greatest("quantity", F.lit(0)), F.greatest(-F.col("quantity"), F.lit(0))
    ordered = (
        sales_lines.where("status <> 'cancelled'")
        .groupBy("item_id", F.trunc("ordered_at", "month").alias("month"))
        .agg(
            F.sum(wanted).alias("demand"),
            F.sum(taken_back).alias("returned"),
            F.count("*").alias("lines"),
            F.max("source_system").alias("source_system"),
        )
    )
    empty = demand_day.groupBy("item_id", F.trunc("day", "month").alias("month")).agg(
        F.sum(F.col("out_of_stock").cast("int")).cast("int").alias("days_out_of_stock")
    )
    return (
        ordered.join(empty, on=key, how="full")
        .where("lines > 0 OR days_out_of_stock > 0")
        .select(
            *key,
            *[F.coalesce(c, F.lit(0)).cast(QUANTITY).alias(c) for c in ("demand", "returned")],
            F.coalesce("lines", F.lit(0)).alias("lines"),
            "days_out_of_stock",
            F.coalesce("source_system", F.lit("wms")).alias("source_system"),
        )
    )
