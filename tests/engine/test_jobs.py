"""Jobs that mend, as they are started: what they say, how they end, and what readers see then."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest

from lake.engine import door, jobs, preflight
from lake.engine.release import Lake, newest
from tests.engine.conftest import TABLES, FiveTables, table
from tests.engine.five_tables import land, land_things, move
from tests.engine.process import catalog, environment_of
from tests.engine.test_replay import Rule, redeclare, rule

__all__ = ["redeclare", "rule"]
Start = Callable[..., int]


@pytest.fixture
def start(lake: FiveTables, monkeypatch: pytest.MonkeyPatch) -> Start:
    """start("repair", …): a job over the lake, in this process; how it ended."""
    monkeypatch.setitem(sys.modules, "lake.catalog", catalog())
    monkeypatch.setattr(jobs, "stop_on_sigterm", lambda stop: None)  # pytest's own signals are left alone

    def started(job: str, *options: str) -> int:
        return door.run(job, getattr(jobs, job), ["--env", str(environment_of(lake)), *options])

    return started


def test_a_build_does_what_was_said_before_it_began(
    lake: FiveTables, start: Start, capsys: pytest.CaptureFixture[str]
) -> None:
    land(lake.raw, "2026-01-05", "a", [move("1", "bolt", "2026-01-05", 5)])

    def ahead(job: str) -> tuple[int, str]:
        options = door.options(job, ["--env", str(environment_of(lake))])
        return preflight.ready(options, TABLES), capsys.readouterr().err

    assert ahead("build") == (
        door.NOTHING_TO_DO,
        "Nothing new for 2026-01-05 in bronze (`ingest` loads what landed); nothing to do.\n",
    )
    assert "1 tables will be written, 0 may be" in ahead("ingest")[1]
    assert start("ingest") == 0
    assert ahead("build") == (0, "build for 2026-01-05: 1 tables will be written, 6 may be.\n")


def test_build_replay_says_what_it_would_accept_and_then_releases_it(
    lake: FiveTables, start: Start, rule: Rule, caplog: pytest.LogCaptureFixture
) -> None:
    rule("quantity < 10")
    land(lake.raw, "2026-01-05", "a", [move("1", "bolt", "2026-01-05", 5), move("2", "nut", "2026-01-05", 50)])
    assert start("nightly") == 0
    rule("quantity < 100")
    before = newest(lake.journal)
    assert start("build", "--replay", "--dry-run") == 0
    assert "1 of the rejected records would be accepted (1 check)" in caplog.text
    assert newest(lake.journal) == before
    assert start("build", "--replay") == 0
    released = newest(lake.journal)
    assert released is not None and not released.stale
    assert Lake(lake.conf, released, TABLES).pandas(table("movements").id)["quantity"].tolist() == [5, 50]
    assert start("build", "--replay") == 0
    assert newest(lake.journal) == released


def test_repair_releases_what_it_mended_though_declarations_above_it_changed(
    lake: FiveTables, start: Start, rule: Rule, caplog: pytest.LogCaptureFixture
) -> None:
    overview = table("overview")
    land(lake.raw, "2026-01-05", "a", [move("1", "bolt", "2026-01-05", 5), move("2", "nut", "2026-01-05", 50)])
    land_things(lake.raw, "2026-01-05", {"bolt": "red"})
    assert start("nightly") == 0
    assert start("repair") == 0
    assert "nothing has to be made anew" in caplog.text
    for file in lake.conf.at(overview).rglob("*.parquet"):
        file.write_bytes(b"PAR1")
    rule("quantity < 100")
    assert start("repair") == 0
    released = newest(lake.journal)
    assert released is not None and not released.stale
    assert released.tables[overview.id]["version"] == lake.journal.states()[overview.id].version
    assert sorted(Lake(lake.conf, released, TABLES).pandas(overview.id)["colour"]) == ["none", "red"]
