"""The pages of the documentation: the index with its search, and one page a table."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import groupby
from pathlib import Path
from typing import Any

from lake.core.graph import above
from lake.core.report import Reject
from lake.core.table import Table
from lake.engine.contracts import Contract, own
from lake.engine.docs.example import Row
from lake.engine.drawing import drawn
from lake.engine.lineage import DAY, FILE, Graph
from lake.engine.release import Release
from lake.engine.report.html import as_script, shell
from lake.engine.report.tables import SHORT

HERE = Path(__file__).parent
POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'"
MOST_DRAWN = 18
"""A drawing goes up as many steps as leave it with so many tables above."""
LAYERS = {"gold": "answers", "silver": "typed records and their current state", "bronze": "as delivered"}
BESIDE = {DAY: "the day of delivery", FILE: "the file's name"}
"""What a record is told by where it lies."""
LONG = 20
"""Characters of a name that goes into one line."""
CENTRED = """
const drawing = document.querySelector(".drawing"), here = drawing?.querySelector("[aria-current]");
if (here) {
  const [box, frame] = [here, drawing].map((e) => e.getBoundingClientRect());
  drawing.scrollLeft = box.left + box.width / 2 - frame.left - frame.width / 2;
}
"""
"""Brings the table itself into the middle of a drawing that is wider than the page."""
MASKED = '<i class="masked">masked</i>'


@dataclass(frozen=True)
class Site:
    """What there is to tell. `models` and `reports`: by a table's id, the names of those that read it."""

    env: str
    tables: Sequence[Table]
    contracts: Mapping[str, Contract]
    graph: Graph
    release: Release | None
    examples: Mapping[str, Row]
    models: Mapping[str, Sequence[str]]
    reports: Mapping[str, Sequence[str]]
    rejects: Sequence[Reject] = ()

    @property
    def name(self) -> str:
        return f"robolake {self.env}"

    def entry(self, table: Table) -> dict[str, Any]:
        """What the release says of a table."""
        return self.release.tables.get(table.id, {}) if self.release else {}


def file_of(table: Table) -> str:
    return f"{table.id}.html"


def document(title: str, body: str) -> str:
    """A page of the documentation."""
    return shell(title, body, POLICY, style=(HERE / "docs.css").read_text(encoding="utf-8"))


# ---- the index


def index(site: Site) -> str:
    """Every table by department and layer, and a search through their names, columns and words."""
    parts = []
    for domain, tables in groupby(sorted(site.tables, key=_shelf), key=lambda t: t.domain):
        parts.append(f'<section id="{domain}"><h2>{domain.capitalize()}</h2>')
        for layer, some in groupby(tables, key=lambda t: t.layer):
            parts.append(f'<h3>{layer} <span class="quiet">{LAYERS[layer]}</span></h3><ul class="shelf">')
            parts += [_listed(site, t) for t in some]
            parts.append("</ul>")
        parts.append("</section>")
    domains = dict.fromkeys(t.domain for t in sorted(site.tables, key=_shelf))
    nav = "".join(f'<a href="#{d}">{d.capitalize()}</a>' for d in domains)
    at = (
        f"Release {site.release.number}, {site.release.at:%Y-%m-%d %H:%M} UTC"
        if site.release
        else "Nothing has been released yet: no examples, no versions."
    )
    columns = sum(len(t.columns) for t in site.tables)
    script = (HERE / "search.js").read_text(encoding="utf-8")
    return document(
        f"{site.name}: tables",
        f"""<header><h1>{escape(site.name)}</h1><span class="quiet">{escape(at)}</span></header>
<nav aria-label="Departments">{nav}</nav>
<main>
<form class="search" role="search" action="index.html">
<label for="q">Search {len(site.tables)} tables and {columns} columns</label>
<input id="q" name="q" type="search" autocomplete="off" spellcheck="false" autofocus></form>
<section id="found" hidden aria-live="polite"></section>
<div id="all">{"".join(parts)}</div>
</main>
<script type="application/json" id="index">{as_script(list(_searchable(site)))}</script>
<script>{script}</script>""",
    )


def _shelf(table: Table) -> tuple[str, int, str]:
    return table.domain, list(LAYERS).index(table.layer), table.name


def _listed(site: Site, table: Table) -> str:
    entry = site.entry(table)
    rows = f"{entry['rows']:,} rows" if entry else "not in this release" if site.release else ""
    lock = ' <span class="tag">restricted</span>' if table.restricted else ""
    return (
        f'<li><span><a href="{file_of(table)}">{escape(table.name)}</a>{lock}</span>'
        f'<span>{_prose(_first(table))}</span><span class="quiet">{rows}</span></li>'
    )


def _first(table: Table) -> str:
    return table.doc.split("\n")[0]


def _searchable(site: Site) -> Iterator[list[Any]]:
    """Of each table: its id, what it is, and its columns, each with its unit and what it says."""
    for t in site.tables:
        columns = []
        for p in _properties(site.contracts[t.id]):
            more = own(p)
            words = [p.get("description", ""), "(personal)" if more.get("personal") else ""]
            columns.append([p["name"], more.get("unit", ""), " ".join(w for w in words if w)])
        yield [t.id, _first(t) + (" Restricted." if t.restricted else ""), columns]


# ---- a table


def of_table(site: Site, table: Table) -> str:
    """The page of a table: what it is, on what terms, where it comes from, and each of its columns."""
    contract = site.contracts[table.id]
    sentence, _, rest = table.doc.partition("\n")
    more = f'<p class="read">{_prose(rest.strip())}</p>' if rest.strip() else ""
    facts = "".join(f"<div><dt>{k}</dt><dd>{v}</dd></div>" for k, v in _facts(site, table, contract) if v)
    return document(
        f"{table.id} · {site.name}",
        f"""<header><h1><a href="index.html">{escape(site.name)}</a></h1>
<span class="quiet">{table.domain} · {table.layer}</span>
<form class="search" role="search" action="index.html">
<input name="q" type="search" aria-label="Search tables and columns" placeholder="search"></form></header>
<main class="table">
<h2 class="name">{escape(table.id)}</h2>
<p class="finding">{_prose(sentence)}</p>{more}
<dl class="facts">{facts}</dl>
{_drawing(site, table)}
{_columns(site, table, contract)}
{_rules(contract)}
{_read_by(site, table)}
</main>
<script>{CENTRED}</script>""",
    )


def _facts(site: Site, table: Table, contract: Contract) -> Iterator[tuple[str, str]]:
    terms, entry = table.terms, site.entry(table)
    yield "Owner", escape(terms.owner)
    yield "For", escape(", ".join(terms.consumers))
    yield "To", escape(terms.purpose)
    yield "Classification", escape(terms.classification)
    if table.delivery:
        said = own(contract)["delivery"]
        yield "Delivered as", f"{escape(said['format'])} <code>{escape(said['path'])}</code>"
        yield "Expected by", escape(table.delivery.expected_by or "")
    else:
        yield "Fresh within", f"{terms.fresh_hours} h"
        yield "One row per", ", ".join(f"<code>{escape(k)}</code>" for k in table.keys)
        yield "In SQL", f"<code>{breakable(table.sql_name)}</code>"
    if entry and site.release:
        stale = site.release.stale.get(table.id)
        yield (
            "Data through",
            escape(entry.get("through") or "not said")
            + (f" (stale since {escape(stale['since'])}: {escape(stale['why'])})" if stale else ""),
        )
        rejected = f", {entry['rejected']:,} rejected" if entry.get("rejected") else ""
        yield "Release", f"{site.release.number}: {entry['rows']:,} rows{rejected}, version {entry['version']}"
        yield "Rejected", "<br>".join(_rejected(r) for r in site.rejects if r.table == table.id)
    elif site.release:
        yield "Release", f"not in release {site.release.number}"


def _rejected(reject: Reject) -> str:
    """How many broke a rule first, and when they were delivered: all of them, and the newest."""
    where = f" of <code>{escape(reject.column)}</code>" if reject.column else ""
    first, last = min(reject.by_night), max(reject.by_night)
    newest = f"; {reject.by_night[last]:,} of them on {last}" if last != first else ""
    return f"{reject.records:,} by {escape(reject.rule)}{where}, since {first}{newest}"


def _drawing(site: Site, table: Table) -> str:
    shown, left_out = _near(table)
    shown |= {t for t in site.tables if table in t.all_inputs}
    tables = [t for t in site.tables if t in shown]
    edges = {((i.id, ""), (t.id, "")) for t in tables for i in t.all_inputs if i in shown}
    if len(tables) == 1:
        return ""
    drawing = drawn(tables, {}, edges, of=table, link=file_of)
    rest = f"{left_out} more tables stand further up: <code>lake lineage {table.id}</code>. " if left_out else ""
    return (
        '<h3>Where it comes from, and who reads it</h3><div class="scroll drawing" tabindex="0" role="region" '
        f'aria-label="Lineage of {table.id}">{drawing}</div><p class="read">{rest}</p>'
    )


def _near(table: Table) -> tuple[set[Table], int]:
    """The tables above, step by step while they are few enough to draw, and how many are left out."""
    shown, step = {table}, set(table.all_inputs)
    while step and (len(shown) == 1 or len(shown | step) <= MOST_DRAWN):
        shown |= step
        step = {i for t in step for i in t.all_inputs} - shown
    return shown, len(above([table]) - shown)


def _properties(contract: Contract) -> list[Contract]:
    found: list[Contract] = contract["schema"][0].get("properties", [])
    return found


def _columns(site: Site, table: Table, contract: Contract) -> str:
    example = site.examples.get(table.id, {})
    if table.is_source:
        line = "" if table.restricted else example.get("line", "")
        sample = f'<p class="read">A record, as delivered:</p><pre tabindex="0">{escape(line)}</pre>' if line else ""
        example = {}
        title = "What each record has to bring"
    else:
        sample, title = "", "Columns"
    rules = {r["name"].removesuffix("_check"): r["description"] for r in contract["schema"][0].get("quality", ())}
    with_example = bool(example)
    from_where = table.id in site.graph.of
    heads = ["column", "type", "unit", "rules", "what it says"]
    heads += ["comes from"] if from_where else []
    heads += ["for example"] if with_example else []
    lines = []
    for p in _properties(contract):
        name, said = p["name"], own(p)
        rule = rules.get(name)
        must = ["key" if p.get("primaryKey") else "never null" if p.get("required") else ""]
        must += [f"<code>{escape(rule)}</code>"] if rule and not table.is_source else []
        must += ['<span class="tag">personal</span>'] if said.get("personal") else []
        cells = {
            "type": f"<code>{breakable(p['physicalType'])}</code>",
            "unit": escape(said.get("unit", "")),
            "rules": "<br>".join(m for m in must if m),
            "what it says": _prose(p.get("description", "")),
        }
        if from_where:
            cells["comes from"] = _origin(site, table, name)
        if with_example:
            cells["for example"] = MASKED if said.get("personal") else escape(example.get(name, ""))
        short = len(example.get(name, "")) <= SHORT
        looks = {"for example": ' class="short"'} if short else {}
        rest = "".join(f'<td data-name="{k}"{looks.get(k, "")}>{v}</td>' for k, v in cells.items())
        lines.append(f'<tr id="c-{escape(name)}"><th scope="row" data-name="column">{escape(name)}</th>{rest}</tr>')
    head = "".join(f'<th scope="col">{h}</th>' for h in heads)
    body = f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(lines)}</tbody></table>"
    return (
        f'<h3>{title}</h3>{sample}<div class="scroll listing columns" role="region" aria-label="{title}" tabindex="0">'
        f"{body}</div>"
    )


def _origin(site: Site, table: Table, column: str) -> str:
    """The columns, of the tables that it reads, that a column is made of; of a source it is the delivered name."""
    origin = site.graph.of[table.id].columns.get(column)
    found = sorted(origin.of or origin.by) if origin else []
    links = []
    for t, c in found[:4]:
        if c in BESIDE:
            links.append(BESIDE[c])
            continue
        name = breakable(f"{t.rpartition('.')[2]}.{c}")
        links.append(f'<a href="{escape(t)}.html#c-{escape(c)}"><code>{name}</code></a>')
    return "<br>".join(links + ([f"and {len(found) - 4} more"] if len(found) > 4 else []))


def _prose(text: str) -> str:
    """What a docstring says, its `names` set as code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))


def breakable(name: str) -> str:
    """A long name or type that may go on in the next line where one of its parts ends."""
    parts = re.split(r"(?<=[._,<:])", name) if len(name) > LONG else [name]
    return "<wbr>".join(escape(p) for p in parts)


def _rules(contract: Contract) -> str:
    rules = contract["schema"][0].get("quality", ())
    if not rules:
        return ""
    lines = []
    for r in rules:
        keys = r.get("arguments", {}).get("properties")
        lines.append(
            f"<li>unique: {escape(', '.join(keys))}</li>"
            if keys
            else f"<li><code>{escape(r['description'])}</code></li>"
        )
    broken = own(contract)["ifBroken"]
    return (
        f'<h3>Rules</h3><p class="read">True of every good row. Where one is broken: {escape(broken)}.</p>'
        f'<ul class="rules">{"".join(lines)}</ul>'
    )


def _read_by(site: Site, table: Table) -> str:
    tables = [f'<a href="{file_of(t)}">{t.id}</a>' for t in site.tables if table in t.all_inputs]
    lists = {
        "Tables": tables,
        "Models": [escape(m) for m in site.models.get(table.id, ())],
        "Pages of the report": [escape(r) for r in site.reports.get(table.id, ())],
    }
    said = "".join(f"<div><dt>{k}</dt><dd>{' · '.join(v)}</dd></div>" for k, v in lists.items() if v)
    return f'<h3>Read by</h3><dl class="facts">{said}</dl>' if said else ""
