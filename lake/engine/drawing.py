"""A lineage as a drawing: one SVG file that needs nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from html import escape

from lake.core.table import Table
from lake.engine.lineage import Ref

_LEAST, _LETTER, _GAP, _LINE, _SPACE, _EDGE = 200, 8, 70, 18, 16, 20
_SMALLEST = 0.7
"""A page may scale it down so far."""
_INK = {"bronze": "#8a5a2b", "silver": "#56606b", "gold": "#8a6d00"}
_PAPER = {"bronze": "#f7ede3", "silver": "#eef1f4", "gold": "#fbf4d9"}
_STYLE = "text{font:12px system-ui,sans-serif;fill:#1b1f24}.id{font-weight:600}path{fill:none;stroke:#8b949e}"


def drawn(
    tables: Sequence[Table],
    columns: Mapping[str, Sequence[str]],
    edges: Iterable[tuple[Ref, Ref]],
    *,
    of: Table | None = None,
    link: Callable[[Table], str] | None = None,
) -> str:
    """The tables from left to right, inputs first; of each the named columns, and the edges between columns.

    tables  inputs before what reads them
    edges   from a column to one that comes from it; an empty name means the table itself
    of      whose drawing it is, and whose box is bold (default: the last one)
    link    where a table's box leads
    """
    subject = of or tables[-1]
    edges = sorted(edges)
    words = [*(t.id for t in tables), *(c for some in columns.values() for c in some)]
    box = max(_LEAST, _LETTER * max(map(len, words)) + 2 * _LETTER)
    level = _levels(tables)
    place: dict[str, tuple[int, int]] = {}
    below = [_EDGE] * (max(level.values()) + 1)
    for t in tables:
        at = level[t.id]
        place[t.id] = (_EDGE + at * (box + _GAP), below[at])
        below[at] += _tall(columns.get(t.id, ())) + _SPACE
    wide, tall = len(below) * (box + _GAP) - _GAP + 2 * _EDGE, max(below) - _SPACE + _EDGE
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide} {tall}" width="{wide}" height="{tall}"',
        f'style="min-width:{round(wide * _SMALLEST)}px">',
        f"<title>Where {escape(subject.id)} comes from</title><style>{_STYLE}</style>",
        f'<rect width="{wide}" height="{tall}" fill="#fff"/>',
    ]
    parts += [_curve(*_end(a, place, columns, box), *_end(b, place, columns, 0)) for a, b in edges]
    for t in tables:
        made = _box(t, *place[t.id], box, columns.get(t.id, ()), 3 if t is of else 1)
        current = ' aria-current="true"' if t is of else ""
        parts.append(f'<a href="{escape(link(t))}"{current}>{made}</a>' if link else made)
    return "\n".join([*parts, "</svg>"]) + "\n"


def _levels(tables: Sequence[Table]) -> dict[str, int]:
    level: dict[str, int] = {}
    for t in tables:
        level[t.id] = 1 + max((level[i.id] for i in t.all_inputs if i.id in level), default=-1)
    return level


def _tall(columns: Sequence[str]) -> int:
    return _LINE * (len(columns) + 1) + 10


def _end(
    ref: Ref, place: Mapping[str, tuple[int, int]], columns: Mapping[str, Sequence[str]], right: int
) -> tuple[int, int]:
    x, y = place[ref[0]]
    row = list(columns.get(ref[0], ())).index(ref[1]) + 1 if ref[1] else 0
    return x + right, y + 5 + row * _LINE + _LINE // 2


def _curve(x1: int, y1: int, x2: int, y2: int) -> str:
    bend = _GAP // 2
    return f'<path d="M{x1} {y1}C{x1 + bend} {y1} {x2 - bend} {y2} {x2} {y2}"/>'


def _box(table: Table, x: int, y: int, wide: int, columns: Sequence[str], bold: int) -> str:
    ink, paper = _INK[table.layer], _PAPER[table.layer]
    looks = f'rx="4" fill="{paper}" stroke="{ink}" stroke-width="{bold}"'
    said = [f'<rect x="{x}" y="{y}" width="{wide}" height="{_tall(columns)}" {looks}/>']
    for n, text in enumerate([table.id, *columns]):
        kind = ' class="id"' if n == 0 else ""
        said.append(f'<text x="{x + 8}" y="{y + 5 + n * _LINE + 13}"{kind}>{escape(text)}</text>')
    return "<g>" + "".join(said) + f"<title>{escape(table.doc.splitlines()[0])}</title></g>"
