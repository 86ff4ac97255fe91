"""What holds between the warehouse's tables: nothing that moved is lost, and every balance adds up."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.window import Window

from lake.core.law import law
from lake.warehouse import gold, silver


@law(inputs=[silver.movements, gold.stock_change_day])
def what_moved_is_in_the_days(movements: DataFrame, days: DataFrame) -> DataFrame:
    """An item's movements at a site, signed, are what its days changed by."""
    moved = movements.groupBy(*gold.PLACE, F.to_date("at").alias("day")).agg(
        F.sum("quantity_signed").alias("moved"), F.count("*").alias("n")
    )
    both = moved.join(days.select(*gold.PLACE, "day", "net", "movements"), on=[*gold.PLACE, "day"], how="full")
    return both.where(~(F.col("moved").eqNullSafe(F.col("net")) & F.col("n").eqNullSafe(F.col("movements"))))


@law(inputs=[gold.stock_change_day, gold.stock_month])
def changes_are_in_the_months(days: DataFrame, months: DataFrame) -> DataFrame:
    """A month's balance moves by its days' changes."""
    changed = days.groupBy(*gold.PLACE, F.trunc("day", "month").alias("month")).agg(F.sum("net").alias("net"))
    both = changed.join(months.select(*gold.PLACE, "month", "change"), on=[*gold.PLACE, "month"], how="full")
    return both.where(F.coalesce("net", F.lit(0)) != F.coalesce("change", F.lit(0)))


@law(inputs=[gold.stock_month])
def a_month_opens_as_the_last_one_closed(months: DataFrame) -> DataFrame:
    """A month's closing is the next one's opening, the first opens at nothing, and changes make the closing."""
    before = F.lag("closing", 1).over(Window.partitionBy(*gold.PLACE).orderBy("month"))
    rows = months.withColumn("closed_before", F.coalesce(before, F.lit(0)))
    return rows.where("opening <> closed_before OR closing <> opening + change")


@law(inputs=[gold.stock_day])
def a_day_opens_as_the_last_one_closed(days: DataFrame) -> DataFrame:
    """Opening, in, out and adjusted make the closing, and a day's closing is the next one's opening."""
    before = F.lag("closing", 1).over(Window.partitionBy(*gold.PLACE).orderBy("day"))
    rows = days.where("since IS NOT NULL").withColumn("closed_before", F.coalesce(before, F.col("opening")))
    return rows.where("opening <> closed_before OR closing <> opening + quantity_in - quantity_out + adjusted")
