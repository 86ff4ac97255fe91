"""Suppliers, parts, purchase orders, receipts and inspections: typed once, then their current state."""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import BooleanType, DateType, DecimalType, IntegerType, MapType, StringType, TimestampType

from lake.core.refresh import append, latest, slices
from lake.core.table import Column, table
from lake.supply import bronze

KNOWN_ON = Column("known_on", DateType(), null=False, parse="_dt", doc="day of delivery")
SOURCE_SYSTEM = Column(
    "source_system", StringType(), null=False, doc="where the record comes from: erp, or a public set"
)

CURRENCY = "currency RLIKE '^[A-Z]{3}$'"
PIECES = "unit of the part"
LINE = ["order_id", "line"]

ORDER_LINE = [
    Column("order_id", StringType(), key=True),
    Column("line", IntegerType(), key=True, check="line > 0"),
    Column("revision", IntegerType(), key=True, check="revision >= 0"),
    Column("supplier_id", StringType(), null=False),
    Column("part_id", StringType(), null=False),
    Column("ship_to_site", StringType(), null=False),
    Column("quantity", DecimalType(14, 3), null=False, unit=PIECES, check="quantity > 0"),
    Column("unit_price", DecimalType(18, 4), check="unit_price >= 0", doc="price of one unit, in currency"),
    Column("currency", StringType(), null=False, check=CURRENCY),
]
ORDER_LINE_TERMS = [
    Column("promised_on", DateType(), null=False, check="promised_on BETWEEN DATE'2000-01-01' AND DATE'2100-01-01'"),
    Column("transport_mode", StringType()),
    Column("incoterm", StringType()),
    Column("status", StringType(), null=False, doc="cancelled and closed lines are no longer waited for"),
    Column("changed_at", TimestampType(), null=False, doc="when the revision was made, as its system claims"),
]
RECEIPT = [
    Column("receipt_id", StringType(), key=True),
    Column("order_id", StringType(), null=False),
    Column("line", IntegerType(), null=False),
    Column("site", StringType(), null=False),
    Column("received_at", TimestampType(), null=False, check="received_at >= TIMESTAMP'2000-01-01'"),
    Column("quantity", DecimalType(14, 3), null=False, unit=PIECES, check="quantity > 0"),
    Column("lot", StringType(), doc="unique within supplier and part"),
]


@table(
    inputs=[bronze.suppliers],
    refresh=append(["supplier_id", "known_on"], by="known_on", newest=["updated_at"]),
    columns=[
        Column("supplier_id", StringType(), key=True),
        Column("name", StringType(), null=False),
        Column("country", StringType()),
        Column("contact_name", StringType(), pii="person"),
        Column("contact_email", StringType(), pii="person"),
        Column("payment_terms_days", IntegerType(), unit="day", check="payment_terms_days BETWEEN 0 AND 365"),
        Column("currency", StringType(), check=CURRENCY),
        Column("status", StringType(), null=False),
        Column("updated_at", TimestampType()),
        Column("known_on", DateType(), key=True, parse="_dt", doc="day of delivery"),
    ],
)
def supplier_files(records: DataFrame) -> DataFrame:
    """One row per supplier and day of delivery, with its contacts."""
    return records


@table(
    inputs=[bronze.parts],
    refresh=append(["part_id", "known_on"], by="known_on", newest=["updated_at"]),
    columns=[
        Column("part_id", StringType(), key=True),
        Column("description", StringType()),
        Column("category", StringType(), doc="servo, harmonic_drive, encoder, fpga_board, tendon, …"),
        Column("unit", StringType(), null=False),
        Column("make_or_buy", StringType(), check="make_or_buy IN ('make', 'buy')"),
        Column("status", StringType(), null=False),
        Column("updated_at", TimestampType()),
        Column("known_on", DateType(), key=True, parse="_dt", doc="day of delivery"),
    ],
)
def part_files(records: DataFrame) -> DataFrame:
    """One row per bought or made part and day of delivery."""
    return records


@table(
    inputs=[bronze.bom],
    # by its day of delivery: a revision may be told long before it holds
    refresh=append(["product_id", "revision", "part_id", "known_on"], by="known_on"),
    columns=[
        Column("product_id", StringType(), key=True),
        Column("revision", IntegerType(), key=True, check="revision > 0"),
        Column("part_id", StringType(), key=True, check="part_id <> product_id"),
        Column("quantity", DecimalType(14, 3), null=False, unit=PIECES, check="quantity > 0", doc="in one product"),
        Column(
            "valid_from",
            DateType(),
            null=False,
            check="valid_from BETWEEN DATE'2000-01-01' AND DATE'2100-01-01'",
            doc="until the product's next revision",
        ),
        Column("known_on", DateType(), key=True, parse="_dt", doc="day of delivery"),
    ],
)
def bom(records: DataFrame) -> DataFrame:
    """One row per component of a revision of a product's bill of materials, as delivered."""
    return records


@table(
    inputs=[bronze.exchange_rates],
    refresh=append(["currency", "day"], by="day", newest=["known_on"]),
    columns=[
        Column("currency", StringType(), key=True, check=CURRENCY),
        Column("day", DateType(), key=True, raw="on", check="day <= date_add(known_on, 1)"),
        Column(
            "rate",
            resolution="0.00000001",
            null=False,
            unit="EUR",
            raw="rate_to_reporting",
            check="rate > 0",
            doc="what one unit is worth",
        ),
        KNOWN_ON,
    ],
)
def exchange_rates(records: DataFrame) -> DataFrame:
    """One row per working day and currency: what one unit of it is worth in the reporting currency."""
    return records


@table(
    inputs=[bronze.supplier_parts],
    refresh=append(["supplier_id", "part_id", "known_on"], by="known_on", newest=["updated_at"]),
    columns=[
        Column("supplier_id", StringType(), key=True),
        Column("part_id", StringType(), key=True),
        Column("quoted_lead_time_days", IntegerType(), unit="day", check="quoted_lead_time_days BETWEEN 0 AND 1000"),
        Column("min_order_quantity", DecimalType(14, 3), unit=PIECES, check="min_order_quantity >= 0"),
        Column("order_multiple", DecimalType(14, 3), unit=PIECES, check="order_multiple > 0"),
        Column("unit_price", DecimalType(18, 4), check="unit_price >= 0"),
        Column("currency", StringType(), check=CURRENCY),
        Column("approved", BooleanType()),
        Column("status", StringType(), null=False),
        Column("updated_at", TimestampType()),
        Column("known_on", DateType(), key=True, parse="_dt", doc="day of delivery"),
    ],
)
def supplier_parts(records: DataFrame) -> DataFrame:
    """One row per agreement on a part with a supplier and day of delivery."""
    return records


@table(
    inputs=[bronze.order_lines],
    refresh=append(["order_id", "line", "revision"], by="to_date(changed_at)", newest=["changed_at"]),
    columns=[
        *ORDER_LINE,
        Column("ordered_at", TimestampType(), null=False, check="to_date(ordered_at) <= date_add(known_on, 1)"),
        *ORDER_LINE_TERMS,
        KNOWN_ON,
    ],
)
def order_line_files(records: DataFrame) -> DataFrame:
    """One row per revision of a purchase-order line, as the company's own system delivered it."""
    return records


@table(
    inputs=[order_line_files],
    refresh=slices("day", by="to_date(changed_at)"),
    columns=[
        *ORDER_LINE,
        Column("ordered_at", TimestampType(), doc="null where the order's date was never recorded"),
        Column("ordered_missing_reason", StringType(), doc="why ordered_at is null: from_stock, not_captured"),
        *ORDER_LINE_TERMS,
        Column(
            "route",
            StringType(),
            check="route IN ('direct', 'from_stock')",
            doc="from the maker, or from stock held for us",
        ),
        KNOWN_ON,
        SOURCE_SYSTEM,
    ],
)
def order_line_changes(files: DataFrame) -> DataFrame:
    """One row per revision of a purchase-order line, from whichever system."""
    return files.select(
        *[c.name for c in ORDER_LINE],
        "ordered_at",
        F.lit(None).cast("string").alias("ordered_missing_reason"),
        *[c.name for c in ORDER_LINE_TERMS],
        F.lit("direct").alias("route"),
        "known_on",
        F.lit("erp").alias("source_system"),
    )


@table(
    inputs=[order_line_changes],
    refresh=latest(LINE, newest="revision"),
    columns=[
        *ORDER_LINE[:2],
        Column("revision", IntegerType(), null=False),
        *[c for c in order_line_changes.columns if not c.key],
    ],
)
def order_lines(changes: DataFrame) -> DataFrame:
    """One row per purchase-order line, as last revised."""
    return changes.select([c.name for c in order_line_changes.columns])


@table(
    inputs=[bronze.receipts],
    refresh=append(["receipt_id"], by="to_date(received_at)"),
    columns=[*RECEIPT, KNOWN_ON],
)
def receipt_files(records: DataFrame) -> DataFrame:
    """One row per goods receipt, as the company's own system delivered it."""
    return records


@table(
    inputs=[receipt_files],
    refresh=slices("day", by="to_date(received_at)"),
    columns=[*RECEIPT, KNOWN_ON, SOURCE_SYSTEM],
)
def receipts(files: DataFrame) -> DataFrame:
    """One row per goods receipt, from whichever system."""
    return files.select(*[c.name for c in RECEIPT], "known_on", F.lit("erp").alias("source_system"))


@table(
    inputs=[bronze.inspections],
    refresh=append(["inspection_id"], by="to_date(inspected_at)"),
    columns=[
        Column("inspection_id", StringType(), key=True),
        Column("receipt_id", StringType(), null=False),
        Column("lot", StringType()),
        Column("inspected_at", TimestampType(), null=False, check="inspected_at >= TIMESTAMP'2000-01-01'"),
        Column("sample_size", IntegerType(), unit=PIECES, check="sample_size >= 0"),
        Column("quantity_accepted", DecimalType(14, 3), null=False, unit=PIECES, check="quantity_accepted >= 0"),
        Column("quantity_rejected", DecimalType(14, 3), null=False, unit=PIECES, check="quantity_rejected >= 0"),
        Column(
            "disposition",
            StringType(),
            check="disposition IN ('accept', 'rework', 'return', 'scrap', 'use_as_is')",
        ),
        Column("defects", MapType(StringType(), IntegerType()), required=False, doc="defect code to number found"),
        Column(
            "measurements",
            MapType(StringType(), DecimalType(18, 6)),
            required=False,
            doc="measured value by name; the name ends in its unit",
        ),
        KNOWN_ON,
    ],
)
def inspections(records: DataFrame) -> DataFrame:
    """One row per incoming inspection of a received lot."""
    return records
