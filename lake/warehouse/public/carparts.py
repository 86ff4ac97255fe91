"""Monthly sales of 2,674 parts of an American car maker (carparts, Hyndman)."""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import StringType

from lake.core.public import HANDED_OVER, SEPARATORS
from lake.core.refresh import append
from lake.core.table import Column, mapping, source, table
from lake.warehouse import silver
from lake.warehouse.monthly import as_months, monthly_demand, months

SOURCE_SYSTEM = "carparts"

carparts = source(
    "carparts",
    __name__,
    "One line per part, one column per month.",
    format="csv",
    path="carparts/*.csv*",
    delimiter=SEPARATORS,
    line_end="any",
    delivered=HANDED_OVER,
    public=True,
    required=False,
)


@table(
    inputs=[carparts],
    refresh=append(["part"], by="known_on"),
    columns=[
        Column("part", StringType(), key=True, raw="Part"),
        months(doc="sold by month; null: not on sale, or not written down"),
        silver.KNOWN_ON,
    ],
)
def car_parts(records: DataFrame) -> DataFrame:
    """One row per part, with its months as delivered."""
    return records


@mapping(to=monthly_demand, inputs=[car_parts])
def carparts_demand(parts: DataFrame) -> DataFrame:
    """One row per part and month with sales."""
    rows = as_months(parts.select(F.concat(F.lit("CAR-"), "part").alias("item_id"), "units", "known_on"))
    return rows.select("*", F.lit(SOURCE_SYSTEM).alias("source_system"))
