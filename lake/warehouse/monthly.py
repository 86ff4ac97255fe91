"""Demand that somebody kept month by month, one column a month: the sheets' months made rows, and told as demand."""

from pyspark.sql import Column as Expression
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import DateType, DecimalType, MapType, StringType
from pyspark.sql.window import Window

from lake.core.errors import LakeError
from lake.core.refresh import full
from lake.core.table import Column, mapping, table
from lake.warehouse.gold_demand import demand_month
from lake.warehouse.silver import PIECES, SOURCE_SYSTEM

NAMES = "JANFEBMARAPRMAYJUNJULAUGSEPOCTNOVDEC"
MONTH = (
    "(?i)(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*[ ./-]?(?:[0-9]{2}){1,2}|[12][0-9]{3}[M./-]?[01][0-9]"
)
"""How sheets head a month: Jan-98, JAN96, January 1998, 1997-11, 1997M11."""


def months(*, doc: str) -> Column:
    """The months of a sheet, however many and in whatever order, by what stands above them."""
    return Column("units", MapType(StringType(), DecimalType(14, 3)), null=False, every=MONTH, unit=PIECES, doc=doc)


def month_of(heading: Expression, known_on: Expression) -> Expression:
    """The first day of the month that a heading names; of a short year the last one before it was delivered."""
    name = F.upper(F.regexp_replace(heading, "[^A-Za-z0-9]", ""))
    number = ((F.instr(F.lit(NAMES), F.left(name, F.lit(3))) + 2) / 3).cast("int")
    digits = F.regexp_extract(name, "[0-9]+$", 0).try_cast("int")
    this_year = F.year(known_on)
    this_century = digits + this_year - this_year % 100
    short_year = F.when(this_century <= this_year, this_century).otherwise(this_century - 100)
    year = F.when(digits > 99, digits).otherwise(short_year)
    named = F.concat(year.cast("string"), F.lpad(number.cast("string"), 2, "0"))
    said = F.when(name.rlike("^[0-9]"), F.regexp_replace(name, "M", "")).otherwise(named)
    return F.to_date(F.try_to_timestamp(said, F.lit("yyyyMM")))


def as_months(sheet: DataFrame) -> DataFrame:
    """Rows of (item_id, units, known_on) as one row per item and month that says something.

    Those are the months with a number other than 0, and the first and the last one with any number: between these two
    a month without a row had no demand. What is blank before and behind them nobody knows.
    """
    cells = sheet.select("item_id", "known_on", F.explode("units").alias("heading", "quantity"))
    told = cells.where("quantity IS NOT NULL").withColumn("month", month_of(F.col("heading"), F.col("known_on")))
    item = Window.partitionBy("item_id").rowsBetween(Window.unboundedPreceding, Window.unboundedFollowing)
    is_end = F.col("month").isin(F.min("month").over(item), F.max("month").over(item))
    return told.withColumn("is_end", is_end).where("quantity <> 0 OR is_end").select("item_id", "month", "quantity")


@table(
    inputs=[],
    refresh=full(by="month"),
    columns=[
        Column("item_id", StringType(), key=True),
        Column("month", DateType(), key=True, check="day(month) = 1", doc="its first day"),
        Column(
            "quantity",
            DecimalType(14, 3),
            unit=PIECES,
            doc="consumed, or (below 0) taken back; null where the set says that its own figure is wrong",
        ),
        SOURCE_SYSTEM,
    ],
)
def monthly_demand() -> DataFrame:
    """One row per item and month that a sheet of months tells something of; all of it comes from mappings."""
    raise LakeError("warehouse.silver.monthly_demand has no rows of its own; ask its mappings.")


@mapping(to=demand_month, inputs=[monthly_demand])
def monthly_as_demand(monthly: DataFrame) -> DataFrame:
    """One row per item and month that a sheet tells something of; how many orders it was, nobody wrote down."""
    return monthly.select(
        "item_id",
        "month",
        F.when(F.col("quantity").isNotNull(), F.greatest("quantity", F.lit(0))).cast("decimal(18,3)").alias("demand"),
        F.greatest(-F.col("quantity"), F.lit(0)).cast("decimal(18,3)").alias("returned"),
        F.lit(None).cast("bigint").alias("lines"),
        F.lit(None).cast("int").alias("days_out_of_stock"),
        "source_system",
    )
