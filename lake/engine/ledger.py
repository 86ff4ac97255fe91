"""Append-only tables of facts, which the lake keeps about itself: the journal, what checks found, alerts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from operator import itemgetter
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import write_deltalake
from deltalake.exceptions import DeltaError

from lake.core.errors import Fenced, LakeError
from lake.engine import place, store, tidying
from lake.engine.place import Place
from lake.engine.s3 import S3Path

BRIEFLY = {
    "delta.logRetentionDuration": "interval 7 days",
    "delta.deletedFileRetentionDuration": "interval 7 days",
}
"""A ledger is read at its newest version only."""


class Ledger:
    """An append-only table of facts; facts are appended right behind what was read, or not at all."""

    def __init__(self, path: Place, schema: pa.Schema) -> None:
        self.path, self.schema = path, schema
        self._options = place.options(path)
        with self._readable():
            self._table = store.opened(path) if store.version(path) >= 0 else None

    def read(self) -> list[dict[str, Any]]:
        """Every fact, in the order of `seq`."""
        if self._table is None:
            return []
        with self._readable():
            return sorted(store.persistently(self.path, self._facts), key=itemgetter("seq"))

    def _facts(self) -> list[dict[str, Any]]:
        """File by file: to import Arrow's datasets takes too long for a night with nothing new."""
        assert self._table is not None
        names = self._table.get_add_actions().column("path").to_pylist()
        return [fact for name in names for fact in pq.ParquetFile(place.whole(self.path / name)).read().to_pylist()]

    def append(self, facts: Sequence[dict[str, Any]]) -> None:
        """Raises Fenced if another process appended since this one read."""
        if self._table is None:
            store.make(self.path, self.schema, store.PROPERTIES | BRIEFLY)
            self._table = store.opened(self.path, 0)
        if self._options != (now := place.options(self.path)):  # credentials end sooner than a night may
            self._table, self._options = store.opened(self.path, int(self._table.version())), now
        table, at = self._table, int(self._table.version()) + 1
        rows = pa.Table.from_pylist(list(facts), schema=self.schema)
        store.once(self.path, at, lambda how: write_deltalake(table, rows, mode="append", commit_properties=how))
        if table.version() != at:
            self._table = store.opened(self.path, at)

    def compact(self) -> None:
        """Few files again. What another process appended meanwhile stays unread: the next append is refused."""
        if self._table is not None and len(self._table.file_uris()) > 20:
            at = int(self._table.version())
            fewer = store.opened(self.path, at)
            with suppress(Fenced):
                store.once(self.path, at + 1, lambda how: fewer.optimize.compact(commit_properties=how))
                self._table = fewer if fewer.version() == at + 1 else store.opened(self.path, at + 1)
                if isinstance(self.path, S3Path):  # there each entry of the log behind the last one is a request
                    with suppress(OSError):
                        self._table.create_checkpoint()

    def upkeep(self) -> None:
        """Without the files that compaction left. Deleting them takes two commits; any other is not looked at."""
        if self._table is not None:
            at = int(self._table.version())
            if tidying.vacuum(self.path, (at,)):
                self._table = store.opened(self.path, at + 2)

    @contextmanager
    def _readable(self) -> Iterator[None]:
        try:
            with store.answered(self.path):
                yield
        except (DeltaError, OSError, ValueError) as e:
            raise LakeError(
                f"{self.path} is damaged: it cannot be read.",
                hint="`lake doctor --rebuild-control` writes it anew from the tables.",
            ) from e
