"""What the operator looks at: what arrived, what became of it, and how the night went."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

from lake.core.report import COLOURS, Chart, Facts, Listing, Reject, spec
from lake.core.table import DELIVERED_BEFORE

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
HARMLESS, BROKEN = "delivered before: nothing is lost", "broke a rule"
RULES = {
    **dict.fromkeys(DELIVERED_BEFORE, COLOURS["line"]),
    "record": COLOURS["bad"],
    "key": COLOURS["ink"],
    "null": COLOURS["calm"],
    "type": COLOURS["warn"],
    "check": "#e6b978",
    "conflict": "#7d6aa0",
    "references": COLOURS["note"],
}
"""Colour of a broken rule, from the foot of a bar up; rarer ones are as grey as `null`."""


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
        (("", spec(cells)),),
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
        {"reason": _reason(r), "records": r.records, "kind": HARMLESS if r.rule in DELIVERED_BEFORE else BROKEN}
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
        (("", spec(chart)),),
        tuple(rows),
    )


def rejections_by_night(facts: Facts) -> Chart:
    """Rejected records by the night that delivered them and the rule that they broke first."""
    import altair as alt

    title = "Rejected records by night"
    begin = facts.as_of - timedelta(NIGHTS)
    counts: Counter[tuple[str, str]] = Counter()
    for r in facts.rejects:
        for day, n in r.by_night.items():
            if begin < day <= facts.as_of:
                counts[day.isoformat(), r.rule] += n
    if not counts:
        return Chart(title, f"No record of the last {NIGHTS} nights is rejected.")
    rows = [{"night": night, "rule": rule, "records": n} for (night, rule), n in sorted(counts.items())]
    broken = {rule for _, rule in counts}
    used = [*(rule for rule in RULES if rule in broken), *sorted(broken - set(RULES))]
    bars = (
        alt.Chart(alt.InlineData(values=[row | {"place": used.index(str(row["rule"]))} for row in rows]))
        .mark_bar()
        .encode(
            x=alt.X("yearmonthdate(night):O", title=None).axis(
                format="%-d %b", labelAngle=0, labelOverlap=True, ticks=False
            ),
            y=alt.Y("records:Q", title="records").axis(tickMinStep=1, tickCount=5),
            color=alt.Color("rule:N", title=None)
            .scale(domain=used, range=[RULES.get(rule, RULES["null"]) for rule in used])
            .legend(orient="top", symbolType="square"),
            order="place:Q",
            tooltip=["night:N", "rule:N", alt.Tooltip("records:Q", format=",")],
        )
        .properties(width="container", height=160)
    )
    return Chart(
        title,
        f"The last {NIGHTS} nights, each record once, by the first rule it broke. A record that is accepted by now "
        "(its rule was mended, its parent came) is not among them; lake rejected --since DAY lists them.",
        (),
        (("", spec(bars)),),
        tuple(rows),
    )


def _reason(reject: Reject) -> str:
    where = f" of {reject.column}" if reject.column and reject.rule not in DELIVERED_BEFORE else ""
    return f"{reject.table.replace('.silver.', ' / ')}: {reject.rule}{where}"


def accounts(facts: Facts) -> Listing:
    """Source by source: delivered, accepted, and rejected by reason."""
    title = "Delivered, accepted, rejected"
    if not facts.sources:
        return Listing(title, "No source is part of this release.")
    reasons: dict[str, Counter[str]] = {}
    for r in facts.rejects:
        said = f"{r.rule} of {r.column}" if r.column and r.rule not in DELIVERED_BEFORE else r.rule
        reasons.setdefault(r.source, Counter())[said] += r.records
    rows = []
    for source, account in facts.sources.items():
        records = int(account["lines"]) - int(account["header"]) - int(account["blank"])
        why = reasons.get(source, Counter())
        broken = sum(n for rule, n in why.items() if rule not in DELIVERED_BEFORE)
        rows.append(
            {
                "source": source.replace(".bronze.", " / "),
                "delivered": records,
                "accepted": int(account["accepted"]),
                "delivered before": sum(n for rule, n in why.items() if rule in DELIVERED_BEFORE),
                "rejected": broken,
                "share": f"{broken / records:.2%}" if broken else "",
                "through": account.get("through") or "",
                "why": ", ".join(f"{n:,} {rule}" for rule, n in why.most_common(4)),
            }
        )
    rows.sort(key=lambda r: (-int(r["rejected"]), str(r["source"])))
    return Listing(
        title,
        "Records of all deliveries, headers and blank lines aside. Accepted and rejected are the source's account; "
        "delivered before: the same record once more, of which nothing is lost; why: the first rule that was broken.",
        (),
        tuple(rows),
    )


LONGEST = 30
"""So many tables of the night are drawn, those that took longest."""
SLOW = 2.0
"""A table that took so many times its median, and a second more, was slow."""


def is_slow(seconds: float, usual: float | None) -> bool:
    return usual is not None and seconds > SLOW * usual and seconds > usual + 1


def gantt(facts: Facts) -> Chart:
    """The night, table by table: when it began, how long it took, and how long it usually takes."""
    import altair as alt

    title = "The night, table by table"
    if not facts.steps:
        return Chart(title, "The journal says nothing of the night that made this release.")
    longest = sorted(facts.steps, key=lambda s: (-s.seconds, s.table))[:LONGEST]
    rows = [
        {
            "table": s.table,
            "begin": s.begin,
            "end": round(s.begin + s.seconds, 2),
            "seconds": s.seconds,
            "usual": s.usual,
            "usual_end": None if s.usual is None else round(s.begin + s.usual, 2),
            "state": "slow" if is_slow(s.seconds, s.usual) else "as usual" if s.usual is not None else "first time",
        }
        for s in sorted(longest, key=lambda s: (s.begin, s.table))
    ]
    colours = {"as usual": COLOURS["good"], "slow": COLOURS["bad"], "first time": COLOURS["calm"]}
    used = [s for s in colours if any(r["state"] == s for r in rows)]
    y = alt.Y("table:N", title=None, sort=None).axis(ticks=False)
    data = alt.InlineData(values=rows)
    bars = (
        alt.Chart(data)
        .mark_bar(height=9)
        .encode(
            x=alt.X("begin:Q", title="seconds since the night began").axis(tickCount=6, labelOverlap=True),
            x2="end:Q",
            y=y,
            color=alt.Color("state:N", title=None)
            .scale(domain=used, range=[colours[s] for s in used])
            .legend(orient="top"),
            tooltip=["table:N", "begin:Q", "seconds:Q", alt.Tooltip("usual:Q", title="median"), "state:N"],
        )
    )
    ticks = (
        alt.Chart(data)
        .transform_filter("datum.usual_end != null")
        .mark_tick(thickness=2, height=15, color=COLOURS["ink"])
        .encode(x="usual_end:Q", y=y)
    )
    took = max(s.begin + s.seconds for s in facts.steps)
    rest = f" The {LONGEST} of {len(facts.steps)} tables that took longest." if len(facts.steps) > LONGEST else ""
    return Chart(
        title,
        f"{took:,.0f} s from the first table to the last. Bar: a table's refresh; upright tick: where it would have "
        f"ended by the median of its earlier nights.{rest}",
        (),
        (("", spec(alt.layer(bars, ticks).properties(width="container", height=17 * len(rows)))),),
        tuple({k: r[k] for k in ("table", "begin", "seconds", "usual", "state")} for r in rows),
    )
