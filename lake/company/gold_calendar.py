"""Which days the company works, site by site."""

from functools import reduce
from operator import or_

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import BooleanType, DateType, IntegerType, StringType

from lake.core.refresh import full
from lake.core.table import Column, table
from lake.warehouse import gold as warehouse_gold

COUNTRIES = {"leipzig": "DE", "austin": "US", "osaka": "JP", "GB": "GB"}
"""Country of each site."""
HOLIDAYS = {
    "DE": ("01-01", "05-01", "10-03", "12-25", "12-26"),
    "US": ("01-01", "06-19", "07-04", "11-11", "12-25"),
    "JP": ("01-01", "01-02", "01-03", "02-11", "02-23", "04-29", "05-03", "05-04", "05-05", "08-11", "11-03", "11-23"),
    "GB": ("01-01", "12-25", "12-26"),
}
"""Month and day of the holidays that have a fixed date; those that move with Easter or the week are worked."""


@table(
    inputs=[warehouse_gold.stock_month],
    refresh=full(),
    columns=[
        Column("site", StringType(), key=True),
        Column("day", DateType(), key=True),
        Column("country", StringType(), doc="null where nobody said; such a site has no holidays"),
        Column("weekday", IntegerType(), null=False, check="weekday BETWEEN 1 AND 7", doc="Monday is 1"),
        Column("is_holiday", BooleanType(), null=False, doc="a public holiday of the country, on whatever weekday"),
        Column("is_working_day", BooleanType(), null=False, check="NOT is_working_day OR weekday <= 5"),
        Column("week", DateType(), null=False, check="weekday(week) = 0", doc="its Monday"),
        Column("month", DateType(), null=False, doc="its first day"),
        Column("quarter", DateType(), null=False, doc="its first day"),
    ],
)
def dim_calendar(stock_month: DataFrame) -> DataFrame:
    """One row per site with stock and day, from the year before the first stock to the end of that after the last."""
    begin, end = F.min("month"), F.max("month")
    span = stock_month.agg(
        F.trunc(F.add_months(begin, -12), "year").alias("begin"),
        F.date_sub(F.add_months(F.trunc(end, "year"), 24), 1).alias("end"),
    )
    sites = stock_month.select("site").distinct()
    countries = F.create_map(*[F.lit(x) for pair in COUNTRIES.items() for x in pair])
    date_of = F.date_format("day", "MM-dd")
    weekday = F.weekday("day") + 1
    closed = [(F.col("country") == c) & date_of.isin(*dates) for c, dates in HOLIDAYS.items()]
    is_holiday = F.coalesce(reduce(or_, closed), F.lit(False))
    return (
        sites.join(F.broadcast(span), how="cross")
        .where("begin IS NOT NULL")
        .withColumn("day", F.explode(F.sequence("begin", "end")))
        .withColumn("country", F.try_element_at(countries, F.col("site")))
        .withColumns({"weekday": weekday, "is_holiday": is_holiday})
        .select(
            "site",
            "day",
            "country",
            "weekday",
            "is_holiday",
            ((F.col("weekday") <= 5) & ~F.col("is_holiday")).alias("is_working_day"),
            F.to_date(F.date_trunc("week", "day")).alias("week"),
            F.trunc("day", "month").alias("month"),
            F.trunc("day", "quarter").alias("quarter"),
        )
    )
