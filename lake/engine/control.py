"""The journal: one append-only Delta table that says what every run opened, closed, fenced and released."""

from __future__ import annotations

import json
import threading
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from lake.core.errors import LakeError
from lake.engine import lease
from lake.engine.ledger import Ledger
from lake.engine.place import Place

SCHEMA = pa.schema(
    [
        ("seq", pa.int64()),
        ("at", pa.timestamp("us", tz="UTC")),
        ("run", pa.string()),
        ("kind", pa.string()),
        ("subject", pa.string()),
        ("body", pa.string()),
    ]
)


LOST = "lost"
"""The definition of a table that was given up as damaged: its next refresh makes it anew, as one redefined."""


@dataclass(frozen=True)
class Row:
    """One fact. kind: run, intake, replay, task, closed, fence, aborted, failed, release, upkeep, ended."""

    seq: int
    at: datetime
    run: str
    kind: str
    subject: str
    body: dict[str, Any]


@dataclass
class State:
    """What the journal says of one table: its last proven task, and each commit since its beginning.

    since   the version with which it was last given up as damaged: what lies before need not be whole
    replay  whether somebody asked for all its records to be read again, and that has not been done yet
    """

    task: Row | None = None
    version: int = -1
    rows: int = 0
    rejected: int = 0
    hash: str = "0"
    since: int = -1
    replay: bool = False
    commits: list[dict[str, Any]] = field(default_factory=list)

    @property
    def consumed(self) -> dict[str, int]:
        return dict(self.task.body.get("inputs", {})) if self.task else {}

    @property
    def definition(self) -> str | None:
        return self.task.body.get("definition") if self.task else None

    @property
    def lost(self) -> bool:
        """Whether the table was given up and has not been made anew."""
        return self.definition == LOST


class Journal:
    """The journal of one lake. Every append is a compare-and-swap on the highest sequence number."""

    def __init__(self, root: Place, ledger: Ledger | None = None) -> None:
        self.root = root
        self._ledger = ledger or Ledger(root / "_control" / "journal", SCHEMA)
        self._lock = threading.RLock()
        self.rows = [Row(**fact | {"body": json.loads(fact["body"])}) for fact in self._ledger.read()]

    def append(self, run: str, *facts: tuple[str, str, dict[str, Any]]) -> list[Row]:
        """Write facts (kind, subject, body) in one commit and return them with their sequence numbers.

        Raises Fenced if another process wrote to the journal meanwhile, or may have taken the lease.
        """
        lease.check(self.root)
        with self._lock:
            now = datetime.now(UTC)
            first = (self.rows[-1].seq if self.rows else 0) + 1
            said = [json.dumps(body, sort_keys=True, default=str) for _, _, body in facts]
            new = [
                Row(first + n, now, run, kind, subject, json.loads(said[n]))
                for n, (kind, subject, _) in enumerate(facts)
            ]
            self._ledger.append([vars(r) | {"body": text} for r, text in zip(new, said, strict=True)])
            self.rows.extend(new)
            return new

    def check_whole(self) -> None:
        """Raise LakeError if a row is missing between others."""
        if gap := next((n for n, r in enumerate(self.rows, 1) if r.seq != n), None):
            raise LakeError(
                f"The journal of {self.root} has lost its row {gap}.",
                hint="`lake doctor --rebuild-control` writes it anew from the tables.",
            )

    def compact(self) -> None:
        """Few files again; called once a run."""
        self._ledger.compact()

    def upkeep(self) -> None:
        """Few files, and none that compaction left."""
        self._ledger.compact()
        self._ledger.upkeep()

    def of(self, *kinds: str) -> Iterator[Row]:
        return (r for r in self.rows if r.kind in kinds)

    def last(self, kind: str) -> Row | None:
        return next((r for r in reversed(self.rows) if r.kind == kind), None)

    def proven(self, table: str, state: State) -> list[dict[str, Any]]:
        """The bodies of the table's tasks that its log proves, in their order; none from before it was lost."""
        committed = {c["task"] for c in state.commits if c["version"] > state.since}
        return [r.body for r in self.of("task") if r.subject == table and r.seq in committed]

    def open_tasks(self, tables: Collection[str] | None = None) -> list[Row]:
        """Tasks of which the journal does not know how they ended; `tables`: of these only."""
        ended = {r.body["task"] for r in self.of("closed", "aborted")}
        return [r for r in self.of("task") if r.seq not in ended and (tables is None or r.subject in tables)]

    def states(self) -> dict[str, State]:
        """Every table's state, from its proven tasks and fences."""
        tasks = {r.seq: r for r in self.of("task", "fence")}
        found: dict[str, State] = {}
        for row in self.of("closed", "replay"):
            state = found.setdefault(row.subject, State())
            state.replay = row.kind == "replay"
            if state.replay:
                continue
            state.task = tasks[row.body["task"]]
            state.version = row.body["version"]
            if state.lost and row.body["kind"] == LOST:
                state.since = state.version
            said = row.body
            if said.get("changed"):
                state.rows, state.hash = said["rows"], said["hash"]
                state.rejected = said.get("rejected", 0)
            state.commits.append(said)
        return found
