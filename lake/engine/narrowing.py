"""The rows of a table's inputs that some of its rows need.

Inputs are narrowed to what the rows need, as the table's refresh declares it: their group, their slices. Where that
says nothing (a whole table may decide), they are narrowed by the columns that pass unchanged through the table's plan:
a guess, which whoever computes the rows again can confirm. Of an input that nothing narrows no row is read: it is all
of it, and so is what it was made of.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
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

DELIVERED = pa.schema([("_dt", pa.date32()), ("_file", pa.string())])
"""Of a row of a typed table, the day and the file it was delivered in."""


@dataclass(frozen=True)
class Narrowed:
    """The rows of a version of an input that were needed (None: all of it), and by what they were chosen."""

    table: Table
    version: int
    rows: pa.Table | None = None
    how: str = ""

    def also(self, other: Narrowed) -> Narrowed:
        """These rows and those of another selection, each once."""
        if self.rows is None or other.rows is None:
            return replace(self, rows=None)
        rows = pa.concat_tables([self.rows, other.rows])
        if self.table.keys:
            rows = rows.filter(pa.array(~rows.select(self.table.keys).to_pandas().duplicated()))
        return replace(self, rows=rows)


class Narrowing:
    """The tables of one release, read without a JVM, no more of them than is needed."""

    def __init__(self, conf: Conf, release: Release, graph: Graph) -> None:
        self.conf, self.release, self.graph = conf, release, graph
        self.journal = Journal(conf.root)
        self.states = self.journal.states()
        self._logs: dict[tuple[str, int], Log] = {}

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
        schema = self._stored_schema(table, version)
        good = ds.field("_ok") if table.is_typed else None
        wanted = [c for c in (good, where) if c is not None]
        return self.dataset(table, version, schema).to_table(
            columns=schema.names, filter=all_of(wanted) if wanted else None
        )

    def count(self, of: Narrowed) -> int:
        """How many rows it has."""
        if of.rows is not None:
            return int(of.rows.num_rows)
        if not of.table.is_typed:
            log = self._log(of.table, of.version)
            return sum(log.counts().values()) if log else 0
        return int(self.dataset(of.table, of.version, pa.schema([])).count_rows(filter=ds.field("_ok")))

    def first(self, of: Narrowed, most: int) -> tuple[pa.Table, int]:
        """The first rows of a typed table in the order of their delivery, and how many files all of them lie in."""
        found = of.rows
        if found is None:
            rows = self.dataset(of.table, of.version, DELIVERED)
            batches = rows.to_batches(columns=DELIVERED.names, filter=ds.field("_ok"))
            files = pa.concat_tables([_distinct(pa.Table.from_batches([b], DELIVERED)) for b in batches])
        else:
            files = found.select(DELIVERED.names)
        files = _distinct(files).sort_by([(c, "ascending") for c in DELIVERED.names])
        if found is None:
            [one] = files.slice(0, 1).to_pylist()
            found = self.read(of.table, of.version, all_of([ds.field(c) == pa.scalar(v) for c, v in one.items()]))
        order = [*DELIVERED.names, *of.table.keys]
        return found.sort_by([(c, "ascending") for c in order]).slice(0, most), files.num_rows

    def _stored_schema(self, table: Table, version: int) -> pa.Schema:
        schema = arrow(table)
        log = self._log(table, version)
        stored = {f.name for f in log._table.schema().fields} if log else ()
        for field in (pa.field(SLICE, pa.date32()), *(DELIVERED if table.is_typed else ())):
            if field.name in stored:
                schema = schema.append(field)
        return schema

    def _log(self, table: Table, version: int) -> Log | None:
        """The log of a version of a table, opened once; None if the table does not hold anything."""
        at = (table.id, version)
        if version > 0 and at not in self._logs:
            self._logs[at] = Log(self.conf.at(table), version)
        return self._logs.get(at)

    def dataset(self, table: Table, version: int, schema: pa.Schema) -> ds.Dataset:
        """The data files of a version, read as `schema` (and of typed tables whether each row is good)."""
        path, log = self.conf.at(table), self._log(table, version)
        files = log.files() if log else []
        schema = schema.append(pa.field("_ok", pa.bool_())) if table.is_typed else schema
        return ds.dataset(files, schema=schema, format="parquet", filesystem=place.files(path))

    def narrowed(self, table: Table, rows: pa.Table | None, *, guess: Collection[Table]) -> dict[Table, Narrowed]:
        """What the rows of a table (None: all of them) need of each of its inputs.

        guess   the inputs that are narrowed by columns that pass unchanged, too
        """
        versions, refresh = self.versions(table), table.refresh
        if rows is None:
            return {i: Narrowed(i, versions[i.id]) for i in table.all_inputs}
        found: dict[Table, Narrowed] = {}
        via = dict(refresh.via) if isinstance(refresh, Keyed) else {}
        inputs = sorted(table.all_inputs, key=lambda i: i.name in via)
        for i in inputs:
            how, conditions = [], []
            if isinstance(refresh, Slices) and SLICE in rows.column_names:
                conditions += self._of_slices(refresh, rows, i, versions[i.id])
                how += [refresh.unit] if conditions else []
            if i.name in via:
                column, through = via[i.name]
                middle = next(t for t in found if t.name == through)
                pairs, source = [(column, column)], found[middle].rows
            else:
                pairs, source = self._pairs(table, rows, i, guess=i in guess), rows
            if source is not None:
                conditions += [ds.field(c).isin(source.column(k).unique()) for k, c in pairs]
            if source is None or not conditions:
                found[i] = Narrowed(i, versions[i.id])
                continue
            read = _semi(self.read(i, versions[i.id], all_of(conditions)), source, pairs)
            found[i] = Narrowed(i, versions[i.id], read, ", ".join([*how, *(c for _, c in pairs)]))
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
        reaches = isinstance(refresh, Slices) and refresh.reach != 0  # then a row is made of more than its own slice
        alike = {k: c for k, c in same.items() if not (reaches and k == refresh.by)}
        return [(k, alike[k]) for k in table.keys if k in alike] or _filled(rows, alike)

    def _of_slices(self, refresh: Slices, rows: pa.Table, i: Table, version: int) -> list[pc.Expression]:
        if version <= 0 or SLICE not in self.read(i, version, ds.scalar(False)).column_names:
            return []
        own = {d for d in rows.column(SLICE).to_pylist() if d}
        if refresh.reach == FORWARD:
            return [ds.field(SLICE) < pa.scalar(step(max(own), 1, refresh.unit))] if own else []
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


def _distinct(rows: pa.Table) -> pa.Table:
    return rows.group_by(rows.column_names).aggregate([])


def _semi(rows: pa.Table, wanted: pa.Table, pairs: Sequence[tuple[str, str]]) -> pa.Table:
    """The rows whose columns say together what one of the wanted rows says."""
    if not pairs or not rows.num_rows:
        return rows
    left = rows.select([c for _, c in pairs]).to_pandas()
    right = wanted.select([k for k, _ in pairs]).to_pandas().set_axis(left.columns, axis=1).drop_duplicates()
    left["_at"] = range(len(left))
    kept = left.merge(right, on=list(right.columns), how="inner")["_at"].sort_values()
    return rows.take(pa.array(kept, pa.int64()))
