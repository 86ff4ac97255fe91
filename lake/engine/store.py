"""The lake's tables on storage: Spark reads and writes their data files; which ones count is read and committed here.

A commit is one file in the table's log, made by delta-rs if and only if nobody else made that version meanwhile.
"""

from __future__ import annotations

import json
import re
import time
import uuid
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property, partial
from typing import Any, TypeVar
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import CommitProperties, DeltaTable, Schema, Transaction
from deltalake.exceptions import CommitFailedError, DeltaError
from deltalake.transaction import AddAction, RemoveAction

from lake.core.errors import Fenced, LakeError, Unanswered
from lake.engine import place
from lake.engine.place import Place
from lake.engine.s3 import CREDENTIALS, S3Path

APP = "robolake"
"""The application id of every transaction of ours in a table's log."""

PROPERTIES = {
    "delta.logRetentionDuration": "interval 3650 days",
    "delta.deletedFileRetentionDuration": "interval 3650 days",
    "delta.checkpointInterval": "50",
    "delta.enableDeletionVectors": "false",
    "delta.dataSkippingNumIndexedCols": "0",  # ends of values would carry persons into the log
}
PROTOCOL = (1, 2)
"""The newest protocol, of readers and of writers, that this code knows how to keep."""
DATA = "data"
"""The folder of a table's data files; each commit writes into one of its own there, named by its sequence number."""
PAUSES_S = (0.2, 1.0, 4.0)
"""So long it is waited before a commit that S3 did not answer is tried again."""
T = TypeVar("T")
_COLOUR = re.compile("\x1b\\[[0-9;]*m")
_COMMIT = re.compile(r"^(\d{20})\.json$")
_CHECKPOINT = re.compile(r"^(\d{20})\.checkpoint.*\.parquet$")


def version(path: Place) -> int:
    """The newest version of the table at `path`; -1 where there is none. Reads only the names in its log."""
    try:
        names = (p.name for p in (path / "_delta_log").iterdir())
        return max((int(m[1]) for m in map(_COMMIT.match, names) if m), default=-1)
    except FileNotFoundError:
        return -1


def create(path: Place, schema: dict[str, Any]) -> None:
    """Make an empty table (version 0) if there is none; `schema` as Spark's StructType writes it in JSON."""
    if version(path) >= 0:
        return
    path.mkdir(parents=True, exist_ok=True)
    make(path, Schema.from_json(json.dumps(schema)), PROPERTIES)


def make(path: Place, schema: Any, configuration: dict[str, str]) -> None:
    """Make an empty table of delta-rs' or Arrow's `schema` if there is none; Unanswered if S3 says nothing."""
    for last_try in (False, False, True):
        try:
            DeltaTable.create(
                str(path),
                schema=schema,
                mode="ignore",
                configuration=dict(configuration),
                storage_options=place.options(path),
            )
            return
        except OSError as e:
            if not isinstance(path, S3Path):
                raise
            if version(path) >= 0:  # only the answer was lost
                return
            if last_try:
                raise _unanswered(path, e) from e


def opened(path: Place, at: int | None = None) -> DeltaTable:
    """The table, as delta-rs reads and commits it, at version `at` or now."""
    with answered(path):
        return DeltaTable(str(path), version=at, storage_options=place.options(path))


class Log:
    """A table's log as it stood when it was opened; a commit comes right behind that version, or not at all."""

    def __init__(self, path: Place, at: int | None = None) -> None:
        self.path = path
        try:
            self._table = opened(path, at)
        except DeltaError as e:
            what = "its log" if at is None else f"its version {at}"
            raise LakeError(
                f"{path}: {what} cannot be read.", hint="`lake doctor --deep` names what is damaged."
            ) from e
        self.version = int(self._table.version())
        self._check_protocol()

    def _check_protocol(self) -> None:
        """Raise LakeError if the table is written by newer rules than this code knows."""
        found = self._table.protocol()
        if found.min_reader_version > PROTOCOL[0] or found.min_writer_version > PROTOCOL[1]:
            features = ", ".join([*(found.reader_features or []), *(found.writer_features or [])])
            raise LakeError(
                f"{self.path} is written by Delta protocol {found.min_reader_version}/{found.min_writer_version}"
                f"{f' ({features})' if features else ''}; this robolake knows {PROTOCOL[0]}/{PROTOCOL[1]}.",
                hint="use the robolake that wrote it, or ./spark-submit.sh repair; nothing was written.",
            )

    # --- what is in it ------------------------------------------------------------------------------------------------

    def transaction(self) -> int:
        """The sequence number of our last transaction; -1 where there is none."""
        found = self._table.transaction_version(APP)
        return -1 if found is None else found

    def said(self, at: int) -> dict[str, Any]:
        return said(self.path, at)

    def changes_data(self, at: int) -> bool | None:
        return changes_data(self.path, at)

    def schema(self) -> dict[str, Any]:
        """The stored schema as Spark's StructType writes it in JSON."""
        found: dict[str, Any] = json.loads(self._table.schema().to_json())
        return found

    @cached_property
    def _adds(self) -> list[tuple[str, int, int]]:
        """Path, bytes and rows of each data file of this version."""
        actions = self._table.get_add_actions()
        if not actions.num_rows:
            return []
        columns = [actions.column(name).to_pylist() for name in ("path", "size_bytes", "num_records")]
        return [(str(path), size, rows or 0) for path, size, rows in zip(*columns, strict=True)]

    def files(self) -> list[str]:
        """The paths, below the table's folder, of the data files that make up this version."""
        return [path for path, _, _ in self._adds]

    def sizes(self) -> dict[str, int]:
        """Bytes in each data file of this version."""
        return {path: size for path, size, _ in self._adds}

    def counts(self) -> dict[str, int]:
        """Rows in each data file of this version, by the file's name."""
        return {name_of(path): rows for path, _, rows in self._adds}

    def changed_files(self, after: int, until: int) -> tuple[list[str], list[str]] | None:
        """The data files that commits (after, until] brought and took; None if one of these commits is gone.

        The rows of the first less those of the second are what changed: copied rows cancel out.
        """
        commits = []
        for at in range(after + 1, until + 1):
            actions = entries(self.path, at)
            if actions is None:
                return None
            commits.append((_changing(actions, "add"), _changing(actions, "remove")))
        return netted(commits)

    # --- what comes behind it -----------------------------------------------------------------------------------------

    def widened(self, schema: dict[str, Any]) -> Log:
        """The log with the columns of `schema` that the table has not yet: a commit of its own that changes no row.

        Raises Fenced if somebody committed meanwhile.
        """
        known = {f.name for f in self._table.schema().fields}
        new = [f for f in Schema.from_json(json.dumps(schema)).fields if f.name not in known]
        if not new:
            return self
        once(self.path, self.version + 1, lambda how: self._table.alter.add_columns(new, commit_properties=how))
        return Log(self.path, self.version + 1)

    def commit(
        self,
        sequence: int,
        words: dict[str, Any],
        *,
        gone: Collection[str] | None = (),
        schema: dict[str, Any] | None = None,
    ) -> int:
        """Commit the data files in the folder of `sequence` as our transaction.

        words   what the commit says of itself
        gone    names of the data files that leave; None: all there are, and the table takes on `schema`

        Returns the new version. Raises Fenced if somebody committed meanwhile: then nothing was changed.
        """
        add = list(_described(self.path, folder(self.path, sequence)))
        now = int(time.time() * 1000)
        leave = [RemoveAction(f, True, now) for f in self.files() if name_of(f) in gone] if gone else []
        once(
            self.path,
            self.version + 1,
            lambda how: self._table.create_write_transaction(
                [*add, *leave],
                "overwrite" if gone is None else "append",
                Schema.from_json(json.dumps(schema)) if schema else self._table.schema(),
                commit_properties=how,
            ),
            said=json.dumps(words, default=str),
            transaction=Transaction(APP, sequence),
        )
        return self.version + 1


def once(
    path: Place,
    at: int,
    commit: Callable[[CommitProperties], Any],
    *,
    said: str | None = None,
    transaction: Transaction | None = None,
) -> Any:
    """Make commit `at` of a table, once: what `commit` returns, or None if that was lost on its way.

    An answer of S3 may be lost. Then delta-rs does not know of its commit, or meets it at its next try and takes it for
    another's; so each commit carries a mark by which we know it again.

    Raises Fenced if somebody else made that commit: then nothing was changed.
    """
    mark = uuid.uuid4().hex
    how = CommitProperties(
        app_transactions=[transaction] if transaction else None,
        custom_metadata={"mark": mark} | ({"userMetadata": said} if said else {}),
        max_commit_retries=0,
    )
    for pause_s in (*PAUSES_S, None):
        try:
            return commit(how)
        except (DeltaError, OSError) as e:
            on_s3 = isinstance(path, S3Path)
            if on_s3 and _mark(path, at) == mark:
                return None
            if isinstance(e, CommitFailedError):
                raise Fenced(
                    f"{path} was written by another process while this run worked on it; nothing was changed.",
                    hint="start the same command again.",
                ) from e
            if not on_s3:
                raise
            if pause_s is None or _is_denial(e):
                raise _unanswered(path, e) from e
            time.sleep(pause_s)
    return None


def _mark(path: Place, at: int) -> str | None:
    return next((e["commitInfo"].get("mark") for e in entries(path, at) or [] if "commitInfo" in e), None)


def persistently(path: Place, read: Callable[[], T]) -> T:
    """What `read` reads; on S3 it is tried again where Arrow gave up."""
    for pause_s in (*PAUSES_S, None):
        try:
            with answered(path):
                return read()
        except Unanswered as e:
            if pause_s is None or (e.__cause__ and _is_denial(e.__cause__)):
                raise
            time.sleep(pause_s)
    raise AssertionError


@contextmanager
def answered(path: Place) -> Iterator[None]:
    """Raise what delta-rs or Arrow say of an S3 that does not answer as an error of ours."""
    try:
        yield
    except FileNotFoundError:
        raise
    except (DeltaError, OSError) as e:
        if not isinstance(path, S3Path) or not (isinstance(e, OSError) or _is_denial(e) or "S3 error" in str(e)):
            raise
        raise _unanswered(path, e) from e


def _unanswered(path: Place, e: Exception) -> Unanswered:
    said = " ".join(_COLOUR.sub("", str(e)).split())
    hint = f"may you? {CREDENTIALS}" if _is_denial(e) else "start the same command again."
    return Unanswered(f"{path}: {said[:300]}", hint=hint)


def _is_denial(e: BaseException) -> bool:
    return any(word in str(e) for word in ("privileges", "ACCESS_DENIED", "Forbidden"))


# --- data files -------------------------------------------------------------------------------------------------------


def folder(path: Place, sequence: int) -> Place:
    """Where the data files of the commit `sequence` belong."""
    return path / DATA / f"{sequence:09d}"


def _changing(actions: Sequence[dict[str, Any]], kind: str) -> list[str]:
    """The data files that a commit's actions of a kind (add, remove) name because rows changed."""
    return [unquote(a["path"]) for e in actions if (a := e.get(kind)) and a.get("dataChange", True)]


def netted(commits: Iterable[tuple[Iterable[str], Iterable[str]]]) -> tuple[list[str], list[str]]:
    """What commits, each of files that came and that went, brought and took together."""
    came: dict[str, None] = {}
    gone: dict[str, None] = {}
    for new, old in commits:
        came |= dict.fromkeys(new)
        for file in old:
            if file in came:
                del came[file]
            else:
                gone[file] = None
    return list(came), list(gone)


def name_of(file: str) -> str:
    return file.rsplit("/", 1)[-1]


def _described(path: Place, files_in: Place) -> Iterator[AddAction]:
    """The data files that Spark wrote into a folder, and how many rows each has.

    No ends of values: of texts they would carry persons into the log, and where only some columns have them, delta-rs
    finds no row at all by the others. Readers skip by the statistics in the files themselves.
    """
    now = int(time.time() * 1000)
    for file in place.found(files_in, "*.parquet"):
        read = pq.read_metadata(place.parquet(file))
        if not read.num_rows:
            continue
        yield AddAction(
            path=file.relative_to(path).as_posix(),
            size=place.size(file),
            partition_values={},
            modification_time=now,
            data_change=True,
            stats=json.dumps({"numRecords": read.num_rows}),
        )


# --- commits ----------------------------------------------------------------------------------------------------------


def entries(path: Place, at: int) -> list[dict[str, Any]] | None:
    """The actions of commit `at`; None if its log entry is gone. Raises LakeError if it cannot be read."""
    file = path / "_delta_log" / f"{at:020d}.json"
    try:
        found = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
        if not found:
            raise ValueError
        return found
    except FileNotFoundError:
        return None
    except ValueError:
        raise LakeError(f"{file} is damaged.", hint="`lake doctor` names what else is; `repair` mends it.") from None


def said(path: Place, at: int) -> dict[str, Any]:
    """What we wrote about ourselves in commit `at` (the userMetadata); empty for a commit that is not ours."""
    for entry in entries(path, at) or []:
        info = entry.get("commitInfo")
        if info and info.get("userMetadata"):
            found = json.loads(info["userMetadata"])
            return found if isinstance(found, dict) else {}
    return {}


def changes_data(path: Place, at: int) -> bool | None:
    """Whether commit `at` changes rows (an OPTIMIZE does not); None if its log entry is gone."""
    actions = entries(path, at)
    if actions is None:
        return None
    return any(a.get("dataChange", True) for e in actions if (a := e.get("add") or e.get("remove")))


# --- where a log begins -----------------------------------------------------------------------------------------------


def first(path: Place) -> int:
    """The oldest version of the table that its log can still tell: 0, or that of its oldest checkpoint."""
    names = [p.name for p in (path / "_delta_log").iterdir()]
    commits = {int(m[1]) for m in map(_COMMIT.match, names) if m}
    return 0 if 0 in commits else min((int(m[1]) for m in map(_CHECKPOINT.match, names) if m), default=0)


def checkpoints(path: Place) -> list[Place]:
    """The table's checkpoints, oldest first."""
    return sorted(p for p in (path / "_delta_log").iterdir() if _CHECKPOINT.match(p.name))


def restart(path: Place, schema: dict[str, Any], at: int) -> None:
    """Make an empty table whose log begins with version `at`, so that its versions go on where a lost log ended.

    It is a log as any is after its oldest entries were cleaned up: a checkpoint, and the entry it was made from.
    """
    create(path, schema)
    opened(path).create_checkpoint()
    log = path / "_delta_log"
    for name in ("{:020d}.json", "{:020d}.checkpoint.parquet"):
        place.move(log / name.format(0), log / name.format(at))
    (log / "_last_checkpoint").unlink()


# --- rows -------------------------------------------------------------------------------------------------------------


def rows(path: Place, *, at: int | None = None, columns: Sequence[str] | None = None, where: Any = None) -> pa.Table:
    """The rows of the table as Arrow, at version `at` or now."""
    table = Log(path, at)._table
    try:
        names = list(columns) if columns else None
        read = partial(table.to_pyarrow_table, columns=names, filters=where, filesystem=place.files(path))
        return persistently(path, read)
    except (OSError, pa.ArrowException) as e:
        raise LakeError(
            f"{path}: a data file of version {table.version()} cannot be read.",
            hint="`lake doctor --deep` names it; ./spark-submit.sh repair mends it.",
        ) from e


def some(path: Place, most: int, *, at: int | None = None, columns: Sequence[str], where: Any = None) -> pa.Table:
    """At most so many rows of the table as Arrow; which ones, the order of its files decides."""
    good = pq.filters_to_expression(where) if where else None
    found = Log(path, at)._table.to_pyarrow_dataset(filesystem=place.files(path))
    return found.head(most, columns=list(columns), filter=good)


def sampled(path: Place, most: int, *, at: int, columns: Sequence[str], where: Any = None) -> tuple[pa.Table, int]:
    """Every n-th of the rows of a version as Arrow, so that about `most` are held at once; and n."""
    found = Log(path, at)._table.to_pyarrow_dataset(filesystem=place.files(path))
    every = max(1, -(-found.count_rows(filter=where) // most))
    taken, passed = [], 0
    for batch in found.to_batches(columns=list(columns), filter=where):
        start = -passed % every
        passed += batch.num_rows
        taken.append(batch if every == 1 else batch.take(pa.array(range(start, batch.num_rows, every), pa.int64())))
    return pa.Table.from_batches(taken, pa.schema([found.schema.field(c) for c in columns])), every
