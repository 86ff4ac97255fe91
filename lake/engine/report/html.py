"""Pages as one HTML document that asks for nothing from outside."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import date
from html import escape
from pathlib import Path
from typing import Any

from lake.core.report import COLOURS, Advice, Chart, Facts, Number, Page, Report, day, dearest, money
from lake.core.table import Table
from lake.engine.release import Lake

HERE = Path(__file__).parent
MOST_ROWS = 40
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
    colours = ";".join(f"--{k.replace('_', '-')}:{v}" for k, v in COLOURS.items())
    script = (HERE / "page.js").read_text(encoding="utf-8")
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(company)}: release {at.number}, {day(facts.as_of)}</title>
<style>:root{{{colours};--font:{FONT}}}
{(HERE / "page.css").read_text(encoding="utf-8")}</style>
</head>
<body>
<a class="skip" href="#{pages[0][0].name if pages else "tables"}">Skip to the findings</a>
<header><h1>{escape(company)}</h1><dl>{facts_html}</dl></header>
<nav aria-label="Pages">{nav}</nav>
<main>
{"".join(body)}
{_tables(lake, pages)}
</main>
<script type="application/json" id="charts">{_json({"house": CHARTS, "specs": specs})}</script>
<script>{_bundle()}</script>
<script>{script}</script>
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
    if page.notes:
        parts.append(f'<ul class="notes">{"".join(f"<li>{escape(n)}</li>" for n in page.notes)}</ul>')
    charts = "".join(_chart(lake, report, n, c, specs) for n, c in enumerate(page.charts))
    return "\n".join([*parts, f'<div class="charts">{charts}</div>', "</section>"])


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
    return f'<a class="n" href="#{_anchor(table)}" data-from="{escape(where)}">{escape(text)}</a>'


def _todo(lake: Lake, advice: Advice) -> str:
    amount = "" if advice.amount is None else _link(lake, advice.table, money(advice.amount, advice.currency))
    return f"<li><span>{escape(advice.text)}</span><b>{amount or _link(lake, advice.table, 'source')}</b></li>"


def _chart(lake: Lake, report: Report, number: int, chart: Chart, specs: dict[str, Any]) -> str:
    sources = " · ".join(_link(lake, t, t.id) for t in chart.reads) or "journal"
    panels = []
    for n, (caption, spec) in enumerate(chart.specs):
        key = f"{report.name}-{number}-{n}"
        specs[key] = {k: v for k, v in spec.items() if k not in ("$schema", "config")}
        height = int(spec.get("height", 200)) + ROOM_AROUND
        label = escape(f"{chart.title}{f', {caption}' if caption else ''}. {chart.said}")
        panels.append(
            f"<figure>{f'<figcaption>{escape(caption)}</figcaption>' if caption else ''}"
            f'<div class="chart" id="{key}" role="img" aria-label="{label}" style="min-height:{height}px"></div>'
            "</figure>"
        )
    return "".join(
        [
            f'<article class="{"half" if chart.beside else ""}">',
            f'<h3>{escape(chart.title)}</h3><p class="read">{escape(chart.said)}</p>',
            f'<div class="{"small" if chart.small else "one"}">{"".join(panels)}</div>' if panels else "",
            _figures(chart.rows),
            f'<p class="source">Source: {sources}, release {lake.release.number}</p></article>',
        ]
    )


def _figures(rows: Sequence[Mapping[str, Any]]) -> str:
    if not rows:
        return ""
    names = list(rows[0])
    head = "".join(f'<th scope="col">{escape(n.replace("_", " "))}</th>' for n in names)
    lines = "".join("<tr>" + "".join(_cell(row.get(n)) for n in names) + "</tr>" for row in rows[:MOST_ROWS])
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{lines}</tbody></table>"
    return f'<details><summary>The figures as a table</summary><div class="scroll" tabindex="0">{table}</div></details>'


def _cell(value: Any) -> str:
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return f"<td>{escape('' if value is None else str(value))}</td>"
    text = f"{value:,.0f}" if abs(value) >= 1000 or value == int(value) else f"{value:,.3g}"
    return f"<td class='num'>{text}</td>"


def _tables(lake: Lake, pages: Sequence[tuple[Report, Page]]) -> str:
    read = {t.id: t for r, _ in pages for t in r.inputs}
    lines = []
    for name, table in sorted(read.items()):
        entry = lake.release.tables.get(name)
        cells = ["not in this release", "", "", ""]
        if entry:
            since = lake.release.stale.get(name, {}).get("since", "")
            cells = [str(entry["version"]), f"{entry['rows']:,}", entry.get("through") or "", since]
        doc = escape(table.doc.split("\n")[0])
        head = f'<th scope="row">{name}<small>{doc}</small></th>'
        lines.append(f'<tr id="{_anchor(table)}">{head}{"".join(f"<td>{escape(c)}</td>" for c in cells)}</tr>')
    columns = "".join(f'<th scope="col">{c}</th>' for c in ("table", "version", "rows", "through", "stale since"))
    ledger = f'<table class="ledger"><thead><tr>{columns}</tr></thead><tbody>{"".join(lines)}</tbody></table>'
    return (
        f'<section id="tables" aria-labelledby="tables-title">{_title("tables-title", "Tables", "behind the figures")}'
        f'<p class="stands">Every figure above is from one of these, at release {lake.release.number}.</p>'
        f'<div class="scroll" tabindex="0">{ledger}</div></section>'
    )


def _anchor(table: Table) -> str:
    return "t-" + table.id.replace(".", "-")


def _json(value: Any) -> str:
    """JSON that cannot end the script element it stands in."""
    return json.dumps(value, separators=(",", ":"), default=str).replace("<", "\\u003c")


def _bundle() -> str:
    """Vega, Vega-Lite and Vega-Embed as one script."""
    import vl_convert

    return str(vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")).replace("</script", "<\\/script")
