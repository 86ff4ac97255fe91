"""What is expected of the tables that join departments."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lake.company import gold
from lake.core.expect import ask, expectation
from lake.warehouse import gold as warehouse

if TYPE_CHECKING:
    import pandas as pd

ALL = "*"
"""The site that stands for the company as a whole."""


@expectation(
    ask("expect_column_values_to_be_between", column="off", min_value=-0.005, max_value=0.005, severity="stop"),
    reads={gold.stock_position: "site on_hand unit_cost currency value"},
)
def stock_is_worth_its_cost(positions: pd.DataFrame) -> pd.DataFrame:
    """The value of a site's stock in a currency is its quantities at their cost, to half a percent."""
    known = positions.dropna(subset=["unit_cost", "value"])
    worth = known.assign(worth=known["on_hand"] * known["unit_cost"]).groupby(["site", "currency"])[["worth", "value"]]
    total = worth.sum()
    return total.assign(off=(total["value"] - total["worth"]) / total["worth"].abs().clip(lower=1))


@expectation(
    ask("expect_column_values_to_be_in_set", column="is_there", value_set=[True], severity="stop"),
    reads={gold.stock_position: "site", warehouse.stock_month: "site"},
)
def positions_of_all_sites_are_there(positions: pd.DataFrame, months: pd.DataFrame) -> pd.DataFrame:
    """Every site with a balance has positions, and so has the company as a whole."""
    import pandas as pd

    wanted = pd.Series([*months["site"].unique(), ALL])
    return pd.DataFrame({"site": wanted, "is_there": wanted.isin(positions["site"])})


@expectation(
    ask("expect_column_pair_values_a_to_be_greater_than_b", column_A="value", column_B="frozen_value", or_equal=True),
    reads={gold.stock_position: "site currency value frozen_value"},
)
def no_more_is_frozen_than_there_is(positions: pd.DataFrame) -> pd.DataFrame:
    """The frozen value of a site is no more than that of all that lies there."""
    return positions.dropna().groupby(["site", "currency"], as_index=False)[["value", "frozen_value"]].sum()
