"""What is expected of the purchasing tables as a whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lake.core.expect import ask, expectation
from lake.supply import gold
from lake.supply.gold_dims import dim_part

if TYPE_CHECKING:
    import pandas as pd

OWN = "erp"
"""Lines of our own orders; public sets bring parts that nobody described."""


@expectation(
    ask("expect_column_values_to_be_in_set", column="is_known", value_set=[True], mostly=0.98, severity="stop"),
    reads={gold.fct_order_line: "part_id is_open source_system", dim_part: "part_id"},
)
def open_order_lines_are_for_known_parts(lines: pd.DataFrame, parts: pd.DataFrame) -> pd.DataFrame:
    """Nearly every open order line is for a part that is described."""
    waited_for = lines[lines["is_open"] & (lines["source_system"] == OWN)]
    return waited_for.assign(is_known=waited_for["part_id"].isin(parts["part_id"]))


@expectation(
    ask("expect_column_sum_to_be_between", column="off", min_value=0, max_value=0, severity="stop"),
    reads={gold.supplier_month: "month lines_due as_of", gold.fct_order_line: "promised_first status"},
)
def due_lines_are_in_their_months(months: pd.DataFrame, lines: pd.DataFrame) -> pd.DataFrame:
    """Every line that has fallen due, and was not cancelled, is counted in its month."""
    due = lines[(lines["promised_first"] <= months["as_of"].max()) & (lines["status"] != "cancelled")]
    there = due.groupby(due["promised_first"].dt.to_period("M")).size()
    told = months.groupby(months["month"].dt.to_period("M"))["lines_due"].sum()
    off: pd.Series[int] = (there - told.reindex(there.index, fill_value=0)).abs()
    return off.to_frame("off")


@expectation(
    ask(
        "expect_column_pair_values_a_to_be_greater_than_b",
        column_A="quantity_most", column_B="quantity_received", or_equal=True, mostly=0.95,
    ),
    reads={gold.fct_order_line: "quantity_ordered quantity_received"},
)  # fmt: skip
def hardly_any_line_is_delivered_twice(lines: pd.DataFrame) -> pd.DataFrame:
    """Nearly no order line has received one and a half times what was ordered."""
    return lines.assign(quantity_most=1.5 * lines["quantity_ordered"])
