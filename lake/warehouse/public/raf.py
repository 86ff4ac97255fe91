"""Seven years of demand for 5,000 spare parts of the Royal Air Force, with lead time and price."""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import DecimalType, IntegerType, StringType

from lake.core.public import HANDED_OVER, SEPARATORS
from lake.core.refresh import append
from lake.core.table import Column, mapping, source, table
from lake.warehouse import silver
from lake.warehouse.monthly import as_months, monthly_demand, months

SOURCE_SYSTEM = "raf_spare_parts"
ITEM = "concat('RAF-', part)"

raf = source(
    "raf_parts",
    __name__,
    "One line per spare part, one column per month.",
    format="csv",
    path="raf_spare_parts/*.csv*",
    delimiter=SEPARATORS,
    line_end="any",
    delivered=HANDED_OVER,
    public=True,
    required=False,
)


@table(
    inputs=[raf],
    refresh=append(["part"], by="known_on"),
    columns=[
        Column("part", StringType(), key=True, raw="Item Ref no"),
        Column("description", StringType(), raw="DESCRIPTION", required=False),
        Column(
            "lead_time_months",
            IntegerType(),
            raw="Lead Time (months)",
            unit="month",
            check="lead_time_months >= 0",
            required=False,
        ),
        Column("price_gbp", DecimalType(18, 4), raw="PRICE (£)", unit="GBP", check="price_gbp >= 0", required=False),
        months(doc="demanded by month"),
        silver.KNOWN_ON,
    ],
)
def raf_parts(records: DataFrame) -> DataFrame:
    """One row per spare part, with its months as delivered."""
    return records


@mapping(to=monthly_demand, inputs=[raf_parts])
def raf_demand(parts: DataFrame) -> DataFrame:
    """One row per part and month with demand."""
    rows = as_months(parts.select(F.expr(ITEM).alias("item_id"), "units", "known_on"))
    return rows.select("*", F.lit(SOURCE_SYSTEM).alias("source_system"))
