"""What lay on the shelves, what moved, and what that is worth."""

from datetime import date

from pyspark.sql import Column as Expression
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import BooleanType, DateType, DecimalType, LongType, StringType
from pyspark.sql.window import Window

from lake.core.refresh import FORWARD, slices
from lake.core.table import Column, table
from lake.core.transforms import latest_by
from lake.warehouse import silver
from lake.warehouse.gold_dims import dim_item

PLACE = ["item_id", "site"]
QUANTITY = DecimalType(18, 3)
MONEY = DecimalType(18, 2)
CURRENCY = Column("currency", StringType(), doc="of the item, and of the value")

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


def quantity(name: str, *, null: bool = False, doc: str = "", check: str | None = None) -> Column:
    """A quantity of an item, which every row has if it is not `null`."""
    return Column(name, QUANTITY, null=null, unit=silver.PIECES, doc=doc, check=check)


def valued(rows: DataFrame, dim_item: DataFrame, *, on: Expression) -> DataFrame:
    """`rows` with what a unit of their item cost `on` a day, in its currency; the first known cost held before, too."""
    before = F.lag("valid_from").over(Window.partitionBy("item_id").orderBy("valid_from"))
    versions = dim_item.select(
        F.col("item_id").alias("_item"),
        F.when(before.isNotNull(), F.col("valid_from")).alias("_from"),
        F.col("valid_to").alias("_to"),
        F.col("standard_cost").alias("unit_cost"),
        "currency",
    )
    since, until = F.col("_from").isNull() | (on >= F.col("_from")), F.col("_to").isNull() | (on < F.col("_to"))
    holds = (F.col("item_id") == F.col("_item")) & since & until
    return rows.join(F.broadcast(versions), on=holds, how="left").drop("_item", "_from", "_to")


@table(
    inputs=[silver.movements, dim_item],
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
        Column("value_moved", MONEY, doc="of net, at the day's standard cost, in currency"),
        CURRENCY,
        Column("movements", LongType(), null=False, check="movements > 0"),
    ],
)
def stock_change_day(movements: DataFrame, dim_item: DataFrame) -> DataFrame:
    """One row per item, site and day with a movement: what came in and went out, by kind."""
    is_adjustment = F.col("kind") == "adjust"
    signed = F.col("quantity_signed")

    def total(condition: Expression, value: Expression) -> Expression:
        return F.coalesce(F.sum(F.when(condition, value)), F.lit(0)).cast(QUANTITY)

    days = movements.groupBy("item_id", "site", F.to_date("at").alias("day")).agg(
        *[total(F.col("kind") == kind, F.col("quantity")).alias(name) for name, kind in FLOWS.items()],
        total(is_adjustment, signed).alias("adjusted"),
        total(~is_adjustment & (signed > 0), signed).alias("quantity_in"),
        total(~is_adjustment & (signed < 0), -signed).alias("quantity_out"),
        F.sum(signed).cast(QUANTITY).alias("net"),
        F.sum("blocked_signed").cast(QUANTITY).alias("blocked_net"),
        F.count("*").alias("movements"),
    )
    value = (F.col("net") * F.col("unit_cost")).cast(MONEY)
    return valued(days, dim_item, on=F.col("day")).withColumn("value_moved", value).drop("unit_cost")


@table(
    inputs=[stock_change_day, dim_item],
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
        Column("value", MONEY, doc="of the closing, at the month's last standard cost, in currency"),
        CURRENCY,
        Column("since", DateType(), null=False, doc="day of the first movement of the item at the site"),
    ],
)
def stock_month(stock_change_day: DataFrame, dim_item: DataFrame, *, previous: DataFrame, last: date) -> DataFrame:
    """One row per item, site and month, from its first movement to the last month there is: opening and closing."""
    months = stock_change_day.groupBy(*PLACE, F.trunc("day", "month").alias("month")).agg(
        F.sum("net").alias("net"), F.sum("blocked_net").alias("blocked_net"), F.min("day").alias("first_day")
    )
    until = F.trunc(F.lit(last), "month")
    before = previous.select(*PLACE, "month", "closing", F.col("blocked_closing").alias("blocked"), "since")
    balances = _balances(months, before, "month", until=until).select(
        *PLACE,
        "month",
        (F.col("closing") - F.col("net")).cast(QUANTITY).alias("opening"),
        F.col("net").cast(QUANTITY).alias("change"),
        F.col("closing").cast(QUANTITY).alias("closing"),
        (F.col("blocked") - F.col("blocked_net")).cast(QUANTITY).alias("blocked_opening"),
        F.col("blocked").cast(QUANTITY).alias("blocked_closing"),
        "since",
    )
    value = (F.col("closing") * F.col("unit_cost")).cast(MONEY)
    return valued(balances, dim_item, on=F.last_day("month")).withColumn("value", value).drop("unit_cost")


def _balances(changes: DataFrame, previous: DataFrame, unit: str, *, until: Expression) -> DataFrame:
    """`changes` without gaps: one row per item, site and `unit` (day, month) until the last, with its balances.

    changes    a row per item, site and unit in which something moved: net, blocked_net, first_day
    previous   the unit before the first one: closing, blocked, since; a place opens at these, or at nothing

    Adds closing and blocked, the balances at the end of the unit, and since, the day of a place's first movement.
    """
    step = F.expr(f"INTERVAL 1 {unit}")
    moved = changes.groupBy(*PLACE).agg(F.min(unit).alias("first"), F.min("first_day").alias("first_day"))
    carried = previous.where("since IS NOT NULL").select(
        *PLACE,
        (F.col(unit) + step).alias("next"),
        F.col("closing").alias("balance"),
        F.col("blocked").alias("blocked_balance"),
        "since",
    )
    grid = (
        moved.join(carried, on=PLACE, how="full")
        .select(
            *PLACE,
            F.coalesce("next", "first").alias("start"),
            F.coalesce("since", "first_day").alias("since"),
            F.coalesce("balance", F.lit(0)).alias("balance"),
            F.coalesce("blocked_balance", F.lit(0)).alias("blocked_balance"),
        )
        .where(F.col("start") <= until)
        .withColumn(unit, F.explode(F.sequence("start", until, step)))
    )
    so_far = Window.partitionBy(*PLACE).orderBy(unit).rowsBetween(Window.unboundedPreceding, 0)
    net, blocked_net = (F.coalesce(c, F.lit(0)) for c in ("net", "blocked_net"))
    return (
        grid.join(changes.drop("first_day"), on=[*PLACE, unit], how="left")
        .withColumns(
            {
                "net": net,
                "closing": F.col("balance") + F.sum(net).over(so_far),
                "blocked_net": blocked_net,
                "blocked": F.col("blocked_balance") + F.sum(blocked_net).over(so_far),
            }
        )
        .drop("start", "balance", "blocked_balance")
    )


@table(
    inputs=[stock_change_day, silver.counts, dim_item],
    refresh=slices("day", by="day", reach=FORWARD),
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
        Column("value", MONEY, doc="of the closing, at the day's standard cost, in currency"),
        CURRENCY,
        Column("zero_stock", BooleanType(), null=False, doc="nothing on the shelf at the end of the day"),
        Column("counted", QUANTITY, unit=silver.PIECES, doc="the day's last physical count; null where nobody counted"),
        Column("count_difference", QUANTITY, unit=silver.PIECES, check="count_difference = counted - closing"),
        Column("since", DateType(), doc="day of the first movement of the item at the site; null if only counted"),
    ],
)
def stock_day(
    stock_change_day: DataFrame, counts: DataFrame, dim_item: DataFrame, *, previous: DataFrame, last: date
) -> DataFrame:
    """One row per item, site and day from its first movement on: balance, movements, and what a count found.

    Days end with the last movement or count there is. A place without any movement has the days it was counted.
    """
    changes = stock_change_day.select(
        *PLACE, "day", "quantity_in", "quantity_out", "adjusted", "net", "blocked_net", F.col("day").alias("first_day")
    )
    days = _balances(changes, previous, "day", until=F.lit(last))
    counted = latest_by(
        counts.select(*PLACE, F.to_date("counted_at").alias("day"), "counted_at", F.col("quantity").alias("counted")),
        key=[*PLACE, "day"],
        newest=["counted_at"],
    ).drop("counted_at")

    def moved(name: str) -> Expression:
        return F.coalesce(name, F.lit(0))

    both = days.join(counted, on=[*PLACE, "day"], how="full").withColumn("closing", moved("closing"))
    return valued(both, dim_item, on=F.col("day")).select(
        *PLACE,
        "day",
        (F.col("closing") - moved("net")).cast(QUANTITY).alias("opening"),
        *[moved(name).cast(QUANTITY).alias(name) for name in ("quantity_in", "quantity_out", "adjusted")],
        F.col("closing").cast(QUANTITY).alias("closing"),
        moved("blocked").cast(QUANTITY).alias("blocked"),
        (F.col("closing") * F.col("unit_cost")).cast(MONEY).alias("value"),
        "currency",
        (F.col("closing") <= 0).alias("zero_stock"),
        F.col("counted").cast(QUANTITY).alias("counted"),
        (F.col("counted") - F.col("closing")).cast(QUANTITY).alias("count_difference"),
        "since",
    )
