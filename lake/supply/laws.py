"""What holds between the purchasing tables: every order line is a fact, and what arrived is counted once."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lake.core.law import law
from lake.supply import gold, silver
from lake.supply.silver import LINE


@law(inputs=[silver.order_lines, gold.fct_order_line])
def every_order_line_is_one_fact(lines: DataFrame, facts: DataFrame) -> DataFrame:
    """An order line, as last revised, is one fact with its quantity."""
    both = lines.select(*LINE, "quantity").join(facts.select(*LINE, "quantity_ordered"), on=LINE, how="full")
    return both.where(~F.col("quantity").eqNullSafe(F.col("quantity_ordered")))


@law(inputs=[silver.receipts, gold.fct_order_line])
def what_arrived_is_counted_once(receipts: DataFrame, facts: DataFrame) -> DataFrame:
    """The receipts of a line that was ordered make its quantity received."""
    arrived = receipts.groupBy(*LINE).agg(F.sum("quantity").alias("arrived"))
    both = facts.select(*LINE, "quantity_received").join(arrived, on=LINE, how="left")
    return both.where(F.coalesce("arrived", F.lit(0)) != F.col("quantity_received"))
