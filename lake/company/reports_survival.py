"""How long parts last in the field: by variant of the robot, and by supplier's lot."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from lake.company.gold_parts import part_life, part_reliability
from lake.core.evidence import survival
from lake.core.report import COLOURS, Advice, Chart, Listing, Number, Said, counted, plain, spec

if TYPE_CHECKING:
    import pandas as pd

VARIANTS = {"arm": "arm_variant", "hand": "hand_variant", "transmission": "transmission"}
SHADES = (COLOURS["note"], COLOURS["warn"], COLOURS["good"], COLOURS["bad"], COLOURS["calm"], COLOURS["ink"])
OTHERS = "all other lots"
MOST_LOTS, LISTED_LOTS = 6, 40
MILLION = 1_000_000
MOST_STEPS = 120


def known(lives: pd.DataFrame) -> pd.DataFrame:
    """The lives of which the cycles are known, in millions."""
    kept = lives[lives["cycles_at_risk"].notna()]
    return kept.assign(millions=kept["cycles_at_risk"].astype(float) / MILLION, failed=kept["failed"].astype(bool))


def by_variant(lives: pd.DataFrame, robots: pd.DataFrame) -> Chart:
    """The share of fitted parts that has not failed, by what the robot is."""
    title = "Survival of parts by variant"
    whole = known(lives).merge(robots[["serial", *VARIANTS.values()]], on="serial", how="inner")
    if not whole["failed"].any():
        return Chart(title, "No part is known to have failed in the field.", (part_life,))
    panels = []
    for name, column in VARIANTS.items():
        groups = [(str(v), own) for v, own in whole.groupby(column) if len(own) and v]
        if len(groups) > 1:
            panels.append((f"by {name}", curves(groups, name)))
    return Chart(
        title,
        "The share of fitted parts that has not failed, by millions of cycles (Kaplan and Meier; parts that still run "
        "or were replaced in good time count as seen whole until then). Bands: 90 % intervals by Greenwood.",
        (part_life,),
        tuple(panels),
        tuple(last_steps((f"{n} {v}", own) for n, c in VARIANTS.items() for v, own in whole.groupby(c))),
        small=True,
    )


def by_lot(lives: pd.DataFrame, lots: pd.DataFrame) -> Chart:
    """The lots that fail most surely more than the others of their part, against these."""
    title = "Survival of the lots that stand out"
    ranked = suspicious(lots)
    whole = known(lives)
    panels, rows = [], []
    for lot in ranked[:MOST_LOTS]:
        of_part = whole[whole["part_id"] == lot["part_id"]]
        is_lot = (of_part["lot"] == lot["lot"]) & (of_part["supplier_id"] == lot["supplier_id"])
        name = f"{lot['supplier_id']} {lot['lot']}"
        groups = [(name, of_part[is_lot]), (OTHERS, of_part[~is_lot])]
        panels.append((f"{lot['part_id']}: {name}", curves(groups, "lot")))
        rows += list(last_steps((f"{lot['part_id']} {n}", own) for n, own in groups))
    if not panels:
        said = "No lot fails more often than the others of its part, as far as can be told."
        return Chart(title, said, (part_reliability, part_life))
    return Chart(
        title,
        "As above, each lot against all other lots of the same part.",
        (part_life, part_reliability),
        tuple(panels),
        tuple(rows),
        small=True,
    )


def curves(groups: list[tuple[str, pd.DataFrame]], field: str) -> dict[str, Any]:
    """Survival curves with their bands, one for each group."""
    import altair as alt

    rows = []
    for name, own in groups:
        steps = thinned(survival(own["millions"], own["failed"]))
        end = float(own["millions"].max()) if len(own) else 0.0
        ends = [*(s.at for s in steps[1:]), max(end, steps[-1].at)]
        for step, until in zip(steps, ends, strict=True):
            told = {field: name, "share": round(step.share, 4), "low": round(step.low, 4), "high": round(step.high, 4)}
            rows += [{**told, "at": round(at, 4)} for at in {step.at: 0, until: 0}]
    names = [name for name, _ in groups]
    low = min(float(r["low"]) for r in rows)
    base = alt.Chart(alt.InlineData(values=rows))
    x = alt.X("at:Q", title="million cycles").axis(tickCount=4)
    y = alt.Scale(domain=[max(0.0, round(low - 0.05, 1)), 1])
    colour = alt.Color(f"{field}:N", title=None, legend=alt.Legend(orient="top", columns=1, symbolOpacity=1)).scale(
        domain=names, range=list(SHADES[: len(names)])
    )
    band = base.mark_area(opacity=0.18, interpolate="step-after").encode(
        x=x, y=alt.Y("low:Q", title=None, scale=y).axis(format="%", tickCount=4), y2="high:Q", color=colour
    )
    line = base.mark_line(strokeWidth=2, interpolate="step-after").encode(
        x=x,
        y=alt.Y("share:Q", title=None),
        color=colour,
        tooltip=[
            alt.Tooltip(f"{field}:N"),
            alt.Tooltip("at:Q", title="million cycles", format=".2f"),
            alt.Tooltip("share:Q", format=".1%"),
            alt.Tooltip("low:Q", format=".1%"),
            alt.Tooltip("high:Q", format=".1%"),
        ],
    )
    return spec(alt.layer(band, line).properties(width="container", height=190))


def thinned(steps: list[Any]) -> list[Any]:
    """At most so many steps as a reader can see, the last one among them."""
    every = -(-len(steps) // MOST_STEPS)
    return [s for n, s in enumerate(steps) if n % every == 0 or n == len(steps) - 1]


def last_steps(groups: Any) -> Iterator[dict[str, Any]]:
    """Where each group stands: parts, failures, and the share that survives its last failure."""
    for name, own in groups:
        end = survival(own["millions"], own["failed"])[-1]
        yield {
            "group": name,
            "parts": len(own),
            "failures": int(own["failed"].sum()),
            "million cycles at risk": round(float(own["millions"].sum()), 2),
            "survive": f"{end.share:.1%}",
            "90 % interval": f"{end.low:.1%} to {end.high:.1%}",
            "until million cycles": round(end.at, 2),
        }


def suspicious(lots: pd.DataFrame) -> list[dict[str, Any]]:
    """The lots that the table calls worse than the others of their part, the clearest first."""
    worse = lots[lots["standing"] == "worse"]
    numbers = ["failures_per_million", "failures_per_million_low", "failures_per_million_high", "others_per_million"]
    worse = worse.assign(**worse[[*numbers, "others_per_million_high"]].astype(float))
    clear = worse["failures_per_million_low"] / worse["others_per_million_high"]
    ranked = worse.assign(clear=clear).sort_values(["clear", "part_id", "lot"], ascending=[False, True, True])
    return [{str(k): v for k, v in r.items()} for r in ranked.to_dict("records")]


def lot_stories(lots: pd.DataFrame) -> list[Said]:
    """A sentence for each of the clearest bad lots."""
    return [
        (
            f"Lot {r['lot']} of {r['part_id']} from {r['supplier_id']} fails in the field: ",
            Number(counted(int(r["failures"]), "failure"), part_reliability),
            ", ",
            Number(f"{r['failures_per_million']:.2g} in a million cycles", part_reliability),
            f" ({r['failures_per_million_low']:.2g} to {r['failures_per_million_high']:.2g}), against ",
            Number(f"{r['others_per_million']:.2g}", part_reliability),
            f" (at most {r['others_per_million_high']:.2g}) of the part's other lots; "
            f"{counted(int(r['robots_carrying']), 'robot still carries', 'robots still carry')} it.",
        )
        for r in suspicious(lots)[:3]
    ]


def lot_advice(lots: pd.DataFrame) -> list[Advice]:
    """Lots to take out of the robots that still carry them."""
    return [
        Advice(
            f"Replace {r['part_id']} of lot {r['lot']} ({r['supplier_id']}) in "
            + counted(int(r["robots_carrying"]), "robot"),
            part_reliability,
        )
        for r in suspicious(lots)[:2]
        if r["robots_carrying"] > 0
    ]


def lot_list(lots: pd.DataFrame) -> Listing:
    """Every lot that failed in the field, the worst first."""
    title = "Lots that failed in the field"
    failed = lots[lots["failures"].astype(float) > 0]
    if failed.empty:
        return Listing(title, "No part of a known lot has failed in the field.", (part_reliability,))
    order = failed.assign(low=failed["failures_per_million_low"].astype(float), worse=failed["standing"] == "worse")
    order = order.sort_values(["worse", "low", "part_id", "lot"], ascending=[False, False, True, True])
    rows = [
        {
            "part": r["part_id"],
            "supplier": r["supplier_id"],
            "lot": r["lot"],
            "failures": int(r["failures"]),
            "of parts": int(r["parts"]),
            "in a million cycles": r["failures_per_million"],
            "90 % interval": _interval(r["failures_per_million_low"], r["failures_per_million_high"]),
            "robots with it": int(r["robots_carrying"]),
            "standing": {"worse": "worse than its part's other lots", "too little": "too few cycles to say"}.get(
                r["standing"], "not surely worse"
            ),
        }
        for r in plain(order.iloc[:LISTED_LOTS])
    ]
    shown = f" The first {LISTED_LOTS} of {len(order)}." if len(order) > LISTED_LOTS else ""
    return Listing(
        title,
        "Worse: the lower end of its interval lies above the upper end of that of all other lots of the part. "
        f"Robots with it: that still carry it.{shown}",
        (part_reliability,),
        tuple(rows),
    )


def _interval(low: float | None, high: float | None) -> str:
    return "" if low is None or high is None else f"{low:.2g} to {high:.2g}"
