"""The rows of a table's inputs that some of its rows need.

Inputs are narrowed to what the rows need, as the table's refresh declares it: their group, their slices. Where that
says nothing (a whole table may decide), they are narrowed by the columns that pass unchanged through the table's plan:
a guess, which whoever computes the rows again can confirm.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
from pyspark.sql.pandas.types import to_arrow_schema

from lake.core.errors import WrongUse
from lake.core.refresh import FORWARD, Keyed, RowWise, Slices
from lake.core.table import SLICE, Table
from lake.engine import place
from lake.engine.conf import Conf
from lake.engine.control import Journal, Row, State
from lake.engine.lineage import Graph
from lake.engine.release import Release, check_readable
from lake.engine.slicing import step
from lake.engine.store import Log


@dataclass(frozen=True)
class Narrowed:
    """The rows of an input that were needed, and by what they were chosen."""

    rows: pa.Table
    how: str


class Narrowing:
    """The tables of one release, read without a JVM, no more of them than is needed."""

    def __init__(self, conf: Conf, release: Release, graph: Graph) -> None:
        self.conf, self.release, self.graph = conf, release, graph
        self.journal = Journal(conf.root)
        self.states = self.journal.states()

    @cached_property
    def _tasks(self) -> dict[int, Row]:
        return {r.seq: r for r in self.journal.of("task", "fence")}

    def version(self, table: Table) -> int:
        entry = self.release.tables.get(table.id)
        if entry is None:
            raise WrongUse(f"Release {self.release.number} does not hold {table.id}.")
        check_readable(self.conf, table, entry["version"])
        return int(entry["version"])

    def task(self, table: Table) -> Row | None:
        """The task that made the released version of a table, or found it still right."""
        version = self.version(table)
        made = [c for c in self.states.get(table.id, State()).commits if c["version"] <= version]
        tasks = [t for c in made if (t := self._tasks.get(c["task"])) and t.kind == "task"]
        return tasks[-1] if tasks else None

    def versions(self, table: Table) -> dict[str, int]:
        """The versions of its inputs: those of the release; of a table that is stale, those it was made from."""
        task = self.task(table)
        if table.id in self.release.stale and task:
            return {i: int(v) for i, v in task.body["inputs"].items()}
        return {i.id: int(self.release.tables.get(i.id, {"version": -1})["version"]) for i in table.all_inputs}

    def read(self, table: Table, version: int, where: pc.Expression | None) -> pa.Table:
        """Good rows of a version: what is promised, the slice, and of typed tables the file of each."""
        schema, path = arrow(table), self.conf.at(table)
        log = Log(path, version) if version > 0 else None
        stored = {f.name for f in log._table.schema().fields} if log else ()
        more = [(SLICE, pa.date32()), *([("_file", pa.string()), ("_dt", pa.date32())] if table.is_typed else [])]
        for name, kind in more:
            if name in stored:
                schema = schema.append(pa.field(name, kind))
        files = log.files() if log else []
        if not files:
            return schema.empty_table()
        if table.is_typed:
            where = all_of([ds.field("_ok"), *([where] if where is not None else [])])
        known = schema.append(pa.field("_ok", pa.bool_())) if table.is_typed else schema
        read = ds.dataset(files, schema=known, format="parquet", filesystem=place.files(path))
        return read.to_table(columns=schema.names, filter=where)

    def narrowed(self, table: Table, rows: pa.Table, *, guess: bool) -> dict[Table, Narrowed]:
        """What the rows of a table need of each of its inputs. `guess`: also by columns that pass unchanged."""
        versions, refresh = self.versions(table), table.refresh
        found: dict[Table, Narrowed] = {}
        via = dict(refresh.via) if isinstance(refresh, Keyed) else {}
        inputs = sorted(table.all_inputs, key=lambda i: i.name in via)
        for i in inputs:
            how, conditions = [], []
            if isinstance(refresh, Slices) and refresh.reach != FORWARD and SLICE in rows.column_names:
                conditions += self._of_slices(refresh, rows, i, versions[i.id])
                how += [refresh.unit] if conditions else []
            if i.name in via:
                column, through = via[i.name]
                middle = next(t for t in found if t.name == through)
                pairs, source = [(column, column)], found[middle].rows
            else:
                pairs, source = self._pairs(table, rows, i, guess=guess), rows
            conditions += [ds.field(c).isin(source.column(k).unique()) for k, c in pairs]
            read = self.read(i, versions[i.id], all_of(conditions) if conditions else None)
            found[i] = Narrowed(_semi(read, source, pairs), ", ".join([*how, *(c for _, c in pairs)]) or "all of it")
        return {i: found[i] for i in table.all_inputs}

    def _pairs(self, table: Table, rows: pa.Table, i: Table, *, guess: bool) -> list[tuple[str, str]]:
        """Columns of the table and of its input that are equal wherever a row needs a row."""
        refresh = table.refresh
        if isinstance(refresh, Keyed) and not isinstance(refresh, RowWise):
            there = {c.name for c in i.columns}
            return [(g, g) for g in refresh.group] if there.issuperset(refresh.group) else []
        names = {c.name for c in i.columns if not (c.pii and not table.restricted)}
        columns = self.graph.of[table.id].columns
        same = {k: c for k, o in columns.items() for t, c in sorted(o.same) if t == i.id and c in names}
        if isinstance(refresh, Keyed):
            return [(g, same[g]) for g in refresh.group if g in same] or (_filled(rows, same) if guess else [])
        if not guess:
            return []
        return [(k, same[k]) for k in table.keys if k in same] or _filled(rows, same)

    def _of_slices(self, refresh: Slices, rows: pa.Table, i: Table, version: int) -> list[pc.Expression]:
        if version <= 0 or SLICE not in self.read(i, version, ds.scalar(False)).column_names:
            return []
        own = {d for d in rows.column(SLICE).to_pylist() if d}
        days = sorted({step(d, -n, refresh.unit) for d in own for n in range(refresh.reach + 1)})
        if refresh.unit == "day":
            return [ds.field(SLICE).isin(pa.array(days, pa.date32()))]
        ends = [(ds.field(SLICE) >= pa.scalar(d)) & (ds.field(SLICE) < pa.scalar(step(d, 1, "month"))) for d in days]
        return [any_of(ends)] if ends else []


def arrow(table: Table) -> pa.Schema:
    return to_arrow_schema(table.schema, timestamp_utc=True)


def all_of(conditions: Sequence[pc.Expression]) -> pc.Expression:
    return _folded(conditions, lambda a, b: a & b)


def any_of(conditions: Sequence[pc.Expression]) -> pc.Expression:
    return _folded(conditions, lambda a, b: a | b)


def _folded(conditions: Sequence[pc.Expression], fold: Callable[[Any, Any], Any]) -> pc.Expression:
    made = conditions[0]
    for c in conditions[1:]:
        made = fold(made, c)
    return made


def _filled(rows: pa.Table, same: Mapping[str, str]) -> list[tuple[str, str]]:
    """Of pairs of equal columns those that have a value in every row, and can be compared."""
    flat = [(k, c) for k, c in same.items() if not pa.types.is_nested(rows.column(k).type)]
    return [(k, c) for k, c in flat if not rows.column(k).null_count]


def _semi(rows: pa.Table, wanted: pa.Table, pairs: Sequence[tuple[str, str]]) -> pa.Table:
    """The rows whose columns say together what one of the wanted rows says."""
    if not pairs or not rows.num_rows:
        return rows
    left = rows.select([c for _, c in pairs]).to_pandas()
    right = wanted.select([k for k, _ in pairs]).to_pandas().set_axis(left.columns, axis=1).drop_duplicates()
    left["_at"] = range(len(left))
    kept = left.merge(right, on=list(right.columns), how="inner")["_at"].sort_values()
    return rows.take(pa.array(kept, pa.int64()))


def both(a: pa.Table, b: pa.Table, table: Table) -> pa.Table:
    """The rows of two selections of one table, each once."""
    rows = pa.concat_tables([a, b])
    if not table.keys:
        return rows
    seen = rows.select(table.keys).to_pandas().duplicated()
    return rows.filter(pa.array(~seen))
