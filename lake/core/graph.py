"""The order of tables, and the selection of some of them by name."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from graphlib import TopologicalSorter

from lake.core.errors import unknown_name
from lake.core.table import Table


def ordered(tables: Iterable[Table]) -> list[Table]:
    """Inputs before what reads them; otherwise by name."""
    listed = sorted(tables, key=lambda t: t.id)
    known = set(listed)
    sorter = TopologicalSorter({t: [i for i in t.all_inputs if i in known] for t in listed})
    return list(sorter.static_order())


def below(roots: Iterable[Table], tables: Sequence[Table]) -> set[Table]:
    """`roots` and everything that reads them, directly or not."""
    reached = set(roots)
    for t in ordered(tables):
        if any(i in reached for i in t.all_inputs):
            reached.add(t)
    return reached


def above(roots: Iterable[Table]) -> set[Table]:
    """`roots` and everything they read, directly or not."""
    reached: set[Table] = set()
    todo = list(roots)
    while todo:
        t = todo.pop()
        if t not in reached:
            reached.add(t)
            todo.extend(t.all_inputs)
    return reached


def select(words: str | None, tables: Sequence[Table]) -> list[Table]:
    """Tables that `words` name: ids, domains, layers, or ends of ids, comma-separated; a `+` behind one adds all below.

    Raises WrongUse with the nearest name if a word names nothing.
    """
    if not words:
        return list(tables)
    chosen: set[Table] = set()
    for word in (w.strip() for w in words.split(",") if w.strip()):
        bare = word.rstrip("+")
        hits = {
            t
            for t in tables
            if bare in (t.id, t.domain, t.layer, t.name, f"{t.domain}.{t.layer}", f"{t.domain}.{t.name}")
        }
        if not hits:
            raise unknown_name(
                "table", bare, {n for t in tables for n in (t.id, t.domain, t.layer, t.name)}, where="--select"
            )
        chosen |= below(hits, tables) if word.endswith("+") else hits
    return [t for t in tables if t in chosen]
