"""What a part was, when."""

from pyspark.sql import DataFrame
from pyspark.sql.types import BooleanType, DateType, StringType

from lake.core.refresh import history
from lake.core.table import Column, table
from lake.supply import silver


@table(
    inputs=[silver.part_files],
    refresh=history(["part_id"], at="known_on"),
    columns=[
        Column("part_id", StringType(), key=True),
        Column("description", StringType()),
        Column("category", StringType()),
        Column("unit", StringType(), null=False),
        Column("make_or_buy", StringType(), doc="make, buy"),
        Column("status", StringType(), null=False),
        Column("valid_from", DateType(), key=True),
        Column("valid_to", DateType(), check="valid_to > valid_from", doc="first day of the next version"),
        Column("is_current", BooleanType(), null=False),
    ],
)
def dim_part(files: DataFrame) -> DataFrame:
    """One row per version of a bought or made part."""
    return files.select("part_id", "description", "category", "unit", "make_or_buy", "status", "known_on")
