"""One refresh of one table: open, commit, check, close; and the recovery of one that was interrupted."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.types import DateType, StructField, StructType

from lake.core.errors import Fenced
from lake.core.refresh import Append, Files, Full, History, Keyed, Latest, Refresh, Slices
from lake.core.table import SLICE, Table
from lake.engine import crash, privacy, records, store
from lake.engine.appending import Appending
from lake.engine.conf import Conf
from lake.engine.control import Journal, State
from lake.engine.intake import Landing
from lake.engine.keying import Keying
from lake.engine.loading import Loading
from lake.engine.plan import takes_as_of
from lake.engine.session import empty, for_commit, for_work
from lake.engine.slicing import Slicing
from lake.engine.work import Outcome, Scorer, Work

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
        self.feeds = {i.id for t in tables if isinstance(t.refresh, Keyed) for i in t.all_inputs}
        self.states: dict[str, State] = journal.states()
        self.key = privacy.key_of(conf)

    # --- the protocol -------------------------------------------------------------------------------------------------

    def refresh(self, table: Table, landing: Landing | None = None, *, scorer: Scorer | None = None) -> Outcome:
        """Bring `table` up to its inputs' present versions. Raises LakeError; then nothing of it was committed.

        landing     what a source's raw folder says
        scorer      what makes the rows of a score table
        """
        session = for_work(self.spark, self._rows_to_do(table, landing))
        started = time.monotonic()
        body: dict[str, Any] = {"inputs": {i.id: self.state(i).version for i in table.all_inputs}}
        body |= {"definition": table.definition, "as_of": self.as_of.isoformat() if takes_as_of(table) else None}
        body |= {"model": scorer.version} if scorer else {}
        work = _STRATEGIES[type(table.refresh)](self, table, session, body, landing=landing, scorer=scorer)
        try:
            outcome, write = work.prepare()
            self._commit(table, session, body, outcome, write, started)
        finally:
            work.release()
        return outcome

    def _rows_to_do(self, table: Table, landing: Landing | None) -> int:
        """About how many rows a refresh will compute: what landed, or what its inputs hold or gained."""
        if landing:
            return sum(f.print.records for f in landing.add)
        own, rows = self.state(table), 0
        for i in table.all_inputs:
            state = self.state(i)
            at = own.consumed.get(i.id, -1) if own.definition == table.definition else -1
            before = next((c["rows"] for c in reversed(state.commits) if c["version"] <= at and c.get("changed")), 0)
            rows += max(state.rows - before, state.rows // 20)
        return rows

    def _commit(
        self,
        table: Table,
        session: SparkSession,
        body: dict[str, Any],
        outcome: Outcome,
        write: Callable[[int], None] | None,
        started: float,
    ) -> None:
        path = self.path(table)
        if store.version(path) < 0:
            self.create(table)
        crash.point("before open")
        [task] = self.journal.append(self.run, ("task", table.id, body))
        crash.point("opened")
        said = {"run": self.run, "seq": task.seq, **body, **outcome.said()}
        if write is not None:
            for_commit(session, task.seq, said)
            write(task.seq)
        else:
            store.mark(path, task.seq, said)
        crash.point("committed")
        at = self._own_commit(table, task.seq)
        closed = {"task": task.seq, "version": at, "seconds": round(time.monotonic() - started, 2), **outcome.said()}
        self.journal.append(self.run, ("closed", table.id, closed))
        crash.point("closed")
        self.states = self.journal.states()

    def _own_commit(self, table: Table, sequence: int) -> int:
        path = self.path(table)
        newest = store.version(path)
        for at in range(newest, max(newest - 3, -1), -1):
            said = store.commit(path, at)
            if said.get("seq") == sequence and said.get("run") == self.run:
                return at
        raise Fenced(
            f"{table.id}: this run was taken for dead and its commit {sequence} refused.", hint="start it again."
        )

    def recover(self) -> list[str]:
        """Settle what an interrupted run left open: close what it committed, fence off what it did not."""
        settled = []
        for task in self.journal.open_tasks():
            table = self.tables.get(task.subject)
            if table is None:
                self.journal.append(self.run, ("aborted", task.subject, {"task": task.seq}))
                continue
            path = self.path(table)
            if store.transaction(path) == task.seq:
                at = next(v for v in range(store.version(path), -1, -1) if store.commit(path, v).get("seq") == task.seq)
                said = store.commit(path, at)
                outcome = {k: v for k, v in said.items() if k not in ("run", "seq", *task.body)}
                self.journal.append(self.run, ("closed", table.id, {"task": task.seq, "version": at, **outcome}))
                settled.append(f"{table.id} v{at} had been committed by {task.run}")
            else:
                self._fence(table, task.seq)
                settled.append(f"{table.id}: the open task {task.seq} of {task.run} is fenced off")
            crash.point("recovered")
        self.states = self.journal.states()
        return settled

    def _fence(self, table: Table, open_task: int) -> None:
        self.create(table)
        path = self.path(table)
        seen = store.handle(path)
        last = self.journal.states().get(table.id, State()).task
        before = {
            k: v
            for k, v in (last.body if last else {"inputs": {}, "definition": None}).items()
            if k not in ("add", "remove")
        }
        [fence] = self.journal.append(self.run, ("fence", table.id, before))
        crash.point("fence opened")
        at = store.mark(
            path,
            fence.seq,
            {"run": self.run, "seq": fence.seq, "kind": "fence", "changed": False, **before},
            table=seen,
        )
        crash.point("fenced")
        closed = {"task": fence.seq, "version": at, "kind": "fence", "changed": False}
        self.journal.append(self.run, ("closed", table.id, closed), ("aborted", table.id, {"task": open_task}))

    # --- tables on storage --------------------------------------------------------------------------------------------

    def path(self, table: Table) -> Path:
        return self.conf.root / table.path

    def create(self, table: Table) -> None:
        schema = self.schema(table)
        parts = ["_ok"] if table.is_typed else []
        store.create(self.path(table), schema.jsonValue(), partition_by=parts, change_feed=table.id in self.feeds)

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

    def stored(self, session: SparkSession, table: Table, version: int | None = None) -> DataFrame:
        """The table as stored, engine columns and all, at `version` (None: now; -1: there is none)."""
        if version == -1 or store.version(self.path(table)) < 0:
            return empty(session, self.schema(table))
        reader = session.read.format("delta")
        if version is not None:
            reader = reader.option("versionAsOf", version)
        return reader.load(str(self.path(table)))

    def accepted(self, rows: DataFrame, table: Table, reader: Table) -> DataFrame:
        """Of stored rows (or a feed of them) what `reader` may see: good rows, personal columns masked."""
        if table.is_typed:
            rows = rows.where("_ok")
        return rows if reader.restricted or not table.restricted else privacy.masked(rows, table, self.key)
