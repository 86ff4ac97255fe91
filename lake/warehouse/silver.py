"""Items, stock movements, counts, customers and sales: typed once, then their current state."""

from dataclasses import replace

from pyspark.sql import Column as Expression
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import DateType, DecimalType, IntegerType, StringType, TimestampType

from lake.core.refresh import append, latest, slices
from lake.core.table import Column, table
from lake.warehouse import bronze

KNOWN_ON = Column("known_on", DateType(), null=False, parse="_dt", doc="day of delivery")
STATED_ON = Column("known_on", DateType(), key=True, parse="_dt", doc="day of delivery")
SOURCE_SYSTEM = Column(
    "source_system", StringType(), null=False, doc="where the record comes from: erp, wms, or a public set"
)

CURRENCY = "currency RLIKE '^[A-Z]{3}$'"
PIECES = "unit of the item"

OUT_OF_STOCK = ("issue", "ship", "return_out", "scrap", "transfer_out")
WITHIN_STOCK = ("block", "release")
"""Blocked stock stays on hand; it is only not available."""

ITEM = [
    Column("kind", StringType(), null=False, doc="part, hand, arm, spare, kit"),
    Column("description", StringType()),
    Column("unit", StringType(), null=False),
    Column("standard_cost", DecimalType(18, 4), check="standard_cost >= 0", doc="cost of one unit, in currency"),
    Column("list_price", DecimalType(18, 4), check="list_price >= 0", doc="price of one unit, in currency"),
    Column("currency", StringType(), null=False, check=CURRENCY),
    Column("lifecycle", StringType(), check="lifecycle IN ('development', 'active', 'phase_out', 'obsolete')"),
    Column("successor_item_id", StringType()),
    Column("criticality", StringType(), check="criticality IN ('H', 'M', 'L')"),
    Column("updated_at", TimestampType()),
]
MOVEMENT = [
    Column("movement_id", StringType(), key=True),
    Column("at", TimestampType(), null=False, check="at >= TIMESTAMP'2000-01-01'"),
    Column("site", StringType(), null=False),
    Column("item_id", StringType(), null=False),
    Column("lot", StringType(), doc="unique within supplier and part"),
    Column("serial", StringType(), doc="null where units are not tracked"),
    Column(
        "kind",
        StringType(),
        null=False,
        check=(
            "kind IN ('opening', 'receipt', 'issue', 'build', 'ship', 'return_in', 'return_out', 'scrap',"
            " 'transfer_in', 'transfer_out', 'block', 'release', 'adjust')"
        ),
    ),
    Column(
        "quantity",
        DecimalType(14, 3),
        null=False,
        unit=PIECES,
        check="quantity > 0",
        doc="the kind gives the sign; an adjustment is what a count found too much",
    ),
    Column("unit", StringType(), null=False),
    Column("reference_type", StringType()),
    Column("reference_id", StringType()),
]
PLANNING = [
    Column("reorder_point", DecimalType(14, 3), unit=PIECES, check="reorder_point >= 0", doc="order when below it"),
    Column(
        "order_up_to",
        DecimalType(14, 3),
        unit=PIECES,
        check="order_up_to >= coalesce(reorder_point, 0)",
        doc="as much as shall be there",
    ),
    Column("review_days", IntegerType(), unit="day", check="review_days BETWEEN 1 AND 365"),
    Column(
        "service_target",
        DecimalType(5, 4),
        check="service_target > 0 AND service_target < 1",
        doc="share of the lines that shall be filled from the shelf",
    ),
]
SALES_LINE = [
    Column("order_id", StringType(), key=True),
    Column("line", IntegerType(), key=True, check="line > 0"),
    Column("revision", IntegerType(), key=True, check="revision >= 0"),
    Column("customer_id", StringType(), doc="null where the sale was anonymous"),
    Column("item_id", StringType(), null=False),
    Column("ship_from_site", StringType(), null=False),
    Column("quantity", DecimalType(14, 3), null=False, unit=PIECES, doc="negative for a sale taken back"),
    Column("unit_price", DecimalType(18, 4), check="unit_price >= 0", doc="price of one unit, in currency"),
    Column("currency", StringType(), null=False, check=CURRENCY),
    Column("ordered_at", TimestampType(), null=False, check="to_date(ordered_at) <= date_add(known_on, 1)"),
    Column("requested_on", DateType()),
    Column("shipped_at", TimestampType(), doc="null until the line has left"),
    Column("status", StringType(), null=False, doc="cancelled lines are no demand"),
    Column("changed_at", TimestampType(), null=False, doc="when the revision was made, as its system claims"),
]


@table(
    inputs=[bronze.items],
    refresh=append(["item_id", "known_on"], by="known_on", newest=["updated_at"]),
    columns=[Column("item_id", StringType(), key=True, doc="the part_id for parts"), *ITEM, STATED_ON],
)
def item_files(records: DataFrame) -> DataFrame:
    """One row per item and day of delivery."""
    return records


@table(
    inputs=[item_files],
    refresh=latest(["item_id"], newest="known_on"),
    columns=[Column("item_id", StringType(), key=True, doc="the part_id for parts"), *ITEM, KNOWN_ON],
)
def items(files: DataFrame) -> DataFrame:
    """One row per item, as last stated."""
    return files.select("item_id", *[c.name for c in ITEM], "known_on")


@table(
    inputs=[bronze.movements],
    refresh=append(["movement_id"], by="to_date(at)"),
    columns=[*MOVEMENT, Column("operator", StringType(), pii="person"), KNOWN_ON],
)
def movement_files(records: DataFrame) -> DataFrame:
    """One row per stock movement, with who made it."""
    return records


@table(
    inputs=[movement_files],
    refresh=slices("day", by="to_date(at)"),
    columns=[
        *MOVEMENT,
        Column(
            "quantity_signed",
            DecimalType(14, 3),
            null=False,
            unit=PIECES,
            doc="what it adds to the stock on hand; 0 for a block or release",
        ),
        Column(
            "blocked_signed",
            DecimalType(14, 3),
            null=False,
            unit=PIECES,
            doc="what it adds to the blocked part of the stock on hand",
        ),
        Column("operator", StringType(), doc="pseudonym"),
        KNOWN_ON,
        SOURCE_SYSTEM,
    ],
)
def movements(files: DataFrame) -> DataFrame:
    """One row per stock movement, with what it does to the stock on hand."""
    return files.select(
        *[c.name for c in MOVEMENT],
        quantity_signed().alias("quantity_signed"),
        blocked_signed().alias("blocked_signed"),
        "operator",
        "known_on",
        F.lit("wms").alias("source_system"),
    )


@table(
    inputs=[bronze.counts],
    refresh=append(["count_id"], by="to_date(counted_at)"),
    columns=[
        Column("count_id", StringType(), key=True),
        Column("counted_at", TimestampType(), null=False, check="counted_at >= TIMESTAMP'2000-01-01'"),
        Column("site", StringType(), null=False),
        Column("item_id", StringType(), null=False),
        Column("quantity", DecimalType(14, 3), null=False, unit=PIECES, check="quantity >= 0"),
        KNOWN_ON,
    ],
)
def counts(records: DataFrame) -> DataFrame:
    """One row per physical count of an item at a site."""
    return records


@table(
    inputs=[bronze.customers],
    refresh=append(["customer_id", "known_on"], by="known_on", newest=["updated_at"]),
    columns=[
        Column("customer_id", StringType(), key=True),
        Column("name", StringType(), pii="person"),
        Column("email", StringType(), pii="person"),
        Column("phone", StringType(), pii="person"),
        Column("address", StringType(), pii="person"),
        Column("city", StringType(), pii="person"),
        Column("country", StringType()),
        Column("segment", StringType()),
        Column("status", StringType(), null=False),
        Column("updated_at", TimestampType()),
        STATED_ON,
    ],
)
def customer_files(records: DataFrame) -> DataFrame:
    """One row per customer and day of delivery, with name and address."""
    return records


@table(
    inputs=[customer_files],
    refresh=latest(["customer_id"], newest="known_on"),
    columns=[
        Column("customer_id", StringType(), key=True),
        Column("name", StringType(), doc="pseudonym"),
        Column("email", StringType(), doc="pseudonym"),
        Column("country", StringType()),
        Column("segment", StringType()),
        Column("status", StringType(), null=False),
        KNOWN_ON,
    ],
)
def customers(files: DataFrame) -> DataFrame:
    """One row per customer, as last stated, with pseudonyms only."""
    return files.select("customer_id", "name", "email", "country", "segment", "status", "known_on")


@table(
    inputs=[bronze.planning_parameters],
    refresh=append(["item_id", "site", "known_on"], by="known_on", newest=["updated_at"]),
    columns=[
        Column("item_id", StringType(), key=True),
        Column("site", StringType(), key=True),
        *PLANNING,
        Column("updated_at", TimestampType()),
        STATED_ON,
    ],
)
def planning_parameter_files(records: DataFrame) -> DataFrame:
    """One row per item, site and day of delivery, as the planner set it."""
    return records


@table(
    inputs=[planning_parameter_files],
    refresh=latest(["item_id", "site"], newest="known_on"),
    columns=[
        Column("item_id", StringType(), key=True),
        Column("site", StringType(), key=True),
        *PLANNING,
        KNOWN_ON,
        SOURCE_SYSTEM,
    ],
)
def planning_parameters(files: DataFrame) -> DataFrame:
    """One row per item and site, as the planner last set it, from whichever system."""
    return files.select("item_id", "site", *[c.name for c in PLANNING], "known_on", F.lit("erp").alias("source_system"))


@table(
    inputs=[bronze.decisions],
    refresh=append(["recommendation_id", "decided_at"], by="to_date(decided_at)", newest=["known_on"]),
    columns=[
        Column("recommendation_id", StringType(), key=True, doc="item, site and week: P-0001@leipzig/2026-W02"),
        Column("decided_at", TimestampType(), key=True, check="to_date(decided_at) <= date_add(known_on, 1)"),
        Column("run", StringType(), doc="the night whose recommendation it was"),
        Column("role", StringType(), check="role IN ('planner', 'buyer')"),
        Column("action", StringType(), null=False, check="action IN ('accepted', 'changed', 'refused')"),
        Column(
            "quantity",
            DecimalType(14, 3),
            unit=PIECES,
            check="quantity >= 0 AND (quantity IS NULL OR action <> 'refused')",
            doc="what was decided; null where nothing is done",
        ),
        Column("reason_code", StringType(), doc="why not as advised"),
        Column("note", StringType(), pii="text", required=False),
        KNOWN_ON,
    ],
)
def decisions(records: DataFrame) -> DataFrame:
    """One row per answer to a recommendation, with what was noted."""
    return records


@table(
    inputs=[bronze.sales_lines],
    refresh=append(["order_id", "line", "revision"], by="to_date(changed_at)", newest=["changed_at"]),
    columns=[*[replace(c, check="quantity > 0") if c.name == "quantity" else c for c in SALES_LINE], KNOWN_ON],
)
def sales_line_files(records: DataFrame) -> DataFrame:
    """One row per revision of a sales line, as the company's own system delivered it."""
    return records


@table(
    inputs=[sales_line_files],
    refresh=slices("day", by="to_date(changed_at)"),
    columns=[*SALES_LINE, KNOWN_ON, SOURCE_SYSTEM],
)
def sales_line_changes(files: DataFrame) -> DataFrame:
    """One row per revision of a sales line, from whichever system."""
    return files.select(*[c.name for c in SALES_LINE], "known_on", F.lit("erp").alias("source_system"))


@table(
    inputs=[sales_line_changes],
    refresh=latest(["order_id", "line"], newest="revision", by="to_date(ordered_at)"),
    columns=[
        *SALES_LINE[:2],
        Column("revision", IntegerType(), null=False),
        *SALES_LINE[3:],
        KNOWN_ON,
        SOURCE_SYSTEM,
    ],
)
def sales_lines(changes: DataFrame) -> DataFrame:
    """One row per sales line, as last revised."""
    return changes.select(*[c.name for c in SALES_LINE], "known_on", "source_system")


def quantity_signed() -> Expression:
    """What a movement adds to the stock on hand."""
    sign = F.when(F.col("kind").isin(*OUT_OF_STOCK), -1).when(F.col("kind").isin(*WITHIN_STOCK), 0).otherwise(1)
    return (sign * F.col("quantity")).cast("decimal(14,3)")


def blocked_signed() -> Expression:
    """What a movement adds to the blocked stock; goods that an inspection condemned leave from there."""
    kind = F.col("kind")
    is_condemned = kind.isin("scrap", "return_out") & F.col("reference_type").eqNullSafe("inspection")
    sign = F.when(kind == "block", 1).when((kind == "release") | is_condemned, -1).otherwise(0)
    return (sign * F.col("quantity")).cast("decimal(14,3)")
