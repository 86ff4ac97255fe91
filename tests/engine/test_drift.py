"""Schema drift: columns added, removed, renamed, retyped and reordered, as each mode takes them. No Spark."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql.types import IntegerType, StringType

from lake.core.table import Column, Table, source
from lake.engine import drift, intake
from lake.engine.conf import Conf
from lake.engine.fingerprint import Cache
from lake.engine.intake import Landing
from lake.engine.symptoms import Look, Looked
from lake.engine.volumes import Deliveries
from tests.engine import five_tables as five
from tests.engine.five_tables import land, move

TODAY = date(2026, 2, 1)
MODES = ("evolve", "alarm", "reject")
THING = [Column("thing", StringType(), key=True), Column("size", IntegerType())]
MOOD = Column("mood", StringType(), required=False)


class Things:
    """A raw zone of files of things, looked at by the real intake; `held` is what was taken so far."""

    def __init__(self, home: Path, format: str = "csv") -> None:
        self.conf = Conf(env="drift", lake={"root": str(home / "lake"), "raw": str(home / "raw")})
        self.format, self.columns = format, [*THING, MOOD]
        self.held: dict[str, Any] = {}

    def path(self, day: int) -> str:
        return f"drift/things/dt=2026-01-{day:02d}/a.{self.format}"

    def land(self, day: int, content: str | pa.Table) -> None:
        file = self.conf.raw / self.path(day)
        file.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, str):
            file.write_text(content, encoding="utf-8")
        else:
            pq.write_table(content, file)

    def source(self, mode: str) -> Table:
        return source(
            "things", "lake.drift.bronze", "Things.", format=self.format, path="drift/things/dt=*/*", drift=mode
        )

    def look(self, mode: str = "alarm") -> Landing:
        """What lies there; what is to be loaded is held from then on."""
        typed = replace(five.thing_files, columns=tuple(self.columns))
        cache = Cache.at(self.conf.root)
        landing = intake.look(self.source(mode), typed, self.held, self.conf, cache, until=TODAY)
        self.held |= intake.loaded([{"add": [f.as_record() for f in landing.add]}])
        return landing


@pytest.fixture
def things(tmp_path: Path) -> Things:
    return Things(tmp_path)


def rows(header: str, *values: str) -> str:
    return "\n".join([header, *values]) + "\n"


MANY = [f"bolt{n},{n},good" for n in range(drift.ENOUGH)]
DRIFTED = {
    "added": (rows("thing,size,mood,torque", "bolt,3,good,7"), ["new column torque"]),
    "removed": (rows("thing,size", "bolt,3"), ["no more column mood"]),
    "renamed": (rows("thing,size,temper", "bolt,3,good"), ["new column temper", "no more column mood"]),
    "retyped": (rows("thing,size,mood", *[m.replace(",", ",XL-", 1) for m in MANY]), ["another type in column size"]),
    "reordered": (rows("mood,size,thing", "good,3,bolt"), []),
}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kind", DRIFTED)
def test_F44_each_drift_is_taken_told_or_refused_as_its_source_says(things: Things, kind: str, mode: str) -> None:
    content, said = DRIFTED[kind]
    things.land(5, rows("thing,size,mood", "nut,1,bad"))
    assert things.look(mode).drift == {}
    things.land(6, content)
    landing = things.look(mode)
    if mode == "reject" and said:
        why = landing.rejected[things.path(6)]
        assert why.startswith(f"drift: {', '.join(said)}; ")
        assert 'lake/drift/bronze.py: things with drift="alarm"' in why
        assert landing.add == []
    else:
        assert landing.drift == ({things.path(6): said} if said else {})
        assert [f.path for f in landing.add] == [things.path(6)]
    assert bool(drift.lines(landing.source, landing.drift)) == (mode == "alarm" and bool(said))
    assert things.path(5) in things.held


def test_what_was_taken_before_stays_when_a_source_begins_to_refuse(things: Things) -> None:
    things.land(5, rows("thing,size,mood,torque", "bolt,3,good,7"))
    things.look("alarm")
    landing = things.look("reject")
    assert (landing.rejected, landing.remove, landing.add) == ({}, [], [])


def test_a_column_is_missing_only_from_files_later_than_its_first(things: Things) -> None:
    things.land(5, rows("thing,size", "bolt,3"))
    things.land(6, rows("thing,size,mood", "bolt,4,good"))
    things.land(7, rows("thing,size", "bolt,5"))
    assert things.look().drift == {things.path(7): ["no more column mood"]}
    assert things.look().drift == {things.path(7): ["no more column mood"]}


def test_a_declared_column_drifts_no_more(things: Things) -> None:
    things.land(5, rows("thing,size,mood,torque", "bolt,3,good,7"))
    assert things.look("reject").add == []
    things.columns.append(Column("torque", IntegerType(), required=False))
    landing = things.look("reject")
    assert (landing.drift, len(landing.add)) == ({}, 1)


def test_a_renamed_column_that_has_to_be_there_is_found_again_under_both_names(things: Things) -> None:
    things.land(5, rows("thing,size,mood", "bolt,3,good"))
    things.look()
    things.land(6, rows("thing,weight,mood", "bolt,3,good"))
    why = things.look().rejected[things.path(6)]
    assert "header: lacks size, and has weight;" in why
    assert "formerly=('size',)" in why
    things.columns[1] = Column("size", IntegerType(), raw="weight", formerly=("size",))
    landing = things.look("reject")
    assert (landing.rejected, landing.drift, len(landing.add)) == ({}, {}, 1)


def test_a_few_values_of_another_type_are_no_drift(things: Things) -> None:
    things.land(5, rows("thing,size,mood", *MANY[1:], "bolt,XL,good"))
    things.land(6, rows("thing,size,mood", *["bolt,XL,good"] * (drift.ENOUGH - 1)))
    assert things.look().drift == {}


def test_records_of_json_drift_by_their_first_hundred(tmp_path: Path) -> None:
    conf = Conf(env="five", lake={"root": str(tmp_path / "lake"), "raw": str(tmp_path / "raw")})
    many = [move(str(n), "bolt", "2026-01-05", n) for n in range(drift.SAMPLE + 1)]
    many[7] |= {"mood": "good"}
    many[-1] |= {"torque": 1}
    land(conf.raw, "2026-01-05", "a", [m | {"quantity": {"value": 1}} for m in many])
    landing = intake.look(five.deliveries, five.movements, {}, conf, Cache.at(conf.root), until=TODAY)
    assert list(landing.drift.values()) == [["new column mood", "another type in column quantity"]]


def test_B47_a_parquet_file_with_another_type_does_not_get_into_bronze(tmp_path: Path) -> None:
    things = Things(tmp_path, "parquet")
    table = pa.table({"thing": ["bolt"], "size": pa.array([3], pa.int32()), "mood": ["good"]})
    things.land(6, table)
    assert len(things.look("evolve").add) == 1
    things.land(5, table.set_column(1, "size", pa.array(["XL"])))
    things.land(7, table.drop_columns("mood").append_column("torque", pa.array([1])))
    landing = things.look("evolve")
    assert landing.rejected == {
        things.path(5): "retyped: size is string, not int32; deliver it as before, or as a source of its own"
    }
    assert landing.drift == {things.path(7): ["new column torque", "no more column mood"]}


def test_an_alarm_is_told_when_the_columns_change_and_is_over_when_they_are_back() -> None:
    def night(day: int, **drifted: list[str]) -> Looked:
        days = [(date(2026, 1, 1) + timedelta(n)).isoformat() for n in range(day)]
        found = {f"2026-01-{d[1:]}": said for d, said in drifted.items()}
        of = Deliveries(five.things, frozenset(days), dict.fromkeys(days, 100.0), drift=found)
        conf = Conf(env="five", lake={"root": "lake", "raw": "raw"})
        return Look(days[-1], conf, {}).at([of], {}, [], [])

    alert = "five.things/columns"
    assert alert not in night(20).odd
    told = night(21, d21=["new column torque"])
    assert told.odd[alert].said == "five.things has other columns than declared: new column torque"
    later = night(22, d21=["new column torque"])
    assert alert in later.judged
    assert alert not in later.odd
    usual = {f"d{n:02d}": ["new column torque"] for n in range(1, 31)}
    assert alert not in night(30, **usual).odd
    assert alert in night(2, d02=["no more column mood"]).odd
