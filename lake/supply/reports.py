"""What the buyer sees: which order lines will be late, and which suppliers changed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date, timedelta
from typing import TYPE_CHECKING

from lake.core.report import COLOURS, Advice, Chart, Number, Said, count, counted, day, money, plain, spec
from lake.core.table import Table
from lake.supply.gold import fct_order_line, supplier_month
from lake.supply.models import lead_time_score
from lake.supply.silver import LINE

if TYPE_CHECKING:
    import pandas as pd

LATE_LINES, OTHER_LINES = 10, 14
"""So many open lines are drawn, dearest first."""
PAST_DAYS, AHEAD_DAYS = 45, 120
"""What the axis of promises spans around the day of the report; dots beyond stand at its ends."""
PANELS = 12
LONGEST_NAME = 22
LATER_DAYS = 7
"""A median forecast so much later than the promise is worth a call."""
ENOUGH = 10
"""So many lead times make a spread."""


def priced(lines: pd.DataFrame) -> pd.DataFrame:
    """The lines with what is open of them in money, at their price and in their currency."""
    return lines.assign(
        open_value=lines["quantity_open"].astype(float) * lines["unit_price"].astype(float),
        open_currency=lines["currency"],
    )


def forecast(lines: pd.DataFrame, scores: pd.DataFrame, as_of: date) -> pd.DataFrame:
    """The open lines, with the days between which 8 of 10 are expected: by forecast, else as the supplier was."""
    import pandas as pd

    waiting = lines[lines["is_open"]].copy()
    waiting["is_late"] = waiting["promised_last"] < as_of
    if not scores.empty:
        told = scores[scores["in_scope"].astype(bool)][[*LINE, "p10_on", "p50_on", "p90_on"]]
        return waiting.merge(told, on=LINE, how="left")
    taken = lines["lead_time_days"].astype(float).dropna().groupby(lines["supplier_id"])
    placed = pd.to_datetime(waiting["ordered_at"], utc=True).dt.tz_localize(None).dt.normalize()
    for name, share in (("p10_on", 0.1), ("p50_on", 0.5), ("p90_on", 0.9)):
        days = taken.quantile(share)[taken.count() >= ENOUGH]
        spans = pd.to_timedelta(waiting["supplier_id"].map(days).astype(float).round(), unit="D")
        waiting[name] = [None if pd.isna(v) else v.date() for v in placed + spans]
    return waiting


def finding(waiting: pd.DataFrame, as_of: date, source: Table) -> Said:
    late = waiting[waiting["is_late"]]
    if waiting.empty:
        return ("No purchase-order line is open: nothing is owed to us.",)
    worst = late.groupby("supplier_id").size().sort_values(ascending=False)
    said: Said = (
        count(len(late), fct_order_line),
        " of ",
        count(len(waiting), fct_order_line),
        " open order lines are past their last promise",
    )
    if late.empty:
        return (*said, ".")
    return (
        *said,
        ", ",
        Number(" and ".join(_by_currency(late)), source),
        " in all; ",
        f"{worst.index[0]} owes ",
        count(int(worst.iloc[0]), fct_order_line),
        " of them.",
    )


def _by_currency(lines: pd.DataFrame) -> list[str]:
    sums = lines.groupby("open_currency")["open_value"].sum().sort_values(ascending=False)
    return [money(amount, str(currency)) for currency, amount in sums.items()]


def calls(waiting: pd.DataFrame, as_of: date, source: Table) -> list[Advice]:
    """Per supplier: lines past their promise, and lines that will probably be."""
    found = []
    late = waiting[waiting["is_late"]]
    for (supplier, currency), own in late.groupby(["supplier_id", "open_currency"]):
        oldest = own["promised_last"].min()
        text = f"Call {supplier}: {counted(len(own), 'line')} late, the oldest promised for {day(oldest)}"
        found.append(Advice(text, source, float(own["open_value"].sum()), str(currency)))
    due = waiting[~waiting["is_late"] & waiting["p50_on"].notna()]
    if len(due):
        slip = [(p50 - promised).days for p50, promised in zip(due["p50_on"], due["promised_last"], strict=True)]
        due = due.assign(slip=slip)
        for (supplier, currency), own in due[due["slip"] >= LATER_DAYS].groupby(["supplier_id", "open_currency"]):
            text = (
                f"Ask {supplier} to confirm {counted(len(own), 'line')} not yet due: "
                f"expected {own['slip'].median():.0f} days after the promise (median)"
            )
            found.append(Advice(text, source, float(own["open_value"].sum()), str(currency)))
    return found


def promises(waiting: pd.DataFrame, as_of: date, *, scored: bool) -> Chart:
    """Open lines: the promise as a dot, the forecast as a bar."""
    import altair as alt
    import pandas as pd

    title = "Open order lines: promised and expected"
    if waiting.empty:
        return Chart(title, "No purchase-order line is open.", (fct_order_line,))
    currency = waiting["open_currency"].mode().iat[0]
    own = waiting[waiting["open_currency"] == currency]
    late, other = (
        own[own["is_late"]].nlargest(LATE_LINES, "open_value"),
        own[~own["is_late"]].nlargest(OTHER_LINES, "open_value"),
    )
    shown = pd.concat([late, other])
    ends = [d for c in ("promised_last", "p90_on") for d in shown[c] if d is not None and d == d]
    begin = max(as_of - timedelta(PAST_DAYS), min(ends) - timedelta(3))
    end = min(as_of + timedelta(AHEAD_DAYS), max(*ends, as_of) + timedelta(5))
    first_day, last_day = begin.isoformat(), end.isoformat()
    rows = []
    for row in plain(
        shown[[*LINE, "supplier_id", "part_id", "promised_last", "p10_on", "p50_on", "p90_on", "open_value", "is_late"]]
    ):
        low, high = row["p10_on"], row["p90_on"]
        passed = bool(high) and high <= as_of.isoformat()
        said = (
            f"{low} to {high}"
            if high and not passed
            else "waits longer than nine of ten did"
            if passed
            else "nothing comparable"
        )
        rows.append(
            {
                **row,
                "supplier": row["supplier_id"],
                "name": f"{row['supplier_id']} {row['part_id']}",
                "row": f"{row['order_id']}/{row['line']}",
                "expected": said,
            }
            | {
                "dot": min(max(row["promised_last"], first_day), last_day),
                "low": min(max(low, as_of.isoformat()), last_day) if high and not passed else None,
                "high": min(high, last_day) if high and not passed else None,
            }
            | {"state": "late" if row["is_late"] else "not yet due"}
        )
    data = alt.InlineData(values=rows)
    order = [r["row"] for r in rows]
    names = json.dumps({r["row"]: r["name"] for r in rows})  # a JSON object is an expression, whatever the names hold
    y = alt.Y("row:N", title=None, sort=order).axis(labelExpr=f"({names})[datum.value]", ticks=False, labelPadding=9)
    axis = alt.Axis(format="%-d %b", orient="top", tickCount=6, labelOverlap=True)
    tooltip = [
        alt.Tooltip("row:N", title="order line"),
        alt.Tooltip("supplier:N"),
        alt.Tooltip("part_id:N", title="part"),
        alt.Tooltip("promised_last:N", title="promised"),
        alt.Tooltip("expected:N", title="expected"),
        alt.Tooltip("open_value:Q", title=f"open, {currency}", format=",.0f"),
    ]
    drawn = alt.X("low:T", title=None, axis=axis)
    bars = (
        alt.Chart(data)
        .mark_bar(height=7, cornerRadius=3, color=COLOURS["calm"], opacity=0.7)
        .transform_filter("datum.high != null")
        .encode(x=drawn, x2="high:T", y=y, tooltip=tooltip)
    )
    dots = (
        alt.Chart(data)
        .mark_circle(size=60, opacity=1)
        .encode(
            x=alt.X("dot:T", title=None, axis=axis),
            y=y,
            color=alt.Color("state:N", title=None)
            .scale(domain=["late", "not yet due"], range=[COLOURS["bad"], COLOURS["note"]])
            .legend(orient="top"),
            tooltip=tooltip,
        )
    )
    rule = (
        alt.Chart(alt.InlineData(values=[{"day": as_of.isoformat()}])).mark_rule(color=COLOURS["ink"]).encode(x="day:T")
    )
    chart = alt.layer(bars, rule, dots).properties(width="container", height=18 * len(rows))
    whose = (
        "the bar is the forecast (8 of 10 arrive in it)"
        if scored
        else "no forecast is released, so the bar is when 8 of 10 lines of that supplier came, counted from the order"
    )
    tables = (fct_order_line, lead_time_score) if scored else (fct_order_line,)
    table = [
        {k: r[k] for k in ("row", "supplier", "part_id", "promised_last", "expected", "open_value", "state")}
        for r in rows
    ]
    return Chart(
        title,
        f"Of {len(waiting):,} open lines the {len(late)} late and the {len(other)} others with the most money. "
        f"Dot: last promise; {whose}; upright line: {day(as_of)}. Promises older than {PAST_DAYS} days stand at the "
        "left edge; no bar: it has waited longer than nine of ten did.",
        tables,
        (("", spec(chart)),),
        tuple(table),
    )


def lead_times(months: pd.DataFrame, *, first: Sequence[str] = ()) -> Chart:
    """Median and 90 % lead time of some suppliers, month by month: `first` those named, then the busiest."""
    import altair as alt

    title = "Lead times by supplier"
    known = months.dropna(subset=["lead_time_p50_days"])
    if known.empty:
        return Chart(title, "No supplier has a month with a known lead time.", (supplier_month,))
    known = known.assign(p50=known["lead_time_p50_days"].astype(float), p90=known["lead_time_p90_days"].astype(float))
    busiest = known.groupby("supplier_id")["lines_due"].sum().sort_values(ascending=False).index
    shown = [*first, *(s for s in busiest if s not in first)][:PANELS]
    known = known[known["supplier_id"].isin(shown)].sort_values(["supplier_id", "month"])
    highest = float(known[["p50", "p90"]].max().max())
    panels, rows = [], []
    for supplier, own in known.groupby("supplier_id"):
        base = alt.Chart(
            alt.InlineData(
                values=plain(own.assign(supplier=supplier)[["supplier", "month", "p50", "p90", "lines_due"]])
            )
        )
        x = alt.X("month:T", title=None).axis(format="%b %y", tickCount=4, labelOverlap=True)
        y = alt.Y("p50:Q", title=None).scale(domain=[0, highest]).axis(tickCount=4)
        tooltip = [
            alt.Tooltip("month:T", format="%B %Y"),
            alt.Tooltip("p50:Q", title="median, days"),
            alt.Tooltip("p90:Q", title="nine of ten, days"),
            alt.Tooltip("lines_due:Q", title="lines"),
        ]
        band = base.mark_area(color=COLOURS["good_light"]).encode(x=x, y=y, y2="p90:Q")
        line = base.mark_line(strokeWidth=2, color=COLOURS["good"]).encode(x=x, y=y)
        dots = base.mark_circle(size=22, color=COLOURS["good"], opacity=1).encode(x=x, y=y, tooltip=tooltip)
        panels.append(
            (
                _captioned(str(supplier), own),
                spec(alt.layer(band, line, dots).properties(width="container", height=130)),
            )
        )
        rows += [{"supplier": supplier, **r} for r in plain(own[["month", "p50", "p90", "lines_due"]].iloc[-3:])]
    return Chart(
        title,
        "In days, by the month for which lines were first promised. Line: median; band: up to the day by which "
        "nine of ten came; lines still open count as not yet arrived. All on one scale.",
        (supplier_month,),
        tuple(panels),
        tuple(rows),
        small=True,
    )


def _captioned(name: str, own: pd.DataFrame) -> str:
    supplier = name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1].rstrip()}…"
    before, recent = own["p50"].iloc[:6].median(), own["p50"].iloc[6:].iloc[-4:].median()
    if recent != recent:
        return f"{supplier}: {before:.0f} days"
    if abs(recent - before) < max(3, 0.2 * before):
        return f"{supplier}: {recent:.0f} days"
    return f"{supplier}: {before:.0f} → {recent:.0f} days"
