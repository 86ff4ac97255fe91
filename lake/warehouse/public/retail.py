"""Invoice lines of a British gift wholesaler (Online Retail, UCI), read as sales lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import DecimalType, StringType, TimestampType
from pyspark.sql.window import Window

from lake.core.expect import ask, expectation
from lake.core.public import HANDED_OVER
from lake.core.refresh import append
from lake.core.table import Column, mapping, source, table
from lake.warehouse import silver

if TYPE_CHECKING:
    import pandas as pd

SOURCE_SYSTEM = "online_retail"
SITE = "GB"
PRODUCT = "^([0-9]{5}|DCGS|PADS)"
"""How the codes of goods begin; the rest are postage, fees, vouchers, samples and corrections by hand."""

retail = source(
    "retail_lines",
    __name__,
    "One row per line of an invoice.",
    format="parquet",
    path="online_retail/*.parquet",
    delivered=HANDED_OVER,
    public=True,
    required=False,
    personal=True,
)


@table(
    inputs=[retail],
    # lines have no id, and equal ones are sold twice on one invoice: every record counts
    refresh=append(by="to_date(invoiced_at)"),
    columns=[
        Column(
            "invoice_id", StringType(), null=False, raw="InvoiceNo", doc="C… takes a sale back, A… adjusts bad debt"
        ),
        Column("stock_code", StringType(), null=False, raw="StockCode"),
        Column("description", StringType(), raw="Description", required=False),
        Column("quantity", DecimalType(14, 3), null=False, raw="Quantity", unit=silver.PIECES),
        Column(
            "invoiced_at",
            TimestampType(),
            null=False,
            raw="InvoiceDate",
            parse="coalesce(try_to_timestamp(invoiced_at), try_to_timestamp(invoiced_at, 'M/d/yyyy H:mm'))",
            check="invoiced_at >= TIMESTAMP'2000-01-01'",
        ),
        Column("unit_price", DecimalType(18, 4), null=False, raw="UnitPrice", unit="GBP", doc="below 0: bad debt"),
        Column(
            "customer_id",
            StringType(),
            pii="person",
            raw="CustomerID",
            parse="regexp_replace(trim(customer_id), '[.]0+$', '')",
            absent=("", "nan", "NaN"),
            required=False,
            doc="null where the sale was anonymous",
        ),
        Column("country", StringType(), raw="Country", required=False),
        Column(
            "excluded",
            StringType(),
            parse=f"CASE WHEN NOT upper(trim(stock_code)) RLIKE '{PRODUCT}' THEN 'not a product'"
            " WHEN try_cast(unit_price AS DECIMAL(18,4)) <= 0 THEN 'no price'"
            " WHEN try_cast(quantity AS DECIMAL(14,3)) = 0 THEN 'no quantity' END",
            check="excluded IN ('not a product', 'no price', 'no quantity')",
            doc="why the line is no sales line; null where it is one",
        ),
        silver.KNOWN_ON,
    ],
)
def retail_lines(records: DataFrame) -> DataFrame:
    """One row per line of an invoice, with why it is no sales line if it is none."""
    return records


@expectation(
    ask("expect_column_values_to_not_match_regex", column="invoice_id", regex="^C"),
    ask("expect_column_values_to_not_match_regex", column="invoice_id", regex="^A"),
    ask("expect_column_sum_to_be_between", column="repeated", min_value=0, max_value=0),
    reads={retail_lines: "invoice_id stock_code description quantity invoiced_at unit_price country"},
)
def retail_lines_are_sales_told_once(lines: pd.DataFrame) -> pd.DataFrame:
    """A line sells something, takes nothing back and adjusts no debt, and no other line of its invoice is equal."""
    # an invoice has one customer: lines that are equal without the customer are so with him
    return lines.assign(repeated=lines.duplicated())


@mapping(to=silver.sales_line_changes, inputs=[retail_lines])
def retail_sales_lines(lines: DataFrame) -> DataFrame:
    """One row per invoice line of goods with a price; what was taken back keeps its negative quantity.

    The set numbers no lines: their order is that of their content, so that equal lines are as good as each other.
    """
    content = ["stock_code", "description", "quantity", "unit_price", "invoiced_at", "country", "customer_id"]
    of_invoice = Window.partitionBy("invoice_id", F.to_date("invoiced_at")).orderBy(*content)
    return (
        lines.where("excluded IS NULL")
        .withColumn("line", F.row_number().over(of_invoice))
        .select(
            F.col("invoice_id").alias("order_id"),
            "line",
            F.lit(1).alias("revision"),
            "customer_id",
            F.upper(F.trim("stock_code")).alias("item_id"),
            F.lit(SITE).alias("ship_from_site"),
            "quantity",
            "unit_price",
            F.lit("GBP").alias("currency"),
            F.col("invoiced_at").alias("ordered_at"),
            F.lit(None).cast("date").alias("requested_on"),
            F.col("invoiced_at").alias("shipped_at"),
            F.when(F.col("quantity") < 0, "returned").otherwise("shipped").alias("status"),
            F.col("invoiced_at").alias("changed_at"),
            F.to_date("invoiced_at").alias("known_on"),
            F.lit(SOURCE_SYSTEM).alias("source_system"),
        )
    )
