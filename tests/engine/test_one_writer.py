"""One writer a lake: jobs in processes of their own that meet, freeze, are killed or asked to stop."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from lake.core.errors import LeaseHeld
from lake.engine import door, lease
from lake.engine.release import newest, releases
from tests.engine.conftest import FiveTables
from tests.engine.process import ThreeTables, started
from tests.engine.test_killed import first_night
from tests.engine.test_schedules import check_laws


@pytest.fixture
def lake(spark: SparkSession, tmp_path: Path) -> FiveTables:
    return ThreeTables(spark, tmp_path / "lake", tmp_path / "raw")


@pytest.fixture(scope="module")
def scratch(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> FiveTables:
    """What all of these tests deliver, in one undisturbed night."""
    home = tmp_path_factory.mktemp("scratch")
    made = ThreeTables(spark, home / "lake", home / "raw")
    first_night(made)
    assert made.night().exit_code == 0
    return made


def test_F20_of_two_nights_at_once_one_runs_and_the_other_names_it(lake: FiveTables) -> None:
    first_night(lake)
    with started(lake, "nightly", freeze_at="leased") as first:
        with started(lake, "nightly") as second:
            assert second.ended() == LeaseHeld.exit_code
        who = lease.holder(lake.conf.root)
        assert who is not None and who["pid"] == first.process.pid
        for part in (f"by nightly, pid {who['pid']} on {os.uname().nodename}, since {who['since']}", "Hint: "):
            assert part in second.said
        assert len(second.said.splitlines()) <= 5
        first.kill()
        with lease.held(lake.conf.root, "the next"):  # a killed holder is no holder
            assert lease.purpose_of(lake.conf.root) == "the next"


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_F20_the_night_that_runs_is_not_disturbed_by_the_other(lake: FiveTables, scratch: FiveTables) -> None:
    first_night(lake)
    with started(lake, "nightly", freeze_at="committed") as first:
        with started(lake, "nightly") as second:
            assert second.ended() == LeaseHeld.exit_code
        first.signal(signal.SIGCONT)
        assert first.ended() == 0
    check_laws(lake, scratch, ["two nights at once"])
    assert [r.number for r in releases(lake.journal)] == [1]


PLACES = ["written", *[pytest.param(p, marks=pytest.mark.soak) for p in ("opened", "committed", "before release")]]


@pytest.mark.timeout(600)
@pytest.mark.parametrize("place", PLACES)
def test_F21_a_frozen_night_whose_lease_was_taken_over_can_do_nothing_more(
    lake: FiveTables, scratch: FiveTables, place: str
) -> None:
    first_night(lake)
    with started(lake, "nightly", freeze_at=place) as frozen:
        (lake.conf.root / "_control" / "lease").unlink()
        assert lake.night().exit_code == 0
        rows, release = len(lake.journal.rows), newest(lake.journal)
        frozen.signal(signal.SIGCONT)
        assert frozen.ended() == 1
        assert "another process" in frozen.said.lower()
    assert (len(lake.journal.rows), newest(lake.journal)) == (rows, release)
    check_laws(lake, scratch, [f"frozen at {place!r}, and awake again"])
    assert lake.night().written == []


@pytest.mark.soak
@pytest.mark.timeout(600)
@pytest.mark.parametrize("place", ["written", "committed"])
def test_F50_a_night_that_is_asked_to_stop_ends_soon_and_the_next_goes_on(
    lake: FiveTables, scratch: FiveTables, place: str
) -> None:
    first_night(lake)
    with started(lake, "nightly", freeze_at=place) as night:
        asked = time.monotonic()
        night.signal(signal.SIGTERM)
        night.signal(signal.SIGCONT)
        assert night.ended() == door.STOPPED
        assert time.monotonic() - asked < 30
        assert "asked to stop" in night.said
        lease.check_free(lake.conf.root)
    assert newest(lake.journal) is None
    assert lake.night().release is not None
    check_laws(lake, scratch, [f"asked to stop at {place!r}"])
