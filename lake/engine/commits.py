"""The protocol of one commit: open, write, commit, close; and the recovery of one that was interrupted.

The target's own log is the only truth. A commit carries the sequence number of the task that the journal opened for it,
and comes right behind the version that the task was worked out on, or not at all.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection
from typing import Any

from lake.core.errors import LakeError
from lake.engine import crash
from lake.engine.control import Journal, State
from lake.engine.store import Log


class Commits:
    """The commits of one run. Not thread-safe for one table, safe for several side by side.

    log     a table's log as it stands, by the table's id; an empty table is made where there is none
    """

    def __init__(self, journal: Journal, run: str, log: Callable[[str], Log]) -> None:
        self.journal, self.run, self.log = journal, run, log
        self.states: dict[str, State] = journal.states()
        self._lock = threading.Lock()

    def held(self, table: str) -> Log:
        """The table's log, to build on. Raises LakeError if it is not what the journal says."""
        log = self.log(table)
        known = self.states.get(table, State()).version
        strange = [v for v in range(max(known, 0) + 1, log.version + 1) if log.changes_data(v)]
        task = self.states[table].task if table in self.states else None
        said = f"version {strange[0]} was written by somebody else" if strange else ""
        if log.version < known:
            said = f"version {known} is lost"
        elif not strange and log.transaction() != (task.seq if task else -1):
            said = f"version {log.version} does not carry the last transaction that the journal knows"
        if said:
            raise LakeError(f"{table}: {said}.", hint=f"./spark-submit.sh repair --select {table} writes it anew.")
        return log

    def commit(
        self,
        log: Log,
        table: str,
        body: dict[str, Any],
        outcome: dict[str, Any],
        *,
        write: Callable[[Log, int], Log] | None = None,
        gone: Collection[str] | None = (),
        schema: dict[str, Any] | None = None,
        started: float | None = None,
    ) -> None:
        """Make one commit behind `log`.

        body        what the task says: inputs, definition, files
        outcome     what the commit will have done
        write       writes the data files of a sequence number, and returns the log if it had to widen the table
        gone, schema    see Log.commit
        started     when (monotonic, s) work on it began; now, unless said
        """
        started = time.monotonic() if started is None else started
        crash.point("before open")
        [task] = self.journal.append(self.run, ("task", table, body))
        crash.point("opened")
        if write is not None:
            log = write(log, task.seq)
            crash.point("written")
        words = {"run": self.run, "seq": task.seq, **body, **outcome}
        at = log.commit(task.seq, words, gone=gone, schema=schema)
        crash.point("committed")
        closed = {"task": task.seq, "version": at, "seconds": round(time.monotonic() - started, 2), **outcome}
        self.journal.append(self.run, ("closed", table, closed))
        crash.point("closed")
        self._look()

    def _look(self) -> None:
        """See what the journal says by now; of several threads, the last to look saw the most."""
        with self._lock:
            self.states = self.journal.states()

    def recover(self, tables: Collection[str]) -> list[str]:
        """Settle what an interrupted run left open in `tables`: close what it committed, fence off what it did not."""
        settled = []
        for task in self.journal.open_tasks(tables):
            table = task.subject
            log = self.log(table)
            crash.point("recovering")
            if log.transaction() == task.seq:
                at = next(v for v in range(log.version, -1, -1) if log.said(v).get("seq") == task.seq)
                outcome = {k: v for k, v in log.said(at).items() if k not in ("run", "seq", *task.body)}
                self.journal.append(self.run, ("closed", table, {"task": task.seq, "version": at, **outcome}))
                settled.append(f"{table} v{at} had been committed by {task.run}")
            else:
                self._fence(log, table, task.seq)
                settled.append(f"{table}: the open task {task.seq} of {task.run} is fenced off")
            crash.point("recovered")
        self._look()
        return settled

    def _fence(self, log: Log, table: str, open_task: int) -> None:
        """An empty commit behind `log`: whoever worked on that version can no longer commit."""
        last = self.journal.states().get(table, State()).task
        body = last.body if last else {"inputs": {}, "definition": None}
        before = {k: v for k, v in body.items() if k not in ("add", "remove")}
        crash.point("before fence")
        [fence] = self.journal.append(self.run, ("fence", table, before))
        crash.point("fence opened")
        said = {"kind": "fence", "changed": False}
        at = log.commit(fence.seq, {"run": self.run, "seq": fence.seq, **said, **before})
        crash.point("fenced")
        closed = {"task": fence.seq, "version": at, **said}
        self.journal.append(self.run, ("closed", table, closed), ("aborted", table, {"task": open_task}))
