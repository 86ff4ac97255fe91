"""Schema drift: the columns of delivered files against those declared, and those that earlier files had."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from functools import cached_property
from typing import TYPE_CHECKING, Any

from pyspark.sql.types import (
    BooleanType,
    DataType,
    DateType,
    IntegralType,
    MapType,
    NumericType,
    StringType,
    TimestampType,
)

from lake.core.table import Column, Delivery, Table

if TYPE_CHECKING:
    import pyarrow as pa

SAMPLE = 100
"""So many of a file's first records tell of what types its values are,"""
ENOUGH = 10
"""if so many of them have one."""
_DAY = re.compile(r"[+-]?\d{4,7}(-\d{1,2}(-\d{1,2}([ T].*)?)?)?$")
_TRUTHS = {"t", "true", "y", "yes", "1", "f", "false", "n", "no", "0"}


def unknown(records: Iterable[Mapping[str, Any]], columns: Sequence[Column]) -> tuple[str, ...]:
    """The names in records that no column is declared for."""
    wanted = {n for c in columns if c.parse != "_dt" for n in c.names}
    like = [c.every for c in columns if c.every]
    names = {n for record in records for n in record}
    return tuple(sorted(n for n in names - wanted if not any(re.fullmatch(e, n) for e in like)))


def retyped(records: Sequence[Mapping[str, Any]], columns: Sequence[Column], delivery: Delivery) -> tuple[str, ...]:
    """The columns of which none of the values in these records is of the declared type."""
    found = []
    for c in columns:
        if c.parse or c.every:
            continue
        told = [next((r[n] for n in c.names if n in r), None) for r in records]
        values = [v for v in told if v is not None and v != "" and str(v).strip() not in c.absent]
        if len(values) >= ENOUGH and not any(_fits(v, c.stored, delivery) for v in values):
            found.append(c.delivered)
    return tuple(found)


def _fits(value: Any, kind: DataType, delivery: Delivery) -> bool:
    """Whether a delivered text, or a value of JSON, may be one of this type; in doubt it is."""
    text = str(value).strip()
    if isinstance(kind, MapType):
        return isinstance(value, dict) or delivery.format != "jsonl"
    if isinstance(kind, StringType):
        return True
    if isinstance(value, dict | list):
        return not isinstance(kind, NumericType | DateType | TimestampType | BooleanType)
    if isinstance(kind, BooleanType):
        return text.lower() in _TRUTHS
    if isinstance(kind, IntegralType):
        return re.fullmatch(r"[+-]?\d+", text) is not None
    if isinstance(kind, NumericType):
        try:
            Decimal(text.replace(delivery.decimal, "."))
        except InvalidOperation:
            return False
        return not isinstance(value, bool)
    if isinstance(kind, DateType | TimestampType):
        return not isinstance(value, str) or _DAY.match(text) is not None
    return True


def typed_header(schema: pa.Schema) -> str:
    """The columns of a parquet file as text, a line for each: name, tab, type."""
    import pyarrow as pa

    def plain(kind: pa.DataType) -> pa.DataType:
        kind = kind.value_type if pa.types.is_dictionary(kind) else kind
        return pa.string() if pa.types.is_large_string(kind) else kind

    return "\n".join(f"{f.name}\t{plain(f.type)}" for f in schema)


class Headers:
    """The columns of all files of a source, by their header lines."""

    def __init__(
        self,
        delivery: Delivery,
        columns: Sequence[Column],
        headers: Iterable[tuple[str, str, str]],
        held: Mapping[str, Mapping[str, Any]],
    ) -> None:
        """headers: (day of delivery, path, header text) of every file; held: those in bronze, by their path."""
        self._delivery, self._columns = delivery, columns
        self._first: dict[str, str] = {}
        for dt, _, text in headers:
            self._first[text] = min(dt, self._first.get(text, dt))
        self._types: dict[str, str] = {}
        if delivery.format == "parquet":
            for _, record in sorted(held.items(), key=lambda e: (e[1]["dt"], e[0])):
                self.clash(record.get("header_text", ""))

    @property
    def _are_named(self) -> bool:
        """Whether each file names its columns."""
        return self._delivery.format == "parquet" or (self._delivery.format == "csv" and not self._delivery.header)

    def _names(self, text: str) -> set[str]:
        from lake.engine.fingerprint import delimiter_of, header_names

        if self._delivery.format == "parquet":
            return {line.partition("\t")[0] for line in text.splitlines()}
        return set(header_names(text, delimiter_of(text, self._delivery)))

    @cached_property
    def _begun(self) -> dict[str, str]:
        """For each column the first day on which a file had it."""
        found: dict[str, str] = {}
        for text, dt in self._first.items():
            for name in self._names(text):
                found[name] = min(dt, found.get(name, dt))
        return found

    @cached_property
    def _lacking(self) -> dict[str, list[tuple[str, str]]]:
        """For each header the columns that it may lack and does, with the first day on which a file had them."""
        found = {}
        for text in self._first if self._are_named else ():
            names = self._names(text)
            gone = [c for c in self._columns if not (c.required or c.every or c.parse or names & set(c.names))]
            begun = [
                (c.delivered, min((self._begun[n] for n in c.names if n in self._begun), default="")) for c in gone
            ]
            found[text] = [(name, dt) for name, dt in begun if dt]
        return found

    def clash(self, text: str) -> str:
        """Why a parquet file of this header cannot lie beside those asked about before: bronze has a type a column."""
        if self._delivery.format != "parquet":
            return ""
        types = dict(line.split("\t", 1) for line in text.splitlines())
        for name, kind in types.items():
            if (was := self._types.get(name, kind)) != kind:
                return f"retyped: {name} is {kind}, not {was}; deliver it as before, or as a source of its own"
        self._types.update(types)
        return ""

    def drift(self, dt: str, text: str, unknown: Sequence[str], retyped: Sequence[str]) -> list[str]:
        """In words, how a file delivered on a day differs from what is declared, and from earlier files."""
        removed = [name for name, first in self._lacking.get(text, ()) if first < dt]
        told = (("new column", unknown), ("no more column", removed), ("another type in column", retyped))
        return [f"{what} {name}" for what, names in told for name in names]


def way_out(source: Table) -> str:
    """What to do about a file that was refused."""
    return f'declare its columns as they are now, or take it as it is: {source.place} with drift="alarm" or "evolve"'


def words(problems: Mapping[str, Mapping[str, Sequence[str]]]) -> list[str]:
    """What drifted in the files of a source, by what a release says of its problems."""
    return sorted({what for said in problems.get("drift", {}).values() for what in said})


def lines(source: Table, files: Mapping[str, Sequence[str]]) -> list[str]:
    """What drifted in files of a source, for whoever reads of it; nothing where it may evolve."""
    if source.delivery is None or source.delivery.drift != "alarm":
        return []
    of: dict[str, list[str]] = {}
    for path, said in files.items():
        for what in said:
            of.setdefault(what, []).append(path)
    return [f"{source.id}: {what} in {len(paths)} files, since {min(paths)}" for what, paths in of.items()]
