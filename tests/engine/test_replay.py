"""Replay: what a mended rule or parser accepts, as it was said beforehand, once, and equal to from-scratch."""

from __future__ import annotations

import copy
import random
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from pyspark.sql import Column
from pyspark.sql import functions as F
from pyspark.sql.types import DataType, StringType

from lake.core import table as declarations
from lake.core.table import Column as DeclaredColumn
from lake.core.table import Delivery, Table
from lake.engine import lease, records, replay, store
from lake.engine.replay import Forecast
from tests.engine import five_tables
from tests.engine.conftest import TABLES, FiveTables, table
from tests.engine.five_tables import land, land_things, move
from tests.engine.schedules import Deliveries
from tests.engine.test_schedules import check_laws

Scratch = Callable[[FiveTables], FiveTables]
Rule = Callable[[str], None]
Redeclare = Callable[[Table, str, object], None]
RULES = ("quantity >= 0", "quantity < 10", "thing <> 'nut'", "revision = 1")
MOVEMENTS = five_tables.movements


@pytest.fixture
def redeclare() -> Iterator[Redeclare]:
    """redeclare(table, "columns", other): what a table declares, until the test ends."""
    declared: list[tuple[Table, str, object]] = []

    def declare(of: Table, name: str, value: object) -> None:
        object.__setattr__(of, name, value)
        declarations._definition.cache_clear()

    def anew(of: Table, name: str, value: object) -> None:
        declared.append((of, name, getattr(of, name)))
        declare(of, name, value)

    yield anew
    for before in reversed(declared):
        declare(*before)


@pytest.fixture
def rule(redeclare: Redeclare) -> Rule:
    """Redeclares what a good movement is."""

    def holds(check: str) -> None:
        other = copy.copy(MOVEMENTS.column("quantity"))
        object.__setattr__(other, "check", check)
        redeclare(MOVEMENTS, "columns", tuple(other if c.name == "quantity" else c for c in MOVEMENTS.columns))

    return holds


def forecasts(lake: FiveTables, rule: str | None = None) -> list[Forecast]:
    return replay.forecasts(lake.conf, lake.journal, TABLES, TABLES, rule=rule)


def replayed(lake: FiveTables) -> list[str]:
    """Do what a replay does; says what was written."""
    wanted = [f.table for f in forecasts(lake) if f.changes]
    if not wanted:
        return []
    with lease.held(lake.conf.root, "replay"):
        replay.ask(lake.journal, wanted)
    return lake.night(purpose="build").written


def versions(lake: FiveTables) -> dict[str, int]:
    return {t.id: store.version(lake.conf.at(t)) for t in TABLES}


def play(lake: FiveTables, from_scratch: Scratch, rule: Rule, seed: int, cases: int) -> None:
    """Land, change the rule, say what a replay would do, do it: as said, and a second time nothing."""
    dice, deliveries = random.Random(seed), Deliveries(lake.raw)
    deliveries.night(dice.randrange(2**32))
    land(lake.raw, "2026-01-28", "dirt", ["not json"])
    lake.night()
    rules, moved = dice.sample(RULES, len(RULES)), 0
    for case in range(cases):
        if case % 3 == 0:
            deliveries.night(dice.randrange(2**32))
            lake.night()
        before = lake.told()[MOVEMENTS.id]
        standing = rules[case % len(rules)]
        rule(standing)
        [foretold] = forecasts(lake)
        written = replayed(lake)
        now = lake.told()[MOVEMENTS.id]
        assert now == (foretold.rows, foretold.rejected, foretold.hash), (seed, case)
        assert now[1] - before[1] == sum(foretold.refused.values()) - sum(foretold.accepted.values())
        assert bool(written) == foretold.changes
        moved += foretold.changes
        stood = versions(lake)
        assert replayed(lake) == []
        assert versions(lake) == stood
        lake.night()  # a definition that changes nothing is taken note of
    assert moved > cases // 4, "too few cases changed anything"
    check_laws(lake, from_scratch(lake), [f"replayed by the seed {seed}"])


def test_three_replays_do_what_was_said(lake: FiveTables, from_scratch: Scratch, rule: Rule) -> None:
    play(lake, from_scratch, rule, seed=3, cases=3)


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_twenty_replays_do_what_was_said(lake: FiveTables, from_scratch: Scratch, rule: Rule) -> None:
    play(lake, from_scratch, rule, seed=20, cases=20)


def test_what_a_mended_rule_accepts_is_told_by_the_rule_that_rejected_it(lake: FiveTables, rule: Rule) -> None:
    rule("quantity < 10")
    days = ["2026-01-05", "2026-01-06"]
    for n, day in enumerate(days):
        land(lake.raw, day, "a", [move(f"{n}1", "bolt", day, 5), move(f"{n}2", "nut", day, 50 * n + 5), "not json"])
    lake.night()
    assert [(f.accepted, f.refused, f.changes) for f in forecasts(lake)] == [({}, {}, False)]
    rule("quantity > 5")
    [said] = forecasts(lake)
    assert (said.accepted, said.refused, said.otherwise) == ({"check": 1}, {"check": 3}, {})
    assert said.said() == (
        f"{MOVEMENTS.id}: 1 of the rejected records would be accepted (1 check); 3 would be rejected (3 check)"
    )
    assert forecasts(lake, rule="duplicate") == []
    assert [f.table for f in forecasts(lake, rule="record")] == [MOVEMENTS.id]


def test_a_mended_rule_reaches_only_the_days_of_what_it_accepts(lake: FiveTables, rule: Rule) -> None:
    rule("quantity < 10")
    for day, quantity in (("2026-01-05", 5), ("2026-01-06", 50), ("2026-01-07", 7)):
        land(lake.raw, day, "a", [move(day, "bolt", day, quantity)])
    lake.night()
    rule("quantity < 100")
    lake.night()
    states = lake.journal.states()
    for name in ("movements", "daily"):
        last = [c for c in states[table(name).id].commits if c["changed"]][-1]
        assert (last["slices"], last.get("redefined")) == (["2026-01-06"], None), name


def test_a_mended_parser_of_the_engine_has_its_records_read_again(
    lake: FiveTables, from_scratch: Scratch, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = records._cast_one

    def older(text: Column, to: DataType, delivery: Delivery) -> Column:
        return F.when(~text.startswith(" "), right(text, to, delivery))

    monkeypatch.setattr(records, "_cast_one", older)
    texts = [move(str(n), "bolt", "2026-01-05", 0) | {"quantity": q} for n, q in enumerate([" 5", "7", " 8"])]
    land(lake.raw, "2026-01-05", "a", [*texts, "not json"])
    lake.night()
    assert lake.told()[MOVEMENTS.id][:2] == (1, 3)
    monkeypatch.undo()
    lake.night()
    assert lake.told()[MOVEMENTS.id][:2] == (1, 3), "no declaration changed: a night alone changes nothing"
    assert [f.accepted for f in forecasts(lake)] == [{"type": 2}]
    assert MOVEMENTS.id in replayed(lake)
    assert lake.told()[MOVEMENTS.id][:2] == (3, 1)
    check_laws(lake, from_scratch(lake), ["a parser was mended"])


def test_files_are_loaded_anew_where_their_records_end_elsewhere(
    lake: FiveTables, from_scratch: Scratch, redeclare: Redeclare
) -> None:
    things = five_tables.things
    assert things.delivery is not None
    land(lake.raw, "2026-01-05", "a", [move("1", "bolt", "2026-01-05", 5)])
    land_things(lake.raw, "2026-01-05", {"bolt": "red"}).write_bytes(b"thing,colour\nbolt,red\rnut,blue\n")
    lake.night()
    assert sum(lake.told()[table("thing_files").id][:2]) == 1
    redeclare(things, "delivery", replace(things.delivery, line_end="any"))
    lake.night()
    assert lake.told()[table("thing_files").id][:2] == (2, 0)
    check_laws(lake, from_scratch(lake), ["another line end"])
    assert lake.night().written == []


def test_F44_a_new_column_is_adopted_over_history_without_the_raw_files(lake: FiveTables, redeclare: Redeclare) -> None:
    """A column that nobody declared, another that was renamed on the way: both have their values of the first day."""
    for n, day in enumerate(["2026-01-05", "2026-01-06", "2026-01-07"]):
        renamed = {"count" if n else "quantity": n}
        record = {k: v for k, v in move(str(n), "bolt", day, n).items() if k != "quantity"}
        land(lake.raw, day, "a", [record | renamed | ({"mood": f"good {n}"} if n else {})])
    assert lake.night().written
    quantity = replace(MOVEMENTS.column("quantity"), type=None, raw="count", formerly=("quantity",))
    mood = DeclaredColumn("mood", StringType(), required=False)
    shutil.rmtree(lake.raw)
    redeclare(MOVEMENTS, "columns", (*[c if c.name != "quantity" else quantity for c in MOVEMENTS.columns], mood))
    below = [t for t in TABLES if not t.is_source]
    assert MOVEMENTS.id in lake.night(purpose="build", chosen=below).written
    held = store.rows(lake.conf.at(MOVEMENTS), columns=["id", "quantity", "mood"], where=[("_ok", "=", True)])
    assert sorted((r["id"], int(r["quantity"]), r["mood"]) for r in held.to_pylist()) == [
        ("0", 0, None), ("1", 1, "good 1"), ("2", 2, "good 2"),
    ]  # fmt: skip
