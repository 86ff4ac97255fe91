"""Older days after newer ones, chunk by chunk and with nights let in between: at last as if always been there."""

from __future__ import annotations

import signal
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from lake.core.errors import LeaseHeld
from lake.core.graph import select
from lake.engine import backfill, intake, lease
from lake.engine.conf import Conf
from lake.engine.control import Journal
from lake.engine.intake import Span
from lake.engine.prospect import Prospect, prospect
from lake.engine.release import releases
from tests.engine.conftest import TABLES, Died, FiveTables, table
from tests.engine.five_tables import land, land_things, move
from tests.engine.process import ThreeTables, started
from tests.engine.test_schedules import check_laws

MONTHS = [f"2025-{n:02}" for n in range(1, 13)]


# --- what a chunk minds, without Spark --------------------------------------------------------------------------------


@pytest.fixture
def conf(tmp_path: Path) -> Conf:
    return Conf(env="five", lake={"root": str(tmp_path / "lake"), "raw": str(tmp_path / "raw")})


def ahead(conf: Conf, since: str | None = None, until: str | None = None) -> Prospect:
    day = date.fromisoformat(until) if until else None
    return prospect(conf, Journal(conf.root), TABLES, day=day, since=date.fromisoformat(since) if since else None)


def loaded(conf: Conf) -> None:
    """Write down what a night would load, as if it had."""
    journal = Journal(conf.root)
    found = prospect(conf, journal, TABLES)
    journal.append("a night", ("run", "", {"as_of": found.as_of, "planned": []}))
    for landing in found.landings:
        body: dict[str, object] = {"add": [f.as_record() for f in landing.add], "remove": landing.remove}
        body["definition"] = landing.source.definition
        [task] = journal.append("a night", ("task", landing.source.id, body))
        said = {"task": task.seq, "version": 1, "changed": True, "rows": 1, "hash": "1"}
        journal.append(
            "a night", ("closed", landing.source.id, said), ("intake", landing.source.id, landing.observed())
        )


def moved(raw: Path, day: str, id: str = "", name: str = "a") -> Path:
    return land(raw, day, name, [move(id or day, "bolt", "2026-01-01", 1)])


def deliveries(found: Prospect) -> intake.Landing:
    return next(landing for landing in found.landings if landing.source.name == "deliveries")


def test_F24_a_chunk_loads_its_own_days_and_the_lake_does_not_look_back(conf: Conf) -> None:
    moved(conf.raw, "2026-06-30")
    loaded(conf)
    for day in ("2026-01-05", "2026-01-31", "2026-02-01"):
        moved(conf.raw, day)
    found = ahead(conf, "2026-01-01", "2026-01-31")
    assert found.as_of == date(2026, 6, 30)
    assert [f.dt for f in deliveries(found).add] == ["2026-01-05", "2026-01-31"]
    assert deliveries(found).observed()["through"] == "2026-06-30"
    assert ahead(conf, until="2026-01-31").as_of == date(2026, 6, 30)


def test_the_first_backfill_of_a_lake_looks_from_each_chunks_own_end(conf: Conf) -> None:
    for day in ("2026-01-05", "2026-02-05"):
        moved(conf.raw, day)
    assert ahead(conf, "2026-01-01", "2026-01-31").as_of == date(2026, 1, 5)
    assert ahead(conf, "2026-01-01").as_of == date(2026, 2, 5)


def test_a_chunk_minds_nothing_outside_its_days(conf: Conf) -> None:
    gone = moved(conf.raw, "2026-06-29")
    moved(conf.raw, "2026-06-30", "x")
    moved(conf.raw, "2026-06-30", "x", name="same")
    (conf.raw / "five/deliveries/dt=2026-06-30/bad.jsonl").write_bytes(b"PAR1")
    loaded(conf)
    before = deliveries(ahead(conf)).observed()
    assert before["duplicate"] and before["rejected"]
    gone.unlink()
    moved(conf.raw, "2026-01-05")
    landing = deliveries(ahead(conf, "2026-01-01", "2026-01-31"))
    assert ([f.dt for f in landing.add], landing.remove) == (["2026-01-05"], [])
    assert landing.observed() == before
    assert deliveries(ahead(conf)).remove == ["five/deliveries/dt=2026-06-29/a.jsonl"]


def test_an_original_in_an_older_chunk_takes_the_place_of_its_later_copy(conf: Conf) -> None:
    moved(conf.raw, "2026-06-30", "x")
    loaded(conf)
    moved(conf.raw, "2026-01-05", "x")
    landing = deliveries(ahead(conf, "2026-01-01", "2026-01-31"))
    assert ([f.dt for f in landing.add], landing.remove) == (
        ["2026-01-05"],
        ["five/deliveries/dt=2026-06-30/a.jsonl"],
    )


def test_each_chunk_ends_with_work_and_together_they_cover_every_day(conf: Conf) -> None:
    for day in ("2026-01-05", "2026-01-09", "2026-03-02"):
        moved(conf.raw, day)
    since, until = date(2025, 12, 1), date(2026, 6, 30)
    found = ahead(conf, "2025-12-01", "2026-06-30")
    assert backfill.chunks(found, since, until, "month") == [
        (since, date(2026, 1, 9)), (date(2026, 1, 10), until)
    ]  # fmt: skip
    assert len(backfill.chunks(found, since, until, "day")) == 3
    assert backfill.chunks(found, since, until, "year") == [(since, until)]
    loaded(conf)
    assert backfill.chunks(ahead(conf, "2025-12-01", "2026-06-30"), since, until, "month") == [(since, until)]


def test_a_span_leaves_out_what_a_backfill_has_before_it() -> None:
    span = Span(None, date(2026, 6, 30), left=(date(2026, 1, 1), date(2026, 3, 31)))
    days = ("2025-12-31", "2026-01-01", "2026-03-31", "2026-04-01", "2026-07-01")
    assert [d in span for d in days] == [True, False, False, True, False]


def test_a_night_waits_behind_a_backfill_and_behind_nobody_else(conf: Conf) -> None:
    for purpose, code in (("nightly", LeaseHeld.exit_code), (lease.BACKFILL, 0)):
        with lease.held(conf.root, purpose):
            if code:
                with pytest.raises(LeaseHeld, match=f"by {purpose}"):
                    lease.check_free(conf.root, wait_s=1)
            else:
                lease.check_free(conf.root, wait_s=1)
            with pytest.raises(LeaseHeld, match=f"by {purpose}"):
                lease.check_free(conf.root)


def test_a_night_that_waits_is_announced_and_gives_up_at_last(conf: Conf) -> None:
    def night(wait_s: float) -> None:
        with lease.held(conf.root, "nightly", wait_s=wait_s):
            pass

    with ThreadPoolExecutor(1) as pool, lease.held(conf.root, lease.BACKFILL):
        first = pool.submit(night, 2)
        while not lease.holder(conf.root, lease.WAITING):
            assert not first.done()
        with pytest.raises(LeaseHeld, match="waited for by nightly"):
            night(2)
        with pytest.raises(LeaseHeld, match="written by backfill"):
            first.result()
    assert lease.holder(conf.root, lease.WAITING) is None


# --- as if they had always been there ---------------------------------------------------------------------------------


def month(raw: Path, start: str, before: str | None) -> None:
    """A month's deliveries: moves of its own, one that comes late for the month before, a correction and an extract."""
    records = [move(f"{start}-{n}", thing, f"{start}-05", n) for n, thing in enumerate(("bolt", "nut"), start=1)]
    if before:
        records += [
            move(f"{before}-late", "bolt", f"{before}-20", 7),
            move(f"{before}-1", "bolt", f"{before}-05", 3, revision=2),
        ]
    land(raw, f"{start}-06", "a", [*records, "broken"])
    land_things(raw, f"{start}-06", {"bolt": f"red of {start}", "nut": "blue"})


def months(raw: Path, names: Sequence[str]) -> None:
    for before, start in zip([None, *names], names, strict=False):
        month(raw, start, before)


def newest_day(raw: Path) -> None:
    land(raw, "2026-02-02", "a", [move("new", "bolt", "2026-02-02", 1), move("2025-12-1", "bolt", "2025-12-05", 4, 9)])
    land_things(raw, "2026-02-02", {"bolt": "green", "nut": "blue"})


def spans(lake: FiveTables) -> list[dict[str, Any]]:
    """What each release was: its run's purpose, how far it looks, and how many files it holds."""
    return [
        {
            "by": r.run.split("-")[0],
            "as_of": r.body["as_of"],
            "through": r.tables[table("daily").id]["through"],
            "files": r.sources["five.bronze.deliveries"]["files"]["loaded"],
        }
        for r in releases(lake.journal)
    ]


def check_a_night_amid_a_backfill(lake: FiveTables, scratch: FiveTables, names: Sequence[str]) -> None:
    land(lake.raw, "2026-02-01", "a", [move("first", "bolt", "2026-02-01", 2)])
    land_things(lake.raw, "2026-02-01", {"bolt": "red", "nut": "blue"})
    assert lake.night().exit_code == 0
    months(lake.raw, names)
    span = ("--from", f"{names[0]}-01", "--to", f"{names[-1]}-28")
    with started(lake, "nightly", *span, freeze_at="committed") as old:  # in its first chunk
        newest_day(lake.raw)
        with started(lake, "nightly", "--no-wait") as hurried:
            assert hurried.ended() == LeaseHeld.exit_code
            assert f"by backfill, pid {old.process.pid} " in hurried.said
        with started(lake, "nightly") as night:
            night.until(lambda: lease.holder(lake.conf.root, lease.WAITING))
            old.signal(signal.SIGCONT)
            assert night.ended() == 0, night.said
            at_night = spans(lake)
            assert old.ended(600) == 0, old.said
    assert at_night[:3] == [
        {"by": "nightly", "as_of": "2026-02-01", "through": "2026-02-01", "files": 1},
        {"by": "backfill", "as_of": "2026-02-01", "through": "2026-02-01", "files": 2},
        {"by": "nightly", "as_of": "2026-02-02", "through": "2026-02-02", "files": 3},
    ]
    rest = [
        {"by": "backfill", "as_of": "2026-02-02", "through": "2026-02-02", "files": 3 + n} for n in range(1, len(names))
    ]
    assert spans(lake)[3:] == rest
    check_laws(lake, scratch, ["a night amid a backfill"])
    assert spans(lake)[-1] == spans(scratch)[-1] | {"by": "backfill"}


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_F23_a_night_is_let_in_after_the_first_chunk_of_a_backfill(spark: SparkSession, tmp_path: Path) -> None:
    lake, scratch = (ThreeTables(spark, tmp_path / name, tmp_path / "raw") for name in ("lake", "scratch"))
    check_a_night_amid_a_backfill(lake, scratch, MONTHS[:3])


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_F23_a_night_is_let_in_after_the_first_chunk_of_twelve_months(spark: SparkSession, tmp_path: Path) -> None:
    lake, scratch = (FiveTables(spark, tmp_path / name, tmp_path / "raw") for name in ("lake", "scratch"))
    check_a_night_amid_a_backfill(lake, scratch, MONTHS)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("kind", [ThreeTables, pytest.param(FiveTables, marks=pytest.mark.soak)])
def test_F24_an_interrupted_backfill_goes_on_and_only_its_own_days_change(
    spark: SparkSession, tmp_path: Path, crash_at: Callable[[str | None], list[str]], kind: type[FiveTables]
) -> None:
    lake, scratch = (kind(spark, tmp_path / name, tmp_path / "raw") for name in ("lake", "scratch"))
    land(lake.raw, "2026-02-01", "a", [move("first", "bolt", "2026-02-01", 2)])
    land_things(lake.raw, "2026-02-01", {"bolt": "red"})
    lake.night()
    months(lake.raw, MONTHS[:2])
    chosen = select(getattr(lake, "select", None), TABLES)
    span = {"since": date(2025, 1, 1), "until": date(2025, 12, 31), "chosen": chosen}
    crash_at("before release")  # of its first chunk
    with pytest.raises(Died):
        backfill.run(lake.conf, TABLES, **span)
    crash_at(None)
    again = backfill.run(lake.conf, TABLES, **span)
    assert again.exit_code == 0
    assert [s["files"] for s in spans(lake)] == [1, 3]  # what the first chunk loaded came out with the second
    assert {s["as_of"] for s in spans(lake)} == {"2026-02-01"}
    [_, *since] = lake.journal.states()[table("daily").id].commits
    assert {day for c in since for day in c["slices"]} == {"2025-01-05", "2025-01-20", "2025-02-05"}
    check_laws(lake, scratch, ["an interrupted backfill"])
    assert backfill.run(lake.conf, TABLES, **span).written == []
