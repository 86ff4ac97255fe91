"""One released row of each table, as anybody may see it: a personal column is not even read."""

from __future__ import annotations

import json
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from lake.core.errors import LakeError
from lake.core.table import Table
from lake.engine import store
from lake.engine.release import Lake

LOOKED_AT = 50
"""The fullest of so many rows is the example."""
LONGEST = 90
"""Characters of a value that are shown."""

Row = dict[str, str]


def rows(lake: Lake) -> dict[str, Row]:
    """By the id of each released table with rows: what an example of them says, column by column, as text."""
    found = {t.id: row(lake, t) for t in lake.tables.values() if lake.version(t) is not None}
    return {name: said for name, said in found.items() if said}


def row(lake: Lake, table: Table) -> Row:
    """The fullest of the first rows, without personal columns; empty where there is none, or it cannot be read."""
    delivered = table.delivery.format if table.delivery else ""
    names = [c.name for c in table.columns if not c.pii] if delivered != "parquet" else []
    if not names:
        return {}
    good = ("_ok", "=", True)
    try:
        some = store.some(
            lake.conf.at(table),
            LOOKED_AT,
            at=lake.version(table),
            columns=names,
            where=[good] if table.is_typed else None,
        )
    except LakeError:
        return {}
    said = [{k: text(v) for k, v in r.items() if v is not None} for r in some.to_pylist()]
    return min(said, key=lambda r: (-len(r), sorted(r.items())), default={})


def text(value: Any) -> str:
    """A value as a reader of the page takes it in."""
    if isinstance(value, Decimal):
        said = f"{value.normalize():f}"
    elif isinstance(value, datetime):
        said = value.strftime("%Y-%m-%d %H:%M:%S")
    elif isinstance(value, list | dict):
        said = json.dumps(_plain(value), ensure_ascii=False)
    else:
        said = str(value)
    return said if len(said) <= LONGEST else said[: LONGEST - 1] + "…"


def _plain(value: Any) -> Any:
    if isinstance(value, list) and value and all(isinstance(p, tuple) for p in value):
        return {str(k): _plain(v) for k, v in value}  # Arrow's maps are lists of pairs
    if isinstance(value, list):
        return [_plain(v) for v in value]
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    return text(value) if isinstance(value, Decimal | date | datetime) else value
