"""Whatever is delivered, whenever it dies, whatever is redefined or rolled back: the laws hold."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from pyspark.sql import SparkSession

from lake.core import table as declarations
from lake.engine import night
from lake.engine.release import releases, rollback
from lake.engine.verify import Verifier
from tests.conftest import Count
from tests.engine import five_tables
from tests.engine.conftest import TABLES, Died, FiveTables
from tests.engine.schedules import Deliveries

MANY = int(os.environ.get("LAKE_SCHEDULES", "200"))
PARTS = 10
"""In so many tests: what fails late does not cost all that held before it."""
CrashAt = Callable[[str | None], list[str]]


@dataclass(frozen=True)
class Night:
    """One night of a schedule: what is delivered (by dice), and what else happens.

    dies_at     the turn of the place at which its run dies; it is then started again
    weight      what the definition of `daily` weighs a movement by, from this night on
    """

    seed: int
    dies_at: int | None
    weight: int
    rolled_back: bool


NIGHTS = st.lists(
    st.builds(
        Night,
        seed=st.integers(0, 2**32),
        dies_at=st.none() | st.integers(1, 70),
        weight=st.sampled_from([1, 1, 1, 2]),
        rolled_back=st.sampled_from([False, False, False, True]),
    ),
    min_size=2,
    max_size=3,
)
ONCE = settings(
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.generate],
)


@pytest.fixture
def redefined() -> Iterator[Callable[[int], None]]:
    def weigh(by: int) -> None:
        five_tables.WEIGHT = by
        declarations._definition.cache_clear()

    yield weigh
    weigh(1)


def play(lake: FiveTables, nights: list[Night], crash_at: CrashAt, redefined: Callable[[int], None]) -> list[str]:
    story: list[str] = []
    deliveries = Deliveries(lake.raw)
    for one in nights:
        story.append(f"{deliveries.night(one.seed)}; {one}")
        redefined(one.weight)
        if one.dies_at is not None:
            crash_at(str(one.dies_at))
            try:
                lake.night()
            except Died:
                story.append("died")
            crash_at(None)
        assert lake.night().exit_code == 0, story
        made = releases(lake.journal)
        if one.rolled_back and len(made) > 1:
            assert rollback(lake.conf).tables == made[-2].tables
    return story


def check_laws(lake: FiveTables, scratch: FiveTables, story: list[str]) -> None:
    """The journal tells the truth, incremental equals from scratch, and the laws of `verify` hold.

    Not that keys are unique: the deliveries say one movement's id on two days, which that law is to find.
    """
    assert lake.told() == lake.held(), f"the journal is wrong about what is stored, after {story}"
    assert scratch.night().exit_code == 0
    assert lake.told() == scratch.told(), f"incremental differs from scratch, after {story}"
    assert night.written_unplanned(lake.journal) == []
    assert lake.journal.open_tasks() == []
    if not lake.told():
        return  # nothing was delivered: there is nothing to verify
    for verdict in Verifier(lake.conf, TABLES, [], TABLES).conclude(["audit", "release", "conservation"]):
        assert not verdict.violations, (verdict, story)


def schedule_holds(
    spark: SparkSession, nights: list[Night], crash_at: CrashAt, redefined: Callable[[int], None]
) -> int:
    """The rows that the laws were held against."""
    with tempfile.TemporaryDirectory() as home:
        lake = FiveTables(spark, Path(home) / "lake", Path(home) / "raw")
        story = play(lake, nights, crash_at, redefined)
        check_laws(lake, FiveTables(spark, Path(home) / "scratch", lake.raw), story)
        return sum(rows for rows, _, _ in lake.told().values())


@pytest.mark.timeout(900)
def test_five_schedules_keep_the_laws(spark: SparkSession, crash_at: CrashAt, redefined: Callable[[int], None]) -> None:
    @settings(ONCE, max_examples=5, derandomize=True)
    @given(NIGHTS)
    def hold(nights: list[Night]) -> None:
        schedule_holds(spark, nights, crash_at, redefined)

    hold()


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("part", range(PARTS))
def test_many_schedules_keep_the_laws(
    spark: SparkSession, crash_at: CrashAt, redefined: Callable[[int], None], count: Count, part: int
) -> None:
    played: list[int] = []
    rows: list[int] = []

    @settings(ONCE, max_examples=-(-MANY // PARTS))
    @given(NIGHTS)
    def hold(nights: list[Night]) -> None:
        rows.append(schedule_holds(spark, nights, crash_at, redefined))
        played.append(len(nights))

    hold()
    count("schedules", len(played))
    count("nights of schedules", sum(played))
    count("rows compared with those from scratch", sum(rows))
