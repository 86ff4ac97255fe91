"""What the supply department wants to be told of in the morning."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from lake.core.watch import watch
from lake.supply import silver

if TYPE_CHECKING:
    import pandas as pd

FAR = 10
"""A price so many times above, or below, the agreed one is a slip of unit or decimal point."""


@watch(
    inputs={
        silver.order_line_files: "order_id line supplier_id part_id unit_price currency",
        silver.supplier_parts: "supplier_id part_id unit_price currency",
    }
)
def prices_far_off(night: date, lines: pd.DataFrame, agreed: pd.DataFrame) -> pd.DataFrame:
    """Order lines at prices far from the agreed ones."""
    both = lines.merge(agreed, on=["supplier_id", "part_id", "currency"], suffixes=("", "_agreed"))
    ratio = both["unit_price"] / both["unit_price_agreed"].where(lambda price: price > 0)
    return both[(ratio >= FAR) | (ratio <= 1 / FAR)][["order_id", "line", "unit_price", "unit_price_agreed"]]


@watch(
    inputs={silver.order_line_files: "order_id line revision promised_on known_on"},
    earlier=[silver.order_line_files],
    test="flood",
    least=8,
)
def late_promises(night: date, lines: pd.DataFrame) -> pd.DataFrame:
    """Order lines that suppliers now promise later."""
    lines = lines.sort_values("revision", kind="stable")
    before = lines.groupby(["order_id", "line"])["promised_on"].shift()
    told = lines.assign(promised_before=before)[lines["known_on"] == night].dropna(subset=["promised_before"])
    return told[told["promised_on"] > told["promised_before"]].drop(columns="known_on")
