# ruff: noqa: E501, RUF005
"""Kinds of bad input as files, and what becomes of each: docs/bad-inputs.md is the list of them."""

from __future__ import annotations

import gzip
import io
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql import DataFrame
from pyspark.sql.types import DateType, DecimalType, DoubleType, LongType, StringType, TimestampType

from lake.core.graph import ordered
from lake.core.refresh import append
from lake.core.table import Column, source, table
from tests.engine import five_tables as five

DAY = "2026-03-01"
KNOWN_ON = Column("known_on", DateType(), null=False, parse="_dt")
prices = source("prices", five.HERE, "Prices.", format="csv", path="five/prices/dt=*/*", required=False)
parcels = source("parcels", five.HERE, "Parcels.", format="parquet", path="five/parcels/dt=*/*", required=False)


@table(
    inputs=[prices],
    refresh=append(["thing"], by="known_on"),
    columns=[
        Column("thing", StringType(), key=True),
        Column("count", LongType(), required=False),
        Column("price", DecimalType(20, 2), required=False, check="price >= 0", unit="EUR"),
        Column("weight", DoubleType(), required=False, check="weight <= 1000", unit="kg"),
        Column("due", DateType(), required=False),
        KNOWN_ON,
    ],
)
def price_files(records: DataFrame) -> DataFrame:
    """One row per thing."""
    return records


@table(
    inputs=[parcels],
    refresh=append(["thing"], by="known_on"),
    columns=[
        Column("thing", StringType(), key=True),
        Column("weight", DecimalType(18, 3)),
        Column("at", TimestampType(), required=False),
        KNOWN_ON,
    ],
)
def parcel_files(records: DataFrame) -> DataFrame:
    """One row per parcel."""
    return records


TABLES = ordered(
    [five.deliveries, five.things, prices, parcels, five.movements, five.thing_files, price_files, parcel_files]
)


@dataclass(frozen=True)
class Homes:
    """Where the lines of a loaded file went: the `thing` of each accepted record, the rule of each rejected one."""

    good: tuple[str, ...] = ()
    rejected: tuple[str, ...] = ()
    header: int = 0
    blank: int = 0

    @property
    def lines(self) -> int:
        return len(self.good) + len(self.rejected) + self.header + self.blank


@dataclass(frozen=True)
class File:
    """A delivered file. `end`: where its lines go, or how what is said of a refused file begins."""

    path: str
    content: bytes
    end: Homes | str


@dataclass(frozen=True)
class Bad:
    """A kind of bad input, what becomes of it, and files of the kind."""

    number: str
    what: str
    outcome: str
    files: tuple[File, ...]


def moves(name: str, lines: list[str | bytes], end: Homes | str, **form: Any) -> File:
    """A file of JSON lines for the movements."""
    said = [line if isinstance(line, bytes) else line.encode() for line in lines]
    return _named("deliveries", name if "." in name else f"{name}.jsonl", said, end, **form)


def cells(folder: str, name: str, lines: list[str | bytes], end: Homes | str, **form: Any) -> File:
    """A csv file for the things or the prices."""
    said = [line if isinstance(line, bytes) else line.encode() for line in lines]
    return _named(folder, name if "." in name else f"{name}.csv", said, end, **form)


def _named(
    folder: str, name: str, lines: list[bytes], end: Homes | str, *, by: bytes = b"\n", last: bytes = b"\n"
) -> File:
    return raw(folder, name, by.join(lines) + (last if lines else b""), end)


def raw(folder: str, name: str, content: bytes, end: Homes | str) -> File:
    return File(f"five/{folder}/dt={DAY}/{name}", content, end)


def parquet(name: str, columns: dict[str, Any], end: Homes | str, **options: Any) -> File:
    made = io.BytesIO()
    pq.write_table(pa.table(columns), made, **options)
    return raw("parcels", f"{name}.parquet", made.getvalue(), end)


def move(id: str, /, **said: Any) -> str:
    """A good line of JSON, but for what is said of it; values are JSON texts."""
    good = {"id": f'"{id}"', "revision": "1", "thing": '"bolt"', "at": f'"{DAY}T08:00:00Z"', "quantity": "2.5"} | said
    return "{" + ",".join(f'"{name}":{value}' for name, value in good.items() if value is not None) + "}"


def at(text: str) -> dict[str, str]:
    return {"at": text}


BOLT = ("bolt",)
THINGS, PRICES = "thing,colour", "thing,count,price,weight,due"
TIMES = [datetime(2026, 3, 1, 8)]
GOOD_GZ = gzip.compress("".join(move(f"45-{n}") + "\n" for n in range(400)).encode(), mtime=0)
PAGE = "<!DOCTYPE html>\n<html><body>404 Not Found</body></html>\n"


def priced(name: str, line: str, *rules: str) -> File:
    """One line of prices, accepted if no rule rejects it."""
    good = () if rules else (line.split(",")[0].strip('"'),)
    return cells("prices", name, [PRICES, line], Homes(good, rules, header=1))


def rejected(name: str, *lines: str, rule: str) -> File:
    return moves(name, list(lines), Homes((), (rule,) * len(lines)))


KINDS = [
    Bad("B01", "an empty file", "loaded, with no lines", (moves("01", [], Homes()), cells("things", "01", [], Homes()))),
    Bad("B02", "nothing but a header", "loaded, with no records", (cells("things", "02", [THINGS], Homes(header=1)),)),
    Bad("B03", "no header where there has to be one", "the file is refused: `contract`",
        (cells("things", "03", ["bolt,red", "nut,blue"], "contract"),)),
    Bad("B04", "the columns in another order", "read by their names",
        (cells("things", "04", ["colour,thing", "red,b04"], Homes(("b04",), header=1)),)),
    Bad("B05", "a column twice in the header", "the file is refused: `header`",
        (cells("things", "05", ["thing,colour,colour", "b05,red,blue"], "header"),
         cells("things", "05-case", ["thing,colour,COLOUR,Thing", "b05,red,blue,x"], Homes(("b05",), header=1)))),
    Bad("B06", "a column that nobody asked for", "loaded and said; it stays in the record as delivered",
        (cells("things", "06", ["thing,colour,mood", "b06,red,good"], Homes(("b06",), header=1)),
         moves("06", [move("06", mood='"good"')], Homes(BOLT)))),
    Bad("B07", "a column missing",
        "refused as a file (`header`) if the column is required; empty if not. In JSON each record stands for itself",
        (cells("things", "07", ["thing", "b07"], "header"),
         cells("prices", "07", ["thing,price", "b07,1"], Homes(("b07",), header=1)),
         moves("07", [move("07-1", thing=None), move("07-2", id=None)], Homes((), ("null", "key"))))),
    Bad("B08", "too few or too many cells", "the line is rejected: `record`",
        (cells("things", "08", [THINGS, "b08", "b08,red,3"], Homes((), ("record",) * 2, header=1)),)),
    Bad("B09", "no line end behind the last line", "read",
        (moves("09", [move("09")], Homes(BOLT), last=b""), cells("things", "09", [THINGS, "b09,red"],
         Homes(("b09",), header=1), last=b""))),
    Bad("B10", "the last line cut short", "the line is rejected: `record`",
        (moves("10", [move("10-1"), move("10-2")[:50]], Homes(BOLT, ("record",)), last=b""),)),
    Bad("B11", "lines that end in CR LF, or a lone CR", "CR LF is a line end; a lone CR belongs to its cell",
        (moves("11", [move("11-1"), move("11-2")], Homes(BOLT * 2), by=b"\r\n", last=b"\r\n"),
         cells("things", "11", [THINGS, "b\r11,red", "c11,red"], Homes(("b\r11", "c11"), header=1), by=b"\r\n"))),
    Bad("B12", "a mark of UTF-8 at the head of a file, or of a line", "taken off",
        (cells("things", "12", ["\ufeff" + THINGS, "b12,red", "\ufeff" + THINGS, "\ufeffc12,red"],
         Homes(("b12", "c12"), header=2)), moves("12", ["\ufeff" + move("12")], Homes(BOLT)))),
    Bad("B13", "UTF-16", "the file is refused: `magic`",
        (raw("things", "13.csv", f"{THINGS}\nb13,red\n".encode("utf-16"), "magic"),
         raw("deliveries", "13.jsonl", move("13").encode("utf-16"), "magic"))),
    Bad("B14", "Latin-1 in a file of UTF-8",
        "the line is rejected with its bytes kept: `record`; a file with such a header is refused: `encoding`",
        (cells("things", "14", [THINGS, b"b14,caf\xe9", "c14,red"], Homes(("c14",), ("record",), header=1), by=b"\r\n"),
         moves("14", [move("14").encode().replace(b"bolt", b"caf\xe9")], Homes((), ("record",))),
         cells("things", "14-header", [b"thing,colour,caf\xe9", "b14,red,1"], "encoding"))),
    Bad("B15", "NUL and other control characters", "in JSON, and NUL everywhere, the line is rejected: `record`",
        (cells("things", "15", [THINGS, "b15,r\0d"], Homes((), ("record",), header=1)),
         rejected("15", move("15-1", thing='"b\x01lt"'), move("15-2", thing='"b\\u0000lt"'), rule="record"))),
    Bad("B16", "a line of ten megabytes",
        "a line longer than 1 MiB is rejected unread: `record`; a file with one longer than 16 MiB is refused: `too_long`",
        (moves("16", [move("16-1", thing=f'"{"x" * 10_000_000}"'), move("16-2")], Homes(BOLT, ("record",))),)),
    Bad("B17", "a line break inside quotes", "a record is a line: each part is rejected: `record`",
        (cells("things", "17", [THINGS, 'b17,"red', 'blue"', "c17,red"], Homes(("c17",), ("record",) * 2, header=1)),)),
    Bad("B18", "a quote that nothing closes", "the line is rejected: `record`; those behind it are read",
        (cells("things", "18", [THINGS, 'b18,"red', "c18,red"], Homes(("c18",), ("record",), header=1)),)),
    Bad("B19", "another delimiter", "the file is refused: `delimiter`",
        (cells("things", "19", ["thing;colour", "b19;red"], "delimiter"),
         cells("things", "19-tab", ["thing\tcolour", "b19\tred"], "delimiter"))),
    Bad("B20", "JSON that is no object on a line",
        "a file that begins a list is refused: `json`; other lines are rejected: `record`, an empty object for its key",
        (moves("20", ["[", move("20") + ",", move("20-2"), "]"], "json"),
         moves("20-lines", [move("20-3") + ",", "null", "7", '"x"', "{}"], Homes((), ("record",) * 4 + ("key",))))),
    Bad("B21", "a name twice in an object, or two objects on a line", "the line is rejected: `record`",
        (rejected("21", move("21-1")[:-1] + ',"id":"21-2"}', move("21-3") + move("21-4"), move("21") + "," + move("21"),
                  rule="record"),)),
    Bad("B22", "JSON ten thousand levels deep", "the line is rejected: `record`",
        (rejected("22", move("22", more="[" * 10_000 + "]" * 10_000), move("22", more='{"a":' * 10_000 + "1" + "}" * 10_000),
                  rule="record"),)),
    Bad("B23", "a whole number for a decimal; a number with more digits than a double has", "read exactly",
        (moves("23", [move("23", quantity="3")], Homes(BOLT)), priced("23", "b23,9007199254740993,9007199254740993,,"))),
    Bad("B24", "a number too large for its type", "the line is rejected: `type`",
        (priced("24-count", "b24,9223372036854775808,1,,", "type"), priced("24", "b24,1,1e400,,", "type"),
         priced("24-huge", "b24,1,1e999999999,,", "type"),
         rejected("24", move("24-1", quantity="1e400"), move("24-2", quantity="1e999999999"), move("24-3", revision="3e9"),
                  rule="type"))),
    Bad("B25", "NaN and infinity", "the line is rejected: in JSON `record`, of a decimal `type`, of a double `not_finite` or a rule that it breaks",
        (rejected("25", move("25-1", quantity="NaN"), move("25-2", quantity="-Infinity"), rule="record"),
         priced("25", "b25,1,1,NaN,", "check"), priced("25-inf", "b25,1,1,-Infinity,", "not_finite"),
         priced("25-price", "b25,1,NaN,1,", "type"))),
    Bad("B26", "a negative price", "the line is rejected by the column's rule: `check`",
        (priced("26", "b26,1,-1,,", "check"),)),
    Bad("B27", "a value out of this world", "the line is rejected by the column's rule: `check`",
        (rejected("27", move("27", quantity="1000000"), rule="check"), priced("27", "b27,1,1,1000001,", "check"))),
    Bad("B28", "a decimal comma, or a blank between thousands", "the line is rejected: `type`; a source may declare a comma",
        (priced("28", 'b28,1,"1,5",,', "type"), priced("28-blank", "b28,1,1 000,,", "type"),
         rejected("28", move("28", quantity='"1,5"'), rule="type"))),
    Bad("B29", "a number in quotes, or with blanks around it", "read",
        (moves("29", [move("29", quantity='" 2.5 "', revision='"1"')], Homes(BOLT)), priced("29", 'b29, 12 ,"1.5", 2 ,'))),
    Bad("B30", "what is no whole number, for one", "the line is rejected: `type`",
        tuple(priced(f"30-{n}", f"b30,{text},,,", "type") for n, text in enumerate(("true", "0x1F", "1e3", "1.5")))
        + (rejected("30", move("30-1", revision="true"), move("30-2", revision='"0x1F"'), move("30-3", revision="1.5"),
                    rule="type"),)),
    Bad("B31", "days that no calendar has, or no company",
        "the line is rejected: `type`; an event before 1970 is rejected: `past`, one to come: `future`",
        (priced("31", "b31,1,1,1,2026-02-30", "type"), priced("31-zero", "b31,1,1,1,00/00/0000", "type"),
         moves("31", [move("31-1", at='"2026-02-30T08:00:00Z"'), move("31-2", at='"0001-01-01T00:00:00Z"'),
                      move("31-3", at='"9999-12-31T00:00:00Z"')], Homes((), ("type", "past", "future"))))),
    Bad("B32", "a time without a zone, or without a day", "without a zone taken as UTC; without a day the line is rejected: `type`",
        (moves("32", [move("32", at=f'"{DAY}T08:00:00"'), move("32-2", at='"08:00:00"'), move("32-3", at='"T08"')],
         Homes(BOLT, ("type", "type"))),)),
    Bad("B33", "seconds and milliseconds since 1970 for times", "seconds are read; of milliseconds the line is rejected: `future`",
        (moves("33", [move("33-1", at="1772352000"), move("33-2", at="1772352000000")], Homes(BOLT, ("future",))),)),
    Bad("B34", "an event to come", "more than a day after its delivery the line is rejected: `future`",
        (moves("34", [move("34-1", at='"2026-03-02T23:00:00Z"'), move("34-2", at='"2026-03-03T00:00:00Z"')],
         Homes(BOLT, ("future",))),)),
    Bad("B35", "an event from before there was anything to tell", "before 1970 the line is rejected: `past`",
        (rejected("35", move("35", at='"1969-12-31T23:59:59Z"'), rule="past"),)),
    Bad("B36", "the same record twice", "one is accepted, the other rejected: `duplicate`",
        (moves("36", [move("36"), move("36")], Homes(BOLT, ("duplicate",))),)),
    Bad("B37", "two records with one key", "the newest is accepted, then by hash; the other rejected: `conflict` or `superseded`",
        (moves("37", [move("37", quantity="1"), move("37", quantity="2")], Homes(BOLT, ("conflict",))),
         moves("37-newer", [move("37-2"), move("37-2", revision="2")], Homes(BOLT, ("superseded",))))),
    Bad("B38", "a key that is null, empty or blank", "the line is rejected: `key`",
        (rejected("38", move("", id="null"), move(""), move("  "), rule="key"),)),
    Bad("B39", "keys that differ in case, in blanks or in how they are composed", "different keys: nothing is changed about them",
        (cells("things", "39", [THINGS, "é39,red", "e\u030139,red", "É39,red", " é39,red"],
         Homes(("é39", "e\u030139", "É39", " é39"), header=1)),)),
    Bad("B40", "emoji, right-to-left, look-alike and invisible characters", "kept as they are; half a character in JSON: `record`",
        (cells("things", "40", [THINGS, "🤖\u200d‏עברית\u200bа40,red"], Homes(("🤖\u200d‏עברית\u200bа40",), header=1)),
         moves("40", [move("40-1", thing='"\\ud83e\\udd16"'), move("40-2", thing='"\\ud83e"')], Homes(("🤖",), ("record",))))),
    Bad("B41", "a record about something that nobody ever named", "parked where a reference is declared (docs/decisions/0027); accepted elsewhere",
        (moves("41", [move("41", thing='"nobody"')], Homes(("nobody",))),)),
    Bad("B42", "a value in another unit", "rejected where the column's rule tells: `check`; a delivered unit is a column",
        (priced("42", "b42,1,1,250000,", "check"),)),
    Bad("B43", "a cell that a spreadsheet would run", "kept as it is",
        (cells("things", "43", [THINGS, "=cmd|' /C calc'!A0,red", "@43,red", "+43,red"],
         Homes(("=cmd|' /C calc'!A0", "@43", "+43"), header=1)),)),
    Bad("B44", "gzip that ends too early", "the file is refused: `gz_truncated`",
        (raw("deliveries", "44.jsonl.gz", GOOD_GZ[:-40], "gz_truncated"),)),
    Bad("B45", "several streams of gzip in a file; bytes behind the last one", "all streams are read; the file is refused: `magic`",
        (raw("deliveries", "45.jsonl.gz", gzip.compress(move("45-a").encode() + b"\n") + gzip.compress(move("45-b").encode()),
             Homes(BOLT * 2)),
         raw("deliveries", "45-more.jsonl.gz", GOOD_GZ + b"and more", "magic"),
         raw("deliveries", "45-zeros.jsonl.gz", gzip.compress(move("45-c").encode()) + b"\0" * 512, "magic"))),
    Bad("B46", "a file that is something else than its name says", "the file is refused: `magic`",
        (moves("46.jsonl.gz", [move("46")], "magic"), raw("things", "46.csv", b"PAR1\x15\x04", "magic"),
         raw("things", "46-zip.csv", b"PK\x03\x04\x14", "magic"), raw("things", "46-page.csv", PAGE.encode(), "magic"),
         raw("deliveries", "46.jsonl", PAGE.encode(), "magic"), raw("deliveries", "46-gz.jsonl", GOOD_GZ, "magic"),
         raw("parcels", "46.parquet", b"thing,weight\nb46,1\n", "magic"))),
    Bad("B47", "parquet with other types, or that Spark does not know",
        "nanoseconds are read as microseconds; a type that Spark lacks is refused: `types`; another type than loaded files have: `retyped`",
        (parquet("47", {"thing": ["b47"], "weight": [1.5], "at": pa.array(TIMES, pa.timestamp("us"))}, Homes(("b47",))),
         parquet("47-int96", {"thing": ["c47"], "weight": [1.5], "at": pa.array(TIMES, pa.timestamp("us"))}, Homes(("c47",)),
                 use_deprecated_int96_timestamps=True),
         parquet("47-more", {"thing": ["d47"], "weight": [1.5], "mood": ["good"]}, Homes(("d47",))),
         parquet("47-text", {"thing": ["e47"], "weight": ["1.5"]}, "retyped"),
         parquet("47-time", {"thing": ["f47"], "weight": pa.array([1], pa.time64("us"))}, "types"),
         parquet("47-ours", {"thing": ["g47"], "weight": [1.5], "_file": ["x"]}, "header"),
         parquet("47-lacks", {"thing": ["h47"]}, "header"))),
    Bad("B48", "a file of another source", "the file is refused: `contract`",
        (moves("48", ['{"serial":"R-1","joint":2}'], "contract"), cells("things", "48", ["serial,joint", "R-1,2"], "contract"))),
    Bad("B49", "odd names", "read; a name that Spark hides, unpacks or cannot open is refused: `name`",
        tuple(moves(f"49 {n}{odd}.jsonl", [move(f"49-{n}")], Homes(BOLT)) for n, odd in enumerate("+%=#[*?{,ü\\'~"))
        + tuple(moves(odd, [move("49")], "name")
                for odd in ("_49.jsonl", ".49.jsonl", "4:9.jsonl", "4\n9.jsonl", "49._COPYING_", "49.jsonl.bz2",
                            "49.jsonl.zst", "49.jsonl.lz4", "49.jsonl.snappy", "49.jsonl.deflate"))),
    Bad("B50", "a folder or a link where a file is expected", "refused: `not_a_file`",
        (raw("things", "50.csv/inside.csv", b"", "not_a_file"),)),
    Bad("B51", "most lines bad, or hardly any", "above `gate.max_rejected_share` nothing is released; below, the rest is",
        (rejected("51", *["{}"] * 150, rule="key"),)),
]  # fmt: skip

ELSEWHERE = {
    "B52": ("stock below zero", "kept, and said where it shows"),
}


def deliver(root: Path) -> None:
    """Write every file of every kind below a raw zone."""
    for kind in KINDS:
        for file in kind.files:
            path = root / file.path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(file.content)
    (root / f"five/things/dt={DAY}/50-link.csv").symlink_to("02.csv")


def document() -> str:
    """The table of docs/bad-inputs.md."""
    listed = [(k.number, k.what, k.outcome) for k in KINDS] + [(n, *said) for n, said in ELSEWHERE.items()]
    return "\n".join(f"| {' | '.join(row)} |" for row in listed) + "\n"
