"""How each supplier keeps its word: whose lead time changed, and the scorecard."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from lake.core.evidence import median, shift, survival, wilson
from lake.core.report import Listing, Number, Said, day
from lake.supply.gold import fct_order_line, supplier_month

if TYPE_CHECKING:
    import pandas as pd

SURE = 4.0
"""A lead time has changed if the orders before and after some day differ by so many standard deviations,"""
NOTABLE = 0.25
"""and their medians by this share."""
LEAST_LINES = 10
"""Fewer order lines on either side of a change, or due in a year, say nothing."""
YEAR_DAYS = 365
MOST = 60
RULE = (
    f"A supplier's lead time counts as changed if its order lines before and after some day differ by {SURE:.0f} "
    f"standard deviations of a rank test, and their medians by {NOTABLE:.0%}. A line still open "
    "has waited at least its age."
)
CHANGE = ["supplier", "since", "before", "after", "sigmas", "lines"]


def changes(lines: pd.DataFrame, as_of: date) -> pd.DataFrame:
    """One row per supplier whose lead time changed: since the orders of which day, its medians before and after."""
    import pandas as pd

    placed = lines[lines["ordered_at"].notna() & (lines["lead_time_days"].notna() | lines["is_open"])]
    placed = placed.assign(on=pd.to_datetime(placed["ordered_at"], utc=True).dt.date)
    age = placed["on"].map(lambda on: float((as_of - on).days))
    placed = placed.assign(known=placed["lead_time_days"].notna(), days=placed["lead_time_days"].astype(float))
    placed = placed.assign(days=placed["days"].fillna(age)).sort_values(["supplier_id", "on", "order_id", "line"])
    found: list[dict[str, Any]] = []
    for supplier, own in placed.groupby("supplier_id"):
        days, known = own["days"].to_numpy(), own["known"].to_numpy()
        split = shift(days, known, least=LEAST_LINES)
        if split is None or abs(split.sigmas) < SURE:
            continue
        before = median(survival(days[: split.at], known[: split.at]))
        after = median(survival(days[split.at :], known[split.at :]))
        if before and after and abs(after / before - 1) >= NOTABLE:
            told = (supplier, own["on"].iloc[split.at], before, after, split.sigmas, len(own) - split.at)
            found.append(dict(zip(CHANGE, told, strict=True)))
    return pd.DataFrame(found, columns=CHANGE).sort_values("sigmas", key=abs, ascending=False, ignore_index=True)


def stories(changed: pd.DataFrame) -> list[Said]:
    """A sentence for each supplier whose lead time changed, the surest first."""
    return [
        (
            f"{c['supplier']} delivers {'later' if c['after'] > c['before'] else 'sooner'} than it did: since the "
            f"orders of {day(c['since'])} a line takes ",
            Number(f"{c['after']:.0f} days", fct_order_line),
            " instead of ",
            Number(f"{c['before']:.0f}", fct_order_line),
            f" (medians; {c['lines']:,} lines since, {abs(c['sigmas']):.1f} standard deviations).",
        )
        for c in changed.iloc[:5].to_dict("records")
    ]


def scorecard(months: pd.DataFrame, changed: pd.DataFrame, as_of: date) -> Listing:
    """Each supplier's last twelve months, the worst kept word first."""
    title = "Supplier scorecard"
    recent = months[months["month"] > as_of - timedelta(YEAR_DAYS)]
    if recent.empty:
        return Listing(title, "No order line was due in the last twelve months.", (supplier_month,))
    sums = ["lines_due", "lines_on_time_in_full", "lines_open_late", "quantity_inspected", "quantity_rejected"]
    since = {
        c["supplier"]: f"{c['before']:.0f} → {c['after']:.0f} since {day(c['since'])}"
        for c in changed.to_dict("records")
    }
    rows = []
    for supplier, own in recent.sort_values("month").groupby("supplier_id"):
        due, kept, late, inspected, bad = (float(own[c].astype(float).sum()) for c in sums)
        low, high = wilson(kept, due)
        least, most = (1e6 * end for end in wilson(bad, inspected))
        lead = own["lead_time_p50_days"].astype(float)
        usual = float((lead * own["lines_due"])[lead.notna()].sum() / max(own["lines_due"][lead.notna()].sum(), 1))
        few = due < LEAST_LINES
        row = {
            "supplier": str(supplier),
            "lines due": int(due),
            "on time in full": "too few" if few else f"{kept / due:.0%}",
            "90 % interval": "" if few else f"{low:.0%} to {high:.0%}",
            "open and late": int(late),
            "lead time, days": since.get(supplier, f"{usual:.0f}" if lead.notna().any() else ""),
            "defects per million": f"{1e6 * bad / inspected:,.0f} ({least:,.0f} to {most:,.0f})" if inspected else "",
        }
        rows.append((few, kept / due, -due, row))
    ranked = [row for _, _, _, row in sorted(rows, key=lambda r: (*r[:3], r[3]["supplier"]))]
    shown = f" The {MOST} that keep their word least, of {len(ranked)}." if len(ranked) > MOST else ""
    return Listing(
        title,
        "Lines first promised for the last twelve months. On time in full: 95 % of the quantity by the first promise; "
        f"open lines past it count as late. Fewer than {LEAST_LINES} lines are too few for a rank. Lead time: mean of "
        f"the months' medians, or what it changed from and to. Defects: of a million inspected.{shown}",
        (supplier_month, fct_order_line),
        tuple(ranked[:MOST]),
    )
