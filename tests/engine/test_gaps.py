"""Which days are missing, not taken, or not loaded yet. No Spark."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest

from lake.core.table import source
from lake.engine import cli, gaps
from lake.engine.conf import Conf
from lake.engine.gaps import Gaps
from tests.engine.conftest import TABLES
from tests.engine.five_tables import HERE, land, land_things, move
from tests.engine.test_backfill import loaded, moved


@pytest.fixture
def conf(tmp_path: Path) -> Conf:
    return Conf(env="five", lake={"root": str(tmp_path / "lake"), "raw": str(tmp_path / "raw")})


def of(conf: Conf, source: str = "deliveries") -> Gaps:
    return next(g for g in gaps.found(conf, TABLES) if g.source == f"five.bronze.{source}")


def test_a_day_without_a_file_is_missing_between_the_first_and_the_newest(conf: Conf) -> None:
    for day in ("2026-01-05", "2026-01-08", "2026-01-10"):
        moved(conf.raw, day, day)
    found = of(conf)
    assert (found.first, found.newest) == ("2026-01-05", "2026-01-10")
    assert found.missing == dict.fromkeys(("2026-01-06", "2026-01-07", "2026-01-09"), "no file")
    assert gaps.in_words(found.missing) == "2026-01-06 to 2026-01-07, 2026-01-09"
    assert of(conf, "things") == Gaps("five.bronze.things", None, None, {}, {}, {}, [])


def test_a_day_without_its_marker_is_missing_and_says_so(conf: Conf) -> None:
    slow = source("slow", HERE, "It says when a day is done.", format="jsonl", path="five/slow/dt=*/*", marker="_done")
    for day in ("2026-01-05", "2026-01-06"):
        path = conf.raw / "five" / "slow" / f"dt={day}"
        path.mkdir(parents=True)
        (path / "a.jsonl").write_text(f'{{"id": "{day}"}}\n', encoding="utf-8")
    (path / "_done").touch()
    [found] = gaps.found(conf, [slow])
    assert found.missing == {"2026-01-05": "no _done"}


def test_what_was_not_taken_is_named_with_its_reason(conf: Conf) -> None:
    bad = moved(conf.raw, "2026-01-05")
    bad.write_bytes(b"PAR1")
    day = date.today().replace(year=date.today().year + 1, day=1).isoformat()
    early = moved(conf.raw, day)
    found = of(conf)
    assert found.rejected == {bad.relative_to(conf.raw).as_posix(): "magic: this is parquet, not jsonl"}
    assert list(found.deferred) == [early.relative_to(conf.raw).as_posix()]
    assert (found.newest, found.missing, found.unloaded) == ("2026-01-05", {}, [])


def test_days_that_are_not_loaded_come_with_the_command_that_loads_them(conf: Conf) -> None:
    land(conf.raw, "2026-06-30", "a", [move("1", "bolt", "2026-06-30", 1)])
    land_things(conf.raw, "2026-06-30", {"bolt": "red"})
    loaded(conf)
    assert gaps.command(gaps.found(conf, TABLES), "local") is None
    land(conf.raw, "2026-01-05", "a", [move("2", "bolt", "2026-01-05", 1)])
    land_things(conf.raw, "2026-01-07", {"bolt": "red"})
    found = gaps.found(conf, TABLES)
    assert [g.unloaded for g in found] == [["2026-01-05"], ["2026-01-07"]]
    assert gaps.command(found, "real") == "./spark-submit.sh nightly --env real --from 2026-01-05 --to 2026-01-07"


def test_the_verb_answers_in_words_and_for_programs(conf: Conf, capsys: pytest.CaptureFixture[str]) -> None:
    env = conf.root.parent / "mine.toml"
    env.write_text(f'[lake]\nroot = "{conf.root}"\nraw = "{conf.raw}"\n', encoding="utf-8")
    path = conf.raw / "supply" / "receipts" / "dt=2026-01-05"
    path.mkdir(parents=True)
    (path / "_done").touch()
    cli.gaps(env=str(env), select="supply")
    assert "supply.bronze.receipts" in capsys.readouterr().out
    cli.gaps(env=str(env), as_json=True)
    said = {g["source"]: g for g in json.loads(capsys.readouterr().out)}
    assert said["supply.bronze.receipts"]["unloaded"] == []
    assert not (conf.root / "_control" / "journal").exists()


def test_many_files_with_one_reason_are_one_line() -> None:
    future = {f"dt=2099-01-0{n}/a.csv": "future: not yet" for n in range(1, 7)}
    assert gaps.troubles("five.bronze.moves", {"b.csv": "date: none", **future}) == [
        "! five.bronze.moves: b.csv: date: none",
        "! five.bronze.moves: 6 files, dt=2099-01-01/a.csv to dt=2099-01-06/a.csv: future: not yet",
    ]
