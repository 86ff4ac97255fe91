"""What was wanted, month by month."""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import DateType, IntegerType, LongType, StringType

from lake.core.refresh import slices
from lake.core.table import Column, table
from lake.warehouse import silver
from lake.warehouse.gold import QUANTITY, demand_day, quantity


@table(
    inputs=[silver.sales_lines, demand_day],
    refresh=slices("month", by="month"),
    columns=[
        Column("item_id", StringType(), key=True),
        Column("month", DateType(), key=True, check="day(month) = 1", doc="its first day"),
        quantity("demand", doc="ordered by customers, or consumed, and not cancelled", check="demand >= 0"),
        quantity("returned", doc="taken back; not taken off the demand", check="returned >= 0"),
        Column("lines", LongType(), null=False, doc="sales lines ordered or taken back", check="lines >= 0"),
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
