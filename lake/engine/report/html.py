"""Pages as one HTML document that asks for nothing from outside."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from functools import cache
from html import escape
from importlib.metadata import version
from pathlib import Path
from typing import Any

from lake.core.report import COLOURS, Advice, Chart, Facts, Listing, Number, Page, Report, day, dearest, money
from lake.core.table import Table
from lake.engine import place
from lake.engine.place import Place
from lake.engine.release import Lake
from lake.engine.report import tables

HERE = Path(__file__).parent
ROOM_AROUND = 60
"""What axes and legends add to the height of a chart, so that nothing jumps when it is drawn."""
POLICY = "default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; style-src 'unsafe-inline'; img-src data:"
"""The browser itself refuses every request. Vega compiles its expressions, which takes 'unsafe-eval'."""

FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', 'Liberation Sans', Arial, sans-serif"
CHARTS: dict[str, Any] = {
    "background": "transparent",
    "font": FONT,
    "autosize": {"type": "fit-x", "contains": "padding"},
    "view": {"stroke": None},
    "axis": {
        "domain": False,
        "gridColor": COLOURS["line"],
        "labelColor": COLOURS["muted"],
        "labelFontSize": 12,
        "tickColor": COLOURS["line"],
        "titleColor": COLOURS["muted"],
        "titleFontSize": 12,
        "titleFontWeight": "normal",
    },
    "axisBand": {"grid": False},
    "legend": {
        "labelColor": COLOURS["ink"],
        "labelLimit": 280,
        "labelFontSize": 12,
        "titleColor": COLOURS["muted"],
        "titleFontWeight": "normal",
        "offset": 8,
    },
    "text": {"color": COLOURS["ink"], "fontSize": 12},
}
"""How every chart of the house looks."""


def document(lake: Lake, facts: Facts, pages: Sequence[tuple[Report, Page]], gate: str) -> str:
    """The whole file."""
    at = lake.release
    ends = [e["through"] for e in at.tables.values() if e.get("through")]
    head = {
        "Release": f"{at.number}",
        "Released": f"{day(at.at.date())}, {at.at:%H:%M} UTC",
        "As of": day(facts.as_of),
        "Data through": day(date.fromisoformat(min(ends))) if ends else "not said",
        "Gate": gate,
    }
    company = f"robolake {lake.conf.env}"
    specs: dict[str, Any] = {}
    body = [_section(lake, report, page, pages, specs) for report, page in pages]
    nav = "".join(f'<a href="#{r.name}">{escape(r.title)}</a>' for r, _ in pages) + '<a href="#tables">Tables</a>'
    facts_html = "".join(f"<div><dt>{k}</dt><dd>{escape(v)}</dd></div>" for k, v in head.items())
    script = (HERE / "page.js").read_text(encoding="utf-8")
    return shell(
        f"{company}: release {at.number}, {day(facts.as_of)}",
        f"""<a class="skip" href="#{pages[0][0].name if pages else "tables"}">Skip to the findings</a>
<header><h1>{escape(company)}</h1><dl>{facts_html}</dl></header>
<nav aria-label="Pages">{nav}</nav>
<main>
{"".join(body)}
{_ledger(lake, pages)}
</main>
<script type="application/json" id="charts">{as_script({"house": CHARTS, "specs": specs})}</script>
<script type="text/plain" id="engine">{_engine(lake.conf.root / "report")}</script>
<script>{script}</script>""",
        POLICY,
    )


def shell(title: str, body: str, policy: str, *, style: str = "") -> str:
    """A whole document in the looks of the house; the browser keeps to `policy`, whatever stands in it."""
    colours = ";".join(f"--{k.replace('_', '-')}:{v}" for k, v in COLOURS.items())
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)}</title>
<style>:root{{{colours};--font:{FONT}}}
{(HERE / "page.css").read_text(encoding="utf-8")}{style}</style>
</head>
<body>
{body}
</body>
</html>
"""


def _section(
    lake: Lake, report: Report, page: Page, pages: Sequence[tuple[Report, Page]], specs: dict[str, Any]
) -> str:
    read = [t.id for t in report.inputs] or list(lake.release.tables)
    ends = [e["through"] for t in read if (e := lake.release.tables.get(t)) and e.get("through")]
    stands = f"Data through {day(date.fromisoformat(min(ends)))}. " if ends else ""
    advice, heading = page.advice, "What to do, dearest first"
    if not report.inputs:
        advice = dearest(a for _, p in pages for a in p.advice if a.amount is not None)
        heading = "What to do first, of all pages"
    parts = [
        f'<section id="{report.name}" aria-labelledby="{report.name}-title">',
        _title(f"{report.name}-title", report.title, f"for the {report.reader}"),
        f'<p class="finding">{_said(lake, page.finding)}</p>',
        f'<p class="stands">{stands}Release {lake.release.number}.</p>',
    ]
    if advice:
        heading = heading if advice[0].amount is not None else "What to do"
        parts.append(f'<h3>{heading}</h3><ol class="todo">{"".join(_todo(lake, a) for a in advice)}</ol>')
    if page.stories:
        told = "".join(f"<li>{_said(lake, s)}</li>" for s in page.stories)
        parts.append(f'<h3>What changed or stands out</h3><ul class="stories">{told}</ul>')
    if page.notes:
        parts.append(f'<ul class="notes">{"".join(f"<li>{escape(n)}</li>" for n in page.notes)}</ul>')
    parts.append(_filters(report, page))
    shown = "".join(
        _chart(lake, report, n, c, page.filters, specs) if isinstance(c, Chart) else _listing(lake, c, page.filters)
        for n, c in enumerate(page.charts)
    )
    return "\n".join([*parts, f'<div class="charts">{shown}</div>', "</section>"])


def _title(key: str, title: str, rest: str) -> str:
    return f'<h2 id="{key}">{escape(title)} <span>{escape(rest)}</span></h2>'


def _said(lake: Lake, said: Sequence[str | Number]) -> str:
    return "".join(escape(s) if isinstance(s, str) else _link(lake, s.table, s.text) for s in said)


def _link(lake: Lake, table: Table, text: str) -> str:
    entry = lake.release.tables.get(table.id)
    where = (
        f"{table.id}, version {entry['version']}, release {lake.release.number}"
        if entry
        else f"{table.id}, not in this release"
    )
    return f'<a class="n" href="#{tables.anchor(table)}" data-from="{escape(where)}">{escape(text)}</a>'


def _todo(lake: Lake, advice: Advice) -> str:
    amount = "" if advice.amount is None else _link(lake, advice.table, money(advice.amount, advice.currency))
    return f"<li><span>{escape(advice.text)}</span><b>{amount or _link(lake, advice.table, 'source')}</b></li>"


def _filters(report: Report, page: Page) -> str:
    """Choices that narrow the page's rows; the script shows them, as they do nothing without it."""
    lists = []
    for name in page.filters:
        values = sorted({str(r[name]) for c in page.charts for r in _rows(c) if r.get(name) is not None})
        if len(values) < 2:
            continue
        options = "".join(f"<option>{escape(v)}</option>" for v in values)
        lists.append(
            f'<label>{escape(name)} <select name="{name}"><option value="">all</option>{options}</select></label>'
        )
    if not lists:
        return ""
    label = f'aria-label="Narrow {escape(report.title)}"'
    return f'<form class="filters" {label} hidden>Show {"".join(lists)}<output aria-live="polite"></output></form>'


def _rows(block: Chart | Listing) -> Iterator[Mapping[str, Any]]:
    """Every row that a block shows or draws."""
    yield from block.rows
    for _, spec in block.specs if isinstance(block, Chart) else ():
        yield from _values(spec)


def _values(spec: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The rows that a spec draws: Altair keeps them in its data sets."""
    for rows in spec.get("datasets", {}).values():
        yield from rows


def _listing(lake: Lake, listing: Listing, filters: Sequence[str]) -> str:
    return (
        f'<article><h3>{escape(listing.title)}</h3><p class="read">{escape(listing.said)}</p>'
        f"{tables.listed(listing.title, listing.rows, filters)}{_source(lake, listing.reads)}</article>"
    )


def _source(lake: Lake, reads: Sequence[Table]) -> str:
    named = " · ".join(_link(lake, t, t.id) for t in reads) or "journal"
    return f'<p class="source">Source: {named}, release {lake.release.number}</p>'


def _chart(lake: Lake, report: Report, number: int, chart: Chart, filters: Sequence[str], specs: dict[str, Any]) -> str:
    panels = []
    for n, (caption, spec) in enumerate(chart.specs):
        key = f"{report.name}-{number}-{n}"
        specs[key] = {k: v for k, v in spec.items() if k not in ("$schema", "config", "datasets")}
        specs[key]["datasets"] = {name: _packed(rows) for name, rows in spec.get("datasets", {}).items()}
        height = int(spec.get("height", 200)) + ROOM_AROUND
        label = escape(f"{chart.title}{f', {caption}' if caption else ''}. {chart.said}")
        panels.append(
            f"<figure>{f'<figcaption>{escape(caption)}</figcaption>' if caption else ''}"
            f'<div class="chart" id="{key}" role="img" aria-label="{label}" style="min-height:{height}px"></div>'
            "</figure>"
        )
    chooser = ""
    if chart.choices and chart.specs:
        key = f"{report.name}-{number}-0"
        specs[key]["choices"] = _choices(chart)
        options = "".join(f"<option>{escape(c.name)}</option>" for c in chart.choices)
        chooser = (
            f'<p class="choose"><label>{escape(chart.choose)} <select data-for="{key}">{options}</select></label> '
            f'<output aria-live="polite">{escape(chart.choices[0].said)}</output></p>'
        )
    figures = tables.figures(
        chart.title, chart.choices[0].rows if chooser else chart.rows, filters, whole=bool(chooser)
    )
    return "".join(
        [
            f'<article class="{"half" if chart.beside else ""}">',
            f'<h3>{escape(chart.title)}</h3><p class="read">{escape(chart.said)}</p>',
            chooser,
            f'<div class="{"small" if chart.small else "one"}">{"".join(panels)}</div>' if panels else "",
            figures,
            f"{_source(lake, chart.reads)}</article>",
        ]
    )


def _choices(chart: Chart) -> dict[str, Any]:
    """All choices, each with its rows."""
    fields = _fields(row for c in chart.choices for row in c.rows)
    return {
        "fields": fields,
        "said": [c.said for c in chart.choices],
        "rows": [[_bare(row, fields) for row in c.rows] for c in chart.choices],
    }


def _packed(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Rows without the names of their fields, which are most of what they say."""
    fields = _fields(rows)
    return {"fields": fields, "rows": [_bare(row, fields) for row in rows]}


def _fields(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    return list(dict.fromkeys(field for row in rows for field in row))


def _bare(row: Mapping[str, Any], fields: Sequence[str]) -> list[Any]:
    """The values of a row, up to the last that is there."""
    values = [row.get(f) for f in fields]
    while values and values[-1] is None:
        values.pop()
    return [_short(v) if isinstance(v, float) else v for v in values]


def _short(number: float) -> float:
    """The number to nine digits: as many as a page shows."""
    near = float(f"{number:.9g}")
    return int(near) if near.is_integer() else near


def _ledger(lake: Lake, pages: Sequence[tuple[Report, Page]]) -> str:
    read = sorted({t for r, _ in pages for t in r.inputs}, key=lambda t: t.id)
    return (
        f'<section id="tables" aria-labelledby="tables-title">{_title("tables-title", "Tables", "behind the figures")}'
        f'<p class="stands">Every figure above is from one of these, at release {lake.release.number}.</p>'
        f"{tables.ledger(read, lake.release)}</section>"
    )


def as_script(value: Any) -> str:
    """JSON that cannot end the script element it stands in."""
    return json.dumps(value, separators=(",", ":"), default=str).replace("<", "\\u003c")


def _engine(folder: Place) -> str:
    """Vega, Vega-Lite and Vega-Embed as one script; kept in `folder`, for to make it takes seconds."""
    file = folder / f"vega-{version('vl-convert-python')}.js"
    if not file.is_file():
        file.parent.mkdir(parents=True, exist_ok=True)
        place.put(file, _bundled())
    return file.read_text(encoding="utf-8")


@cache
def _bundled() -> str:
    import vl_convert

    return str(vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")).replace("</script", "<\\/script")
