"""The lake's tables on storage, seen without a JVM: versions, transactions, commits and rows, through delta-rs."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, Schema, Transaction
from deltalake.exceptions import CommitFailedError, TableNotFoundError

APP = "robolake"
"""The application id of every transaction of ours in a table's log."""

PROPERTIES = {
    "delta.logRetentionDuration": "interval 3650 days",
    "delta.deletedFileRetentionDuration": "interval 3650 days",
    "delta.checkpointInterval": "50",
    "delta.enableDeletionVectors": "false",
}
_COMMIT = re.compile(r"^(\d{20})\.json$")


def version(path: Path) -> int:
    """The newest version of the table at `path`; -1 where there is none. Reads only the names in its log."""
    try:
        names = (p.name for p in (path / "_delta_log").iterdir())
        return max((int(m[1]) for m in map(_COMMIT.match, names) if m), default=-1)
    except FileNotFoundError:
        return -1


def handle(path: Path, at: int | None = None) -> DeltaTable | None:
    try:
        return DeltaTable(str(path), version=at)
    except TableNotFoundError:
        return None


def create(path: Path, schema: dict[str, Any], *, partition_by: Sequence[str] = (), change_feed: bool = False) -> None:
    """Make an empty table (version 0) if there is none; `schema` as Spark's StructType writes it in JSON."""
    properties = PROPERTIES | ({"delta.enableChangeDataFeed": "true"} if change_feed else {})
    path.mkdir(parents=True, exist_ok=True)
    DeltaTable.create(
        str(path),
        schema=Schema.from_json(json.dumps(schema)),
        mode="ignore",
        partition_by=list(partition_by),
        configuration=dict(properties),
    )


def transaction(path: Path) -> int:
    """The sequence number of our last transaction on the table; -1 where there is none."""
    table = handle(path)
    found = table.transaction_version(APP) if table is not None else None
    return -1 if found is None else found


def commit(path: Path, at: int) -> dict[str, Any]:
    """What we wrote about ourselves in commit `at` (the userMetadata); empty for a commit that is not ours."""
    file = path / "_delta_log" / f"{at:020d}.json"
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return {}
    for line in lines:
        info = json.loads(line).get("commitInfo")
        if info and info.get("userMetadata"):
            said = json.loads(info["userMetadata"])
            return said if isinstance(said, dict) else {}
    return {}


def changes_data(path: Path, at: int) -> bool | None:
    """Whether commit `at` changes rows (an OPTIMIZE does not); None if its log entry is gone."""
    file = path / "_delta_log" / f"{at:020d}.json"
    try:
        entries = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    except FileNotFoundError:
        return None
    actions = [e.get("add") or e.get("remove") for e in entries]
    return any(a.get("dataChange", True) for a in actions if a)


def mark(path: Path, sequence: int, said: dict[str, Any], *, table: DeltaTable | None = None) -> int:
    """An empty commit that carries `sequence` as our transaction: a fence, or the note that nothing changed.

    Raises CommitFailedError if another transaction of ours got in after `table` was read.
    """
    at = table if table is not None else DeltaTable(str(path))
    at.create_write_transaction(
        [],
        "append",
        at.schema(),
        partition_by=at.metadata().partition_columns or None,
        commit_properties=CommitProperties(
            app_transactions=[Transaction(APP, sequence)], custom_metadata={"userMetadata": json.dumps(said)}
        ),
    )
    return version(path)


def rows(path: Path, *, at: int | None = None, columns: Sequence[str] | None = None, where: Any = None) -> pa.Table:
    """The rows of the table as Arrow, at version `at` or now."""
    return DeltaTable(str(path), version=at).to_pyarrow_table(columns=list(columns) if columns else None, filters=where)


__all__ = [
    "APP",
    "CommitFailedError",
    "changes_data",
    "commit",
    "create",
    "handle",
    "mark",
    "rows",
    "transaction",
    "version",
]
