"""Rows as HTML tables: those behind a chart, those to act on, and the ledger of the tables they come from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from lake.core.table import Table
from lake.engine.release import Release

MOST_FIGURES = 40
"""So many rows behind a chart are shown: those a reader would read."""
FIRST_LISTED, FEW_MORE = 12, 4
"""So many rows of a listing are open; the others are folded, unless they are that few."""
SHORT, WIDE = 18, 44
"""Characters of a cell that is not broken, and of one that gets room."""


def figures(title: str, rows: Sequence[Mapping[str, Any]], filters: Sequence[str], *, whole: bool) -> str:
    """The figures behind a chart, folded; `whole`: all of them."""
    if not rows:
        return ""
    body = _table(title, rows if whole else rows[:MOST_FIGURES], filters)
    return f"<details><summary>The figures as a table</summary>{body}</details>"


def listed(title: str, rows: Sequence[Mapping[str, Any]], filters: Sequence[str]) -> str:
    """Rows to act on, the first ones open; on a narrow page each is a card, its cells named."""
    if not rows:
        return ""
    first, rest = rows[:FIRST_LISTED], rows[FIRST_LISTED:]
    if len(rest) <= FEW_MORE:
        return _table(title, rows, filters, kind="listing")
    more = _table(f"{title}: the others", rest, filters, kind="listing")
    return (
        _table(title, first, filters, kind="listing")
        + f'<details class="more"><summary>{len(rest)} more</summary>{more}</details>'
    )


def _table(title: str, rows: Sequence[Mapping[str, Any]], filters: Sequence[str], *, kind: str = "") -> str:
    names = list(rows[0])
    looks = {n: _look([r.get(n) for r in rows]) for n in names}
    head = "".join(f'<th scope="col"{_class(looks[n])}>{escape(_spoken(n))}</th>' for n in names)
    lines = []
    for row in rows:
        tags = "".join(f' data-{f}="{escape(str(row[f]))}"' for f in filters if row.get(f) is not None)
        cells = "".join(_cell(row.get(n), looks[n], n if kind else "") for n in names)
        lines.append(f"<tr{tags}>{cells}</tr>")
    body = f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(lines)}</tbody></table>"
    return f'<div class="scroll {kind}" role="region" aria-label="{escape(title)}" tabindex="0">{body}</div>'


def _look(values: Sequence[Any]) -> str:
    """How a column is set: numbers to the right, short words in one line, sentences wide."""
    if any(_is_number(v) for v in values):
        return "num"
    longest = max(len(str(v)) for v in values)
    return "short" if longest <= SHORT else "wide" if longest >= WIDE else ""


def _cell(value: Any, look: str, name: str) -> str:
    named = f' data-name="{escape(_spoken(name))}"' if name else ""
    return f"<td{_class(look)}{named}>{said(value)}</td>"


def _spoken(name: str) -> str:
    return name.replace("_", " ")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _class(look: str) -> str:
    return f' class="{look}"' if look else ""


def said(value: Any) -> str:
    """A cell's text."""
    if not _is_number(value):
        return escape("" if value is None else str(value))
    return f"{value:,.0f}" if abs(value) >= 1000 or value == int(value) else f"{value:,.3g}"


def ledger(read: Sequence[Table], release: Release) -> str:
    """One row per table: which version of it the release holds, and how to know it again."""
    lines = []
    for table in read:
        entry = release.tables.get(table.id)
        cells = ["not in this release", "", "", "", "", ""]
        if entry:
            since = release.stale.get(table.id, {}).get("since", "")
            rows = f"{entry['rows']:,}"
            cells = [str(entry["version"]), rows, str(release.number), entry.get("through") or "", since, entry["hash"]]
        doc = escape(table.doc.split("\n")[0])
        head = f'<th scope="row">{table.id}<small>{doc}</small></th>'
        lines.append(f'<tr id="{anchor(table)}">{head}{"".join(f"<td>{escape(c)}</td>" for c in cells)}</tr>')
    names = ("table", "version", "rows", "release", "through", "stale since", "hash of its rows")
    columns = "".join(f'<th scope="col">{c}</th>' for c in names)
    body = f'<table class="ledger"><thead><tr>{columns}</tr></thead><tbody>{"".join(lines)}</tbody></table>'
    return f'<div class="scroll" role="region" aria-label="Tables" tabindex="0">{body}</div>'


def anchor(table: Table) -> str:
    return "t-" + table.id.replace(".", "-")
