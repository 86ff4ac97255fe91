"""Delivered lines and what becomes of them: good records, or rejected ones with a reason."""

from __future__ import annotations

import base64
import dataclasses
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from pyspark.sql import DataFrame, Row, SparkSession
from pyspark.sql.types import DateType, DecimalType, IntegerType, MapType, StringType

from lake.core.errors import LakeError
from lake.core.refresh import append
from lake.core.table import Column, Table, source, table
from lake.engine import intake, records, strict
from lake.engine.conf import Conf
from lake.engine.fingerprint import Cache
from tests.engine import five_tables as five
from tests.engine.five_tables import land, move

GOOD = '{"id":"1","revision":1,"thing":"bolt","at":"2026-01-05T08:00:00Z","quantity":2.5}'


KNOWN_ON = Column("known_on", DateType(), null=False, parse="_dt")


@table(
    inputs=[source("months", five.HERE, "Wide.", format="csv", path="five/things/dt=*/*", delimiter=",;", decimal=",")],
    refresh=append(by="known_on"),
    columns=[
        Column("item", StringType(), null=False),
        Column("units", MapType(StringType(), DecimalType(9, 1)), every="[A-Z][a-z]{2}-[0-9]{2}"),
        KNOWN_ON,
    ],
)
def months(records: DataFrame) -> DataFrame:
    """One row per item, its months side by side."""
    return records


@table(
    inputs=[
        source(
            "bare",
            five.HERE,
            "No header.",
            format="csv",
            path="five/things/dt=*/*",
            delimiter=" ,",
            header=("unit", "value"),
        )
    ],
    refresh=append(by="known_on"),
    columns=[
        Column("unit", IntegerType(), null=False),
        Column("value", DecimalType(9, 1), check="value > 0"),
        KNOWN_ON,
    ],
)
def bare(records: DataFrame) -> DataFrame:
    """One row per line of a file that does not name its columns."""
    return records


@table(
    inputs=[source("prices", five.HERE, "Prices.", format="csv", path="five/things/dt=*/*")],
    refresh=append(by="day"),
    columns=[
        Column("item", StringType(), null=False),
        Column("price", DecimalType(9, 2)),
        Column("day", DateType()),
        KNOWN_ON,
    ],
)
def prices(records: DataFrame) -> DataFrame:
    """One row per item."""
    return records


@table(
    inputs=[source("talks", five.HERE, "Records.", format="text", path="five/things/dt=*/*", line_end="blank line")],
    refresh=append(by="known_on"),
    columns=[
        Column("who", StringType(), null=False, parse=r"nullif(split(who, '\n')[0], '?')"),
        Column("lines", IntegerType(), parse=r"size(split(lines, '\n')) - 1", check="lines > 0"),
        KNOWN_ON,
    ],
)
def talks(records: DataFrame) -> DataFrame:
    """One row per record of several lines."""
    return records


class Typed:
    """The typed records of one delivered file."""

    def __init__(self, spark: SparkSession, tmp_path: Path) -> None:
        self.spark = spark
        self.conf = Conf(env="five", lake={"root": str(tmp_path / "lake"), "raw": str(tmp_path / "raw")})

    def jsonl(self, *lines: str) -> list[Row]:
        land(self.conf.raw, "2026-01-06", "a", list(lines))
        return self._read(five.movements).orderBy("_raw", "id").collect()

    def csv(self, text: bytes, *, name: str = "things") -> list[Row]:
        return self.of(five.thing_files, text, name=name).orderBy("thing").collect()

    def of(self, table: Table, text: bytes, *, name: str = "things") -> DataFrame:
        path = self.conf.raw / "five" / "things" / "dt=2026-01-06" / f"{name}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text)
        return self._read(table)

    def _read(self, table: Table) -> DataFrame:
        [source] = table.inputs
        self.landing = landing = intake.look(
            source, table, {}, self.conf, Cache.at(self.conf.root), until=date(2026, 2, 1)
        )
        assert not landing.rejected
        base, _ = intake.base_of(source, self.conf)
        bronze = records.bronze(self.spark, source, landing.add, base, 7)
        return records.typed(table, bronze, sorted({f.print.header_text for f in landing.add if f.print.header_text}))


@pytest.fixture
def typed(spark: SparkSession, tmp_path: Path) -> Typed:
    return Typed(spark, tmp_path)


def reasons(row: Row) -> list[tuple[str, str | None, str | None]]:
    return [(e["rule"], e["column"], e["value"]) for e in row["_errors"]]


def test_a_good_record_carries_where_it_came_from(typed: Typed) -> None:
    [row] = typed.jsonl(GOOD)
    assert (row["_ok"], row["_errors"], row["_raw"]) == (True, [], None)
    assert (row["_file"], row["_batch"]) == ("five/deliveries/dt=2026-01-06/a.jsonl", 7)
    assert (row["known_on"], row["_slice"]) == (date(2026, 1, 6), date(2026, 1, 5))


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("not json", ("record", None, None)),
        (GOOD + " and more", ("record", None, None)),
        (GOOD[:40], ("record", None, None)),
        (GOOD.replace("2.5", '"much"'), ("type", "quantity", "much")),
        (GOOD.replace("2.5", "NaN"), ("record", None, None)),
        (GOOD.replace("2.5", "5000"), ("check", "quantity", "5000.00")),
        (GOOD.replace("2026-01-05T", "2026-02-30T"), ("type", "at", "2026-02-30T08:00:00Z")),
        (GOOD.replace('"id":"1"', '"id":"  "'), ("key", "id", "  ")),
        (GOOD.replace('"id":"1",', ""), ("key", "id", None)),
        (GOOD.replace('"thing":"bolt",', ""), ("null", "thing", None)),
        (GOOD.replace("2026-01-05", "2027-01-05"), ("future", None, "2027-01-05")),
    ],
)
def test_a_bad_record_is_rejected_with_its_reason(
    typed: Typed, line: str, reason: tuple[str, str | None, str | None]
) -> None:
    [row] = typed.jsonl(line)
    assert not row["_ok"]
    assert reason in reasons(row)
    assert row["_raw"] == line


def test_a_decimal_comma_that_is_not_declared_makes_no_other_number(typed: Typed) -> None:
    text = b'item,price,day\na,"1,5",2026-01-05\nb,1.5,2026-01-05\nc,1 000,2026-01-05\nd, 2 ,2026-01-05\n'
    rows = typed.of(prices, text).orderBy("item").collect()
    assert [(str(r["price"]), reasons(r)) for r in rows] == [
        ("None", [("type", "price", "1,5")]),
        ("1.50", []),
        ("None", [("type", "price", "1 000")]),
        ("2.00", []),
    ]
    [row] = typed.jsonl(GOOD.replace("2.5", '"2,5"'))
    assert reasons(row) == [("type", "quantity", "2,5")]


TWICE = GOOD.replace('"thing"', '"id":"2","thing"')
NESTED = GOOD[:-1] + ',"more":{"a":[{"b":"}"}]}}'


def test_a_line_of_json_is_one_object_whose_names_stand_once_in_it(typed: Typed) -> None:
    broken = [
        GOOD + GOOD,
        GOOD + "," + GOOD,
        GOOD + "] " + GOOD,
        NESTED + NESTED,
        NESTED + ",0] " + NESTED,
        TWICE,
        TWICE.replace('"id":"2"', '"i\\u0064":"2"'),
        GOOD.replace('"', "'"),
        GOOD.replace("bolt", "\\ud800"),
        GOOD.replace("bolt", "\\udc00\\ud800"),
        GOOD.replace("bolt", "b\\u0000lt"),
    ]
    good = [
        NESTED,
        GOOD + "  ",
        GOOD.replace("bolt", "\\ud83d\\ude00"),
        GOOD.replace("bolt", "C:\\\\ud800"),
        GOOD.replace("bolt", "}{"),
    ]
    good = [line.replace('"id":"1"', f'"id":"{n}"') for n, line in enumerate(good)]
    rows = typed.jsonl(*broken, *good)
    assert {r["_raw"] for r in rows if not r["_ok"]} == set(broken)
    assert all(reasons(r) == [("record", None, None)] for r in rows if not r["_ok"])
    assert [r["thing"] for r in sorted(rows, key=lambda r: r["id"] or "") if r["_ok"]] == [
        "bolt", "bolt", "\U0001f600", "C:\\ud800", "}{",
    ]  # fmt: skip


def test_what_happened_before_there_were_computers_is_rejected(typed: Typed) -> None:
    [row] = typed.jsonl(GOOD.replace("2026-01-05T", "1969-07-20T"))
    assert reasons(row) == [("past", None, "1969-07-20")]
    assert row["_slice"] == date(2026, 1, 6)


@pytest.mark.parametrize("days", [0, 1])
def test_a_time_of_the_day_of_reading_is_read_as_it_is_told(typed: Typed, days: int) -> None:
    now = datetime.now(UTC).replace(microsecond=0) + timedelta(days=days)
    told = {"iso": f'"{now.isoformat()}"', "seconds": str(int(now.timestamp())), "bare": f'"{now:%H:%M:%S}"'}
    line = '{{"id":"{}","revision":1,"thing":"bolt","at":{},"quantity":1}}'
    rows = {r["id"]: r for r in typed.jsonl(*[line.format(name, at) for name, at in told.items()])}
    assert {name: r["at"] and r["at"].astimezone(UTC) for name, r in rows.items()} == {
        "iso": now,
        "seconds": now,
        "bare": None,
    }
    assert [rule for rule, _, _ in reasons(rows["bare"])] == ["type"]


def test_lines_that_spark_would_give_the_table_up_for_are_rejected(typed: Typed) -> None:
    long = GOOD.replace("bolt", "b" * strict.LONGEST_RECORD)
    deep = GOOD[:-1] + ',"more":' + "[" * 10_000 + "]" * 10_000 + "}"
    assert [reasons(r) for r in typed.jsonl(long, deep)] == [[("record", None, None)]] * 2
    rows = typed.csv(b"thing,colour,_corrupt\n" + b"," * 30_000 + b"\nbolt,red,1\nnut,gr\0een,1\n")
    assert sorted((r["thing"] or "", r["_ok"]) for r in rows) == [
        ("", False),
        ("bolt", True),
        ("nut", False),
    ]


def test_a_number_in_quotes_is_the_number(typed: Typed) -> None:
    [row] = typed.jsonl(GOOD.replace("2.5", '" 2.5 "'))
    assert (row["_ok"], float(row["quantity"])) == (True, 2.5)


def test_one_bad_field_leaves_the_others_readable(typed: Typed) -> None:
    [row] = typed.jsonl(GOOD.replace("2.5", '"much"'))
    assert (row["id"], row["thing"], row["quantity"]) == ("1", "bolt", None)


def test_F44_a_reordered_header_and_an_unknown_column_do_no_harm(typed: Typed) -> None:
    [row] = typed.csv(b"colour,mood,thing\nred,good,bolt\n")
    assert (row["_ok"], row["thing"], row["colour"]) == (True, "bolt", "red")


def test_files_with_different_headers_are_read_by_their_own(typed: Typed) -> None:
    typed.csv(b"thing,colour\nbolt,red\n", name="one")
    rows = typed.csv(b"colour,thing\nblue,nut\n", name="two")
    assert [(r["thing"], r["colour"]) for r in rows] == [("bolt", "red"), ("nut", "blue")]


def test_a_bom_and_carriage_returns_are_taken_off(typed: Typed) -> None:
    rows = typed.csv(b"\xef\xbb\xbfthing,colour\r\nbolt,red\r\n")
    assert [(r["thing"], r["colour"], r["_ok"]) for r in rows] == [("bolt", "red", True)]


def test_a_quoted_delimiter_is_no_delimiter(typed: Typed) -> None:
    [row] = typed.csv(b'thing,colour\n"bolt, long","dark ""red"""\n')
    assert (row["thing"], row["colour"]) == ("bolt, long", 'dark "red"')


@pytest.mark.parametrize("line", [b"bolt", b"bolt,red,3", b'bolt,"red'])
def test_a_line_with_too_few_or_too_many_fields_is_rejected(typed: Typed, line: bytes) -> None:
    [row] = typed.csv(b"thing,colour\n" + line + b"\n")
    assert (row["_ok"], row["_raw"]) == (False, line.decode())


def test_F47_bytes_that_are_not_utf8_are_kept_and_rejected(typed: Typed) -> None:
    [row] = typed.csv(b"thing,colour\nbolt,caf\xe9\n")
    assert not row["_ok"]
    assert row["_raw"]


@pytest.mark.parametrize("end", ["\n", "any"])
def test_each_line_is_a_record_or_counted_as_none(typed: Typed, end: str) -> None:
    header, bom = b"thing,colour", b"\xef\xbb\xbf"
    lines = [
        bom + bom + header, b"a,b", b"a,caf\xe9", bom + header, bom, b"\xe9", bom + b"c,d", b" \t", bom + b"\xff", b"",
    ]  # fmt: skip
    table = replace_line_end(five.thing_files, end)
    rows = typed.of(table, b"\r\n".join(lines)).collect()
    [file] = typed.landing.add
    assert (file.print.lines, file.print.header, file.print.blank, file.print.records) == (9, 2, 2, 5)
    assert sorted((r["thing"] or "", base64.b64decode(r["_raw"] or "")) for r in rows) == [
        ("", b"a,caf\xe9"), ("", b"\xe9"), ("", b"\xff"), ("a", b""), ("c", b""),
    ]  # fmt: skip


def test_a_line_like_the_header_that_is_declared_is_a_record(typed: Typed) -> None:
    rows = typed.of(bare, b"7 1.5\nunit value\n").collect()
    [file] = typed.landing.add
    assert file.print.records == len(rows) == 2


def replace_line_end(table: Table, end: str) -> Table:
    """The typed table over a source whose lines end otherwise."""
    [read] = table.inputs
    assert read.delivery is not None
    other = dataclasses.replace(read, delivery=dataclasses.replace(read.delivery, line_end=end))
    return dataclasses.replace(table, inputs=(other,))


def test_names_with_odd_characters_are_read(typed: Typed) -> None:
    [row] = typed.csv(b"thing,colour\nbolt,red\n", name="a b+c%20d#e=f")
    assert row["_file"].endswith("a b+c%20d#e=f.csv")


def test_a_move_helper_writes_what_the_table_reads(typed: Typed) -> None:
    import json

    [row] = typed.jsonl(json.dumps(move("9", "gear", "2026-01-05", 3)))
    assert row["_ok"]


@pytest.mark.parametrize("text", [b"item,Jan-98,Feb-98\nbolt,3,\n", b"Jan-98;item;Mood;Feb-98\n3;bolt;good; \n"])
def test_columns_of_one_kind_are_a_map_and_an_empty_cell_is_a_null_in_it(typed: Typed, text: bytes) -> None:
    [row] = typed.of(months, text).collect()
    assert (row["_ok"], row["item"], row["units"]) == (True, "bolt", {"Jan-98": 3, "Feb-98": None})


def test_a_cell_of_a_map_that_does_not_fit_rejects_its_record(typed: Typed) -> None:
    good, bad = typed.of(months, b"item;Jan-98;Feb-98\nbolt;1,5;2\nnut;few;2\n").orderBy("item").collect()
    assert (good["_ok"], float(good["units"]["Jan-98"])) == (True, 1.5)
    assert reasons(bad) == [("type", "units", '{"Jan-98":"few"}')]


def test_only_files_that_name_their_columns_have_columns_of_one_kind() -> None:
    every = Column("units", MapType(StringType(), StringType()), every="x.*")
    with pytest.raises(LakeError, match="only csv and parquet"):
        table(inputs=talks.inputs, refresh=append(by="known_on"), columns=[every, KNOWN_ON])(_said)
    with pytest.raises(LakeError, match="has to be a map"):
        Column("units", StringType(), every="x.*")


def _said(records: DataFrame) -> DataFrame:
    """One row per record."""
    return records


@pytest.mark.parametrize("text", [b" 7   1.5  \n8\t2.5\n9 1 2\n", b"7,1.5\n8,2.5\n9\n"])
def test_a_file_without_a_header_is_read_by_the_declared_one(typed: Typed, text: bytes) -> None:
    rows = typed.of(bare, text).orderBy("_ok", "unit").collect()
    assert [(r["unit"], float(r["value"])) for r in rows[1:]] == [(7, 1.5), (8, 2.5)]
    assert reasons(rows[0]) == [("record", None, None)]


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_records_of_several_lines_end_at_blank_ones(typed: Typed, end: bytes) -> None:
    text = b"\nann\n\t1\n\t2\n\n \nbob\n\n?\n1\n\n\n"
    rows = typed.of(talks, text.replace(b"\n", end)).orderBy("who").collect()
    assert [(r["who"], r["lines"], reasons(r)) for r in rows] == [
        (None, 1, [("type", "who", "?\n1")]),
        ("ann", 2, []),
        ("bob", 0, [("check", "lines", "0")]),
    ]
