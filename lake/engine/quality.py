"""What was found of each candidate as a whole, in `_control/quality`: a fact for each expectation and table."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from lake.core.errors import LakeError, Unanswered
from lake.core.expect import Severity
from lake.engine import store
from lake.engine.control import Journal
from lake.engine.ledger import Ledger
from lake.engine.place import Place

SCHEMA = pa.schema(
    [
        ("seq", pa.int64()),
        ("at", pa.timestamp("us", tz="UTC")),
        ("run", pa.string()),
        ("table", pa.string()),
        ("version", pa.int64()),
        ("expectation", pa.string()),
        ("severity", pa.string()),
        ("success", pa.bool_()),
        ("observed", pa.float64()),
        ("expected", pa.string()),
        ("said", pa.string()),
    ]
)


@dataclass(frozen=True)
class Finding:
    """What came of one expectation of one table.

    success     None: it was not judged, `said` tells why
    observed    the figure that was judged; of rows: how many break it
    said        in plain words
    """

    table: str
    version: int
    expectation: str
    severity: Severity
    success: bool | None
    observed: float | None
    expected: str
    said: str

    @property
    def stops(self) -> bool:
        return self.success is False and self.severity == "stop"

    @property
    def warns(self) -> bool:
        return self.success is False and self.severity == "warn"


def path(root: Place) -> Place:
    return root / "_control" / "quality"


def write(root: Place, run: str, findings: Sequence[Finding]) -> None:
    """Append what a run found."""
    now = datetime.now(UTC)
    with _readable(root):
        known = store.rows(path(root), columns=["seq"])["seq"] if exists(root) else None
        ledger = Ledger(path(root), SCHEMA)
    first = 1 + (pc.max(known).as_py() or 0 if known is not None else 0)
    ledger.append([{"seq": n, "at": now, "run": run, **vars(f)} for n, f in enumerate(findings, first)])
    ledger.compact()


def exists(root: Place) -> bool:
    return store.version(path(root)) >= 0


def of_runs(root: Place, runs: Collection[str]) -> list[dict[str, Any]]:
    """What these runs found, oldest first."""
    if not runs or not exists(root):
        return []
    with _readable(root):
        rows = store.rows(path(root), where=[("run", "in", sorted(runs))])
    found: list[dict[str, Any]] = rows.sort_by("seq").to_pylist()
    return found


def upkeep(root: Place) -> None:
    """Few files, and none that compaction left."""
    if exists(root):
        with _readable(root):
            Ledger(path(root), SCHEMA).upkeep()


@contextmanager
def _readable(root: Place) -> Iterator[None]:
    try:
        yield
    except Unanswered:
        raise
    except LakeError as e:
        raise LakeError(
            f"{path(root)} is damaged: it cannot be read.",
            hint="delete it; the next run begins a new one, and what is usual is learnt anew.",
        ) from e


def audited(journal: Journal) -> list[str]:
    """The runs of which something was asked, oldest first."""
    return [r.run for r in journal.of("gate")]


def lines(journal: Journal, released: str) -> list[str]:
    """What `lake status` says of it: how the run that made the release was judged, and what was refused since."""
    found = []
    for row in journal.of("accepted"):
        if row.run == released:
            found.append(f"⚠ released though not as expected ({row.body['reason']}): {row.body['findings'][0]}")
    last = journal.last("gate")
    if last is None or not last.body["broken"]:
        return found
    first, more = last.body["broken"][0], last.body["stops"] + last.body["warnings"] - 1
    said = f"{first['table']}: {first['said']}" + (f" (and {more} more)" if more else "")
    if last.run != released and last.body["stops"]:
        found.append(f"✗ the newest candidate was refused: {said}  → lake quality")
    elif last.run == released and not found:
        found.append(f"⚠ {said}  → lake quality")
    return found
