"""What is expected of the warehouse's tables as a whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lake.core.expect import ask, expectation
from lake.warehouse import gold, gold_demand

if TYPE_CHECKING:
    import pandas as pd


@expectation(
    ask("expect_column_sum_to_be_between", column="off", min_value=0, max_value=0.001, severity="stop"),
    reads={gold_demand.demand_month: "item_id month demand returned", gold_demand.demand_day: "item_id day demand"},
)
def the_demand_of_a_month_is_that_of_its_days(months: pd.DataFrame, days: pd.DataFrame) -> pd.DataFrame:
    """What customers wanted in a month, less what they gave back, is what they wanted on its days."""
    month = days["day"].dt.to_period("M").dt.to_timestamp()
    wanted = days.assign(month=month).groupby(["item_id", "month"], as_index=False)["demand"].sum()
    both = months.merge(wanted, on=["item_id", "month"], suffixes=("", "_of_days")).dropna(subset="demand")
    return both.assign(off=(both["demand"] - both["returned"] - both["demand_of_days"]).abs())


@expectation(
    ask("expect_column_values_to_be_between", column="closing", min_value=0, mostly=0.95),
    reads={gold.stock_month: "closing"},
)
def hardly_any_shelf_is_overdrawn(months: pd.DataFrame) -> pd.DataFrame:
    """Nearly no shelf has less than nothing at the end of a month."""
    return months


@expectation(
    ask("expect_column_values_to_be_in_set", column="is_there", value_set=[True], severity="stop"),
    reads={gold.stock_month: "site month", gold.stock_change_day: "site"},
)
def every_site_has_a_balance(months: pd.DataFrame, days: pd.DataFrame) -> pd.DataFrame:
    """A site where anything moved has balances."""
    moved = days.drop_duplicates("site")
    return moved.assign(is_there=moved["site"].isin(months["site"]))
