"""The company's money is told in one currency."""

from datetime import date

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

REPORTING_CURRENCY = "EUR"


def rates_on(exchange_rates: DataFrame, day: date) -> DataFrame:
    """One row per other currency: the last rate known on `day`, what one unit of it is worth."""
    return (
        exchange_rates.where((F.col("day") <= F.lit(day)) & (F.col("currency") != REPORTING_CURRENCY))
        .groupBy("currency")
        .agg(F.max(F.struct("day", "rate"))["rate"].alias("rate"))
    )


def converted(rows: DataFrame, amount: str, exchange_rates: DataFrame, day: date) -> DataFrame:
    """`rows` with `amount` and its `currency` in the reporting currency; both stay as they are if no rate is known."""
    worth = F.coalesce("rate", F.lit(1).cast("decimal(18,8)"))
    return (
        rows.join(F.broadcast(rates_on(exchange_rates, day)), on="currency", how="left")
        .withColumn(amount, (F.col(amount) * worth).cast("decimal(18,4)"))
        .withColumn("currency", F.when(F.col("rate").isNull(), F.col("currency")).otherwise(F.lit(REPORTING_CURRENCY)))
        .drop("rate")
    )
