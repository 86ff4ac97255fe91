"""The first records of a raw file, whatever its form: what parts them, and what their columns are called and say."""

from __future__ import annotations

import csv
import gzip
import json
import re
import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any, Literal

from lake.core.errors import WrongUse
from lake.engine.fingerprint import ANY_LINE_END, BOM

MOST_BYTES = 8 << 20
MOST_RECORDS = 20_000
DELIMITERS = "\t;|,"
"""In the order in which they are tried: a comma may stand in numbers, a blank anywhere."""
ABSENT = ("", "?", "-", ".", "NA", "N/A", "n/a", "NULL", "null", "None", "NaN", "nan")
"""What systems write where they have no value."""

Value = str | dict[str, Any] | list[Any] | None


@dataclass(frozen=True)
class Sample:
    """The first records of a file.

    names       of the columns, as delivered
    records     by column, in the order of the names; None: no value
    headed      whether the names stand in the file
    decimal     the sign before the decimals of its numbers
    cut         whether there is more in the file
    """

    format: Literal["csv", "jsonl", "parquet"]
    names: tuple[str, ...]
    records: list[tuple[Value, ...]]
    headed: bool = True
    delimiter: str = ","
    decimal: str = "."
    line_end: str = "\n"
    cut: bool = False

    def column(self, name: str) -> list[Value]:
        at = self.names.index(name)
        return [r[at] for r in self.records]


def read(path: Path) -> Sample:
    """The first records of `path`. Raises WrongUse if it is no csv, JSON lines or parquet that the lake could read."""
    with open(path, "rb") as file:
        magic = file.read(4)
    if magic == b"PAR1":
        return _parquet(path)
    if magic.startswith(b"\x1f\x8b") != path.name.endswith(".gz"):
        what = "is packed by gzip" if magic.startswith(b"\x1f\x8b") else "is not packed"
        raise WrongUse(f"{path.name} {what}.", hint="let its name end in .gz if and only if it is packed.")
    text, cut = _text(path)
    line_end = "\n" if "\n" in text else ANY_LINE_END
    lines = [line.removesuffix("\r") for line in re.split("\n" if line_end == "\n" else "\r", text)]
    lines = lines[:-1] if cut else lines
    lines = [line for line in lines if line.strip()]
    if not lines:
        raise WrongUse(f"{path.name} has no line.", hint="name a file with some records in it.")
    cut = cut or len(lines) > MOST_RECORDS
    lines = lines[:MOST_RECORDS]
    if 2 * sum(line.lstrip().startswith("{") for line in lines) >= len(lines):
        return _jsonl(path, lines, line_end, cut)
    return _csv(lines, line_end, cut)


def _text(path: Path) -> tuple[str, bool]:
    try:
        with gzip.open(path) if path.name.endswith(".gz") else open(path, "rb") as file:
            content = file.read(MOST_BYTES + 1)
    except (EOFError, gzip.BadGzipFile, zlib.error) as e:
        raise WrongUse(f"{path.name} cannot be unpacked: {e}.", hint="have it delivered anew.") from None
    cut = len(content) > MOST_BYTES
    try:
        return content.decode("utf-8", "ignore" if cut else "strict").removeprefix(BOM), cut
    except UnicodeDecodeError as e:
        raise WrongUse(
            f"{path.name} is not UTF-8: byte {e.start} is {content[e.start]:#x}.", hint="have it delivered in UTF-8."
        ) from None


# ---- JSON lines and parquet


def _jsonl(path: Path, lines: Sequence[str], line_end: str, cut: bool) -> Sample:
    read = [_object(line) for line in lines]
    found = [record for record in read if record is not None]
    if len(found) <= len(read) / 2:
        n = read.index(None) + 1
        raise WrongUse(f"{path.name}:{n} is no JSON object.", hint="a record is one object in one line.")
    names = tuple(dict.fromkeys(name for record in found for name in record))
    return Sample("jsonl", names, [tuple(_json(r.get(n)) for n in names) for r in found], line_end=line_end, cut=cut)


def _object(line: str) -> dict[str, Any] | None:
    """The record in a line; None where it is broken, as some are."""
    try:
        record = json.loads(line, parse_float=str, parse_int=str)
    except ValueError:
        return None
    return record if isinstance(record, dict) else None


def _json(value: Any) -> Value:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if value is None or isinstance(value, str | dict | list) else str(value)


def _parquet(path: Path) -> Sample:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(path)
        some = next(file.iter_batches(MOST_RECORDS), None)
    except (pa.ArrowException, OSError) as e:
        raise WrongUse(f"{path.name} is no readable parquet file: {e}.", hint="have it delivered anew.") from None
    if some is None:
        raise WrongUse(f"{path.name} has no row.", hint="name a file with some records in it.")
    columns = [[_arrow(v) for v in column.to_pylist()] for column in some.columns]
    cut = file.metadata.num_rows > some.num_rows
    return Sample("parquet", tuple(some.schema.names), list(zip(*columns, strict=True)), cut=cut)


def _arrow(value: Any) -> Value:
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None or value != value or isinstance(value, dict):
        return value if isinstance(value, dict) else None
    if isinstance(value, list):
        pairs = bool(value) and all(isinstance(p, tuple) and len(p) == 2 for p in value)
        return {str(k): _arrow(v) for k, v in value} if pairs else [_arrow(v) for v in value]
    return value.isoformat() if isinstance(value, date | datetime) else str(value)


# ---- csv


def _csv(lines: Sequence[str], line_end: str, cut: bool) -> Sample:
    delimiter = _delimiter(lines[:200])
    rows = [line.split() for line in lines] if delimiter == " " else list(csv.reader(lines, delimiter=delimiter))
    wide = len(rows[0])
    records = [tuple(v.strip() or None for v in row) for row in rows if len(row) == wide]
    decimal = _decimal(records, delimiter)
    headed = _is_header(records, decimal)
    names = tuple(v or "" for v in records[0]) if headed else tuple(f"column_{n + 1}" for n in range(wide))
    made: list[tuple[Value, ...]] = [*records[1:]] if headed else [*records]
    return Sample("csv", names, made, headed, delimiter, decimal, line_end, cut)


def _delimiter(lines: Sequence[str]) -> str:
    """What parts (nearly) all lines into the same number of columns, and more than one."""
    for one in DELIMITERS:
        wide, times = Counter(len(row) for row in csv.reader(lines, delimiter=one)).most_common(1)[0]
        if wide > 1 and times >= 0.95 * len(lines):
            return one
    wide, times = Counter(len(line.split()) for line in lines).most_common(1)[0]
    return " " if wide > 1 and times >= 0.95 * len(lines) else ","


def _decimal(records: Sequence[tuple[str | None, ...]], delimiter: str) -> str:
    """A comma where some column is all numbers with it, and none is with a point."""
    body = records[1:] or records
    columns = [[v for v in c if v is not None and v not in ABSENT] for c in zip(*body, strict=True)]
    with_comma = any(c and all(NUMBER[","].fullmatch(v) for v in c) and any("," in v for v in c) for c in columns)
    with_point = any(c and all(NUMBER["."].fullmatch(v) for v in c) and any("." in v for v in c) for c in columns)
    return "," if delimiter != "," and with_comma and not with_point else "."


NUMBER = {sign: re.compile(rf"[+-]?(\d+({re.escape(sign)}\d*)?|{re.escape(sign)}\d+)([eE][+-]?\d+)?") for sign in ".,"}
_TYPED = (*NUMBER.values(), re.compile(r"\d{4}-\d\d-\d\d.*"), re.compile(r"\d{1,2}[./-]\w{1,3}[./-]\d{2,4}.*"))
_NAME = re.compile(r"[^\W\d][\w .()/#%&:+-]*")


def _is_header(records: Sequence[tuple[str | None, ...]], decimal: str) -> bool:
    """Whether the first record names the columns: it does not fit one that is typed, or all of it looks like names."""
    first, rest = records[0], records[1:]
    if not rest:
        return True
    named = [v for v in first if v is not None]
    for cell, column in zip(first, zip(*rest, strict=True), strict=True):
        values = [v for v in column if v is not None and v not in ABSENT]
        for like in _TYPED if values else ():
            if all(like.fullmatch(v) for v in values) and cell is not None and cell not in ABSENT:
                if not like.fullmatch(cell):
                    return True
                break
    seen = [set(column) for column in zip(*rest, strict=True)]
    if len(set(named)) < len(named):
        return False
    return all(_NAME.fullmatch(v) for v in named) and not any(v in s for v, s in zip(first, seen, strict=True) if v)
