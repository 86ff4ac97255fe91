"""Deliveries of health commodities to 43 countries (SCMS Delivery History, USAID), read as order lines and receipts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import Column as Expression
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import BooleanType, DateType, DecimalType, IntegerType, StringType

from lake.core.expect import ask, expectation
from lake.core.public import HANDED_OVER, SEPARATORS
from lake.core.refresh import append
from lake.core.table import Column, mapping, source, table
from lake.supply import silver

if TYPE_CHECKING:
    import pandas as pd

SOURCE_SYSTEM = "scms"
PACKS = "pack"
NOT_CAPTURED, NO_QUOTE, FROM_STOCK = "Date Not Captured", "Pre-PQ Process", "N/A - From RDC"
NO_DATE = (NOT_CAPTURED, NO_QUOTE, FROM_STOCK, "N/A")
PLAUSIBLE = "BETWEEN DATE'2000-01-01' AND DATE'2100-01-01'"
MONEY = DecimalType(18, 4)
ELSEWHERE = ("See DN-", "See ASN-")
INSTEAD = {
    "quoted_text": (NOT_CAPTURED, NO_QUOTE),
    "ordered_text": (NOT_CAPTURED, FROM_STOCK),
    "freight_text": ("Freight Included in Commodity Cost", "Invoiced Separately", *ELSEWHERE),
    "weight_text": ("Weight Captured Separately", *ELSEWHERE),
}
"""How the texts begin that stand where a date or a number should."""


def day(name: str, raw: str, *, doc: str = "", required: bool = True, check: str | None = None) -> Column:
    """A date in any form that copies of the set write it; the texts that stand in for one are no date."""
    forms = ("M/d/[yyyy][yy]", "d-MMM-[yyyy][yy]")
    tries = ", ".join(f"try_to_timestamp(trim({name}), '{form}')" for form in forms)
    return Column(
        name,
        DateType(),
        raw=raw,
        parse=f"coalesce(try_cast({name} AS DATE), to_date(coalesce({tries})))",
        absent=NO_DATE,
        required=required,
        check=check,
        doc=doc,
    )


def text(name: str, raw: str, *, doc: str = "", required: bool = False) -> Column:
    """What the set says, as it says it: its N/A means that there is no such thing, not that nobody knows."""
    return Column(name, StringType(), raw=raw, required=required, doc=doc)


def amount(name: str, said: str, unit: str, *, doc: str) -> list[Column]:
    """The number in the text column `said`, and the record that has it where the text only says which one."""
    reference = f"nullif(regexp_extract({said}, 'ID#:([0-9]+)', 1), '')"
    return [
        Column(f"{name}_{unit.lower()}", MONEY, parse=f"try_cast(trim({said}) AS DECIMAL(18,4))", unit=unit, doc=doc),
        Column(f"{name}_record_id", IntegerType(), parse=f"try_cast({reference} AS INT)", doc="record that carries it"),
    ]


scms = source(
    "scms_deliveries",
    __name__,
    "One line per delivered order line.",
    format="csv",
    path="scms_delivery_history/*.csv*",
    delimiter=SEPARATORS,
    line_end="any",
    delivered=HANDED_OVER,
    public=True,
    required=False,
)


@table(
    inputs=[scms],
    refresh=append(["record_id"], by="coalesce(delivered_on, scheduled_on)"),
    columns=[
        Column("record_id", IntegerType(), key=True, raw="ID", check="record_id > 0"),
        text("project", "Project Code"),
        text("quote_id", "PQ #"),
        Column("order_id", StringType(), null=False, raw="PO / SO #"),
        text("shipment_id", "ASN/DN #"),
        Column("country", StringType(), null=False, raw="Country"),
        text("managed_by", "Managed By"),
        Column(
            "fulfilled_via",
            StringType(),
            null=False,
            raw="Fulfill Via",
            doc="Direct Drop from the maker, or From RDC: a distribution centre that held it in stock",
        ),
        text("incoterm", "Vendor INCO Term"),
        text("shipment_mode", "Shipment Mode"),
        text("quoted_text", "PQ First Sent to Client Date", doc="the date, or why there is none"),
        day("quoted_on", "PQ First Sent to Client Date", required=False),
        text("ordered_text", "PO Sent to Vendor Date", doc="the date, or why there is none", required=True),
        day("ordered_on", "PO Sent to Vendor Date"),
        day(
            "scheduled_on",
            "Scheduled Delivery Date",
            check=f"(coalesce(scheduled_on, delivered_on) {PLAUSIBLE}) IS TRUE",
            doc="rewritten after the fact: six of ten came on this very day",
        ),
        day(
            "delivered_on", "Delivered to Client Date", check=f"delivered_on {PLAUSIBLE}", doc="null until it has come"
        ),
        day("recorded_on", "Delivery Recorded Date", required=False),
        text("product_group", "Product Group"),
        text("sub_classification", "Sub Classification"),
        Column("vendor", StringType(), null=False, raw="Vendor"),
        Column("item_description", StringType(), null=False, raw="Item Description"),
        text("molecule", "Molecule/Test Type"),
        text("brand", "Brand"),
        text("dosage", "Dosage"),
        text("dosage_form", "Dosage Form"),
        Column(
            "units_per_pack",
            IntegerType(),
            raw="Unit of Measure (Per Pack)",
            required=False,
            check="units_per_pack > 0",
        ),
        Column("quantity", DecimalType(14, 3), null=False, raw="Line Item Quantity", unit=PACKS, check="quantity > 0"),
        Column("value_usd", MONEY, raw="Line Item Value", required=False, unit="USD", check="value_usd >= 0"),
        Column("pack_price_usd", MONEY, raw="Pack Price", unit="USD", check="pack_price_usd >= 0"),
        Column("unit_price_usd", MONEY, raw="Unit Price", required=False, unit="USD", check="unit_price_usd >= 0"),
        text("manufacturing_site", "Manufacturing Site"),
        Column(
            "is_first_line",
            BooleanType(),
            raw="First Line Designation",
            parse="CASE WHEN lower(trim(is_first_line)) IN ('yes', 'true') THEN true"
            " WHEN lower(trim(is_first_line)) IN ('no', 'false') THEN false END",
            required=False,
        ),
        text("weight_text", "Weight (Kilograms)", doc="a number, why there is none, or which record has it"),
        *amount("weight", "weight_text", "kg", doc="null where the text is no number"),
        text("freight_text", "Freight Cost (USD)", doc="a number, why there is none, or which record has it"),
        *amount("freight", "freight_text", "USD", doc="null where the text is no number"),
        Column("insurance_usd", MONEY, raw="Line Item Insurance (USD)", required=False, unit="USD"),
        silver.KNOWN_ON,
    ],
)
def scms_deliveries(records: DataFrame) -> DataFrame:
    """One row per delivered order line, with what its texts say beside the numbers in them."""
    return records


@expectation(
    *[
        ask("expect_column_values_to_not_match_regex", column=column, regex=f"^{words}")
        for column, texts in INSTEAD.items()
        for words in texts
    ],
    reads={scms_deliveries: " ".join(INSTEAD)},
)
def scms_deliveries_say_when_and_how_much(deliveries: pd.DataFrame) -> pd.DataFrame:
    """A delivery has the days of its quote and of its order, its freight and its weight, and no words instead."""
    return deliveries


@mapping(to=silver.order_line_changes, inputs=[scms_deliveries])
def scms_order_lines(records: DataFrame) -> DataFrame:
    """One row per order line as the set has it in the end; how it was promised before, the set does not say.

    The scheduled date was rewritten until the delivery. As the set reached us long after the order (known_on), no
    forecast takes it for a promise.
    """
    is_from_stock = F.lower("fulfilled_via") == "from rdc"
    missing = F.when(is_from_stock, "from_stock").otherwise("not_captured")
    is_delivered = F.col("delivered_on").isNotNull()
    return records.select(
        "order_id",
        F.col("record_id").alias("line"),
        F.lit(1).alias("revision"),
        F.col("vendor").alias("supplier_id"),
        F.col("item_description").alias("part_id"),
        F.col("country").alias("ship_to_site"),
        "quantity",
        F.col("pack_price_usd").alias("unit_price"),
        F.lit("USD").alias("currency"),
        F.col("ordered_on").cast("timestamp").alias("ordered_at"),
        F.when(F.col("ordered_on").isNull(), missing).alias("ordered_missing_reason"),
        F.coalesce("scheduled_on", "delivered_on").alias("promised_on"),
        transport_mode().alias("transport_mode"),
        F.nullif("incoterm", F.lit("N/A")).alias("incoterm"),
        F.when(is_delivered, "received").otherwise("open").alias("status"),
        F.coalesce("delivered_on", "scheduled_on").cast("timestamp").alias("changed_at"),
        F.when(is_from_stock, "from_stock").otherwise("direct").alias("route"),
        "known_on",
        F.lit(SOURCE_SYSTEM).alias("source_system"),
    )


@mapping(to=silver.receipts, inputs=[scms_deliveries])
def scms_receipts(records: DataFrame) -> DataFrame:
    """One row per delivered order line: all of it came at once, and was known when it was recorded."""
    return records.where("delivered_on IS NOT NULL").select(
        F.concat(F.lit("SCMS-"), F.col("record_id").cast("string")).alias("receipt_id"),
        "order_id",
        F.col("record_id").alias("line"),
        F.col("country").alias("site"),
        F.col("delivered_on").cast("timestamp").alias("received_at"),
        "quantity",
        F.lit(None).cast("string").alias("lot"),
        F.greatest("delivered_on", "recorded_on").alias("known_on"),
        F.lit(SOURCE_SYSTEM).alias("source_system"),
    )


def transport_mode() -> Expression:
    """How it travelled, in the words of our own orders; null where the set says N/A."""
    said = F.lower(F.trim("shipment_mode"))
    return F.when(said == "truck", "road").when(said != "n/a", F.translate(said, " ", "_"))
