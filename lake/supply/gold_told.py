"""What the company was told of its orders, and when: the ground of every forecast that may only know what was told."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import DateType, DecimalType, IntegerType, StringType

from lake.core.refresh import keyed
from lake.core.table import Column, table
from lake.supply import silver
from lake.supply.gold import NO_LONGER_WAITED_FOR
from lake.supply.silver import LINE

FIRST_SAID = [
    "supplier_id", "part_id", "ship_to_site", "transport_mode", "route", "quantity", "unit_price", "currency",
    "promised_on", "source_system",
]  # fmt: skip


@table(
    inputs=[silver.order_line_changes, silver.receipts],
    refresh=keyed(LINE),
    columns=[
        Column("order_id", StringType(), key=True),
        Column("line", IntegerType(), key=True),
        Column("known_on", DateType(), null=False, doc="day of delivery of the first word of the line"),
        Column("supplier_id", StringType(), null=False, doc="this and all that follows: as that word said"),
        Column("part_id", StringType(), null=False),
        Column("ship_to_site", StringType(), null=False),
        Column("transport_mode", StringType()),
        Column("route", StringType(), doc="direct, from_stock"),
        Column("quantity", DecimalType(14, 3), null=False, unit=silver.PIECES),
        Column("unit_price", DecimalType(18, 4)),
        Column("currency", StringType(), null=False),
        Column("placed_on", DateType()),
        Column("promised_on", DateType()),
        Column("source_system", StringType(), null=False),
        Column("heard_of_on", DateType(), doc="receipt that was told first: the day it came in"),
        Column("heard_of_known_on", DateType(), doc="and its day of delivery to us"),
        Column("received_on", DateType(), doc="earliest receipt: the day it came in"),
        Column("received_known_on", DateType(), doc="and its day of delivery to us"),
        Column("given_up_on", DateType(), doc="first word that it is cancelled or closed: the day of the change"),
        Column("given_up_known_on", DateType(), doc="and its day of delivery to us"),
    ],
)
def order_line_told(order_line_changes: DataFrame, receipts: DataFrame) -> DataFrame:
    """One row per purchase-order line: what its first word said, and when its first receipt and its end were told."""
    placed_on = F.to_date("ordered_at").alias("placed_on")
    changed_on = F.coalesce(F.to_date("changed_at"), "known_on").alias("on")
    is_end = F.col("status").isin(*NO_LONGER_WAITED_FOR)
    words = order_line_changes.groupBy(*LINE).agg(
        F.min(F.struct("known_on", "revision", placed_on, *FIRST_SAID)).alias("first"),
        F.min(F.when(is_end, F.struct("known_on", changed_on))).alias("end"),
    )
    came_on = F.to_date("received_at").alias("on")
    heard = receipts.groupBy(*LINE).agg(
        F.min(F.struct("known_on", came_on)).alias("told_first"),
        F.min(F.struct(came_on, "known_on")).alias("earliest"),
    )
    return (
        words.join(heard, on=LINE, how="left")
        .select(
            *LINE,
            "first.*",
            F.col("told_first.on").alias("heard_of_on"),
            F.col("told_first.known_on").alias("heard_of_known_on"),
            F.col("earliest.on").alias("received_on"),
            F.col("earliest.known_on").alias("received_known_on"),
            F.col("end.on").alias("given_up_on"),
            F.col("end.known_on").alias("given_up_known_on"),
        )
        .drop("revision")
    )
