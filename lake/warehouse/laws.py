"""What holds between the warehouse's tables: nothing that moved is lost, and every balance adds up."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.window import Window

from lake.core.law import law
from lake.warehouse import gold, silver
from lake.warehouse.gold import PLACE


@law(inputs=[silver.movements, gold.stock_change_day])
def what_moved_is_in_the_days(movements: DataFrame, days: DataFrame) -> DataFrame:
    """An item's movements at a site, signed, are what its days changed by."""
    moved = movements.groupBy(*PLACE, F.to_date("at").alias("day")).agg(
        F.sum("quantity_signed").alias("moved"), F.count("*").alias("n")
    )
    both = moved.join(days.select(*PLACE, "day", "net", "movements"), on=[*PLACE, "day"], how="full")
    return both.where(~(F.col("moved").eqNullSafe(F.col("net")) & F.col("n").eqNullSafe(F.col("movements"))))


@law(inputs=[gold.stock_change_day, gold.stock_month])
def changes_are_in_the_months(days: DataFrame, months: DataFrame) -> DataFrame:
    """A month's balance moves by its days' changes."""
    changed = days.groupBy(*PLACE, F.trunc("day", "month").alias("month")).agg(F.sum("net").alias("net"))
    both = changed.join(months.select(*PLACE, "month", "change"), on=[*PLACE, "month"], how="full")
    return both.where(F.coalesce("net", F.lit(0)) != F.coalesce("change", F.lit(0)))


@law(inputs=[gold.stock_month])
def a_month_opens_as_the_last_one_closed(months: DataFrame) -> DataFrame:
    """A month's closing is the next one's opening, the first opens at nothing, and changes make the closing."""
    return _after_closing(months, "month").where("opening <> closed_before OR closing <> opening + change")


@law(inputs=[gold.stock_day])
def a_day_opens_as_the_last_one_closed(days: DataFrame) -> DataFrame:
    """A day's closing is the next one's opening, the first opens at nothing, and what moved makes the closing."""
    rows = _after_closing(days.where("since IS NOT NULL"), "day")
    return rows.where("opening <> closed_before OR closing <> opening + quantity_in - quantity_out + adjusted")


def _after_closing(balances: DataFrame, unit: str) -> DataFrame:
    """`balances` with closed_before, the closing of a place's `unit` (day, month) before; 0 for its first one."""
    before = F.lag("closing", 1).over(Window.partitionBy(*PLACE).orderBy(unit))
    return balances.withColumn("closed_before", F.coalesce(before, F.lit(0)))
