"""What the warehouse department wants to be told of in the morning."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from lake.core.watch import watch
from lake.warehouse import silver

if TYPE_CHECKING:
    import pandas as pd

FAR = 10
"""A price so many times above, or below, the listed one is a slip of unit or decimal point."""


@watch(
    inputs={
        silver.sales_line_files: "order_id line item_id unit_price currency",
        silver.item_files: "item_id list_price currency",
    }
)
def prices_far_off(night: date, lines: pd.DataFrame, items: pd.DataFrame) -> pd.DataFrame:
    """Sales lines at prices far from the listed ones."""
    both = lines.merge(items, on=["item_id", "currency"])
    ratio = both["unit_price"] / both["list_price"].where(lambda price: price > 0)
    return both[(ratio >= FAR) | (ratio <= 1 / FAR)][["order_id", "line", "item_id", "unit_price", "list_price"]]
