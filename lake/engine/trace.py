"""From a released row down to the lines it was made of; the row is computed again from what was found."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import to_arrow_schema
from pyspark.sql.types import StringType

from lake.core.errors import WrongUse
from lake.core.graph import ordered
from lake.core.model import Model
from lake.core.table import SLICE, Table
from lake.engine import lines, plan, privacy, records, rejects, training
from lake.engine.conf import Conf
from lake.engine.lineage import Graph
from lake.engine.narrowing import Narrowed, Narrowing, all_of, arrow
from lake.engine.release import Release
from lake.engine.session import empty, for_work, read
from lake.engine.store import Log

MOST_RECORDS = 20
"""Of so many records of a source the lines are looked up and shown; more are counted."""


@dataclass
class Trace:
    """A row and where it comes from.

    row         as released
    again       the same, computed again
    inputs      per table that was read on the way: how many rows, and of direct inputs by what they were chosen
    records     per source: how many records in how many files, and the first of them with file, line and text
    """

    table: str
    release: int
    key: dict[str, Any]
    row: dict[str, Any]
    again: dict[str, Any] | None = None
    inputs: list[dict[str, Any]] = field(default_factory=list)
    records: list[dict[str, Any]] = field(default_factory=list)

    @property
    def differs(self) -> list[str]:
        """The columns whose value the new computation did not give."""
        return [c for c, v in self.row.items() if self.again is None or not _same(v, self.again[c])]


class Tracer:
    """One release, asked where its rows come from.

    spark       the session, once it is there: rows are read, and lines looked up, while it starts
    restricted  whether delivered records of restricted sources are shown
    """

    def __init__(
        self, conf: Conf, release: Release, graph: Graph, spark: Callable[[], SparkSession],
        models: Sequence[Model] = (), *, restricted: bool = False,
    ) -> None:  # fmt: skip
        self.conf, self.release, self.graph, self.spark, self.restricted = conf, release, graph, spark, restricted
        self.models = {m.scores.id: m for m in models}
        self.rows = Narrowing(conf, release, graph)

    def trace(self, table: Table, key: Mapping[str, Any]) -> Trace:
        """The one row of `table` with this key. Raises WrongUse if there is none, or more than one."""
        version = self.rows.version(table)
        wanted = [ds.field(c) == pa.scalar(v, arrow(table).field(c).type) for c, v in key.items()]
        rows = self.rows.read(table, version, all_of(wanted))
        if rows.num_rows != 1:
            raise WrongUse(
                f"{table.id}: {rows.num_rows or 'no'} rows of release {self.release.number} have this key.",
                hint=f"its key is {', '.join(table.keys)}.",
            )
        said = _plain(rows.select([c.name for c in table.columns]))[0]
        found = Trace(table.id, self.release.number, {k: said[k] for k in table.keys}, said)
        guessed = set(table.all_inputs)
        with ThreadPoolExecutor(1) as beside:
            while True:
                inputs = self.rows.narrowed(table, rows, guess=guessed)
                followed = beside.submit(self._follow, table, inputs)
                found.again = self._again(table, inputs, found.key)
                if not found.differs or not guessed:
                    break
                followed.cancel()
                suspected = [s for c in found.differs if (s := guessed & self._inputs_of(table, c))]
                guessed -= min(suspected, key=len, default=guessed)
            found.inputs, found.records = followed.result()
        return found

    def _inputs_of(self, table: Table, column: str) -> set[Table]:
        """The inputs that a column is made of."""
        origin = self.graph.of[table.id].columns[column]
        of = {t for t, _ in origin.of | origin.by}
        return {i for i in table.all_inputs if i.id in of}

    # --- computing a row again ----------------------------------------------------------------------------------------

    def _again(self, table: Table, inputs: Mapping[Table, Narrowed], key: Mapping[str, Any]) -> dict[str, Any] | None:
        spark = for_work(self.spark(), sum(map(self.rows.count, inputs.values())))
        frames = [self._frame(spark, table, n) for n in inputs.values()]
        task = self.rows.task(table)
        said = task.body if task else {}
        if plan.is_score(table):
            model, rows = self.models[table.id], frames[0]
            day = date.fromisoformat(said["as_of"])
            made = training.score(model, said["model"], rows, as_of=day, root=self.conf.root)
        else:
            made = table(*frames, **self._more(spark, table, said))
        made = made.select([F.col(f"`{c.name}`").cast(c.stored).alias(c.name) for c in table.columns])
        for name, value in key.items():
            made = made.where(F.col(f"`{name}`") == F.lit(value).cast(table.column(name).stored))
        found = _plain(made.toArrow().cast(arrow(table)))
        return found[0] if len(found) == 1 else None

    def _frame(self, spark: SparkSession, table: Table, of: Narrowed) -> DataFrame:
        i, names = of.table, [c.name for c in of.table.columns]
        if not self.rows.count(of):
            made = empty(spark, i.schema)
        elif of.rows is not None:
            # Spark takes no row that stands behind an empty chunk
            made = spark.createDataFrame(of.rows.select(names).combine_chunks(), i.schema)
        else:
            log = Log(self.conf.at(i), of.version)
            made = read(spark, log, log.files())
            made = (made.where("_ok") if i.is_typed else made).select(names)
        open_reader = i.restricted and not table.restricted
        return privacy.masked(made, i, privacy.key_of(self.conf)) if open_reader else made

    def _more(self, spark: SparkSession, table: Table, said: Mapping[str, Any]) -> dict[str, object]:
        """What the function takes besides its inputs: the day it looked from, the horizon, no earlier rows."""
        wanted = inspect.signature(table.function).parameters if table.function else {}
        more: dict[str, object] = {}
        if "as_of" in wanted:
            more["as_of"] = date.fromisoformat(said["as_of"])
        if "last" in wanted:
            more["last"] = date.fromisoformat(said["last"]) if said.get("last") else self._last(table)
        if "previous" in wanted:
            more["previous"] = empty(spark, table.schema)
        return more

    def _last(self, table: Table) -> date:
        """The last slice of all inputs."""
        versions = self.rows.versions(table)
        ends = []
        for i in table.all_inputs:
            rows = self.rows.read(i, versions[i.id], None if versions[i.id] > 0 else ds.scalar(False))
            ends += [pc.max(rows.column(SLICE)).as_py()] if SLICE in rows.column_names else []
        return max((d for d in ends if d), default=date(1970, 1, 1))

    # --- down to the records ------------------------------------------------------------------------------------------

    def _follow(
        self, table: Table, inputs: Mapping[Table, Narrowed]
    ) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """The rows that the inputs' rows need in turn, down to the typed records, and the lines of these.

        Told as `inputs` and `records` of a trace are.
        """
        needed = dict(inputs)
        typed: list[Table] = []
        for t in reversed(ordered(self.graph.tables.values())):
            if t not in needed or not self.rows.count(needed[t]):
                continue
            if t.is_typed:
                typed.append(t)
                continue
            for i, n in self.rows.narrowed(t, needed[t].rows, guess=t.all_inputs).items():
                needed[i] = needed[i].also(n) if i in needed else n
        direct = [{"table": i.id, "rows": self.rows.count(n), "by": n.how} for i, n in inputs.items()]
        further = {t.id: self.rows.count(n) for t, n in needed.items() if t not in inputs}
        read = [{"table": t, "rows": rows} for t, rows in further.items() if rows]
        return direct + read, [self._records(needed[t]) for t in sorted(typed, key=lambda t: t.id)]

    def _records(self, of: Narrowed) -> dict[str, Any]:
        some, files = self.rows.first(of, MOST_RECORDS)
        shown = self._lines(of.table, some)
        return {"source": of.table.inputs[0].id, "records": self.rows.count(of), "files": files, "first": shown}

    def _lines(self, table: Table, rows: pa.Table) -> list[dict[str, Any]]:
        """Where each typed row stands: its file, its line, and (of open sources) what the line says."""
        [source] = table.inputs
        assert source.delivery is not None
        asked = [{"file": r["_file"], "delivered": r["_dt"]} for r in rows.select(["_file", "_dt"]).to_pylist()]
        if source.delivery.format == "parquet":
            return [a | {"line": None, "record": None} for a in asked]
        texts = lines.found(table, rows.to_pylist(), self._bronze(table, rows))
        said = [{"_file": a["file"], "_raw": text} for a, text in zip(asked, texts, strict=True)]
        numbers = rejects.line_numbers(self.conf, source, said)
        open_to_reader = self.restricted or not source.restricted
        return [
            a | {"line": number, "record": text if open_to_reader else None}
            for a, number, text in zip(asked, numbers, texts, strict=True)
        ]

    def _bronze(self, table: Table, rows: pa.Table) -> pa.Table:
        """The delivered lines that may be the rows."""
        [source] = table.inputs
        schema = to_arrow_schema(records.bronze_schema(source), timestamp_utc=True)
        where = ds.field("_file").isin(rows.column("_file").unique())
        return self.rows.dataset(source, self.rows.versions(table)[source.id], schema).to_table(
            columns=["_file", "_header", "line"], filter=where & _may_be(table, rows)
        )


def _may_be(table: Table, rows: pa.Table) -> pc.Expression:
    """What a line has to hold to be one of the rows: the text of a key, where it is delivered as it is stored."""
    for c in table.columns:
        if c.key and isinstance(c.stored, StringType) and not c.parse:
            texts = rows.column(c.name).unique().to_pylist()
            if all(t.replace("-", "").replace("_", "").isalnum() for t in texts):
                return pc.match_substring_regex(ds.field("line"), "|".join(texts))
    return ds.scalar(True)


def key_of(table: Table, words: Sequence[str]) -> dict[str, Any]:
    """The key that `a=b` words name, as values of the table's columns. Raises WrongUse naming the column."""
    found = {}
    for word in words:
        name, _, text = word.partition("=")
        if name not in {c.name for c in table.columns}:
            raise WrongUse(f"{table.id} has no column {name!r}.", hint=f"its key is {', '.join(table.keys)}.")
        try:
            found[name] = pa.scalar(text).cast(arrow(table).field(name).type).as_py()
        except pa.ArrowException:
            said = table.column(name).stored.simpleString()
            raise WrongUse(f"{table.id}: {text!r} is no value of {name} ({said}).") from None
    return found


def _plain(rows: pa.Table) -> list[dict[str, Any]]:
    """Rows as plain values that can be compared; of maps, the order of entries says nothing."""
    maps = [f.name for f in rows.schema if pa.types.is_map(f.type)]
    found: list[dict[str, Any]] = rows.to_pylist()
    for row in found:
        for name in maps:
            row[name] = sorted(row[name]) if row[name] is not None else None
    return found


def _same(a: Any, b: Any) -> bool:
    return bool(a == b or (a != a and b != b))
