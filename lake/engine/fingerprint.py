"""What is in a delivered file: its content hash, its lines, its header, and whether it can be what it claims to be."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import json
import re
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from lake.core.table import Column, Delivery
from lake.engine import drift, place
from lake.engine.place import Place
from lake.engine.s3 import S3Path

if TYPE_CHECKING:
    import pyarrow as pa

_CHUNK = 1 << 20
_GZIP = 31
"""What zlib calls a stream of gzip, of whatever window."""
_FOREIGN = {
    b"PAR1": "parquet", b"PK\x03\x04": "zip", b"\x1f\x8b": "gzip", b"BZh91AY": "bzip2", b"\x28\xb5\x2f\xfd": "zstd",
    b"\xfd7zXZ": "xz", b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16", b"%PDF": "PDF", b"ORC": "ORC", b"Obj\x01": "Avro",
    b"<!doctype": "a web page", b"<html": "a web page", b"<?xml": "XML",
}  # fmt: skip
BOM = "\ufeff"
_BOM = BOM.encode()
ANY_LINE_END = "any"
"""A source whose lines end in a newline, a carriage return, or both."""
BLANK_LINE = "blank line"
"""A source whose records have several lines, and blank ones between them."""
BETWEEN_RECORDS = "\n(?:[ \t]*\n)+"
_KNOWN = {
    "bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float", "double",
    "string", "large_string", "binary", "large_binary", "date32[day]",
}  # fmt: skip
LONGEST_LINE = 16 << 20
"""Bytes of a line, or of a file that is read whole; a file with a longer one is refused."""
BOMB, MOST_UNPACKED = 256 << 20, 200
"""A gzip file that unpacks to more bytes than the first is refused if that is more than so many times its size."""
RULES = 2
"""Which rules files are judged by; raised with them, it has files judged anew that were not loaded."""
OURS = frozenset({"_file", "_batch", "_dt", "_path", "_metadata"})
"""What the lake puts beside the columns of parquet files."""


@dataclass(frozen=True)
class Fingerprint:
    """sha256 of the bytes; `lines` = header + blank + records; `problem`: why the file is rejected as a whole.

    header_text     the header line of a csv file; of a parquet file a line for each column, with its type
    unknown         columns that are not declared
    retyped         columns whose first values all are of another type than declared
    """

    sha: str
    bytes: int
    lines: int = 0
    header: int = 0
    blank: int = 0
    header_text: str = ""
    unknown: tuple[str, ...] = ()
    problem: str = ""
    retyped: tuple[str, ...] = ()

    @property
    def records(self) -> int:
        return self.lines - self.header - self.blank


@dataclass
class Cache:
    """Fingerprints by (path, stat), so that an unchanged file is not read again. Losing it costs time, nothing else."""

    path: Place
    known: dict[str, list[Any]] = field(default_factory=dict)
    dirty: bool = False

    @classmethod
    def at(cls, root: Place) -> Cache:
        path = root / "_control" / "fingerprints.json"
        try:
            return cls(path, json.loads(path.read_text(encoding="utf-8")))
        except (FileNotFoundError, ValueError):
            return cls(path)

    def get(self, key: str, stat: list[Any]) -> Fingerprint | None:
        entry = self.known.get(key)
        if entry is None or entry[0] != stat:
            return None
        return Fingerprint(**(entry[1] | {k: tuple(entry[1].get(k, ())) for k in ("unknown", "retyped")}))

    def put(self, key: str, stat: list[Any], found: Fingerprint) -> None:
        self.known[key] = [stat, asdict(found)]
        self.dirty = True

    def save(self) -> None:
        if self.dirty:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            place.put(self.path, json.dumps(self.known))
            self.dirty = False


def stat_of(path: Place) -> list[Any]:
    """By what a file is known to be the one that was read, and when it was written (the second, in ns)."""
    if isinstance(path, S3Path):
        on_s3 = path.stat()
        return [on_s3.size, int(on_s3.changed * 1e9), on_s3.etag]
    s = path.stat()
    return [s.st_size, s.st_mtime_ns, s.st_ctime_ns, s.st_ino]


def is_still(path: Place, before: list[Any]) -> bool:
    """Whether the file is, now that it was read, the one that it was before."""
    return stat_of(S3Path(path) if isinstance(path, S3Path) else path) == before


def read(path: Place, delivery: Delivery, columns: Sequence[Column]) -> Fingerprint:
    """Read the whole file once and say what is in it; `columns` are those of the source's typed table."""
    if delivery.format == "parquet":
        return _parquet(path, columns)
    digest, size, head = hashlib.sha256(), 0, b""
    lines = blank = headers = 0
    header: bytes | None = None
    has_header = delivery.format == "csv" and not delivery.header
    first_record, sample = "", list[str]()
    problem = ""
    try:
        for raw in raw_lines(path, delivery.line_end, digest):
            if lines == 0:
                head = raw[:16].lower()
            lines += 1
            line = bare(raw, delivery.line_end)
            if delivery.line_end == BLANK_LINE and not _is_utf8(line):
                problem = "encoding: it is not UTF-8, and is read whole"
            if not line.strip():
                blank += 1
            elif has_header and header is None:
                header, headers = line, 1
            elif has_header and line == header:
                headers += 1
            elif len(sample) < drift.SAMPLE:
                sample.append(line[:65536].decode("utf-8", "replace"))
                first_record = first_record or sample[0]
    except Refused as e:
        problem = str(e)
    except (EOFError, zlib.error) as e:
        problem = (
            "gz_truncated: the compressed file ends too early" if isinstance(e, EOFError) else f"magic: not gzip ({e})"
        )
    size = place.size(path)
    unknown: tuple[str, ...] = ()
    header_text = (header or b"").decode("utf-8", "replace")
    foreign = next((what for magic, what in _FOREIGN.items() if head.startswith(magic.lower())), None)
    if problem:
        pass
    elif foreign:
        problem = f"magic: this is {foreign}, not {delivery.format}"
    elif delivery.header and first_record:
        problem, header_text = _judge_first(first_record, delivery)
    elif header is not None and not _is_utf8(header):
        problem = "encoding: its header is not UTF-8"
    elif header is not None:
        problem, unknown = _judge_header(header_text, delivery, columns)
    elif delivery.format == "jsonl" and first_record:
        problem = _judge_record(first_record, columns)
    retyped: tuple[str, ...] = ()
    if not problem and delivery.format in ("csv", "jsonl"):
        records = _as_records(sample, header_text, delivery)
        unknown = drift.unknown(records, columns) if delivery.format == "jsonl" else unknown
        retyped = drift.retyped(records, columns, delivery)
    return Fingerprint(digest.hexdigest(), size, lines, headers, blank, header_text, unknown, problem, retyped)


def _as_records(sample: Sequence[str], header: str, delivery: Delivery) -> list[dict[str, Any]]:
    """What the lines of a sample say, by the names of their columns; lines that cannot be read are left out."""
    found: list[Any] = []
    delimiter = delimiter_of(header, delivery)
    names = header_names(header, delimiter)
    for line in sample:
        try:
            if delivery.format == "jsonl":
                found.append(json.loads(line))
            elif len(values := header_names(line, delimiter)) == len(names):
                found.append(dict(zip(names, values, strict=True)))
        except (ValueError, RecursionError):
            continue
    return [record for record in found if isinstance(record, dict)]


def delimiter_of(header: str, delivery: Delivery) -> str:
    """The delimiter of a file with this header line: of the declared ones the one that makes the most names of it."""
    return max(delivery.delimiter, key=lambda one: len(header_names(header, one)))


def header_names(header: str, delimiter: str) -> list[str]:
    """The names in a header line, without the blanks around them."""
    if delimiter == " ":
        return header.split()
    try:
        return [name.strip() for name in next(csv.reader(io.StringIO(header), delimiter=delimiter), [])]
    except csv.Error:  # a carriage return in the middle: whatever it is, it names no columns
        return [header]


def bare(line: bytes, line_end: str) -> bytes:
    """A line as it is read: without the carriage return before a newline and the marks of UTF-8 that it begins with."""
    if line_end == "\n":
        line = line.removesuffix(b"\r")
    while line.startswith(_BOM):
        line = line[len(_BOM) :]
    return line


def said(line: bytes) -> str:
    """A line as it is kept of a rejected record: as text, or in base64 if it is none."""
    return line.decode() if _is_utf8(line) else base64.b64encode(line).decode()


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True


def split(content: bytes, line_end: str) -> list[bytes]:
    """The lines (or records) of `content`, and what stands behind the end of the last one."""
    if line_end in (ANY_LINE_END, BLANK_LINE):
        content = content.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    if line_end == BLANK_LINE:
        return [record.strip(b"\n") for record in re.split(BETWEEN_RECORDS.encode(), content)]
    line_end = "\n" if line_end == ANY_LINE_END else line_end
    return content.split(line_end.encode())


def raw_lines(path: Place, line_end: str, digest: Any) -> Iterator[bytes]:
    """The file's lines without their ends, unpacked where its name ends in .gz; feeds the raw bytes to `digest`.

    Raises Refused if more would have to be held at once, or unpacked, than is sound.
    """
    with path.open("rb") as file:
        stream: Any = _Tee(file, digest)
        if path.name.endswith(".gz"):
            stream = _Unpacked(stream)
        if line_end == BLANK_LINE:
            content = b""
            while chunk := stream.read(_CHUNK):
                content += chunk
                _refuse_long(content, "file whose records end at blank lines")
            *records, rest = split(content, line_end)
            yield from [*records, rest] if rest else records
            return
        rest = b""
        while chunk := stream.read(_CHUNK):
            content = rest + chunk
            # a carriage return at the end of a chunk may be half of a line end
            half = b"\r" if line_end == ANY_LINE_END and content.endswith(b"\r") else b""
            parts = split(content.removesuffix(half), line_end)
            _refuse_long(parts[0], "line")
            rest = parts.pop() + half
            yield from parts
        if rest:
            yield split(rest, line_end)[0]


def _refuse_long(content: bytes, what: str) -> None:
    if len(content) > LONGEST_LINE:
        raise Refused(f"too_long: a {what} is longer than {LONGEST_LINE >> 20} MiB")


class Refused(Exception):
    """Why a file is rejected as a whole, found before its end."""


class _Unpacked:
    """What is in a gzip file, as long as it is no bomb. Spark, too, takes no zeros behind the last stream."""

    def __init__(self, packed: _Tee) -> None:
        self._packed, self._size, self._more = packed, 0, False
        self._stream: Any = None

    def read(self, size: int) -> bytes:
        """Up to so many bytes; none at the end. Raises EOFError, zlib.error, Refused."""
        data = b""
        while not data:
            if self._stream is None or self._stream.eof:
                begins = self._stream.unused_data if self._stream else b""
                begins = begins or self._packed.read(_CHUNK)
                if not begins:
                    return b""
                self._stream = zlib.decompressobj(_GZIP)
                data = self._stream.decompress(begins, size)
            else:
                pending = self._stream.unconsumed_tail
                if not pending and not self._more:
                    pending = self._packed.read(_CHUNK)
                    if not pending:
                        raise EOFError
                data = self._stream.decompress(pending, size)
            self._more = len(data) == size
        self._size += len(data)
        if self._size > BOMB and self._size > MOST_UNPACKED * self._packed.size:
            raise Refused(f"bomb: it unpacks to more than {MOST_UNPACKED} times its size")
        return data


class _Tee(io.RawIOBase):
    def __init__(self, file: Any, digest: Any) -> None:
        self._file, self._digest, self.size = file, digest, 0

    def read(self, size: int = -1) -> bytes:
        data: bytes = self._file.read(size)
        self._digest.update(data)
        self.size += len(data)
        return data

    def readable(self) -> bool:
        return True


def _judge_header(header: str, delivery: Delivery, columns: Sequence[Column]) -> tuple[str, tuple[str, ...]]:
    delimiter = delimiter_of(header, delivery)
    names = header_names(header, delimiter)
    gathered = [c for c in columns if c.every]
    columns = [c for c in columns if not c.every]
    wanted = {n for c in columns if c.parse != "_dt" for n in c.names}
    wanted |= {n for n in names for c in gathered if re.fullmatch(c.every or "", n)}
    lacking = [c.every for c in gathered if c.required and not any(re.fullmatch(c.every or "", n) for n in names)]
    named = [n for n in names if n]
    if twice := _twice(named) or _twice([n.lower() for n in named if n in wanted]):
        return f"header: a column stands twice in it ({twice})", ()
    missing = _missing(names, columns)
    if missing:
        other = next(
            (
                d
                for d in (";", "\t", ",", "|")
                if d not in delivery.delimiter and len(header_names(header, d)) > len(names)
            ),
            "",
        )
        if other:
            return f"delimiter: its columns are separated by {other!r}, not {delimiter!r}", ()
        if not wanted & set(names):
            return "contract: none of this source's columns is in its header; is it in the wrong folder?", ()
        return f"header: lacks {_renamed(missing, [n for n in named if n not in wanted])}", ()
    if lacking:
        return f"header: has no column like {lacking[0]}", ()
    return "", tuple(n for n in named if n not in wanted)


def _missing(names: Sequence[str], columns: Sequence[Column]) -> list[str]:
    """The columns that a file has to bring and does not, under none of their names."""
    needed = [c for c in columns if c.required and (c.parse is None or c.raw is not None) and not c.every]
    return sorted(c.delivered for c in needed if not set(c.names) & set(names))


def _renamed(missing: Sequence[str], unknown: Sequence[str]) -> str:
    """The missing columns, and what to do if it is only their names that are new."""
    said = ", ".join(missing)
    if not unknown:
        return said
    return (
        f"{said}, and has {', '.join(unknown)}; a column with a new name is declared by it (raw=), "
        f"and keeps the old one as formerly=({missing[0]!r},)"
    )


def _judge_first(record: str, delivery: Delivery) -> tuple[str, str]:
    """Whether the first line of a file without a header has the declared columns, and the header it should have had."""
    delimiter, wanted = delimiter_of(record, delivery), len(delivery.header)
    found = len(header_names(record, delimiter))
    if found != wanted:
        return f"columns: its first line has {found}, expected were {wanted}; is it in the wrong folder?", ""
    return "", delimiter.join(delivery.header)


def _judge_record(record: str, columns: Sequence[Column]) -> str:
    if record.lstrip().startswith("["):
        return "json: a list, where an object on each line was expected"
    try:
        said = json.loads(record)
    except (ValueError, RecursionError):
        return ""
    keys = set(said) if isinstance(said, dict) else set()
    wanted = {n for c in columns if c.parse != "_dt" for n in c.names}
    if keys and not keys & wanted:
        return "contract: its records have none of this source's columns; is it in the wrong folder?"
    return ""


def _twice(names: Sequence[str]) -> str:
    counts = Counter(names)
    return next((n for n in names if counts[n] > 1), "")


def _parquet(path: Place, columns: Sequence[Column]) -> Fingerprint:
    import pyarrow as pa
    import pyarrow.parquet as pq

    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    size = place.size(path)
    try:
        meta = pq.ParquetFile(place.parquet(path))
    except Exception as e:
        return Fingerprint(digest.hexdigest(), size, problem=f"magic: not a readable parquet file ({type(e).__name__})")
    schema = meta.schema_arrow
    for name in {c.path for c in meta.schema if c.physical_type == "INT96"}.intersection(schema.names):
        schema = schema.set(schema.get_field_index(name), pa.field(name, pa.timestamp("us")))
    unknown = drift.unknown([dict.fromkeys(schema.names)], columns) if columns else ()
    problem = _judge_parquet(schema, unknown, columns)
    header, rows = drift.typed_header(schema), meta.metadata.num_rows
    return Fingerprint(digest.hexdigest(), size, rows, header_text=header, unknown=unknown, problem=problem)


def _judge_parquet(schema: pa.Schema, unknown: Sequence[str], columns: Sequence[Column]) -> str:
    if missing := _missing(schema.names, columns):
        return f"header: lacks {_renamed(missing, unknown)}"
    if twice := _twice([n.lower() for n in schema.names]):
        return f"header: a column stands twice in it ({twice})"
    if ours := sorted(OURS.intersection(schema.names)):
        return f"header: {ours[0]} is what the lake itself calls a column"
    foreign = [f"{f.name} ({f.type})" for f in schema if not _is_known(f.type)]
    return f"types: Spark does not read {', '.join(foreign)}" if foreign else ""


def _is_known(of: pa.DataType) -> bool:
    """Whether Spark has this type of Arrow's."""
    import pyarrow.types as t

    if t.is_dictionary(of):
        return _is_known(of.value_type)
    if t.is_list(of) or t.is_large_list(of) or t.is_struct(of) or t.is_map(of):
        return all(_is_known(of.field(n).type) for n in range(of.num_fields))
    return t.is_timestamp(of) or t.is_decimal128(of) or str(of) in _KNOWN
