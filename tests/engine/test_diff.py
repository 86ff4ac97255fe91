"""What changed between two releases, table by table, from the files that differ. Data by delta-rs, no Spark."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql.pandas.types import to_arrow_schema
from pyspark.sql.types import ArrayType, IntegerType, StringType

from lake.catalog import TABLES
from lake.core.refresh import append, full
from lake.core.table import Column, Table, source
from lake.engine import diff, provenance, store
from lake.engine.conf import Conf
from lake.engine.control import Journal
from lake.engine.release import Release
from tests.tiny_company import Company

pytestmark = pytest.mark.timeout(2400)

RESTRICTED = {t.id for t in TABLES if t.restricted}
SOURCE = source("things", "lake.supply.bronze", "One line per thing.", format="csv", path="x/*", personal=True)


def table(*columns: Column, name: str = "things") -> Table:
    return Table("supply", "gold", name, "One row per thing.", columns, (), full())


THINGS = table(
    Column("thing", StringType(), key=True),
    Column("line", IntegerType(), key=True),
    Column("colour", StringType()),
    Column("parts", ArrayType(StringType())),
)


class Lake:
    """A lake whose tables are written by hand."""

    def __init__(self, home: Path) -> None:
        self.conf = Conf(env="diff", lake={"root": str(home), "raw": str(home / "raw")})

    def commit(self, to: Table, sequence: int, *files: list[dict[str, Any]], gone: tuple[str, ...] = ()) -> int:
        """A version with one more data file per list of rows, and without the `gone` ones."""
        path = self.conf.at(to)
        typed = to.is_typed
        fields = [*to.schema.jsonValue()["fields"]]
        fields += [{"name": "_ok", "type": "boolean", "nullable": True, "metadata": {}}] if typed else []
        store.create(path, {"type": "struct", "fields": fields})
        folder = store.folder(path, sequence)
        folder.mkdir(parents=True)
        schema = to_arrow_schema(to.schema, timestamp_utc=True)
        schema = schema.append(pa.field("_ok", pa.bool_())) if typed else schema
        for n, rows in enumerate(files):
            pq.write_table(pa.Table.from_pylist(rows, schema=schema), folder / f"{sequence}-{n}.parquet")
        return store.Log(path).commit(sequence, {}, gone=gone)

    def between(self, to: Table, a: int, b: int, rows: tuple[int, int] = (0, 0)) -> list[diff.Change]:
        at = datetime(2026, 1, 5, tzinfo=UTC)
        releases = [
            Release(n, at, "run", {"tables": {to.id: {"version": v, "rows": r}}})
            for n, (v, r) in enumerate(zip((a, b), rows, strict=True), 1)
        ]
        return diff.between(self.conf, *releases, [to])


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path)


def thing(name: str, line: int, colour: str | None, *parts: str) -> dict[str, Any]:
    return {"thing": name, "line": line, "colour": colour, "parts": list(parts)}


def test_rows_that_came_changed_and_went_are_told_apart_from_copied_ones(lake: Lake) -> None:
    a = lake.commit(
        THINGS, 1,
        [thing("A", 1, "red"), thing("B", 1, None), thing("C", 1, "blue"), thing("D", 1, "grey", "x")],
        [thing("Z", 1, "in a file of both")],
    )  # fmt: skip
    b = lake.commit(
        THINGS, 2,
        [thing("A", 1, "red"), thing("B", 1, "green"), thing("D", 1, "grey", "x", "y"), thing("A", 2, "new")],
        gone=("1-0.parquet",),
    )  # fmt: skip
    [change] = lake.between(THINGS, a, b)
    assert (change.added, change.changed, change.gone) == (1, 2, 1)
    assert change.examples == [
        {"what": "added", "key": {"thing": "A", "line": 2}},
        {"what": "changed", "key": {"thing": "B", "line": 1}, "columns": {"colour": [None, "green"]}},
        {"what": "changed", "key": {"thing": "D", "line": 1}, "columns": {"parts": [["x"], ["x", "y"]]}},
        {"what": "gone", "key": {"thing": "C", "line": 1}},
    ]


def test_rows_that_only_moved_to_another_file_are_no_difference(lake: Lake) -> None:
    a = lake.commit(THINGS, 1, [thing("A", 1, "red")], [thing("B", 1, None)])
    b = lake.commit(THINGS, 2, [thing("B", 1, None), thing("A", 1, "red")], gone=("1-0.parquet", "1-1.parquet"))
    assert lake.between(THINGS, a, b) == []


def test_of_a_restricted_table_rows_are_counted_and_never_shown(lake: Lake) -> None:
    people = Table(
        "supply", "silver", "people", "One row per person.",
        (Column("id", StringType(), key=True), Column("name", StringType(), pii="person")), (SOURCE,), append(by="_dt"),
    )  # fmt: skip
    a = lake.commit(people, 1, [{"id": "1", "name": "Ada", "_ok": True}, {"id": "2", "name": "Bob", "_ok": False}])
    b = lake.commit(people, 2, [{"id": "1", "name": "Eve", "_ok": True}], gone=("1-0.parquet",))
    [change] = lake.between(people, a, b)
    assert (change.added, change.changed, change.gone, change.examples) == (0, 1, 0, [])


def test_too_many_rows_are_counted_by_their_files(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(diff, "MOST_ROWS", 1)
    a = lake.commit(THINGS, 1, [thing("A", 1, "red")])
    b = lake.commit(THINGS, 2, [thing("A", 1, "blue"), thing("B", 1, None)], gone=("1-0.parquet",))
    [change] = lake.between(THINGS, a, b, rows=(1, 2))
    assert (change.added, change.gone, change.compared, change.examples) == (1, 0, False, [])


def test_the_night_that_withdrew_a_file_says_what_went(company: Company, capsys: pytest.CaptureFixture[str]) -> None:
    before, after = (r.release for r in company.results[3:5])
    assert before is not None
    assert after is not None
    provenance.diff(before.number, after.number, env=company.env, as_json=True)
    said = json.loads(capsys.readouterr().out)
    tables = {t["table"]: t for t in said["tables"]}
    bronze, typed = tables["robot.bronze.work_cycles"], tables["robot.silver.work_cycles"]
    assert bronze["gone"] >= typed["gone"] > 0
    rows = {r.number: {t: e["rows"] for t, e in r.tables.items()} for r in (before, after)}
    for name, change in tables.items():
        assert change["added"] - change["gone"] == rows[after.number].get(name, 0) - rows[before.number].get(name, 0)
    assert [t for t in RESTRICTED if tables.get(t, {}).get("examples")] == []
    assert "robot.gold.work_day" in tables
    provenance.diff(before.number, after.number, env=company.env)
    assert f"Release {before.number} → {after.number}" in capsys.readouterr().out


def test_releases_are_the_newest_two_unless_named(company: Company, capsys: pytest.CaptureFixture[str]) -> None:
    provenance.diff(env=company.env, as_json=True)
    said = json.loads(capsys.readouterr().out)
    newest = [r.subject for r in Journal(company.conf.root).of("release")]
    assert (said["before"], said["after"]) == (len(newest) - 1, len(newest))
