"""What the planner looks up: where money is frozen and for which part, and one item's stock with its receipts due."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from lake.company.gold import stock_position
from lake.company.places import COMPANY
from lake.core.report import CHOSEN, COLOURS, Chart, Choice, Listing, counted, day, in_one_currency, spec
from lake.supply.gold import fct_order_line
from lake.warehouse.gold import stock_change_day
from lake.warehouse.reports import NAMES

if TYPE_CHECKING:
    import pandas as pd

PAST_DAYS, AHEAD_DAYS = 180, 90
MOST_ITEMS = 120
"""So many items have their line in the report: those with the most money on the shelves, frozen or missing."""
MOST_FROZEN = 80


def frozen_list(stock: pd.DataFrame) -> Listing:
    """Every item with frozen money: how much, why, and which part it waits for."""
    title = "Frozen money, item by item"
    items = stock[(stock["site"] == COMPANY) & (stock["frozen_value"].astype(float) > 0)]
    if items.empty:
        return Listing(title, "No money is frozen in this release.", (stock_position,))
    sites = stock[(stock["site"] != COMPANY)].assign(n=lambda f: f["on_hand"].astype(float))
    mostly = sites.sort_values(["n", "site"], ascending=[False, True]).drop_duplicates("item_id")
    where = dict(zip(mostly["item_id"], mostly["site"], strict=True))
    ranked = items.assign(money=items["frozen_value"].astype(float)).sort_values(
        ["money", "item_id"], ascending=[False, True]
    )
    rows = tuple(
        {
            "item": row.item_id,
            "class": NAMES[row.frozen_class],
            "site": where.get(row.item_id, ""),
            "frozen": float(row.frozen_quantity),
            "of": float(row.on_hand),
            "value": round(row.money),
            "currency": row.currency,
            "why": reason(row),
        }
        for row in _named(ranked.iloc[:MOST_FROZEN])
    )
    shown = f" The {MOST_FROZEN} dearest of {len(ranked)}." if len(ranked) > MOST_FROZEN else ""
    return Listing(
        title,
        "Obsolete: nobody wants it. Excess: more than the planner wants at most, or than nine of ten protection "
        f"intervals took. Waiting: reserved for a build that lacks another part. Site: where most of it lies.{shown}",
        (stock_position,),
        in_one_currency(rows),
    )


def _named(rows: pd.DataFrame) -> Iterator[Any]:
    """The rows, their columns as attributes."""
    return rows.itertuples()


def reason(row: Any) -> str:
    """Why an item's money is frozen, in words."""
    if row.frozen_class == "obsolete":
        wanted = float(row.demand_90_days)
        needed = f"{wanted:,.0f} needed in 90 days" if wanted else "nothing needed in 90 days"
        return f"lifecycle {row.lifecycle}; {needed}" if row.lifecycle else needed
    if row.frozen_class == "waiting":
        return f"waits for {row.waiting_for}"
    if row.order_up_to is not None and row.order_up_to == row.order_up_to:
        return f"the planner wants {float(row.order_up_to):,.0f} at most"
    return f"{row.protection_days} days take up to {float(row.demand_p90):,.0f} in nine of ten"


def stock_lines(stock: pd.DataFrame, changes: pd.DataFrame, lines: pd.DataFrame, as_of: date) -> Chart:
    """One item at a time: what was on hand day by day, and the receipts that are due."""
    import altair as alt

    title = "One item's stock, and the receipts due"
    items = stock[stock["site"] == COMPANY]
    if items.empty or changes.empty:
        return Chart(title, "No stock moved in this release.", (stock_position, stock_change_day))
    numbers = items[["value", "frozen_value", "unit_cost", "demand_p90", "available", "on_order", "on_hand"]].astype(
        float
    )
    missing = (numbers["demand_p90"] - numbers["available"] - numbers["on_order"]).clip(lower=0) * numbers["unit_cost"]
    stake = numbers[["value", "frozen_value"]].max(axis=1).fillna(0.0) + missing.fillna(0.0)
    ranked = items.assign(**numbers, stake=stake).sort_values(["stake", "item_id"], ascending=[False, True])
    begin = as_of - timedelta(PAST_DAYS)
    moved = changes[changes["day"] > begin]
    moves = moved.assign(n=moved["net"].astype(float)).groupby(["item_id", "day"])["n"].sum()
    still = lines[lines["is_open"].astype(bool)]
    due = still.assign(n=still["quantity_open"].astype(float)).groupby(["part_id", "promised_last"])["n"].sum()
    of_moves = {item: own.droplevel(0) for item, own in moves.groupby(level=0)}
    of_due = {part: own.droplevel(0) for part, own in due.groupby(level=0)}
    choices = tuple(
        choice(row, of_moves.get(row.item_id), of_due.get(row.item_id), max(begin, row.since or begin), as_of)
        for row in _named(ranked.iloc[:MOST_ITEMS])
    )
    data = alt.NamedData(name=CHOSEN)
    x = alt.X("day:T", title=None).axis(format="%-d %b", tickCount=6, labelOverlap=True)
    y = alt.Y("on_hand:Q", title="pieces", stack=False).axis(tickCount=5)
    held = (
        alt.Chart(data)
        .transform_filter("datum.on_hand != null")
        .mark_area(interpolate="step-after", line={"color": COLOURS["good"]}, color=COLOURS["good_light"])
        .encode(x=x, y=y, tooltip=[alt.Tooltip("day:T", format="%-d %b %Y"), alt.Tooltip("on_hand:Q", title="on hand")])
    )
    receipts = (
        alt.Chart(data)
        .transform_filter("datum.due != null")
        .mark_bar(width=5)
        .encode(
            x=x,
            y="due:Q",
            color=alt.Color("state:N", title=None)
            .scale(domain=["due", "late"], range=[COLOURS["note"], COLOURS["bad"]])
            .legend(orient="top"),
            tooltip=[alt.Tooltip("day:T", format="%-d %b %Y"), alt.Tooltip("due:Q", title="due"), "state:N"],
        )
    )
    need = (
        alt.Chart(data)
        .transform_filter("datum.need != null")
        .mark_rule(strokeDash=[4, 3], color=COLOURS["muted"])
        .encode(y="need:Q")
    )
    chart = alt.layer(held, receipts, need).properties(width="container", height=260)
    return Chart(
        title,
        f"Over all sites, {PAST_DAYS} days back: on hand (area), the order lines still open at the day of their last "
        "promise (bars; late ones stand today), and what a protection interval takes in nine of ten (dashed). "
        f"The {len(choices)} of {counted(len(ranked), 'item')} with the most money at stake.",
        (stock_position, stock_change_day, fct_order_line),
        (("", spec(chart)),),
        choose="item",
        choices=choices,
    )


def choice(row: Any, moves: Any, due: Any, begin: date, as_of: date) -> Choice:
    """An item's line: today's balance, back through what each day added; then its receipts due."""
    points: dict[date, float] = {as_of: row.on_hand}  # a day's balance is that at its end
    balance = row.on_hand
    for on, net in reversed(list(moves.items()) if moves is not None else []):
        if net and on <= as_of:
            points.setdefault(on, balance)
            balance -= net
    points.setdefault(begin, balance)
    fields: dict[str, Any] = dict.fromkeys(("day", "on_hand", "due", "state", "need"))
    rows = [fields | {"day": d.isoformat(), "on_hand": round(n, 3)} for d, n in sorted(points.items())]
    coming = [] if due is None else [(d, n) for d, n in due.items() if d <= as_of + timedelta(AHEAD_DAYS)]
    late = sum(n for d, n in coming if d < as_of)
    if late:
        rows.append(fields | {"day": as_of.isoformat(), "due": late, "state": "late"})
    rows += [fields | {"day": d.isoformat(), "due": n, "state": "due"} for d, n in coming if d >= as_of]
    if row.demand_p90 == row.demand_p90:
        rows.append(fields | {"need": row.demand_p90})
    ahead = [(d, n) for d, n in coming if d >= as_of]
    told = f"{row.on_hand:,.0f} on hand, {row.available:,.0f} available".replace("-", "−")
    told += f"; {late:,.0f} late" if late else ""
    told += f"; next {ahead[0][1]:,.0f} on {day(ahead[0][0])}" if ahead else "" if late else "; nothing on order"
    return Choice(str(row.item_id), told, tuple(rows))
