"""What a manufacturer knew of its items in one week, and which could not be delivered after it (backorders sample)."""

from pyspark.sql import DataFrame
from pyspark.sql.types import DecimalType, IntegerType, StringType

from lake.core.public import HANDED_OVER, SEPARATORS, flag
from lake.core.refresh import append
from lake.core.table import Column, source, table
from lake.warehouse import silver

UNKNOWN = ("", "NA", "-99", "-99.0", "-99.00")
"""What stands in place of a value that nobody knows."""
AMOUNTS = {
    "in_transit": "in_transit_qty",
    **{f"forecast_{n}_months": f"forecast_{n}_month" for n in (3, 6, 9)},
    **{f"sold_{n}_months": f"sales_{n}_month" for n in (1, 3, 6, 9)},
    "least_stock": "min_bank",
    "past_due": "pieces_past_due",
    "local_backorder": "local_bo_qty",
}
FLAGS = ("potential_issue", "deck_risk", "oe_constraint", "ppap_risk", "stop_auto_buy", "rev_stop")

backorders = source(
    "backorder_items",
    __name__,
    "One line per item in the week of a snapshot.",
    format="csv",
    path="backorders_sample/*.csv*",
    delimiter=SEPARATORS,
    line_end="any",
    delivered=HANDED_OVER,
    public=True,
    required=False,
)


@table(
    inputs=[backorders],
    refresh=append(["item_id", "snapshot"], by="snapshot"),
    columns=[
        Column("item_id", StringType(), key=True, raw="sku", check="item_id RLIKE '^[0-9]+$'"),
        Column("snapshot", silver.STATED_ON.type, key=True, parse="_dt", doc="day of delivery: the set names no week"),
        Column(
            "on_hand",
            DecimalType(14, 3),
            raw="national_inv",
            unit=silver.PIECES,
            absent=UNKNOWN[:2],
            doc="negative where more was promised than there is",
        ),
        Column(
            "lead_time", IntegerType(), raw="lead_time", absent=UNKNOWN, check="lead_time >= 0", doc="unit not stated"
        ),
        *[
            Column(name, DecimalType(14, 3), raw=raw, unit=silver.PIECES, absent=UNKNOWN[:2], check=f"{name} >= 0")
            for name, raw in AMOUNTS.items()
        ],
        *[
            Column(
                f"supplier_{n}_months",
                DecimalType(9, 4),
                raw=f"perf_{n}_month_avg",
                absent=UNKNOWN,
                check=f"supplier_{n}_months BETWEEN 0 AND 1",
                doc="how well its supplier delivered; null where -99 says that nobody knows",
            )
            for n in (6, 12)
        ],
        *[flag(name, name, required=False) for name in FLAGS],
        flag("went_on_backorder", "went_on_backorder", null=False),
    ],
)
def backorder_items(records: DataFrame) -> DataFrame:
    """One row per item and snapshot: stock, what is coming, forecasts, sales, and whether it could not be delivered."""
    return records
