"""What the assembly line fitted into which unit: typed once."""

from pyspark.sql import DataFrame
from pyspark.sql.types import DateType, DecimalType, IntegerType, StringType, TimestampType

from lake.core.refresh import append, slices
from lake.core.table import Column, table
from lake.warehouse import bronze

KNOWN_ON = Column("known_on", DateType(), null=False, parse="_dt", doc="day of delivery")

BUILD_RECORD = [
    Column("build_id", StringType(), key=True),
    Column("seq", IntegerType(), key=True, check="seq >= 0"),
    Column("serial", StringType(), null=False, doc="of the unit being built"),
    Column("product_id", StringType()),
    Column("revision", StringType(), doc="of the product"),
    Column("site", StringType()),
    Column("position", StringType(), null=False, doc="joint or place in the unit"),
    Column("part_id", StringType(), null=False),
    Column("lot", StringType(), null=False, doc="unique within supplier and part"),
    Column("supplier_id", StringType()),
    Column("quantity", DecimalType(14, 3), null=False, unit="unit of the part", check="quantity > 0"),
    Column("built_at", TimestampType(), null=False, check="built_at >= TIMESTAMP'2000-01-01'"),
]


@table(
    inputs=[bronze.build_records],
    refresh=append(["build_id", "seq"], by="to_date(built_at)"),
    columns=[*BUILD_RECORD, Column("operator", StringType(), pii="person"), KNOWN_ON],
)
def build_record_files(records: DataFrame) -> DataFrame:
    """One row per part fitted into a unit, with who fitted it."""
    return records


@table(
    inputs=[build_record_files],
    refresh=slices("day", by="to_date(built_at)"),
    columns=[*BUILD_RECORD, Column("operator", StringType(), doc="pseudonym"), KNOWN_ON],
)
def build_records(files: DataFrame) -> DataFrame:
    """One row per part that the assembly line fitted into a unit, and where."""
    return files.select(*[c.name for c in BUILD_RECORD], "operator", "known_on")
