"""What an item and a customer were, when."""

from dataclasses import replace

from pyspark.sql import DataFrame
from pyspark.sql.types import BooleanType, DateType, StringType

from lake.core.refresh import history
from lake.core.table import Column, table
from lake.warehouse import silver

VERSION = [
    Column("valid_from", DateType(), key=True),
    Column("valid_to", DateType(), check="valid_to > valid_from", doc="first day of the next version"),
    Column("is_current", BooleanType(), null=False),
]
TOLD = [replace(c, check=None) for c in silver.ITEM if c.name != "updated_at"]


@table(
    inputs=[silver.item_files],
    refresh=history(["item_id"], at="known_on"),
    columns=[Column("item_id", StringType(), key=True, doc="the part_id for parts"), *TOLD, *VERSION],
)
def dim_item(files: DataFrame) -> DataFrame:
    """One row per version of an item."""
    return files.select("item_id", *[c.name for c in TOLD], "known_on")


@table(
    inputs=[silver.customer_files],
    refresh=history(["customer_id"], at="known_on"),
    columns=[
        Column("customer_id", StringType(), key=True),
        Column("name", StringType(), doc="pseudonym"),
        Column("email", StringType(), doc="pseudonym"),
        Column("address", StringType(), doc="pseudonym: another one says that the customer moved"),
        Column("country", StringType()),
        Column("segment", StringType()),
        Column("status", StringType(), null=False),
        *VERSION,
    ],
)
def dim_customer(files: DataFrame) -> DataFrame:
    """One row per version of a customer, with pseudonyms only."""
    return files.select("customer_id", "name", "email", "address", "country", "segment", "status", "known_on")
