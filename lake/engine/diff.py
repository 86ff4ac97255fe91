"""What changed between two releases: rows that came, changed and went, from the data files that only one of them has.

Without a JVM. Rows that a rewrite only copied lie in files of both and cancel out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
from pyspark.sql.pandas.types import to_arrow_schema

from lake.core.table import Table
from lake.engine import place
from lake.engine.conf import Conf
from lake.engine.place import Place
from lake.engine.release import Release, check_readable
from lake.engine.store import Log, name_of

MOST_ROWS = 3_000_000
"""More rows than this in files of one side are counted by their files only."""
_A_LINE = pa.schema([("_file", pa.string()), ("_batch", pa.int64())])


@dataclass
class Change:
    """How the rows of a table differ.

    before, after   its versions; None: not in that release
    examples        some of each kind: key, and of changed rows the columns with both values; none if it is restricted
    compared        False: too many rows lie in other files, so added and gone are the difference of the row numbers
    """

    table: str
    before: int | None
    after: int | None
    added: int = 0
    changed: int = 0
    gone: int = 0
    examples: list[dict[str, Any]] = field(default_factory=list)
    compared: bool = True

    @property
    def differs(self) -> bool:
        return bool(self.added or self.changed or self.gone)


def between(conf: Conf, before: Release, after: Release, tables: Sequence[Table], *, limit: int = 3) -> list[Change]:
    """Every table of which the releases hold other rows, in the order of `tables`; up to `limit` examples of a kind."""
    found = []
    for table in tables:
        a, b = before.tables.get(table.id, {}), after.tables.get(table.id, {})
        change = Change(table.id, a.get("version"), b.get("version"))
        if change.before == change.after:
            continue
        if a and b:
            _compare(change, conf, table, a, b, limit)
        else:
            change.added, change.gone = b.get("rows", 0), a.get("rows", 0)
        if change.differs:
            found.append(change)
    return found


def _compare(change: Change, conf: Conf, table: Table, a: dict[str, Any], b: dict[str, Any], limit: int) -> None:
    for version in (a["version"], b["version"]):
        check_readable(conf, table, version)
    path = conf.at(table)
    logs = Log(path, a["version"]), Log(path, b["version"])
    shared = set(logs[0].files()) & set(logs[1].files())
    only = [[f for f in log.files() if f not in shared] for log in logs]
    if max(sum(log.counts()[name_of(f)] for f in files) for log, files in zip(logs, only, strict=True)) > MOST_ROWS:
        more = b["rows"] - a["rows"]
        change.added, change.gone, change.compared = max(more, 0), max(-more, 0), False
        return
    old, new = (_rows(path, files, table) for files in only)
    if table.is_source or not table.keys:
        change.added, change.gone = _counted(old, new)
        return
    where = _places(old, new, table.keys)
    came, went = where[where["_old"] < 0], where[where["_new"] < 0]
    both = where[(where["_old"] >= 0) & (where["_new"] >= 0)]
    pair = old.take(both["_old"].to_numpy()), new.take(both["_new"].to_numpy())
    differ = {c.name: _differs(*(rows.column(c.name) for rows in pair)) for c in table.columns if not c.key}
    changed = np.logical_or.reduce([*differ.values(), np.zeros(len(both), bool)])
    change.added, change.gone, change.changed = len(came), len(went), int(changed.sum())
    if not table.restricted:
        change.examples = [
            *({"what": "added", "key": k} for k in _keys(came, table, limit)),
            *_changed_ones(both, pair, differ, np.flatnonzero(changed)[:limit], table),
            *({"what": "gone", "key": k} for k in _keys(went, table, limit)),
        ]


def _rows(path: Place, files: Sequence[str], table: Table) -> pa.Table:
    """The good rows in some data files, promised columns only; of a source the files its lines came from."""
    schema = _A_LINE if table.is_source else to_arrow_schema(table.schema, timestamp_utc=True)
    if not files:
        return schema.empty_table()
    stored = schema.append(pa.field("_ok", pa.bool_())) if table.is_typed else schema
    read = ds.dataset(list(files), schema=stored, format="parquet", filesystem=place.files(path))
    return read.to_table(columns=schema.names, filter=ds.field("_ok") if table.is_typed else None)


def _counted(old: pa.Table, new: pa.Table) -> tuple[int, int]:
    """How many rows came and went, of rows that are told apart by all they say."""
    more = _times(new).sub(_times(old), fill_value=0)
    return int(more[more > 0].sum()), int(-more[more < 0].sum())


def _times(rows: pa.Table) -> pd.Series[int]:
    return pd.Series([repr(r) for r in rows.to_pylist()], dtype=str).value_counts()


def _places(old: pa.Table, new: pa.Table, keys: Sequence[str]) -> pd.DataFrame:
    """A row per key of either side, in the order of keys: where it stands in `_old` and in `_new` (-1: not there)."""
    sides = []
    for rows, name in ((old, "_old"), (new, "_new")):
        side = rows.select(list(keys)).to_pandas()
        side[name] = np.arange(len(side))
        sides.append(side)
    both = sides[0].merge(sides[1], on=list(keys), how="outer", sort=True)
    found: pd.DataFrame = both.fillna({"_old": -1, "_new": -1}).astype({"_old": int, "_new": int})
    return found


def _differs(a: pa.ChunkedArray, b: pa.ChunkedArray) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Where two columns say different things; two nulls say the same."""
    if pa.types.is_nested(a.type):
        return np.array([x != y for x, y in zip(a.to_pylist(), b.to_pylist(), strict=True)], dtype=bool)
    nulls = pc.xor(a.is_null(), b.is_null())
    found: np.ndarray[Any, np.dtype[np.bool_]] = pc.or_(nulls, pc.fill_null(pc.not_equal(a, b), False)).to_numpy()
    return found


def _keys(where: pd.DataFrame, table: Table, limit: int) -> Iterator[dict[str, Any]]:
    yield from where.head(limit)[table.keys].to_dict("records")  # type: ignore[misc]


def _changed_ones(
    both: pd.DataFrame,
    pair: tuple[pa.Table, pa.Table],
    differ: dict[str, np.ndarray[Any, np.dtype[np.bool_]]],
    some: np.ndarray[Any, np.dtype[np.intp]],
    table: Table,
) -> Iterator[dict[str, Any]]:
    for at in map(int, some):
        columns = {
            name: [rows.column(name)[at].as_py() for rows in pair] for name, where in differ.items() if where[at]
        }
        yield {"what": "changed", "key": both.iloc[at][table.keys].to_dict(), "columns": columns}
