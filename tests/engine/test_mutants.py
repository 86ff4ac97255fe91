"""Wrong engines: each is played the same story as the right one, and must be caught by the laws."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from lake.core import table as declarations
from lake.core.table import Table
from lake.engine import appending, intake, keying, plan, slicing, store, work
from lake.engine.verify import Verifier
from tests.conftest import Count
from tests.engine import five_tables
from tests.engine.conftest import TABLES, FiveTables, table
from tests.engine.five_tables import land, land_things, move

Patch = pytest.MonkeyPatch
Mutant = Callable[[Patch], None]
STORY = 5


def night_of_the_story(lake: FiveTables, n: int) -> None:
    """What is delivered on night `n`: everything that a wrong engine could get wrong."""
    raw = lake.raw
    if n == 0:
        land(raw, "2026-01-05", "a", [move("1", "bolt", "2026-01-05", 5), move("2", "nut", "2026-01-04", 3), "broken"])
        land(raw, "2026-01-05", "b", [move("3", "gear", "2026-01-03", 1), move("4", "belt", "2026-01-04", 2)])
        land_things(raw, "2026-01-05", {"bolt": "red", "nut": "blue", "gear": "red", "belt": "red"})
    if n == 1:  # a tie between files in the wrong order, a duplicate, a later revision, a change of colour
        land(
            raw, "2026-01-06", "y", [move("7", "nut", "2026-01-06", 8), move("1", "bolt", "2026-01-05", 6, revision=2)]
        )
        land(raw, "2026-01-06", "z", [move("7", "nut", "2026-01-06", 4), move("2", "nut", "2026-01-04", 3)])
        land_things(raw, "2026-01-06", {"bolt": "green", "nut": "blue"})
    if n == 2:  # months without a movement, a late one, a tie whose winner came first
        land(raw, "2026-04-06", "a", [move("8", "nut", "2026-04-06", 2)])
        late = [
            move("9", "bolt", "2026-01-03", 7),
            move("7", "nut", "2026-01-06", 1),
            move("10", "gear", "2026-02-20", 2),
        ]
        land(raw, "2026-04-06", "late", late)
        land(raw, "2026-04-06", "older", [move("1", "bolt", "2026-01-05", 9, revision=1)])
        land_things(raw, "2026-04-06", {"nut": "blue"})
    if n == 3:  # the same name with other content; a withdrawn file; another definition; a late statement
        land_things(raw, "2026-02-01", {"nut": "white"})
        land(raw, "2026-01-05", "b", [move("3", "gear", "2026-01-03", 9)])
        (raw / "five" / "deliveries" / "dt=2026-01-06" / "z.jsonl").unlink()
        five_tables.WEIGHT = 2
        declarations._definition.cache_clear()
    if n == 4:  # the last month goes again, and an extract is corrected; of one thing there is only news
        (raw / "five" / "deliveries" / "dt=2026-04-06" / "a.jsonl").unlink()
        land_things(raw, "2026-01-06", {"bolt": "red", "nut": "blue"})
        land_things(raw, "2026-04-06", {"belt": "white"}, name="news")


@pytest.fixture
def lake(spark: SparkSession, tmp_path: Path) -> Iterator[FiveTables]:
    yield FiveTables(spark, tmp_path / "lake", tmp_path / "raw")
    five_tables.WEIGHT = 1
    declarations._definition.cache_clear()


TRUTH: dict[str, tuple[int, int, str]] = {}


def caught(lake: FiveTables) -> str:
    """By which law the engine of the moment is caught in the story; empty if it is right."""
    for n in range(STORY):
        night_of_the_story(lake, n)
        result = lake.night()
        if result.exit_code:
            return f"audit: night {n} ended with {result.exit_code}: {result.failed or result.findings}"
    if lake.told() != lake.held():
        return "journal: it does not say what is stored"
    if TRUTH and lake.told() != TRUTH:
        return f"scratch: {sorted(t for t in TRUTH if TRUTH[t] != lake.told().get(t))}"
    for verdict in Verifier(lake.conf, TABLES, [], TABLES).conclude(["audit", "release", "conservation"]):
        if verdict.violations:
            return f"{verdict.law}: {verdict.examples}"
    return ""


@pytest.fixture
def truth(spark: SparkSession, tmp_path: Path) -> Iterator[None]:
    """What the right engine makes of the whole story in one night."""
    if not TRUTH:
        told = FiveTables(spark, tmp_path / "told", tmp_path / "told_raw")
        for n in range(STORY):
            night_of_the_story(told, n)
        assert told.night().exit_code == 0
        TRUTH.update(told.told())
        five_tables.WEIGHT = 1
        declarations._definition.cache_clear()
        shutil.rmtree(tmp_path / "told")
    return


MUTANTS: list[Any] = []


def mutant(function: Mutant) -> Mutant:
    MUTANTS.append(pytest.param(function, id=function.__name__))
    return function


@mutant
def a_redelivery_is_ignored(patch: Patch) -> None:
    right = intake._settle

    def only_new(landing: Any, wanted: Any, gone: Any, held: Any, *, daily: bool) -> None:
        right(landing, {p: f for p, f in wanted.items() if p not in held}, gone, held, daily=daily)

    patch.setattr(intake, "_settle", only_new)


@mutant
def a_withdrawal_is_ignored(patch: Patch) -> None:
    right = intake._settle

    def nothing_goes(landing: Any, wanted: Any, gone: Any, held: Any, *, daily: bool) -> None:
        right(landing, wanted, set(), held, daily=daily)

    patch.setattr(intake, "_settle", nothing_goes)


@mutant
def the_last_to_arrive_wins(patch: Patch) -> None:
    right = appending.Appending._decided

    def by_arrival(self: Any, rows: DataFrame, refresh: Any) -> DataFrame:
        newer = type(refresh)(refresh.key, ("_batch",), by=refresh.by)
        return right(self, rows, newer)

    patch.setattr(appending.Appending, "_decided", by_arrival)


@mutant
def losers_are_dropped(patch: Patch) -> None:
    right = appending.Appending._decided
    patch.setattr(appending.Appending, "_decided", lambda self, rows, refresh: right(self, rows, refresh).where("_ok"))


@mutant
def a_slice_reaches_one_less(patch: Patch) -> None:
    patch.setattr(slicing, "step", _short(slicing.step))


def _short(right: Callable[..., Any]) -> Callable[..., Any]:
    return lambda day, n, unit: right(day, min(n, 1) if n > 0 else n, unit)


@mutant
def a_balance_reaches_only_its_own_month(patch: Patch) -> None:
    right = work.Work.replace

    def own_month(self: Any, new: DataFrame, *, scope: Any) -> Any:
        if isinstance(self, slicing.Slicing) and not isinstance(scope, list) and scope is not None:
            return right(self, new.where(F.col("_slice") == scope), scope=[scope])
        return right(self, new, scope=scope)

    patch.setattr(work.Work, "replace", own_month)


@mutant
def the_horizon_is_no_input(patch: Patch) -> None:
    right = slicing.Slicing._forward

    def without(self: Any, refresh: Any, touched: Any) -> Any:
        if self.own.task:
            self.own.task.body["last"] = d.isoformat() if (d := self.last_day()) else None
        return right(self, refresh, touched)

    patch.setattr(slicing.Slicing, "_forward", without)


@mutant
def what_stays_in_a_rewritten_file_is_lost(patch: Patch) -> None:
    right = work.Work.exchanged
    patch.setattr(
        work.Work,
        "exchanged",
        lambda self, gone, stays, new, rows: right(self, gone, lambda there: stays(there).where("false"), new, rows),
    )


@mutant
def a_rewritten_file_does_not_leave(patch: Patch) -> None:
    right = work.Work.exchanged

    def kept(self: Any, gone: Any, stays: Any, new: DataFrame, rows: int) -> Any:
        made = right(self, gone, stays, new, rows)
        return work.Change(made.rows, made.files, ())

    patch.setattr(work.Work, "exchanged", kept)


@mutant
def the_feed_forgets_what_went(patch: Patch) -> None:
    right = store.Log.changed_files

    def came(self: Any, after: int, until: int) -> Any:
        found = right(self, after, until)
        return found and (found[0], [])

    patch.setattr(store.Log, "changed_files", came)


@mutant
def the_feed_forgets_what_came(patch: Patch) -> None:
    right = store.Log.changed_files

    def went(self: Any, after: int, until: int) -> Any:
        found = right(self, after, until)
        return found and ([], found[1])

    patch.setattr(store.Log, "changed_files", went)


@mutant
def a_key_is_computed_from_what_changed_only(patch: Patch) -> None:
    def narrow(self: Any, refresh: Any, touched: Any, groups: Any) -> list[DataFrame]:
        names = {i: [c.name for c in i.columns] for i in self.table.all_inputs}
        whole = dict(zip(self.table.all_inputs, self.inputs(), strict=True))
        return [self._feed(i).select(names[i]) if i in self.moved else whole[i] for i in self.table.all_inputs]

    patch.setattr(keying.Keying, "_narrowed", narrow)


@mutant
def a_changed_definition_is_ignored(patch: Patch) -> None:
    first: dict[str, str] = {}
    right = Table.definition.fget  # type: ignore[attr-defined]
    patch.setattr(Table, "definition", property(lambda self: first.setdefault(self.id, right(self))))


@mutant
def the_journal_adds_what_it_should_exchange(patch: Patch) -> None:
    right = work.Work.summary

    def nothing_was(self: Any, rows: DataFrame, *, judge: bool = True) -> Any:
        found = right(self, rows, judge=judge)
        return found if judge else {d: work.Sum(files=s.files) for d, s in found.items()}

    patch.setattr(work.Work, "summary", nothing_was)


@mutant
def a_child_is_not_woken(patch: Patch) -> None:
    right = plan.reason

    def deaf(own: Table, states: Any, as_of: Any) -> str:
        return "" if own is table("facts") and own.id in states else right(own, states, as_of)

    patch.setattr(plan, "reason", deaf)


@mutant
def every_statement_is_taken_for_the_latest(patch: Patch) -> None:
    patch.setattr(keying.Keying, "_is_later", lambda *_: True)


def test_the_right_engine_is_not_caught(lake: FiveTables, truth: None) -> None:
    assert caught(lake) == ""


@pytest.mark.parametrize("wrong", MUTANTS)
def test_each_wrong_engine_is_wrong_in_a_place_that_is_there(monkeypatch: Patch, wrong: Mutant) -> None:
    wrong(monkeypatch)


@pytest.mark.soak
@pytest.mark.parametrize("wrong", MUTANTS)
def test_a_wrong_engine_is_caught(
    lake: FiveTables, truth: None, monkeypatch: Patch, wrong: Mutant, count: Count
) -> None:
    wrong(monkeypatch)
    assert caught(lake)
    count("wrong engines caught")
