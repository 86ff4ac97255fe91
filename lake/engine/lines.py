"""Which delivered line a typed record is: lines that hold its key are read again, name by name."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from functools import reduce
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from lake.core.table import Column, Delivery, Table
from lake.engine.fingerprint import delimiter_of, header_names


def found(table: Table, rows: Sequence[Mapping[str, Any]], bronze: pa.Table) -> list[str | None]:
    """Of each typed row the line it was read from; None where no line of its file says its key.

    rows    what is promised, and `_file`
    bronze  the delivered lines of their files
    """
    [source] = table.inputs
    assert source.delivery is not None
    by_file: dict[str, pa.Table] = {}
    said: list[str | None] = []
    for row in rows:
        if row["_file"] not in by_file:
            by_file[row["_file"]] = bronze.filter(pc.equal(bronze.column("_file"), row["_file"]))
        said.append(_line(table, row, by_file[row["_file"]], source.delivery))
    return said


def _line(table: Table, row: Mapping[str, Any], lines: pa.Table, delivery: Delivery) -> str | None:
    """Of the lines that say the row's key the one that agrees with most of its columns; the first, if several do."""
    plain = [c for c in table.columns if not c.parse and not c.every and row[c.name] is not None]
    keys = [c for c in plain if c.key]
    best: str | None = None
    most = -1
    for line, header in _that_hold([str(row[c.name]) for c in keys if isinstance(row[c.name], (str, int))], lines):
        texts = _texts(line, header, delivery) if keys else None
        if texts is None or not all(_agree(_text_of(texts, c), row[c.name], c, delivery) for c in keys):
            continue
        agreeing = sum(_agree(_text_of(texts, c), row[c.name], c, delivery) for c in plain)
        if agreeing > most:
            best, most = line, agreeing
    return best


def _that_hold(values: Sequence[str], lines: pa.Table) -> Iterator[tuple[str, str]]:
    """The lines, with their headers, in which all the values stand as they are."""
    masks = [pc.match_substring(lines.column("line"), v) for v in values]
    some = lines.filter(reduce(pc.and_, masks)) if masks else lines
    for line in some.select(["line", "_header"]).to_pylist():
        if line["line"] is not None:
            yield line["line"], line["_header"] or ""


def _texts(line: str, header: str, delivery: Delivery) -> dict[str, Any] | None:
    """What a line says, by the delivered names; None if it cannot be told."""
    try:
        if delivery.format == "jsonl":
            said = json.loads(line)
            return said if isinstance(said, dict) else None
        if delivery.format == "csv":
            delimiter = delimiter_of(header, delivery)
            parts = line.split() if delimiter == " " else next(csv.reader(io.StringIO(line), delimiter=delimiter))
            return dict(zip(header_names(header, delimiter), parts, strict=False))
    except (ValueError, StopIteration, csv.Error):
        pass
    return None


def _text_of(texts: Mapping[str, Any], c: Column) -> Any:
    return next((texts[n] for n in c.names if n in texts), None)


def _agree(text: Any, value: Any, c: Column, delivery: Delivery) -> bool:
    """Whether a delivered text says the value of a column, however it is written."""
    if text is None:
        return False
    said = str(text).strip()
    try:
        if isinstance(value, bool):
            return said.lower() == str(value).lower()
        if isinstance(value, (int, float, Decimal)):
            number = Decimal(said.replace(delivery.decimal, "."))
            return number.quantize(value) == value if isinstance(value, Decimal) else number == Decimal(str(value))
        if isinstance(value, datetime):
            at = datetime.fromisoformat(said)
            return (at if at.tzinfo else at.replace(tzinfo=UTC)) == value
        if isinstance(value, date):
            return said[:10] == value.isoformat()
    except (ValueError, InvalidOperation):
        return False
    return said == str(value).strip()
