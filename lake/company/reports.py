"""The company's pages: the night as the operator sees it, and what only joined departments can say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from lake.company import reports_orders, reports_stock
from lake.company.gold import stock_position
from lake.company.places import COMPANY
from lake.company.reports_models import coverage, errors, outcomes
from lake.company.reports_night import NIGHTS, accounts, arrivals, gantt, is_slow, rejections, rejections_by_night
from lake.core.report import Facts, Number, Page, Said, counted, dearest, part, report
from lake.supply import reports as supply_reports
from lake.supply import reports_suppliers
from lake.supply.gold import fct_order_line, supplier_month
from lake.supply.models import lead_time_score
from lake.supply.silver import bom, supplier_parts
from lake.warehouse import reports as warehouse_reports
from lake.warehouse import reports_stories
from lake.warehouse.gold import stock_change_day, stock_day
from lake.warehouse.gold_demand import demand_day

if TYPE_CHECKING:
    import pandas as pd

AGREED_DAYS = 14
"""Agreements are delivered daily; one that was not named for so many days is not asked for an order."""
LINES = part(
    fct_order_line,
    "order_id line supplier_id part_id ship_to_site unit_price currency ordered_at promised_first promised_last "
    "quantity_open lead_time_days is_open",
)


@report(title="Overview", reader="operator", inputs=[])
def overview(*, facts: Facts) -> Page:
    """Did everything arrive, and what was turned away?"""
    lines = sum(int(a["lines"]) for a in facts.sources.values())
    rejected = sum(int(a["rejected"]) for a in facts.sources.values())
    recent = [n for n in facts.nights if n.day > facts.as_of - timedelta(NIGHTS)]
    missing = [n for n in recent if n.state == "missing"]
    late = [n for n in recent if n.state == "late"]
    turned_away = f"{rejected:,} ({_share(rejected, lines)})" if rejected else "none"
    nightly = (
        f"In the last {NIGHTS} nights {_none_or(len(missing), 'delivery is', 'deliveries are')} missing "
        f"and {len(late) or 'none'} came late. "
    )
    finding: Said = (
        f"{counted(len(facts.sources), 'source')} delivered {lines:,} lines; {turned_away} of them were rejected. ",
        nightly if facts.nights else "",
        f"{_none_or(len(facts.stale), 'table is', 'tables are').capitalize()} stale.",
    )
    notes = [
        f"{t} is stale since {s['since']}: {s['why']}"
        for t, s in sorted(facts.stale.items())
        if not s["why"].startswith("below ")
    ]
    notes += [f"{source}: {said}" for source, account in sorted(facts.sources.items()) for said in _problems(account)]
    notes += [f"{q['table']}: {q['said']}" for q in facts.quality[:3]]
    slow = [s for s in facts.steps if is_slow(s.seconds, s.usual)]
    notes += [f"{s.table} took {s.seconds:,.0f} s, {s.usual:,.0f} s by the median of its nights" for s in slow[:3]]
    return Page(
        finding,
        notes=tuple(notes[:8]),
        charts=(accounts(facts), rejections(facts), rejections_by_night(facts), arrivals(facts), gantt(facts)),
        filters=("source",),
    )


def _none_or(number: int, one: str, many: str) -> str:
    return counted(number, one, many) if number else f"no {one}"


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.2%}" if whole else "none"


def _problems(account: Mapping[str, Any]) -> list[str]:
    found = account.get("problems", {})
    told = []
    for what, said in (("rejected", "{} rejected"), ("deferred", "{} put off to the next night")):
        if found.get(what):
            told.append(said.format(counted(len(found[what]), "file")))
    differ = sorted({what for said in found.get("drift", {}).values() for what in said})
    if differ:
        told.append(f"{counted(len(found['drift']), 'file')} with {', '.join(differ)}")
    return told


@report(
    title="Supply",
    reader="buyer",
    inputs=[
        LINES,
        supplier_month,
        lead_time_score,
        stock_position,
        part(
            supplier_parts,
            "supplier_id part_id quoted_lead_time_days min_order_quantity order_multiple unit_price currency approved "
            "status known_on",
            recent=("known_on", AGREED_DAYS),
        ),
        bom,
    ],
)
def supply(
    lines: pd.DataFrame,
    months: pd.DataFrame,
    scores: pd.DataFrame,
    stock: pd.DataFrame,
    agreements: pd.DataFrame,
    components: pd.DataFrame,
    *,
    facts: Facts,
) -> Page:
    """What to order today of whom, and which late line stops what?"""
    if lines.empty:
        return Page(("There is no purchase-order line in this release.",))
    items = stock[stock["site"] == COMPANY].drop_duplicates("item_id").set_index("item_id")
    valued, worth = supply_reports.priced(lines), fct_order_line
    cost = valued["part_id"].map(items["unit_cost"].astype(float)) if len(items) else None
    if cost is not None and cost[valued["is_open"]].notna().any():
        worth, currency = stock_position, valued["part_id"].map(items["currency"])
        valued = valued.assign(open_value=valued["quantity_open"].astype(float) * cost, open_currency=currency)
    waiting = supply_reports.forecast(valued, scores, facts.as_of)
    orders = reports_orders.to_order(stock, agreements, months, lines, facts.as_of)
    late = reports_orders.stopped(waiting, stock, components, facts.as_of)
    changed = reports_suppliers.changes(lines, facts.as_of)
    stopping = set(late[late["stopped_value"] > 0]["part_id"])
    others = waiting[~(waiting["is_late"] & waiting["part_id"].isin(stopping))]
    advice = [
        *reports_orders.order_advice(orders),
        *reports_orders.stop_advice(late),
        *supply_reports.calls(others, facts.as_of, worth),
    ]
    notes = ["Open quantities are valued at standard cost."] if worth is stock_position and len(waiting) else []
    return Page(
        finding=(
            *(reports_orders.order_finding(orders) if len(stock) else ()),
            *supply_reports.finding(waiting, facts.as_of, worth),
        ),
        advice=dearest(advice),
        notes=(*notes, *([reports_suppliers.RULE] if len(changed) else [])),
        stories=tuple(reports_suppliers.stories(changed)),
        charts=(
            *([reports_orders.order_list(orders)] if len(stock) else []),
            reports_orders.late_list(late, facts.as_of, (fct_order_line, stock_position, bom)),
            supply_reports.promises(waiting, facts.as_of, scored=not scores.empty),
            supply_reports.lead_times(months, first=list(changed["supplier"])),
            reports_suppliers.scorecard(months, changed, facts.as_of),
        ),
        filters=("supplier", "site"),
    )


@report(
    title="Warehouse",
    reader="planner",
    inputs=[
        stock_position,
        part(stock_change_day, "item_id day net", recent=("day", reports_stock.PAST_DAYS)),
        LINES,
        part(demand_day, "item_id day lines"),
        part(stock_day, "site counted adjusted", where=[("counted", ">=", Decimal(0))]),
    ],
)
def warehouse(
    stock: pd.DataFrame,
    changes: pd.DataFrame,
    lines: pd.DataFrame,
    demand: pd.DataFrame,
    counts: pd.DataFrame,
    *,
    facts: Facts,
) -> Page:
    """Where is money frozen and for which part, what runs short, and what is one item's stock?"""
    page = warehouse_reports.stock(stock, stock_position)
    if not page.charts:
        return page
    company = stock[stock["site"] == COMPANY]
    fallen = reports_stories.dying(demand, facts.as_of)
    sites = reports_stories.miscounting(counts)
    stories = (
        *reports_stories.miscounting_stories(sites),
        *reports_stories.dying_stories(fallen, company, stock_position),
    )
    return replace(
        page,
        stories=stories,
        notes=(*page.notes, *(reports_stories.RULES if stories else ())),
        charts=(
            reports_stock.frozen_list(stock),
            reports_stock.stock_lines(stock, changes, lines, facts.as_of),
            *page.charts,
        ),
        filters=("class", "site"),
    )


@report(title="Models", reader="data scientist", inputs=[lead_time_score])
def models(scores: pd.DataFrame, *, facts: Facts) -> Page:
    """Is each model better than its baseline, and does it know what it does not know?"""
    if not facts.cards:
        return Page(("No model is part of this release.",))
    said: list[str | Number] = []
    for card in facts.cards:
        if not card.get("metrics"):
            said.append(f"{card['model']}: too few known outcomes to compare it with its baseline, which is served. ")
            continue
        ours, theirs = card["metrics"]["model"], card["metrics"]["baseline"]
        gain = 1 - ours["mae"] / theirs["mae"] if theirs["mae"] else 0.0
        said.append(
            f"{card['model']} misses by {ours['mae']:.1f} days on average against {theirs['mae']:.1f} of its baseline "
            f"({abs(gain):.0%} {'better' if gain >= 0 else 'worse'}) over {counted(outcomes(card), 'outcome')} it had "
            f"not seen; "
            f"{ours['between_p10_p90']:.0%} fell into its 80 % interval. The {card['served']} is served."
        )
    charts = [chart for card in facts.cards if card.get("folds") for chart in (errors(card), coverage(card))]
    notes = [
        f"{c['model']} {c['id']}: trained on {c['rows']:,} outcomes known through {c['through']}; {c['why']}"
        for c in facts.cards
    ]
    return Page(tuple(said), notes=tuple(notes), charts=tuple(charts))
