"""The laws on random and on chosen schedules: incremental equals from scratch, nothing vanishes, releases are whole."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from lake.core.errors import WrongUse
from lake.engine import audit, store
from lake.engine.release import newest, rollback
from tests.engine.conftest import TABLES, FiveTables, table
from tests.engine.five_tables import land, land_things, move
from tests.engine.test_schedules import check_laws

Scratch = Callable[[FiveTables], FiveTables]


def test_F27_late_corrected_and_withdrawn_files_reach_every_table(lake: FiveTables, from_scratch: Scratch) -> None:
    first = land(lake.raw, "2026-01-05", "a", [move("1", "bolt", "2026-01-05", 5), move("2", "nut", "2026-01-05", 3)])
    second = land(lake.raw, "2026-01-05", "b", [move("3", "bolt", "2026-01-05", 1)])
    land_things(lake.raw, "2026-01-05", {"bolt": "red", "nut": "blue"})
    lake.night()
    land(lake.raw, "2026-04-06", "a", [move("4", "nut", "2026-04-06", 2)])  # months without a movement lie between
    lake.night()
    land(lake.raw, "2026-04-07", "late", [move("5", "bolt", "2026-01-06", 7)])
    land(lake.raw, "2026-01-05", "b", [move("3", "bolt", "2026-01-05", 9)])  # the same name, another content
    first.unlink()
    assert second.exists()
    lake.night()
    check_laws(lake, from_scratch(lake), ["the story above"])
    balance = lake.spark.read.format("delta").load(str(lake.conf.at(table("balance"))))
    rows = {(r["thing"], str(r["month"])): float(r["closing"]) for r in balance.collect()}
    assert rows == {
        ("bolt", "2026-01-01"): 16.0, ("bolt", "2026-02-01"): 16.0, ("bolt", "2026-03-01"): 16.0,
        ("bolt", "2026-04-01"): 16.0, ("nut", "2026-04-01"): 2.0,
    }  # fmt: skip


def test_F26_a_duplicate_steps_in_for_its_withdrawn_original(lake: FiveTables, from_scratch: Scratch) -> None:
    original = land(lake.raw, "2026-01-05", "a", [move("1", "bolt", "2026-01-05", 5)])
    land(lake.raw, "2026-01-06", "same", [move("1", "bolt", "2026-01-05", 5)])
    lake.night()
    account = audit.accounts(TABLES, lake.journal.states(), lake.journal)["five.bronze.deliveries"]
    assert account["files"] == {"loaded": 1, "duplicate": 1, "deferred": 0, "rejected": 0}
    original.unlink()
    lake.night()
    check_laws(lake, from_scratch(lake), ["original withdrawn"])
    assert lake.told()[table("movements").id][0] == 1


def test_an_id_that_stands_on_another_day_is_said(lake: FiveTables) -> None:
    land(lake.raw, "2026-01-05", "a", [move(i, "bolt", "2026-01-05", 5) for i in ("1", "2", "3")])
    lake.night()
    again = [move("1", "bolt", "2026-01-06", 5), move("2", "bolt", "2026-01-05", 5), move("4", "bolt", "2026-01-06", 5)]
    land(lake.raw, "2026-01-06", "a", again)
    lake.night()
    account = audit.accounts(TABLES, lake.journal.states(), lake.journal)["five.bronze.deliveries"]
    assert (account["accepted"], account["rejected"], account["repeated"]) == (5, 1, 1)


def test_a_late_statement_parts_a_version_that_stood_as_one(lake: FiveTables, from_scratch: Scratch) -> None:
    for day, colour in ("2026-01-05", "red"), ("2026-01-09", "red"), ("2026-01-12", "green"), ("2026-01-07", "blue"):
        land_things(lake.raw, day, {"bolt": colour})
        lake.night()
    check_laws(lake, from_scratch(lake), ["the statements above"])
    versions = lake.spark.read.format("delta").load(str(lake.conf.at(table("colours"))))
    assert [(r["colour"], str(r["valid_from"])) for r in versions.orderBy("valid_from").collect()] == [
        ("red", "2026-01-05"), ("blue", "2026-01-07"), ("red", "2026-01-09"), ("green", "2026-01-12"),
    ]  # fmt: skip


def test_F25_a_night_with_nothing_new_writes_nothing(lake: FiveTables) -> None:
    land(lake.raw, "2026-01-05", "a", [move("1", "bolt", "2026-01-05", 5)])
    lake.night()
    before = {t.id: store.version(lake.conf.at(t)) for t in TABLES}
    release = newest(lake.journal)
    again = lake.night()
    assert again.written == []
    assert {t.id: store.version(lake.conf.at(t)) for t in TABLES} == before
    assert newest(lake.journal) == release


def test_F31_a_late_row_rewrites_only_the_days_it_touches(lake: FiveTables) -> None:
    land(lake.raw, "2026-01-05", "a", [move(str(n), "bolt", f"2026-01-{n:02}", n) for n in range(1, 5)])
    lake.night()
    land(lake.raw, "2026-01-06", "late", [move("late", "bolt", "2026-01-02", 1)])
    lake.night()
    daily = lake.journal.states()[table("daily").id].commits[-1]
    rolling = lake.journal.states()[table("rolling").id].commits[-1]
    assert daily["slices"] == ["2026-01-02"]
    assert rolling["slices"] == ["2026-01-02", "2026-01-03", "2026-01-04"]


def test_F31_a_movement_ninety_days_late_moves_its_day_and_the_months_since(
    lake: FiveTables, from_scratch: Scratch
) -> None:
    days = ["2026-01-05", "2026-02-05", "2026-03-05", "2026-04-05"]
    land(lake.raw, "2026-04-05", "a", [move(d, thing, d, 2) for d in days for thing in ("bolt", "nut")])
    lake.night()
    land(lake.raw, "2026-04-06", "late", [move("late", "bolt", "2026-01-06", 5)])
    lake.night()

    def said(name: str) -> list[str]:
        where = lake.conf.at(table(name))
        return list(store.said(where, store.version(where))["slices"])

    assert said("movements") == said("daily") == ["2026-01-06"]
    assert said("balance") == ["2026-01-01", "2026-02-01", "2026-03-01", "2026-04-01"]
    check_laws(lake, from_scratch(lake), ["a movement 90 days late"])


def test_F46_readers_see_a_whole_release_and_a_rollback_brings_it_back(lake: FiveTables) -> None:
    land(lake.raw, "2026-01-05", "a", [move("1", "bolt", "2026-01-05", 5)])
    first = lake.night().release
    land(lake.raw, "2026-01-06", "a", [move("2", "nut", "2026-01-06", 3)])
    second = lake.night().release
    assert first and second
    assert second.tables[table("facts").id]["hash"] != first.tables[table("facts").id]["hash"]
    back = rollback(lake.conf)
    assert (back.number, back.tables) == (3, first.tables)
    rows = store.rows(lake.conf.at(table("facts")), at=back.tables[table("facts").id]["version"])
    assert rows["thing"].to_pylist() == ["bolt"]
    with pytest.raises(WrongUse, match="no older release"):
        rollback(lake.conf)  # readers see the first one already


def test_F22_an_intruder_is_found_before_the_release(lake: FiveTables) -> None:
    land(lake.raw, "2026-01-05", "a", [move("1", "bolt", "2026-01-05", 5)])
    lake.night()
    path = str(lake.conf.at(table("daily")))
    rows = lake.spark.read.format("delta").load(path)
    rows.write.format("delta").mode("append").save(path)
    land(lake.raw, "2026-01-06", "a", [move("2", "nut", "2026-01-06", 3)])
    result = lake.night()
    assert result.exit_code == 3
    assert any(f.law == "audit" and f.subject == table("daily").id for f in result.findings)
