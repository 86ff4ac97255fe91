"""What a candidate's tables are like as a whole: figures of what a run touched, and rows for those who ask about them.

Only touched slices are read, by Arrow, and of large ones a part.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from lake.core.expect import Expectation
from lake.core.table import SLICE, Column, Table
from lake.engine import store
from lake.engine.conf import Conf
from lake.engine.control import State
from lake.engine.plan import commits_since

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Touched:
    """A table of which a candidate has other rows than the last release; `days`: in these slices (None: in any)."""

    table: Table
    version: int
    days: frozenset[date] | None


@dataclass(frozen=True)
class ColumnFigures:
    """Of the touched rows of a column: how many, the share without a value (if any may), their mean (if measured).

    error   the standard error of the mean: by how much it is off by chance, with so many rows
    """

    name: str
    rows: int
    empty: float | None
    mean: float | None
    error: float = 0.0


def touched(table: Table, state: State, since: int) -> Touched | None:
    """What commits after version `since` changed; None if they changed nothing."""
    commits = commits_since(state, since)
    if not commits or state.version < 0:
        return None
    slices = [c.get("slices") for c in commits]
    everything = since < 0 or not table.refresh.by or any(s is None for s in slices)
    days = None if everything else frozenset(date.fromisoformat(d) for some in slices for d in some or ())
    return Touched(table, state.version, days)


def of_columns(conf: Conf, it: Touched, most: int) -> list[ColumnFigures]:
    """Figures of the columns that may lack a value or are measured; personal ones aside."""
    judged = [c for c in it.table.columns if not c.pii and not c.key and (c.null or _measured(c.stored))]
    if not judged:
        return []
    names = [c.name for c in judged]
    rows, _ = store.sampled(
        conf.at(it.table), most, at=it.version, columns=names, where=_where(it.table, _any_of(it.days))
    )
    return [_figures(c, rows[c.name]) for c in judged] if rows.num_rows else []


def _figures(column: Column, values: pa.ChunkedArray) -> ColumnFigures:
    empty = values.null_count / len(values) if column.null else None
    if not _measured(column.stored) or values.null_count == len(values):
        return ColumnFigures(column.name, len(values), empty, None)
    floats = pc.cast(values, pa.float64(), safe=False)
    error = pc.stddev(floats).as_py() / (len(values) - values.null_count) ** 0.5
    return ColumnFigures(column.name, len(values), empty, pc.mean(floats).as_py(), error)


def _measured(kind: Any) -> bool:
    return bool(kind.typeName() in ("decimal", "double", "float"))


def _any_of(days: Iterable[date] | None) -> Any:
    return None if days is None else pc.field(SLICE).isin(pa.array(sorted(days), pa.date32()))


def _where(table: Table, scope: Any) -> Any:
    """The rows of `scope` (None: all) that readers of the table see."""
    if not table.is_typed:
        return scope
    good = pc.field("_ok") == pc.scalar(True)
    return good if scope is None else good & scope


# --- rows -------------------------------------------------------------------------------------------------------------


class TooLarge(Exception):
    """What would have to be read has more rows than may be."""


def frames(
    conf: Conf, asked: Expectation, changed: Mapping[str, Touched], states: Mapping[str, State], most: int
) -> list[pd.DataFrame]:
    """The rows that an expectation gets of each table that it reads: of the newest touched periods, `most` at most.

    Raises TooLarge if not even one period, or a table without periods, is small enough.
    """
    there = {t.id: _slices(conf, t, states) for t in asked.inputs if t.refresh.by}
    chosen = _periods(asked, changed, there.values(), most)
    found = []
    for table, columns in asked.reads:
        version = states.get(table.id, State()).version
        days = [d for d in there.get(table.id, ()) if _period(d, asked) in chosen]
        part = _any_of(days) if len(days) < len(there.get(table.id, ())) else None
        if version < 0:
            rows = pa.schema([(c, pa.null()) for c in columns]).empty_table()
        else:
            rows, every = store.sampled(conf.at(table), most, at=version, columns=columns, where=_where(table, part))
            if every > 1:
                raise TooLarge(f"{table.id} has more rows than gate.most_rows")
        found.append(floats(rows).to_pandas(date_as_object=False))
    return found


def _slices(conf: Conf, table: Table, states: Mapping[str, State]) -> Counter[date]:
    """How many rows each slice of a table has."""
    state = states.get(table.id, State())
    if state.version < 0:
        return Counter()
    rows, _ = store.sampled(conf.at(table), sys.maxsize, at=state.version, columns=[SLICE], where=_where(table, None))
    return Counter({e["values"]: e["counts"] for e in pc.value_counts(rows[SLICE]).to_pylist()})


def _periods(
    asked: Expectation, changed: Mapping[str, Touched], there: Iterable[Counter[date]], most: int
) -> frozenset[date]:
    """The days to read; where several tables are read, the months by their first days."""
    moved = [changed[t.id].days for t in asked.inputs if t.id in changed]
    wanted = {_period(d, asked) for days in moved for d in days or ()}
    rows: Counter[date] = Counter()
    for slices in there:
        for day, n in slices.items():
            if None in moved or _period(day, asked) in wanted:
                rows[_period(day, asked)] += n
    fitting: list[date] = []
    for period in sorted(rows, reverse=True):
        if sum(rows[p] for p in fitting) + rows[period] > most:
            if not fitting:
                raise TooLarge(f"{period} has more rows than gate.most_rows")
            break
        fitting.append(period)
    return frozenset(fitting)


def _period(day: date, asked: Expectation) -> date:
    return day.replace(day=1) if len(asked.reads) > 1 else day


def floats(rows: pa.Table) -> pa.Table:
    """The rows with decimals as floats, to be compared within a tolerance and not stored; exact ones would be Python
    objects, each."""
    fields = [pa.field(f.name, pa.float64()) if pa.types.is_decimal(f.type) else f for f in rows.schema]
    return rows.cast(pa.schema(fields), safe=False)
