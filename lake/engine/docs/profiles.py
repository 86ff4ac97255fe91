"""The page of a profile: a drawing and the figures of each column."""

from __future__ import annotations

from html import escape

from lake.core.report import COLOURS
from lake.engine.docs.pages import document
from lake.engine.profile import Look, Profile, warnings

MUCH = 0.2
"""The commonest values are drawn if they are this share of all."""
_WIDE, _TALL = 168, 36


def page(profile: Profile, doc: str) -> str:
    """The whole document."""
    against = f", drift against release {profile.against} ({profile.rows_before:,} rows)" if profile.against else ""
    first = "".join(f"<li>{escape(w)}</li>" for w in warnings(profile))
    pairs = "".join(
        f"<li><code>{escape(a)}</code> and <code>{escape(b)}</code>: {r:+.2f}</li>" for a, b, r in profile.correlated
    )
    heads = ["column", "values", "missing", "distinct", "least", "quartiles", "most", "commonest"]
    heads += ["drift"] if profile.against else []
    head = "".join(f'<th scope="col">{h}</th>' for h in heads)
    rows = "".join(_row(c, profile) for c in profile.columns)
    return document(
        f"{profile.table}: profile",
        f"""<header><h1>{escape(profile.table)}</h1>
<span class="quiet">profile at release {profile.release}: {profile.rows:,} rows{against}</span></header>
<main class="table">
<p class="finding">{escape(doc.splitlines()[0])}</p>
{f'<h3>To look at</h3><ul class="stories">{first}</ul>' if first else ""}
<h3>Columns</h3>
<div class="scroll listing columns" role="region" aria-label="Columns" tabindex="0">
<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>
{f'<h3>What moves together</h3><ul class="rules">{pairs}</ul>' if pairs else ""}
</main>""",
    )


def _row(c: Look, profile: Profile) -> str:
    share = f" ({c.missing / profile.rows:.1%})" if c.missing else ""
    unit = f"<br>{escape(c.unit)}" if c.unit else ""
    middle = c.quantiles or {}
    cells = {
        "values": '<i class="masked">masked</i>' if c.personal else _drawn(c, profile.rows),
        "missing": f"{c.missing:,}{share}",
        "distinct": "" if c.distinct is None else f"{c.distinct:,}",
        "least": escape(c.least or ""),
        "quartiles": "<br>".join(escape(middle[p]) for p in ("p25", "p50", "p75") if p in middle),
        "most": escape(c.most or ""),
        "commonest": "<br>".join(f"{escape(v)} <span class='quiet'>{n:,}</span>" for v, n in c.top[:3]),
    }
    if profile.against:
        drift = "" if c.drift is None else f"{c.drift:.3f}"
        cells["drift"] = f'<b class="bad">{drift}</b>' if c.drifted else drift
    rest = "".join(f'<td data-name="{k}">{v}</td>' for k, v in cells.items())
    kind = f'<span class="quiet">{escape(c.type)}{unit}</span>'
    return f'<tr><th scope="row" data-name="column">{escape(c.name)}<br>{kind}</th>{rest}</tr>'


def _drawn(c: Look, rows: int) -> str:
    """Its numbers as bars of equal width; the commonest of its other values as bars, if they are much of it."""
    bars = c.bars or tuple(n for _, n in c.top)
    if len(bars) < 2 or (not c.bars and sum(bars) < rows * MUCH):
        return ""
    wide, most = _WIDE / len(bars), max(bars)
    parts = []
    for n, count in enumerate(bars):
        tall = max(1.0, _TALL * count / most) if count else 0.0
        place = f'x="{n * wide:.1f}" y="{_TALL - tall:.1f}" width="{wide - 1:.1f}" height="{tall:.1f}"'
        parts.append(f'<rect {place} fill="{COLOURS["note"]}"/>')
    what = f"{c.name} between {c.least} and {c.most}" if c.bars else f"the commonest values of {c.name}"
    size = f'viewBox="0 0 {_WIDE} {_TALL}" width="{_WIDE}" height="{_TALL}"'
    return f'<svg {size} role="img" aria-label="{escape(what)}">{"".join(parts)}</svg>'
