"""Runs that die anywhere are finished by the same command: nothing is lost, nothing doubled, nothing half-visible."""

from __future__ import annotations

import random
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from lake.engine import store
from lake.engine.release import newest
from tests.conftest import Count
from tests.engine.conftest import TABLES, Died, FiveTables
from tests.engine.five_tables import land, land_things, move
from tests.engine.process import Job
from tests.engine.test_schedules import check_laws

CrashAt = Callable[[str | None], list[str]]
Golden = dict[str, tuple[int, int, str]]
PLACES = 60
"""Places that a night of these tables passes at least; a test counts them."""
DICE = random.Random(4)
SAMPLE = sorted(DICE.sample(range(1, PLACES + 1), 3))
PAIRS = [(DICE.randint(1, PLACES), DICE.randint(1, 12)) for _ in range(24)]


def first_night(lake: FiveTables) -> None:
    land(lake.raw, "2026-01-05", "a", [move("1", "bolt", "2026-01-05", 5), move("2", "nut", "2026-01-04", 2), "broken"])
    land(lake.raw, "2026-01-05", "b", [move("3", "gear", "2026-01-03", 4)])
    land_things(lake.raw, "2026-01-05", {"bolt": "red", "nut": "blue"})


def second_night(lake: FiveTables) -> None:
    """Something new, late, corrected and withdrawn, so that every strategy rewrites."""
    land(lake.raw, "2026-01-06", "a", [move("4", "bolt", "2026-01-02", 1), move("5", "nut", "2026-01-06", 7)])
    land(lake.raw, "2026-01-05", "b", [move("3", "gear", "2026-01-03", 9)])
    land_things(lake.raw, "2026-01-06", {"bolt": "green", "nut": "blue"})


@pytest.fixture(scope="module")
def before(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> FiveTables:
    """A lake after its first night, with a second one delivered."""
    home = tmp_path_factory.mktemp("before")
    lake = FiveTables(spark, home / "lake", home / "raw")
    first_night(lake)
    lake.night()
    second_night(lake)
    return lake


@pytest.fixture(scope="module")
def golden(spark: SparkSession, before: FiveTables) -> Golden:
    """What its tables hold after a second night that nothing disturbed."""
    lake = copied(before, before.conf.root.parent / "golden")
    assert lake.night().exit_code == 0
    return lake.told()


def copied(lake: FiveTables, root: Path) -> FiveTables:
    shutil.copytree(lake.conf.root, root)
    return FiveTables(lake.spark, root, lake.raw)


def dies(lake: FiveTables, crash_at: CrashAt, turn: int | str) -> bool:
    """Whether the next run dies at the place of this turn or name (a shorter one may end before it)."""
    crash_at(str(turn))
    try:
        lake.night()
    except Died:
        return True
    finally:
        crash_at(None)
    return False


def check_finished(lake: FiveTables, golden: Golden) -> None:
    released = newest(lake.journal)
    assert released is not None
    seen = {t.id: released.tables[t.id]["version"] for t in TABLES}
    result = lake.night()
    assert result.exit_code == 0
    assert result.release is not None and result.release.number > 1 and not result.release.stale
    assert lake.told() == golden
    assert lake.told() == lake.held()
    assert lake.journal.open_tasks() == []
    assert all(store.version(lake.conf.at(t)) >= seen[t.id] for t in TABLES)


def test_a_night_passes_many_places(before: FiveTables, crash_at: CrashAt, tmp_path: Path) -> None:
    passed = crash_at("nowhere")
    copied(before, tmp_path / "lake").night()
    assert len(passed) >= PLACES
    assert {"before open", "opened", "written", "committed", "closed", "audited", "before release", "released"} <= {
        *passed
    }


@pytest.mark.parametrize("turn", SAMPLE)
def test_F01_a_run_that_died_is_finished_by_the_same_command(
    before: FiveTables, golden: Golden, crash_at: CrashAt, tmp_path: Path, turn: int, count: Count
) -> None:
    lake = copied(before, tmp_path / "lake")
    assert dies(lake, crash_at, turn)
    check_finished(lake, golden)
    count("places to die at")


@pytest.mark.soak
@pytest.mark.parametrize("turn", [t for t in range(1, PLACES + 6) if t not in SAMPLE])
def test_F01_a_run_that_died_anywhere_is_finished_by_the_same_command(
    before: FiveTables, golden: Golden, crash_at: CrashAt, tmp_path: Path, turn: int, count: Count
) -> None:
    lake = copied(before, tmp_path / "lake")
    dies(lake, crash_at, turn)
    check_finished(lake, golden)
    count("places to die at")


@pytest.mark.parametrize("pair", [pytest.param(p, marks=pytest.mark.soak if n else ()) for n, p in enumerate(PAIRS)])
def test_F01_a_recovery_that_died_is_finished_too(
    before: FiveTables, golden: Golden, crash_at: CrashAt, tmp_path: Path, pair: tuple[int, int], count: Count
) -> None:
    lake = copied(before, tmp_path / "lake")
    assert dies(lake, crash_at, pair[0])
    dies(lake, crash_at, pair[1])
    check_finished(lake, golden)
    count("pairs of places to die at")


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    "turn", [pytest.param(t, marks=pytest.mark.soak) for t in (2, 5, 11, 18, 23, 29, 34, 41, 47, 53)]
)
def test_F01_a_killed_process_is_finished_by_the_same_command(
    before: FiveTables, golden: Golden, tmp_path: Path, turn: int, count: Count
) -> None:
    lake = copied(before, tmp_path / "lake")
    assert Job(lake, "nightly", LAKE_CRASH_AT=str(turn)).ended() == -signal.SIGKILL
    check_finished(lake, golden)
    count("processes killed")


@pytest.mark.timeout(600)
def test_F01_a_killed_first_night_is_finished_by_the_same_command(
    lake: FiveTables, spark: SparkSession, tmp_path: Path
) -> None:
    first_night(lake)
    assert Job(lake, "nightly", LAKE_CRASH_AT="9").ended() == -signal.SIGKILL
    assert lake.night().release is not None
    check_laws(lake, FiveTables(spark, tmp_path / "scratch", lake.raw), ["a first night killed at place 9"])
