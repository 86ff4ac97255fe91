"""What a machine, a clock, a file system or a supplier may do to a night, and what must be true afterwards."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from deltalake import DeltaTable
from pyspark.sql import SparkSession

from lake.engine import audit, control, crash, store
from lake.engine.control import Journal
from lake.engine.release import newest
from lake.engine.verify import Verifier
from tests.engine.conftest import TABLES, FiveTables, table
from tests.engine.five_tables import land, land_things, move
from tests.engine.process import Job
from tests.engine.test_killed import CrashAt, Golden, before, check_finished, copied, dies, first_night, golden
from tests.engine.test_schedules import check_laws

__all__ = ["before", "golden"]
Scratch = Callable[[FiveTables], FiveTables]


# --- death ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def second(before: FiveTables, tmp_path: Path) -> FiveTables:
    """A lake after one night, with a second one delivered."""
    return copied(before, tmp_path / "lake")


def test_F04_a_commit_that_the_journal_missed_counts_once(
    second: FiveTables, golden: Golden, crash_at: CrashAt
) -> None:
    assert dies(second, crash_at, "committed")
    logs = {t.id: store.Log(second.conf.at(t)) for t in TABLES}
    missed = [t for t in second.journal.open_tasks() if logs[t.subject].transaction() == t.seq]
    assert missed
    check_finished(second, golden)
    closed = [r.body["task"] for r in second.journal.of("closed")]
    assert [closed.count(t.seq) for t in missed] == [1] * len(missed)


def test_F05_readers_see_the_last_release_while_a_run_lies_dead(
    second: FiveTables, golden: Golden, crash_at: CrashAt
) -> None:
    released = newest(second.journal)
    assert dies(second, crash_at, "30")
    assert newest(second.journal) == released
    check_finished(second, golden)


@pytest.mark.parametrize("place", ["before release", "released"])
def test_F06_a_release_is_there_whole_or_not_at_all(
    second: FiveTables, golden: Golden, crash_at: CrashAt, place: str
) -> None:
    released = newest(second.journal)
    assert released is not None
    assert dies(second, crash_at, place)
    seen = newest(second.journal)
    assert seen is not None
    assert (seen == released) == (place == "before release")
    check_finished(second, golden)


def after(lake: FiveTables, commits: int) -> Job:
    """A night in a process of its own that has written so many facts into the journal, or is over."""
    journal = lake.conf.root / "_control" / "journal"
    wanted = store.version(journal) + commits
    job = Job(lake, "nightly")
    ends = time.monotonic() + 120
    while store.version(journal) < wanted and job.process.poll() is None:
        assert time.monotonic() < ends, job.said
        time.sleep(0.02)
    return job


@pytest.mark.soak
@pytest.mark.timeout(600)
@pytest.mark.parametrize("commits", [3, 7, 12, 15, 18])
def test_F02_a_jvm_killed_from_outside_loses_and_doubles_nothing(
    second: FiveTables, golden: Golden, commits: int
) -> None:
    run = after(second, commits)
    os.kill(run.jvm, signal.SIGKILL)
    assert run.ended() != 0
    check_finished(second, golden)


@pytest.mark.soak
@pytest.mark.timeout(600)
@pytest.mark.parametrize("rename", [2, 9, 17, 31])
def test_F02_a_jvm_killed_at_a_rename_loses_and_doubles_nothing(
    second: FiveTables, golden: Golden, rename: int, tmp_path: Path
) -> None:
    if not shutil.which("strace"):
        pytest.skip("strace is not there, so no rename can be hit")
    run = after(second, 1)
    words = ["strace", "-f", "-qq", "-o", str(tmp_path / "log"), "-e", "trace=rename,renameat,renameat2"]
    inject = f"inject=rename,renameat,renameat2:signal=KILL:when={rename}"
    subprocess.run([*words, "-e", inject, "-p", str(run.jvm)], check=False, timeout=120)
    run.ended()
    check_finished(second, golden)


@pytest.mark.soak
@pytest.mark.timeout(600)
@pytest.mark.parametrize("commits", [4, 11, 18])
def test_F03_a_jvm_that_outlives_its_python_commits_nothing(second: FiveTables, golden: Golden, commits: int) -> None:
    run = after(second, commits)
    run.signal(signal.SIGKILL)
    run.ended()
    versions = {t.id: store.version(second.conf.at(t)) for t in TABLES}
    time.sleep(5)
    assert {t.id: store.version(second.conf.at(t)) for t in TABLES} == versions
    check_finished(second, golden)


# --- the machine ------------------------------------------------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own, of 64 MB."""
    place = tmp_path / "disk"
    place.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(place)], capture_output=True)
    if done.returncode:
        pytest.skip("no file system can be mounted here")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def ended_for_want_of_room(lake: FiveTables) -> bool:
    """Whether a night fails on a full disk: some tables do, or, where the journal's is full, the run itself."""
    try:
        return lake.night().exit_code != 0
    except Exception as e:
        return "space" in str(e).lower() or "Errno 28" in str(e)


def fill(place: Path, *, leave_kb: int) -> Path:
    free = shutil.disk_usage(place).free
    filler = place / "filler"
    with open(filler, "wb") as file:
        file.write(b"\0" * (free - leave_kb * 1024))
    return filler


@pytest.mark.parametrize("leave_kb", [40, pytest.param(200, marks=pytest.mark.soak)])
def test_F10_a_full_disk_is_said_and_the_next_run_completes(
    before: FiveTables, golden: Golden, small_disk: Path, leave_kb: int
) -> None:
    lake = copied(before, small_disk / "lake")
    object.__setattr__(lake.conf.disk, "free_mb", 0)
    filler = fill(small_disk, leave_kb=leave_kb)
    assert ended_for_want_of_room(lake)
    filler.unlink()
    check_finished(lake, golden)


def test_F10_a_night_does_not_start_without_room(before: FiveTables, small_disk: Path) -> None:
    lake = copied(before, small_disk / "lake")
    object.__setattr__(lake.conf.disk, "free_mb", 100)
    rows = len(lake.journal.rows)
    with pytest.raises(Exception, match=r"MB free; a night needs 100 MB"):
        lake.night()
    assert len(lake.journal.rows) == rows


def test_F13_a_folder_that_may_not_be_written_fails_before_any_commit(before: FiveTables, small_disk: Path) -> None:
    lake = copied(before, small_disk / "lake")
    object.__setattr__(lake.conf.disk, "free_mb", 0)
    versions = {t.id: store.version(lake.conf.at(t)) for t in TABLES}
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with pytest.raises(Exception, match=r"may not be written|Read-only"):
        lake.night()
    assert {t.id: store.version(lake.conf.at(t)) for t in TABLES} == versions


@pytest.mark.soak
@pytest.mark.timeout(600)
@pytest.mark.parametrize("zone", ["Asia/Kathmandu", "America/New_York"])
def test_F34_a_machine_in_another_time_zone_makes_the_same_tables(
    second: FiveTables, golden: Golden, zone: str
) -> None:
    assert Job(second, "nightly", TZ=zone).ended() == 0
    assert second.told() == golden


def test_F34_dst_nights_and_leap_days_equal_from_scratch(lake: FiveTables, from_scratch: Scratch) -> None:
    days = ["2024-02-29", "2026-03-29", "2026-10-25", "2025-12-31"]
    records = [move(f"{d}-{h}", "bolt", d, 1) | {"at": f"{d}T{h:02}:59:59Z"} for d in days for h in (0, 1, 2, 3, 23)]
    for n, record in enumerate(records):
        land(lake.raw, days[n % 4], f"f{n}", [record])
    lake.night()
    check_laws(lake, from_scratch(lake), ["odd days"])
    daily = store.rows(lake.conf.at(table("daily")))
    assert sorted({str(d) for d in daily["on"].to_pylist()}) == sorted(days)


def test_F33_a_clock_that_steps_back_changes_no_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Backwards(datetime):
        times = iter(range(50, 0, -1))

        @classmethod
        def now(cls, tz: object = None) -> datetime:  # type: ignore[override]
            return datetime(2026, 1, 1, 0, next(cls.times), tzinfo=UTC)

    monkeypatch.setattr(control, "datetime", Backwards)
    journal = Journal(tmp_path)
    for n in range(1, 5):
        journal.append("run", ("release", "", {"release": n, "tables": {}}))
    assert [r.seq for r in Journal(tmp_path).rows] == [1, 2, 3, 4]
    last = newest(Journal(tmp_path))
    assert last is not None and last.number == 4


# --- deliveries -------------------------------------------------------------------------------------------------------


def test_F28_a_file_that_may_still_grow_waits(lake: FiveTables) -> None:
    file = land(lake.raw, "2026-01-05", "a", [move("1", "bolt", "2026-01-05", 5)])
    object.__setattr__(lake.conf.intake, "settle_s", 3600)
    lake.night()
    account = audit.accounts(TABLES, lake.journal.states(), lake.journal)["five.bronze.deliveries"]
    assert account["files"] == {"loaded": 0, "duplicate": 0, "deferred": 1, "rejected": 0}
    os.utime(file, (1_000_000_000, 1_000_000_000))
    assert lake.night().exit_code == 0
    assert lake.told()[table("movements").id][0] == 1


def test_F29_a_file_that_goes_away_while_it_is_read_costs_its_own_table_only(
    lake: FiveTables, from_scratch: Scratch, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = land(lake.raw, "2026-01-05", "a", [move("1", "bolt", "2026-01-05", 5)])
    land_things(lake.raw, "2026-01-05", {"bolt": "red"})
    monkeypatch.setattr(crash, "die", lambda: file.unlink(missing_ok=True))
    monkeypatch.setattr(crash, "wanted", "before open")
    result = lake.night()
    monkeypatch.setattr(crash, "wanted", None)
    assert "five.bronze.deliveries" in result.failed
    assert "five.bronze.things" in result.written
    land(lake.raw, "2026-01-05", "a", [move("1", "bolt", "2026-01-05", 6)])
    assert lake.night().exit_code == 0
    check_laws(lake, from_scratch(lake), ["a file went away"])


def test_F30_the_times_of_files_play_no_role(lake: FiveTables) -> None:
    for n, year in enumerate((2019, 2035)):
        file = land(lake.raw, "2026-01-05", f"f{n}", [move(str(n), "bolt", "2026-01-05", 5)])
        at = datetime(year, 1, 1, tzinfo=UTC).timestamp()
        os.utime(file, (at, at))
    assert lake.night().exit_code == 0
    assert lake.told()[table("movements").id][0] == 2


def test_F32_the_order_of_records_changes_nothing(spark: SparkSession, tmp_path: Path) -> None:
    dice = random.Random(5)
    records = [move(str(n % 30), "bolt", f"2026-01-{1 + n % 4:02}", n % 7, revision=n % 3) for n in range(40)]
    found = []
    for name, files in (("one", 1), ("many", 7)):
        lake = FiveTables(spark, tmp_path / name / "lake", tmp_path / name / "raw")
        for n in range(files):
            land(lake.raw, "2026-01-05", f"f{n}", records[n::files])
        lake.night()
        found.append(lake.told())
        dice.shuffle(records)
    assert found[0] == found[1]


def test_F36_a_source_that_does_not_deliver_stops_no_other(lake: FiveTables, from_scratch: Scratch) -> None:
    land(lake.raw, "2026-01-05", "a", [move("1", "bolt", "2026-01-05", 5)])
    result = lake.night()
    assert result.exit_code == 0
    assert result.release is not None
    assert table("facts").id in result.release.tables
    check_laws(lake, from_scratch(lake), ["no things"])


def test_F43_a_rewrite_that_a_compaction_came_before_is_refused_and_repeated(
    lake: FiveTables, from_scratch: Scratch, monkeypatch: pytest.MonkeyPatch
) -> None:
    for n in (5, 6):
        land(lake.raw, f"2026-01-0{n}", "a", [move(str(n), "bolt", f"2026-01-0{n}", 5)])
        lake.night()
    land(lake.raw, "2026-01-05", "a", [move("5", "bolt", "2026-01-05", 7)])

    def compact() -> None:
        if threading.current_thread().name == table("movements").id:
            DeltaTable(str(lake.conf.at(table("movements")))).optimize.compact()

    monkeypatch.setattr(crash, "die", compact)
    monkeypatch.setattr(crash, "wanted", "opened")
    result = lake.night()
    monkeypatch.setattr(crash, "wanted", None)
    assert "was written by another process" in result.failed[table("movements").id]
    assert lake.night().exit_code == 0
    check_laws(lake, from_scratch(lake), ["compacted meanwhile"])


def test_F52_too_many_rejected_rows_keep_the_release_back(lake: FiveTables) -> None:
    land(lake.raw, "2026-01-05", "a", [move("1", "bolt", "2026-01-05", 5)])
    released = lake.night().release
    bad = [move(str(n), "bolt", "2026-01-06", 5000) for n in range(60)]
    good = [move(f"g{n}", "bolt", "2026-01-06", 5) for n in range(60)]
    land(lake.raw, "2026-01-06", "a", [*bad, *good])
    result = lake.night()
    assert result.exit_code == 3
    assert [(f.law, f.subject) for f in result.findings] == [("quality", table("movements").id)]
    assert newest(lake.journal) == released
    assert lake.night().exit_code == 3, "a refused night does not end well by doing nothing"
    accepted = lake.night(accept="the supplier weighs in grams now")
    assert accepted.exit_code == 0 and accepted.release is not None and accepted.release.number == 2
    assert accepted.release.body["accepted"]["reason"] == "the supplier weighs in grams now"
    [told] = lake.journal.of("accepted")
    assert told.body["findings"] == [f"{table('movements').id}: {result.findings[0].said}"]
    [audit] = Verifier(lake.conf, TABLES, [], TABLES).conclude(["audit"])
    said = "⚠ released though not as expected (the supplier weighs in grams now): "
    assert audit.remarks == [said + told.body["findings"][0]]


def test_F35_a_night_without_any_file_is_green(lake: FiveTables) -> None:
    first_night(lake)
    lake.night()
    land(lake.raw, "2026-01-06", "empty", [])
    result = lake.night()
    assert result.exit_code == 0
    assert newest(lake.journal) is not None
