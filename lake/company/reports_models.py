"""What the data scientist looks at: a model against its baseline, and whether its interval holds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lake.core.report import COLOURS, Chart, plain, spec
from lake.supply.models import lead_time_score


def outcomes(card: Mapping[str, Any]) -> int:
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
        (("", spec(chart)),),
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
        (("", spec(chart)),),
        tuple(plain(rows)),
        beside=True,
    )


def _who() -> Any:
    import altair as alt

    scale = alt.Scale(domain=["model", "baseline"], range=[COLOURS["note"], COLOURS["calm"]])
    return alt.Color("who:N", title=None, scale=scale, legend=alt.Legend(orient="top"))
