"""One refresh of one table: what it has to do, worked out by its strategy and committed."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import date
from functools import partial
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.types import DateType, StructField, StructType

from lake.core.errors import LakeError
from lake.core.refresh import Append, Files, Full, History, Keyed, Latest, Refresh, Slices
from lake.core.table import SLICE, Table
from lake.engine import crash, privacy, records, store
from lake.engine.appending import Appending
from lake.engine.commits import Commits
from lake.engine.conf import Conf
from lake.engine.control import Journal, State
from lake.engine.intake import Landing
from lake.engine.keying import Keying
from lake.engine.loading import Loading
from lake.engine.openlineage import Events
from lake.engine.place import Place
from lake.engine.plan import rows_to_do, takes_as_of
from lake.engine.session import empty, for_work, read
from lake.engine.slicing import Slicing
from lake.engine.store import Log
from lake.engine.work import Change, Outcome, Scorer, Work

_STRATEGIES: dict[type[Refresh], type[Work]] = {
    Files: Loading,
    Append: Appending,
    Keyed: Keying,
    Latest: Keying,
    History: Keying,
    Slices: Slicing,
    Full: Work,
}


class Builder:
    """Refreshes tables within one run. Not thread-safe for one table, safe for several side by side."""

    def __init__(
        self, spark: SparkSession, conf: Conf, journal: Journal, run: str, as_of: date, tables: Sequence[Table]
    ) -> None:
        self.spark, self.conf, self.journal, self.run, self.as_of = spark, conf, journal, run, as_of
        self.tables = {t.id: t for t in tables}
        for t in tables:
            _ = t.definition  # worked out (and cached) here: ast is not safe in threads on Python 3.11
        self.commits = Commits(journal, run, self._log)
        self.key = privacy.key_of(conf)
        self.events: Events | None = None

    def refresh(self, table: Table, landing: Landing | None = None, *, scorer: Scorer | None = None) -> Outcome:
        """Bring `table` up to its inputs' present versions. Raises LakeError; then nothing of it was committed.

        landing     what a source's raw folder says
        scorer      what makes the rows of a score table
        """
        for i in table.all_inputs:
            if self.state(i).lost:
                raise LakeError(f"{i.id} is damaged and not made anew yet.", hint="./spark-submit.sh nightly makes it.")
        inputs = {i.id: self.state(i).version for i in table.all_inputs}
        told: AbstractContextManager[list[State]] = nullcontext([])
        if self.events:
            told = self.events.task(table, inputs)
        with told as done:
            outcome = self._refreshed(table, inputs, landing, scorer)
            done.append(self.state(table))
        return outcome

    def _refreshed(
        self, table: Table, inputs: Mapping[str, int], landing: Landing | None, scorer: Scorer | None
    ) -> Outcome:
        started = time.monotonic()
        work = self.work(table, inputs, landing, scorer)
        try:
            outcome, change = work.prepare()
            write = partial(self._write, change) if change else None
            gone = change.gone if change else ()
            schema = self.schema(table).jsonValue() if gone is None else None
            self.commits.commit(
                work.log, table.id, work.body, outcome.said(), write=write, gone=gone, schema=schema, started=started
            )
        finally:
            work.release()
        return outcome

    def work(
        self, table: Table, inputs: Mapping[str, int], landing: Landing | None = None, scorer: Scorer | None = None
    ) -> Work:
        """What a refresh of `table` from these versions of its inputs would do; nothing is done yet."""
        session = for_work(self.spark, rows_to_do(table, self.states, landing), table.id)
        body: dict[str, Any] = {"inputs": inputs}
        body |= {"definition": table.definition, "as_of": self.as_of.isoformat() if takes_as_of(table) else None}
        body |= {"model": scorer.version} if scorer else {}
        log = self.commits.held(table.id)
        self._check_whole(table, log)
        strategy = _STRATEGIES[type(table.refresh)]
        return strategy(self, table, session, log, body, landing=landing, scorer=scorer)

    @staticmethod
    def _write(change: Change, log: Log, sequence: int) -> Log:
        rows = change.rows(sequence)
        log = log.widened(rows.schema.jsonValue())
        crash.point("widened")
        rows.coalesce(change.files).write.parquet(str(store.folder(log.path, sequence)))
        return log

    def recover(self) -> list[str]:
        """Settle what an interrupted run left open; says what was."""
        return self.commits.recover(self.tables)

    # --- tables on storage --------------------------------------------------------------------------------------------

    @property
    def states(self) -> dict[str, State]:
        return self.commits.states

    def _log(self, name: str) -> Log:
        table = self.tables[name]
        store.create(self.path(table), self.schema(table).jsonValue())
        return Log(self.path(table))

    def path(self, table: Table) -> Place:
        return self.conf.at(table)

    @staticmethod
    def schema(table: Table) -> StructType:
        """The stored schema: what is promised plus the engine's own columns."""
        if table.is_source:
            return records.bronze_schema(table)
        if table.is_typed:
            return records.typed_schema(table)
        fields = [*table.schema.fields]
        return StructType([*fields, StructField(SLICE, DateType())] if table.refresh.by else fields)

    def state(self, table: Table) -> State:
        return self.states.get(table.id, State())

    def stored(self, session: SparkSession, table: Table, version: int) -> DataFrame:
        """The table as stored, engine columns and all, at `version` (-1: there is none)."""
        if version < 0:
            return empty(session, self.schema(table))
        log = Log(self.path(table), version)
        self._check_whole(table, log)
        return read(session, log, log.files())

    def _check_whole(self, table: Table, log: Log) -> None:
        """A log entry that was cut off names fewer data files, and reads like a whole one; the journal knows better."""
        state, there = self.state(table), sum(log.counts().values())
        if log.version >= state.version and not state.lost and there != state.rows + state.rejected:
            raise LakeError(
                f"{table.id} v{log.version}: its log names data files of {there:,} rows, "
                f"the journal knows of {state.rows + state.rejected:,}.",
                hint=f"./spark-submit.sh repair --select {table.id} makes it anew.",
            )

    def accepted(self, rows: DataFrame, table: Table, reader: Table) -> DataFrame:
        """Of stored rows (or a feed of them) what `reader` may see: good rows, personal columns masked."""
        if table.is_typed:
            rows = rows.where("_ok")
        return rows if reader.restricted or not table.restricted else privacy.masked(rows, table, self.key)
