"""What stands out on the shelves: items that nobody orders any more, sites whose counts are wrong."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

from lake.core.evidence import chance_of_at_most, chance_of_hits
from lake.core.report import Number, Said, counted, day, money
from lake.core.table import Table
from lake.warehouse.gold import stock_day
from lake.warehouse.gold_demand import demand_day

if TYPE_CHECKING:
    import pandas as pd

SPANS = (30, 60, 90, 180)
"""The last so many days of an item's orders are held against the year before them."""
YEAR_DAYS = 365
RARE = 1e-5
"""So few orders must be that unlikely if nothing had changed,"""
LITTLE = 0.25
"""and at most this share of what was to be expected."""
LEAST_COUNTS = 10
BY_CHANCE = 0.01
"""So unlikely it must be that a site's counts raise the books as often as they do."""
TOLD = 5
RULES = (
    f"An item counts as dying if its orders of the last 30, 60, 90 or 180 days are at most {LITTLE:.0%} of what the "
    f"year before lets expect, and so few would come by chance less than once in {1 / RARE:,.0f} times (Poisson).",
    "A site counts badly if its counts raise the books more often than those of all other sites, by a chance of less "
    f"than {BY_CHANCE:.0%}: what gets lost lowers the books, and a count that raises them takes an earlier one back.",
)


def dying(demand: pd.DataFrame, as_of: date) -> pd.DataFrame:
    """One row per item that is hardly ordered any more: in the clearest span, what came and what was to be expected."""
    import pandas as pd

    age = [(as_of - d).days for d in demand["day"]]
    lines = demand.assign(item=demand["item_id"], age=age, n=demand["lines"].astype(float))
    seen = int(lines["age"].max()) + 1 if len(lines) else 0
    lines = lines[lines["n"] > 0]
    days_before = {span: min(YEAR_DAYS, seen - span) for span in SPANS}
    fallen = [_fallen(lines, span, days) for span, days in days_before.items() if days >= span]
    if not fallen:
        return pd.DataFrame(columns=["item", "span", "came", "expected", "chance", "last"])
    clearest = pd.concat(fallen).sort_values(["item", "chance", "span"]).drop_duplicates("item")
    return clearest.assign(last=clearest["item"].map(lines.groupby("item")["day"].max()))


def _fallen(lines: pd.DataFrame, span: int, days: int) -> pd.DataFrame:
    """The items of which too few lines came in the last `span` days, going by the `days` before them."""
    before = lines[(lines["age"] >= span) & (lines["age"] < span + YEAR_DAYS)].groupby("item")["n"].sum()
    since = lines[lines["age"] < span].groupby("item")["n"].sum()
    both = before.to_frame("before").assign(came=since.reindex(before.index, fill_value=0).astype(int), span=span)
    few = both.assign(expected=both["before"] / days * span).query("came <= @LITTLE * expected").reset_index()
    chances = [chance_of_at_most(*fewer) for fewer in zip(few["came"], few["expected"], strict=True)]
    return few.assign(chance=chances)[["item", "span", "came", "expected", "chance"]].query("chance < @RARE")


def dying_stories(fallen: pd.DataFrame, stock: pd.DataFrame, table: Table) -> list[Said]:
    """A sentence for each dying item, the most money on the shelves first. `stock`: its rows of the company."""
    worth = stock.drop_duplicates("item_id").set_index("item_id")
    value = fallen["item"].map(worth["value"].astype(float)).fillna(0.0)
    ranked = fallen.assign(value=value).sort_values(["value", "item"], ascending=[False, True])
    told: list[Said] = []
    row: Any
    for row in ranked.iloc[:TOLD].itertuples():
        currency = worth["currency"].get(row.item)
        shelf: Said = (
            (" ", Number(money(row.value, currency or ""), table), " of it are on the shelves.")
            if row.value > 0
            else ()
        )
        orders = counted(row.came, "order line") if row.came else "no order line"
        told.append(
            (
                f"Nobody orders {row.item} any more: ",
                Number(orders, demand_day),
                f" in {row.span} days, in which the year before lets expect {row.expected:.0f}; "
                f"the last on {day(row.last)}.",
                *shelf,
            )
        )
    if len(ranked) > TOLD:
        told.append((f"{len(ranked) - TOLD:,} more items are dying, with less money on the shelves.",))
    return told


def miscounting(days: pd.DataFrame) -> pd.DataFrame:
    """One row per site: how many of its counts raised the books, and whether too many did. `days`: those of counts.

    Where the books said less than nothing, a count has to raise them and says nothing of who counted.
    """
    numbers = days[["counted", "adjusted"]].astype(float)
    told = days.assign(up=numbers["adjusted"] > 0)[numbers["counted"] >= numbers["adjusted"]]
    done = told.groupby("site")["up"].agg(counts="size", off="sum").astype(int).reset_index()
    total, off = int(done["counts"].sum()), int(done["off"].sum())
    stands_out = []
    row: Any
    for row in done.itertuples():
        elsewhere = total - row.counts
        chance = chance_of_hits(row.off, row.counts, off - row.off, elsewhere)
        stands_out.append(min(row.counts, elsewhere) >= LEAST_COUNTS and row.off > 0 and chance < BY_CHANCE)
    return done.assign(others=off - done["off"], elsewhere=total - done["counts"], stands_out=stands_out)


def miscounting_stories(sites: pd.DataFrame) -> list[Said]:
    return [
        (
            f"Counts at {s['site']} are often wrong: ",
            Number(f"{s['off']:,} of {s['counts']:,}", stock_day),
            f" ({s['off'] / s['counts']:.0%}) found more than the books, and so take back earlier ones, against ",
            Number(f"{s['others']:,} of {s['elsewhere']:,}", stock_day),
            " at the other sites.",
        )
        for s in sites[sites["stands_out"].astype(bool)].to_dict("records")
    ]
