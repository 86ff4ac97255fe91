"""Readers while releases come and go, and a lake that has to be brought back from what is kept of it."""

from __future__ import annotations

import random
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pyarrow as pa
import pytest
from pyspark.sql import SparkSession

from lake.engine.control import Journal
from lake.engine.release import Lake, newest, releases, rollback
from tests.conftest import Count
from tests.engine.conftest import TABLES, Died, FiveTables, table
from tests.engine.schedules import Deliveries
from tests.engine.test_killed import first_night, second_night
from tests.engine.test_schedules import check_laws

CrashAt = Callable[[str | None], list[str]]
RELEASES, NIGHTS, KILLS = 100, 12, 20
GOLD = [t for t in TABLES if not t.is_source]


class Reader:
    """Reads every table at the newest release, over and over; what it saw of each release is in `seen`."""

    def __init__(self, lake: FiveTables) -> None:
        self.lake = lake
        self.seen: dict[int, dict[str, str]] = {}
        self.polls = 0
        self.wrong: list[str] = []

    def look(self) -> None:
        last = newest(Journal(self.lake.conf.root))
        if last is None:
            return
        tables = Lake(self.lake.conf, last, TABLES)
        rows = {t.id: tables.pandas(t.id) for t in GOLD if t.id in last.tables}
        here = {name: content(pa.Table.from_pandas(frame, preserve_index=False)) for name, frame in rows.items()}
        self.polls += 1
        if self.seen.setdefault(last.number, here) != here:
            self.wrong.append(f"release {last.number} did not stay as it was")
        if {name: len(frame) for name, frame in rows.items()} != {n: last.tables[n]["rows"] for n in rows}:
            self.wrong.append(f"release {last.number} does not hold what it says")
        moved, facts = rows.get(table("movements").id), rows.get(table("facts").id)
        if moved is not None and facts is not None and len(moved) != facts["moves"].sum():
            self.wrong.append(f"release {last.number} mixes {len(moved)} movements with facts about others")

    @contextmanager
    def looking(self) -> Iterator[None]:
        """Look all the time while the block runs."""
        over = threading.Event()

        def run() -> None:
            while not over.is_set():
                try:
                    self.look()
                except Exception as e:
                    self.wrong.append(f"{type(e).__name__}: {e}")

        thread = threading.Thread(target=run, name="reader")
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()


def content(rows: pa.Table) -> str:
    return str(sorted(str(r) for r in rows.to_pylist()))


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_F46_readers_see_whole_releases_while_a_hundred_come_and_go(
    lake: FiveTables, crash_at: CrashAt, count: Count
) -> None:
    dice, deliveries, reader = random.Random(11), Deliveries(lake.raw), Reader(lake)
    killed = 0

    def dying(places: list[str], what: Callable[[], object]) -> None:
        nonlocal killed
        crash_at(dice.choice(places))
        try:
            what()
        except Died:
            killed += 1
        finally:
            crash_at(None)

    with reader.looking():
        for night in range(NIGHTS):
            deliveries.night(dice.randrange(2**32))
            if night % 2:
                dying(["before release", "released", "committed", "audited"], lake.night)
            assert lake.night().exit_code == 0
            while len(releases(lake.journal)) < RELEASES * (night + 1) / NIGHTS and len(releases(lake.journal)) > 1:
                older = dice.choice(releases(lake.journal)[:-1])
                if killed < KILLS and dice.random() < 0.25:
                    dying(["rolling back", "before release", "released"], partial(rollback, lake.conf, older.number))
                back = rollback(lake.conf, older.number)
                assert back.tables == older.tables
    assert not reader.wrong, reader.wrong[:5]
    found = {r.number: r for r in releases(lake.journal)}
    assert len(found) >= RELEASES and killed >= KILLS
    for number, held in reader.seen.items():
        same = [n for n, r in found.items() if r.tables == found[number].tables and n in reader.seen]
        assert all(reader.seen[n] == held for n in same), f"release {number} was not brought back whole"
    count("releases under fire", len(found))
    count("of them killed", killed)
    count("looks at them", reader.polls)


@pytest.mark.soak
@pytest.mark.timeout(900)
@pytest.mark.parametrize("kept", ["raw", "raw and a backup"])
def test_a_deleted_lake_comes_back_with_the_released_hashes(
    lake: FiveTables, spark: SparkSession, tmp_path: Path, kept: str
) -> None:
    first_night(lake)
    lake.night()
    backup = tmp_path / "backup"
    shutil.copytree(lake.conf.root, backup)
    second_night(lake)
    released = lake.night().release
    assert released is not None
    shutil.rmtree(lake.conf.root)
    if kept != "raw":
        shutil.copytree(backup, lake.conf.root)
    back = lake.night().release
    assert back is not None
    sources = {t.id for t in TABLES if t.is_source}
    hashes = {n: e["hash"] for n, e in released.tables.items() if n not in sources}
    assert {n: e["hash"] for n, e in back.tables.items() if n not in sources} == hashes
    assert back.number == (1 if kept == "raw" else 2)
    check_laws(lake, FiveTables(spark, tmp_path / "scratch", lake.raw), [f"brought back from {kept}"])
