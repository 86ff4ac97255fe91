"""What the company's own pages show: the night as the operator sees it, and what only joined departments can say."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from lake.company.gold import stock_position
from lake.company.places import COMPANY
from lake.core.report import COLOURS, Chart, Facts, Number, Page, Reject, Said, counted, plain, report
from lake.supply import reports as supply_reports
from lake.supply.gold import fct_order_line, supplier_month
from lake.supply.models import lead_time_score
from lake.warehouse import reports as warehouse_reports

if TYPE_CHECKING:
    import pandas as pd

NIGHTS = 35
STATES = {
    "delivered": COLOURS["good_light"],
    "unchanged": "#eceff0",
    "late": COLOURS["note"],
    "some rejected": COLOURS["warn"],
    "deferred": "#7d6aa0",
    "file rejected": COLOURS["bad"],
    "missing": COLOURS["ink"],
}
NOTICED_SHARE = 0.05
"""A delivery of which more is rejected is coloured so."""
TWICE = ("duplicate", "superseded")
HARMLESS, BROKEN = "delivered before: nothing is lost", "broke a rule"


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
    return Page(finding, notes=tuple(notes[:6]), charts=(arrivals(facts), rejections(facts)))


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
    unknown = sorted({c for names in found.get("unknown", {}).values() for c in names})
    if unknown:
        told.append(f"{counted(len(found['unknown']), 'file')} with the unknown column {', '.join(unknown)}")
    return told


def arrivals(facts: Facts) -> Chart:
    """Sources × nights: what became of each delivery."""
    import altair as alt

    title = "Deliveries by source and night"
    begin = facts.as_of - timedelta(NIGHTS)
    shown = [n for n in facts.nights if n.day > begin]
    if not shown:
        return Chart(
            title, "No delivery of these nights is in the journal: the sources of this lake are read as one file each."
        )
    rows = []
    for n in shown:
        share = n.rejected / n.lines if n.lines else 0.0
        state = "some rejected" if n.state == "delivered" and share > NOTICED_SHARE else n.state
        rows.append(
            {
                "source": n.source.replace(".bronze.", " / "),
                "night": n.day.isoformat(),
                "state": state,
                "lines": n.lines,
            }
            | {"rejected": f"{n.rejected:,} ({share:.1%})"}
        )
    used = [s for s in STATES if any(r["state"] == s for r in rows)]
    cells = (
        alt.Chart(alt.InlineData(values=rows))
        .mark_rect(stroke="white", strokeWidth=1)
        .encode(
            x=alt.X("yearmonthdate(night):O", title=None).axis(
                format="%-d %b", labelAngle=0, labelOverlap=True, ticks=False
            ),
            y=alt.Y("source:N", title=None).axis(ticks=False),
            color=alt.Color("state:N", title=None)
            .scale(domain=used, range=[STATES[s] for s in used])
            .legend(orient="top", symbolType="square"),
            tooltip=[
                alt.Tooltip("source:N"),
                alt.Tooltip("night:N", title="delivered for"),
                alt.Tooltip("state:N"),
                alt.Tooltip("lines:Q", format=","),
                alt.Tooltip("rejected:N"),
            ],
        )
        .properties(width="container", height=20 * len({r["source"] for r in rows}))
    )
    odd = [r for r in rows if r["state"] not in ("delivered", "unchanged")]
    return Chart(
        title,
        f"The last {NIGHTS} nights. Late: it came after the night that wanted it. "
        f"Some rejected: more than {NOTICED_SHARE:.0%} of its lines. "
        "Unchanged: the same content as before.",
        (),
        (("", cells.to_dict()),),
        tuple(odd[-40:]),
    )


def rejections(facts: Facts) -> Chart:
    """Rejected records by table and reason."""
    import altair as alt

    title = "Rejected records by reason"
    if not facts.rejects:
        return Chart(title, "No record is rejected in this release.")
    ranked = sorted(facts.rejects, key=lambda r: -r.records)
    rows = [
        {"reason": _reason(r), "records": r.records, "kind": HARMLESS if r.rule in TWICE else BROKEN}
        for r in ranked[:18]
    ]
    base = alt.Chart(alt.InlineData(values=rows)).encode(
        x=alt.X("records:Q", title="records").axis(tickMinStep=1, tickCount=5),
        y=alt.Y("reason:N", title=None, sort=[_reason(r) for r in ranked[:18]]).axis(labels=False, ticks=False),
        tooltip=["reason:N", alt.Tooltip("records:Q", format=","), "kind:N"],
    )
    scale = alt.Scale(domain=[BROKEN, HARMLESS], range=["#e6b978", COLOURS["line"]])
    bars = base.mark_bar(height=17).encode(
        color=alt.Color("kind:N", title=None, scale=scale, legend=alt.Legend(orient="top", columns=1))
    )
    text = base.mark_text(align="left", baseline="middle", dx=5).encode(text="reason:N", x=alt.value(0))
    chart = alt.layer(bars, text).properties(width="container", height=21 * len(rows))
    rest = f" The {len(rows)} commonest of {len(ranked)} reasons." if len(ranked) > len(rows) else ""
    return Chart(
        title,
        f"Each record once, by the first rule it broke; lake rejected shows the records themselves.{rest}",
        (),
        (("", chart.to_dict()),),
        tuple(rows),
    )


def _reason(reject: Reject) -> str:
    where = f" of {reject.column}" if reject.column and reject.rule not in TWICE else ""
    return f"{reject.table.replace('.silver.', ' / ')}: {reject.rule}{where}"


@report(title="Supply", reader="buyer", inputs=[fct_order_line, supplier_month, lead_time_score, stock_position])
def supply(
    lines: pd.DataFrame, months: pd.DataFrame, scores: pd.DataFrame, stock: pd.DataFrame, *, facts: Facts
) -> Page:
    """Which supplier will be late, and with how much money?"""
    costs = stock[stock["site"] == COMPANY].drop_duplicates("item_id").set_index("item_id")
    own = supply_reports.priced(lines)
    cost = own["part_id"].map(costs["unit_cost"].astype(float)) if len(costs) else None
    if cost is None or cost[own["is_open"]].isna().all():
        return supply_reports.buying(own, months, scores, worth=None, facts=facts)
    valued = own.assign(
        open_value=own["quantity_open"].astype(float) * cost, open_currency=own["part_id"].map(costs["currency"])
    )
    return supply_reports.buying(valued, months, scores, worth=stock_position, facts=facts)


@report(title="Warehouse", reader="planner", inputs=[stock_position])
def warehouse(stock: pd.DataFrame, *, facts: Facts) -> Page:
    """Where is money frozen, and what runs short?"""
    return warehouse_reports.stock(stock, stock_position)


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
            f"({abs(gain):.0%} {'better' if gain >= 0 else 'worse'}) over {counted(ours_rows(card), 'outcome')} it had "
            f"not seen; "
            f"{ours['between_p10_p90']:.0%} fell into its 80 % interval. The {card['served']} is served."
        )
    charts = [chart for card in facts.cards if card.get("folds") for chart in (errors(card), coverage(card))]
    notes = [
        f"{c['model']} {c['id']}: trained on {c['rows']:,} outcomes known through {c['through']}; {c['why']}"
        for c in facts.cards
    ]
    return Page(tuple(said), notes=tuple(notes), charts=tuple(charts))


def ours_rows(card: Mapping[str, Any]) -> int:
    return int(card["metrics"]["rows"])


def _folds(card: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        {
            "fold": f"{f['from']} – {f['until']}",
            "who": who,
            "mae": f[who]["mae"],
            "covered": f[who]["between_p10_p90"],
            "rows": f["rows"],
        }
        for f in card["folds"]
        for who in ("model", "baseline")
    ]


def errors(card: Mapping[str, Any]) -> Chart:
    """Mean absolute error of the model and its baseline, fold by fold."""
    import altair as alt

    rows = _folds(card)
    data = alt.InlineData(values=rows)
    y = alt.Y("fold:N", title=None, sort=None)
    line = alt.Chart(data).mark_line(color=COLOURS["line"], strokeWidth=3).encode(x="mae:Q", y=y, detail="fold:N")
    dots = (
        alt.Chart(data)
        .mark_circle(size=90, opacity=1)
        .encode(
            x=alt.X("mae:Q", title="mean absolute error, days").scale(zero=False, nice=True).axis(tickCount=5),
            y=y,
            color=_who(),
            tooltip=["fold:N", "who:N", alt.Tooltip("mae:Q", title="days", format=".2f"), "rows:Q"],
        )
    )
    chart = alt.layer(line, dots).properties(width="container", height=40 * len(card["folds"]))
    return Chart(
        f"{card['model']}: error, walking forward",
        f"Each span was forecast by what could be learnt before it; left is better. Baseline: {card['baseline']}.",
        (lead_time_score,),
        (("", chart.to_dict()),),
        tuple(plain(rows)),
        beside=True,
    )


def coverage(card: Mapping[str, Any]) -> Chart:
    """Share of the outcomes inside the 80 % interval, fold by fold."""
    import altair as alt

    rows = _folds(card)
    y = alt.Y("fold:N", title=None, sort=None)
    wanted = (
        alt.Chart(alt.InlineData(values=[{"wanted": 0.8}]))
        .mark_rule(strokeDash=[4, 3], color=COLOURS["muted"])
        .encode(x="wanted:Q")
    )
    dots = (
        alt.Chart(alt.InlineData(values=rows))
        .mark_circle(size=90, opacity=1)
        .encode(
            x=alt.X("covered:Q", title="outcomes between p10 and p90")
            .scale(domain=[0, 1])
            .axis(format="%", tickCount=5),
            y=y,
            color=_who(),
            tooltip=["fold:N", "who:N", alt.Tooltip("covered:Q", title="covered", format=".0%"), "rows:Q"],
        )
    )
    chart = alt.layer(wanted, dots).properties(width="container", height=40 * len(card["folds"]))
    return Chart(
        f"{card['model']}: does the interval hold?",
        "80 % of what came should lie between p10 and p90 (dashed); left of it: too sure, right: too wide.",
        (lead_time_score,),
        (("", chart.to_dict()),),
        tuple(plain(rows)),
        beside=True,
    )


def _who() -> Any:
    import altair as alt

    scale = alt.Scale(domain=["model", "baseline"], range=[COLOURS["note"], COLOURS["calm"]])
    return alt.Color("who:N", title=None, scale=scale, legend=alt.Legend(orient="top"))
