"""A lineage as a drawing: one SVG file that needs nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape

from lake.core.table import Table
from lake.engine.lineage import Ref

_WIDE, _GAP, _LINE, _SPACE, _EDGE = 250, 70, 18, 16, 20
_INK = {"bronze": "#8a5a2b", "silver": "#56606b", "gold": "#8a6d00"}
_PAPER = {"bronze": "#f7ede3", "silver": "#eef1f4", "gold": "#fbf4d9"}
_STYLE = "text{font:12px system-ui,sans-serif;fill:#1b1f24}.id{font-weight:600}path{fill:none;stroke:#8b949e}"


def drawn(tables: Sequence[Table], columns: Mapping[str, Sequence[str]], edges: Iterable[tuple[Ref, Ref]]) -> str:
    """The tables from left to right, inputs first; of each the named columns, and the edges between columns.

    tables  inputs before what reads them
    edges   from a column to one that comes from it; an empty name means the table itself
    """
    edges = sorted(edges)
    level = _levels(tables)
    place: dict[str, tuple[int, int]] = {}
    below = [_EDGE] * (max(level.values()) + 1)
    for t in tables:
        at = level[t.id]
        place[t.id] = (_EDGE + at * (_WIDE + _GAP), below[at])
        below[at] += _tall(columns.get(t.id, ())) + _SPACE
    wide, tall = len(below) * (_WIDE + _GAP) - _GAP + 2 * _EDGE, max(below) + _EDGE
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide} {tall}" width="{wide}" height="{tall}">',
        f"<title>Where {escape(tables[-1].id)} comes from</title><style>{_STYLE}</style>",
        f'<rect width="{wide}" height="{tall}" fill="#fff"/>',
    ]
    parts += [_curve(*_end(a, place, columns, right=True), *_end(b, place, columns, right=False)) for a, b in edges]
    parts += [_box(t, *place[t.id], columns.get(t.id, ())) for t in tables]
    return "\n".join([*parts, "</svg>"]) + "\n"


def _levels(tables: Sequence[Table]) -> dict[str, int]:
    level: dict[str, int] = {}
    for t in tables:
        level[t.id] = 1 + max((level[i.id] for i in t.all_inputs if i.id in level), default=-1)
    return level


def _tall(columns: Sequence[str]) -> int:
    return _LINE * (len(columns) + 1) + 10


def _end(
    ref: Ref, place: Mapping[str, tuple[int, int]], columns: Mapping[str, Sequence[str]], *, right: bool
) -> tuple[int, int]:
    x, y = place[ref[0]]
    row = list(columns.get(ref[0], ())).index(ref[1]) + 1 if ref[1] else 0
    return x + (_WIDE if right else 0), y + 5 + row * _LINE + _LINE // 2


def _curve(x1: int, y1: int, x2: int, y2: int) -> str:
    bend = _GAP // 2
    return f'<path d="M{x1} {y1}C{x1 + bend} {y1} {x2 - bend} {y2} {x2} {y2}"/>'


def _box(table: Table, x: int, y: int, columns: Sequence[str]) -> str:
    ink, paper = _INK[table.layer], _PAPER[table.layer]
    said = [f'<rect x="{x}" y="{y}" width="{_WIDE}" height="{_tall(columns)}" rx="4" fill="{paper}" stroke="{ink}"/>']
    for n, text in enumerate([table.id, *columns]):
        kind = ' class="id"' if n == 0 else ""
        said.append(f'<text x="{x + 8}" y="{y + 5 + n * _LINE + 13}"{kind}>{escape(text)}</text>')
    return "<g>" + "".join(said) + f"<title>{escape(table.doc.splitlines()[0])}</title></g>"
