"""One refresh of one table: open, commit, check, close; and the recovery of one that was interrupted."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

from deltalake import DeltaTable
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.types import DateType, StructField, StructType

from lake.core.errors import LakeError
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
from lake.engine.session import empty, for_work, read
from lake.engine.slicing import Slicing
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
        held = self._held(table)
        work = _STRATEGIES[type(table.refresh)](self, table, session, held, body, landing=landing, scorer=scorer)
        try:
            outcome, change = work.prepare()
            self._commit(table, held, body, outcome, change, started)
        finally:
            work.release()
        return outcome

    def _held(self, table: Table) -> DeltaTable:
        """The table as it stands, to build on. Raises LakeError if its log is not what the journal says."""
        path = self.path(table)
        store.create(path, self.schema(table).jsonValue())
        held = DeltaTable(str(path))
        known, found = self.state(table).version, held.version()
        strange = [v for v in range(known + 1, found + 1) if known >= 0 and store.changes_data(path, v)]
        if found < known or strange:
            said = f"version {strange[0]} was written by somebody else" if strange else f"version {known} is lost"
            raise LakeError(
                f"{table.id}: {said}.", hint=f"./spark-submit.sh repair --select {table.id} writes it anew."
            )
        return held

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
        held: DeltaTable,
        body: dict[str, Any],
        outcome: Outcome,
        change: Change | None,
        started: float,
    ) -> None:
        crash.point("before open")
        [task] = self.journal.append(self.run, ("task", table.id, body))
        crash.point("opened")
        words = {"run": self.run, "seq": task.seq, **body, **outcome.said()}
        if change is None:
            at = store.commit(held, task.seq, words)
        else:
            rows = change.rows(task.seq)
            held = store.widened(held, rows.schema.jsonValue())
            crash.point("widened")
            rows.coalesce(change.files).write.parquet(str(store.folder(self.path(table), task.seq)))
            crash.point("written")
            schema = self.schema(table).jsonValue() if change.gone is None else None
            at = store.commit(held, task.seq, words, gone=change.gone, schema=schema)
        crash.point("committed")
        closed = {"task": task.seq, "version": at, "seconds": round(time.monotonic() - started, 2), **outcome.said()}
        self.journal.append(self.run, ("closed", table.id, closed))
        crash.point("closed")
        self.states = self.journal.states()

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
                at = next(v for v in range(store.version(path), -1, -1) if store.said(path, v).get("seq") == task.seq)
                said = store.said(path, at)
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
        path = self.path(table)
        store.create(path, self.schema(table).jsonValue())
        seen = DeltaTable(str(path))
        last = self.journal.states().get(table.id, State()).task
        before = {
            k: v
            for k, v in (last.body if last else {"inputs": {}, "definition": None}).items()
            if k not in ("add", "remove")
        }
        [fence] = self.journal.append(self.run, ("fence", table.id, before))
        crash.point("fence opened")
        words = {"run": self.run, "seq": fence.seq, "kind": "fence", "changed": False, **before}
        at = store.commit(seen, fence.seq, words)
        crash.point("fenced")
        closed = {"task": fence.seq, "version": at, "kind": "fence", "changed": False}
        self.journal.append(self.run, ("closed", table.id, closed), ("aborted", table.id, {"task": open_task}))

    # --- tables on storage --------------------------------------------------------------------------------------------

    def path(self, table: Table) -> Path:
        return self.conf.root / table.path

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
        held = DeltaTable(str(self.path(table)), version=version)
        return read(session, held, store.files(held))

    def accepted(self, rows: DataFrame, table: Table, reader: Table) -> DataFrame:
        """Of stored rows (or a feed of them) what `reader` may see: good rows, personal columns masked."""
        if table.is_typed:
            rows = rows.where("_ok")
        return rows if reader.restricted or not table.restricted else privacy.masked(rows, table, self.key)
