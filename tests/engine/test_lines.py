"""Which delivered line a typed record is. No Spark."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from pyspark.sql.types import BooleanType, DateType, DecimalType, IntegerType, StringType, TimestampType

from lake.core.refresh import append
from lake.core.table import Column, Table, source
from lake.engine import lines

COLUMNS = (
    Column("id", StringType(), key=True, raw="ID"),
    Column("line", IntegerType(), key=True),
    Column("known_on", DateType(), key=True, parse="_dt"),
    Column("price", DecimalType(18, 4)),
    Column("at", TimestampType()),
    Column("on", DateType()),
    Column("open", BooleanType()),
    Column("parsed", StringType(), parse="upper(parsed)"),
)
ROW = {
    "id": "A-1", "line": 2, "known_on": date(2026, 1, 5), "price": Decimal("3.5000"), "on": date(2026, 1, 4),
    "at": datetime(2026, 1, 4, 6, tzinfo=UTC), "open": True, "parsed": "X", "_file": "f",
}  # fmt: skip


def found(said: list[str], *, header: str = "", row: dict[str, Any] | None = None, **delivery: Any) -> str | None:
    raw = source("things", "lake.five.bronze", "Things.", path="five/*", **{"format": "csv", **delivery})
    table = Table("five", "silver", "things", "One row per thing.", COLUMNS, (raw,), append(["id"], by="_dt"))
    files = ["f"] * len(said) + ["another"]
    bronze = pa.table({"line": [*said, "A-1,2"], "_header": [header] * len(files), "_file": files})
    return lines.found(table, [ROW | (row or {})], bronze)[0]


def test_a_line_is_found_by_its_key_under_the_names_of_its_own_header() -> None:
    assert found(["2,B-1", "1,A-1", '2,"A-1"'], header="line,ID") == '2,"A-1"'


def test_of_lines_with_one_key_the_one_that_says_the_rest_as_well_is_it() -> None:
    said = ["A-1,2,9.0", "A-1,2,3.50", "A-1,2,3.5"]
    assert found(said, header="ID,line,price") == "A-1,2,3.50"


@pytest.mark.parametrize(
    ("name", "text"),
    [("at", '"2026-01-04T07:00:00+01:00"'), ("on", '"2026-01-04"'), ("open", "true"), ("price", "3.5")],
)
def test_values_agree_however_they_are_written(name: str, text: str) -> None:
    other = '{"ID":"A-1","line":2}'
    said = f'{{"ID":"A-1","line":2,"{name}":{text}}}'
    assert found([other, said], format="jsonl") == said


def test_a_decimal_comma_is_read_as_declared() -> None:
    said = ["A-1;2;3,6", "A-1;2;3,5"]
    assert found(said, header="ID;line;price", delimiter=";", decimal=",") == "A-1;2;3,5"


def test_a_record_that_no_line_of_its_file_says_has_none() -> None:
    assert found(["A-10,2", "A-1,3", "broken", '"A-1,2'], header="ID,line") is None
    assert found(["A-1,2"], header="ID,line", row={"_file": "gone"}) is None
