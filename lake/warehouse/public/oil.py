"""Spare parts of an oil refinery: stock, reorder point, maximum, price and 56 months of consumption (part 1b)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import DecimalType, IntegerType, LongType, StringType

from lake.core.expect import ask, expectation
from lake.core.public import HANDED_OVER, SEPARATORS
from lake.core.refresh import append
from lake.core.table import Column, mapping, source, table
from lake.warehouse import silver
from lake.warehouse.monthly import as_months, monthly_demand, months

if TYPE_CHECKING:
    import pandas as pd

SOURCE_SYSTEM = "oil_spare_parts"
SITE = "refinery"
CURRENCY = "XXX"
"""The set does not say in which currency its prices are."""
BAD_MONTH = "1997-11-01"
"""The set itself says that this month holds strange values and is to be left out."""
ITEM = "concat('OIL-', material)"

oil = source(
    "oil_materials",
    __name__,
    "One line per material: how it is planned, what lies there, and what was consumed month by month.",
    format="csv",
    path="oil_spare_parts/*.csv*",
    delimiter=SEPARATORS,
    line_end="any",
    delivered=HANDED_OVER,
    public=True,
    required=False,
)


def whole(name: str, raw: str, *, doc: str, required: bool = True) -> Column:
    check = f"{name} >= 0"
    return Column(name, LongType(), raw=raw, unit=silver.PIECES, check=check, required=required, doc=doc)


@table(
    inputs=[oil],
    refresh=append(["material"], by="known_on"),
    columns=[
        Column("material", StringType(), key=True, raw="Material"),
        Column("delivery_days", IntegerType(), raw="Del. time", unit="day", check="delivery_days >= 0", required=False),
        Column(
            "reorder_point", DecimalType(14, 3), null=False, raw="Min", unit=silver.PIECES, check="reorder_point >= 0"
        ),
        Column(
            "order_up_to",
            DecimalType(14, 3),
            null=False,
            raw="Max",
            unit=silver.PIECES,
            check="order_up_to >= reorder_point",
        ),
        Column("stock", DecimalType(14, 3), null=False, raw="Stock", unit=silver.PIECES, check="stock >= 0"),
        Column("price", DecimalType(18, 4), null=False, raw="Price", check="price >= 0", doc="currency not stated"),
        *[
            whole(
                f"in_{level}",
                letter,
                doc=f"pieces in equipment of {level} criticality; null: none known",
                required=False,
            )
            for letter, level in (("H", "high"), ("M", "medium"), ("L", "low"))
        ],
        whole("in_all", "Total", doc="pieces in equipment; null: none known", required=False),
        months(doc="consumed by month; below 0: taken back; null: nobody wrote anything down"),
        silver.KNOWN_ON,
    ],
)
def oil_materials(records: DataFrame) -> DataFrame:
    """One row per material, with its months as delivered, the bad one among them."""
    return records


@mapping(to=monthly_demand, inputs=[oil_materials])
def oil_demand(materials: DataFrame) -> DataFrame:
    """One row per material and month of consumption; of the bad month only that there was any, not how much."""
    rows = as_months(materials.select(F.expr(ITEM).alias("item_id"), "units", "known_on"))
    is_bad = (F.col("month") == F.lit(BAD_MONTH).cast("date")) & (F.col("quantity") > 0)
    return rows.select(
        "item_id",
        "month",
        F.when(~is_bad, F.col("quantity")).alias("quantity"),
        F.lit(SOURCE_SYSTEM).alias("source_system"),
    )


@expectation(
    ask("expect_column_values_to_not_be_null", column="quantity"), reads={monthly_demand: "quantity source_system"}
)
def oil_demand_is_told_in_figures(months: pd.DataFrame) -> pd.DataFrame:
    """Of a month of consumption the set says how much it was, and does not ask to leave the figure out."""
    return months[months["source_system"] == SOURCE_SYSTEM]


@mapping(to=silver.items, inputs=[oil_materials])
def oil_items(materials: DataFrame) -> DataFrame:
    """One row per material, as critical as the most critical equipment it is in."""
    criticality = F.when(F.col("in_high") > 0, "H").when(F.col("in_medium") > 0, "M").when(F.col("in_low") > 0, "L")
    return materials.select(
        F.expr(ITEM).alias("item_id"),
        F.lit("spare").alias("kind"),
        F.lit(None).cast("string").alias("description"),
        F.lit("piece").alias("unit"),
        F.col("price").alias("standard_cost"),
        F.lit(None).cast("decimal(18,4)").alias("list_price"),
        F.lit(CURRENCY).alias("currency"),
        F.lit(None).cast("string").alias("lifecycle"),
        F.lit(None).cast("string").alias("successor_item_id"),
        criticality.alias("criticality"),
        F.lit(None).cast("timestamp").alias("updated_at"),
        "known_on",
    )


@mapping(to=silver.planning_parameters, inputs=[oil_materials])
def oil_planning(materials: DataFrame) -> DataFrame:
    """One row per material: reorder at its Min, up to its Max."""
    return materials.select(
        F.expr(ITEM).alias("item_id"),
        F.lit(SITE).alias("site"),
        "reorder_point",
        "order_up_to",
        F.lit(None).cast("int").alias("review_days"),
        F.lit(None).cast("decimal(5,4)").alias("service_target"),
        "known_on",
        F.lit(SOURCE_SYSTEM).alias("source_system"),
    )


@mapping(to=silver.movements, inputs=[oil_materials])
def oil_openings(materials: DataFrame) -> DataFrame:
    """One row per material with stock: it lay there when the set was handed over; how it came there, nobody says."""
    nothing = F.lit(None).cast("string")
    return materials.where("stock > 0").select(
        F.concat(F.expr(ITEM), F.lit("-opening")).alias("movement_id"),
        F.col("known_on").cast("timestamp").alias("at"),
        F.lit(SITE).alias("site"),
        F.expr(ITEM).alias("item_id"),
        *[nothing.alias(name) for name in ("lot", "serial")],
        F.lit("opening").alias("kind"),
        F.col("stock").alias("quantity"),
        F.lit("piece").alias("unit"),
        *[nothing.alias(name) for name in ("reference_type", "reference_id")],
        F.col("stock").alias("quantity_signed"),
        F.lit(0).cast("decimal(14,3)").alias("blocked_signed"),
        nothing.alias("operator"),
        "known_on",
        F.lit(SOURCE_SYSTEM).alias("source_system"),
    )
