"""What lay on the shelves, what moved, and what customers wanted."""

from datetime import date

from pyspark.sql import Column as Expression
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import BooleanType, DateType, DecimalType, LongType, StringType
from pyspark.sql.window import Window

from lake.core.refresh import FORWARD, full, slices
from lake.core.table import Column, table
from lake.core.transforms import latest_by
from lake.warehouse import silver

STOCK_DAYS = 400
"""How far back the daily stock goes."""
QUANTITY = DecimalType(18, 3)

FLOWS = {
    "opened": "opening",
    "received": "receipt",
    "built": "build",
    "returned_in": "return_in",
    "transferred_in": "transfer_in",
    "issued": "issue",
    "shipped": "ship",
    "returned_out": "return_out",
    "scrapped": "scrap",
    "transferred_out": "transfer_out",
    "blocked": "block",
    "released": "release",
}
"""Column of the quantity that moved, by kind of movement."""


def quantity(name: str, *, doc: str = "", check: str | None = None) -> Column:
    """A quantity that every row has."""
    return Column(name, QUANTITY, null=False, unit=silver.PIECES, doc=doc, check=check)


@table(
    inputs=[silver.movements],
    refresh=slices("day", by="day"),
    columns=[
        Column("item_id", StringType(), key=True),
        Column("site", StringType(), key=True),
        Column("day", DateType(), key=True),
        *[quantity(name, doc=f"by movements of kind {kind}", check=f"{name} >= 0") for name, kind in FLOWS.items()],
        quantity("adjusted", doc="with its sign"),
        quantity("quantity_in", doc="what came in, adjustments aside"),
        quantity("quantity_out", doc="what went out, adjustments aside"),
        quantity(
            "net", doc="what the day added to the stock on hand", check="net = quantity_in - quantity_out + adjusted"
        ),
        quantity("blocked_net", doc="what the day added to the blocked part of the stock on hand"),
        Column("movements", LongType(), null=False, check="movements > 0"),
    ],
)
def stock_change_day(movements: DataFrame) -> DataFrame:
    """One row per item, site and day with a movement: what came in and went out, by kind."""
    is_adjustment = F.col("kind") == "adjust"
    signed = F.col("quantity_signed")

    def total(condition: Expression, value: Expression) -> Expression:
        return F.coalesce(F.sum(F.when(condition, value)), F.lit(0)).cast(QUANTITY)

    return movements.groupBy("item_id", "site", F.to_date("at").alias("day")).agg(
        *[total(F.col("kind") == kind, F.col("quantity")).alias(name) for name, kind in FLOWS.items()],
        total(is_adjustment, signed).alias("adjusted"),
        total(~is_adjustment & (signed > 0), signed).alias("quantity_in"),
        total(~is_adjustment & (signed < 0), -signed).alias("quantity_out"),
        F.sum(signed).cast(QUANTITY).alias("net"),
        F.sum("blocked_signed").cast(QUANTITY).alias("blocked_net"),
        F.count("*").alias("movements"),
    )


@table(
    inputs=[stock_change_day],
    refresh=slices("month", by="month", reach=FORWARD),
    columns=[
        Column("item_id", StringType(), key=True),
        Column("site", StringType(), key=True),
        Column("month", DateType(), key=True, doc="its first day"),
        quantity("opening"),
        quantity("change"),
        quantity("closing", doc="negative where more was booked out than in", check="closing = opening + change"),
        quantity("blocked_opening"),
        quantity("blocked_closing", doc="part of the closing balance that may not be used"),
        Column("since", DateType(), null=False, doc="day of the first movement of the item at the site"),
    ],
)
def stock_month(stock_change_day: DataFrame, *, previous: DataFrame, last: date) -> DataFrame:
    """One row per item, site and month, from its first movement to the last month there is: opening and closing."""
    key = ["item_id", "site"]
    months = stock_change_day.groupBy(*key, F.trunc("day", "month").alias("month")).agg(
        F.sum("net").alias("change"),
        F.sum("blocked_net").alias("blocked_change"),
        F.min("day").alias("first_day"),
    )
    carried = previous.select(
        *key,
        F.add_months("month", 1).alias("start"),
        F.col("closing").alias("balance"),
        F.col("blocked_closing").alias("blocked_balance"),
        "since",
    )
    moved = months.groupBy(*key).agg(F.min("first_day").alias("first_day"))
    last_month = F.trunc(F.lit(last), "month")
    grid = (
        moved.join(carried, on=key, how="full")
        .select(
            *key,
            F.coalesce("start", F.trunc("first_day", "month")).alias("start"),
            F.coalesce("since", "first_day").alias("since"),
            F.coalesce("balance", F.lit(0)).alias("balance"),
            F.coalesce("blocked_balance", F.lit(0)).alias("blocked_balance"),
        )
        .where(F.col("start") <= last_month)
        .withColumn("month", F.explode(F.sequence("start", last_month, F.expr("INTERVAL 1 MONTH"))))
    )
    so_far = Window.partitionBy(*key).orderBy("month").rowsBetween(Window.unboundedPreceding, 0)
    change, blocked = (F.coalesce(c, F.lit(0)) for c in ("change", "blocked_change"))
    return (
        grid.join(months.drop("first_day"), on=[*key, "month"], how="left")
        .withColumns(
            {
                "change": change,
                "closing": F.col("balance") + F.sum(change).over(so_far),
                "blocked_change": blocked,
                "blocked_closing": F.col("blocked_balance") + F.sum(blocked).over(so_far),
            }
        )
        .select(
            *key,
            "month",
            (F.col("closing") - F.col("change")).cast(QUANTITY).alias("opening"),
            F.col("change").cast(QUANTITY).alias("change"),
            F.col("closing").cast(QUANTITY).alias("closing"),
            (F.col("blocked_closing") - F.col("blocked_change")).cast(QUANTITY).alias("blocked_opening"),
            F.col("blocked_closing").cast(QUANTITY).alias("blocked_closing"),
            "since",
        )
    )


@table(
    inputs=[stock_month, stock_change_day, silver.counts],
    refresh=full(by="day"),
    columns=[
        Column("item_id", StringType(), key=True),
        Column("site", StringType(), key=True),
        Column("day", DateType(), key=True),
        quantity("opening"),
        quantity("quantity_in", check="quantity_in >= 0"),
        quantity("quantity_out", check="quantity_out >= 0"),
        quantity("adjusted", doc="with its sign"),
        quantity("closing", check="closing = opening + quantity_in - quantity_out + adjusted"),
        quantity("blocked", doc="part of the closing balance that may not be used"),
        Column("zero_stock", BooleanType(), null=False, doc="nothing on the shelf at the end of the day"),
        Column("counted", QUANTITY, unit=silver.PIECES, doc="the day's last physical count; null where nobody counted"),
        Column("count_difference", QUANTITY, unit=silver.PIECES, check="count_difference = counted - closing"),
        Column("since", DateType(), doc="day of the first movement of the item at the site; null if only counted"),
    ],
)
def stock_day(stock_month: DataFrame, stock_change_day: DataFrame, counts: DataFrame) -> DataFrame:
    """One row per item, site and day of the last 400: balance, movements, and what a count found.

    Days end with the last movement there is. A balance is its month's opening plus the changes since.
    """
    key = ["item_id", "site"]
    span = stock_change_day.agg(F.max("day").alias("end")).select(
        F.date_sub("end", STOCK_DAYS - 1).alias("begin"), "end"
    )
    starts = (
        stock_month.join(F.broadcast(span), how="cross")
        .where((F.col("month") == F.trunc("begin", "month")) | (F.trunc("since", "month") == F.col("month")))
        .where((F.col("month") >= F.trunc("begin", "month")) & (F.col("month") <= F.col("end")))
        .select(
            *key,
            "month",
            "opening",
            "blocked_opening",
            "since",
            F.greatest("month", "since").alias("start"),
            "begin",
            "end",
        )
    )
    changes = stock_change_day.select(
        *key, "day", "quantity_in", "quantity_out", "adjusted", "net", F.col("blocked_net").alias("held")
    )
    counted = latest_by(
        counts.select(*key, F.to_date("counted_at").alias("day"), "counted_at", F.col("quantity").alias("counted")),
        key=[*key, "day"],
        newest=["counted_at"],
    ).drop("counted_at")
    grid = starts.withColumn("day", F.explode(F.sequence("start", "end")))
    so_far = Window.partitionBy(*key).orderBy("day").rowsBetween(Window.unboundedPreceding, 0)

    def moved(name: str) -> Expression:
        return F.coalesce(name, F.lit(0))

    days = (
        grid.join(changes, on=[*key, "day"], how="left")
        .withColumns(
            {
                "closing": F.col("opening") + F.sum(moved("net")).over(so_far),
                "held": F.col("blocked_opening") + F.sum(moved("held")).over(so_far),
            }
        )
        .where(F.col("day") >= F.col("begin"))
        .drop("opening", "begin", "end")
    )
    counted = counted.join(F.broadcast(span), how="cross").where("day BETWEEN begin AND end").drop("begin", "end")
    return (
        days.join(counted, on=[*key, "day"], how="full")
        .withColumn("closing", moved("closing"))
        .select(
            *key,
            "day",
            (F.col("closing") - moved("net")).cast(QUANTITY).alias("opening"),
            *[moved(name).cast(QUANTITY).alias(name) for name in ("quantity_in", "quantity_out", "adjusted")],
            F.col("closing").cast(QUANTITY).alias("closing"),
            moved("held").cast(QUANTITY).alias("blocked"),
            (F.col("closing") <= 0).alias("zero_stock"),
            F.col("counted").cast(QUANTITY).alias("counted"),
            (F.col("counted") - F.col("closing")).cast(QUANTITY).alias("count_difference"),
            "since",
        )
    )


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
