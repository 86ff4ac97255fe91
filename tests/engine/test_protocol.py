"""The protocol as a model: the engine's own journal, commits, recovery, nights, releases and rollbacks, run by several
processes over a store that loses, delays and refuses calls, in thousands of schedules.

`schedules(n, seed)` plays n random schedules; the one of a violation is named and can be played again.
"""

from __future__ import annotations

import os
import random
import re
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from lake.core.errors import Fenced
from lake.engine import build, commits, control, night, release
from lake.engine.candidate import Candidate
from lake.engine.commits import Commits
from lake.engine.control import Journal
from tests.conftest import Count
from tests.engine import fake_store
from tests.engine.fake_store import (
    CALLS,
    CONF,
    FAULTS,
    TABLES,
    FakeLedger,
    FakeLog,
    Fate,
    Figures,
    Lost,
    Violation,
    World,
    installed,
    opened,
)

HOME = Path(__file__).resolve().parents[2]
SOAK = int(os.environ.get("LAKE_PROTOCOL_SCHEDULES", "10000"))
SEED = int(os.environ.get("LAKE_PROTOCOL_SEED", "0"))
MOST_CALLS = 75
"""A night makes fewer calls than this."""


def places() -> set[str]:
    """Every place that the protocol names in its code."""
    files = (commits, release, night, build)
    return {name for m in files for name in re.findall(r'crash\.point\("(.+?)"\)', Path(m.__file__).read_text())}


PLACES = sorted(places() | set(CALLS))
MIDST = ["opened", "write", "written", "widen", "widened", "commit", "committed", "closed", "audited", "before release"]
RECOVERY = ["open log", "recovering", "before fence", "fence opened", "fenced", "recovered", "before open", "written"]

# --- random schedules -------------------------------------------------------------------------------------------------


def play(seed: int, figures: Figures | None = None) -> World:
    """One random schedule and its end. Raises Violation, naming the seed and what happened."""
    dice = random.Random(seed)
    figures = figures or Figures()
    with opened(World(figures, leased=dice.random() < 0.8)) as world:
        try:
            for _ in range(dice.randint(3, 12)):
                step(world, dice)
                world.check()
            for process in world.standing:
                if dice.random() < 0.3:
                    world.kill(process)
            world.finish()
        except Violation as e:
            raise Violation(e.law, f"{e}\nseed {seed}: {world.story}") from e
        figures.schedules += 1
        figures.happened["releases"] += len([r for r in rows_of(world) if r["kind"] == "release"])
        figures.happened["fences"] += len([r for r in rows_of(world) if r["kind"] == "fence"])
        figures.happened["commands"] += len(world.processes)
        return world


def rows_of(world: World) -> list[dict[str, Any]]:
    return [fact for batch in world.ledger for fact in batch]


def step(world: World, dice: random.Random) -> None:
    """Something happens: mostly a command is started, or one that stands still goes on."""
    chance = dice.random()
    if chance < 0.12:
        world.land(dice.randint(1, 2))
    elif chance < 0.16:
        world.withdraw(dice.randrange(9))
    elif chance < 0.22:
        world.widen()
    elif chance < 0.3:
        take_over(world, dice)
    elif chance < 0.6 or not world.processes:
        if dice.random() < 0.7:
            world.land()
        broken = dice.choice(TABLES).name if dice.random() < 0.12 else ""
        world.start(fate(world, dice), broken=broken, without="overview" if dice.random() < 0.1 else "")
    elif chance < 0.72 and world.releases > 1:
        take_back(world, dice)
    elif chance < 0.92 and world.standing:
        process = dice.choice(world.standing)
        if dice.random() < 0.1:
            world.kill(process)
        else:
            world.go_on(process, fate(world, dice))
    elif world.pending:
        world.deliver(dice.randrange(9))
    if dice.random() < 0.7:
        world.expire()


def fate(world: World, dice: random.Random) -> Fate:
    """What befalls a process, and when: after so many calls, or the n-th time that it comes to some place."""
    then, chance = dice.choice([*FAULTS, "die", "freeze", "freeze after", "", ""]), dice.random()
    if world.unsettled and chance < 0.5:
        return Fate(then, dice.randrange(2), dice.choice(RECOVERY))
    if chance < 0.3:
        return Fate(then, dice.randrange(4), dice.choice(MIDST))
    if chance < 0.6:
        return Fate(then, dice.randrange(4), dice.choice(PLACES))
    return Fate(then, dice.choice([dice.randrange(MOST_CALLS), dice.randrange(12)]))


def take_back(world: World, dice: random.Random) -> None:
    """Readers are taken back to an older release; perhaps the next night dies at its very end."""
    then = dice.choice([*FAULTS]) if dice.random() < 0.3 else ""
    place = dice.choice(["open ledger", "rolling back", "before release", "append", "released"])
    world.roll_back(Fate(then, place=place), to=dice.choice([None, None, 1, 2]))
    if dice.random() < 0.3:
        world.land()
        world.start(Fate("die", place=dice.choice(["audited", "before release"])))


def take_over(world: World, dice: random.Random) -> None:
    """A night stands still or dies in the midst of its work, another one takes over, and the first wakes up."""
    world.land()
    if dice.random() < 0.4:
        world.widen()
    then = dice.choice(["freeze", "freeze after", "die after"])
    first = world.start(Fate(then, dice.randrange(4), dice.choice(MIDST)))
    world.check()
    world.expire()
    without = "overview" if dice.random() < 0.3 else ""
    world.start(fate(world, dice) if dice.random() < 0.5 else Fate(), without=without)
    world.check()
    world.go_on(first, fate(world, dice) if dice.random() < 0.2 else Fate())


def schedules(n: int, seed: int) -> Figures:
    """Play n schedules, from `seed` on."""
    figures, began = Figures(), time.perf_counter()
    with installed():
        for k in range(n):
            play(seed + k, figures)
    figures.seconds = time.perf_counter() - began
    return figures


def test_random_schedules_keep_every_law(count: Count) -> None:
    figures = schedules(500, 1_000_000)
    count("schedules of the protocol", figures.schedules)
    assert figures.schedules == 500


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_ten_thousand_random_schedules_keep_every_law(count: Count) -> None:
    figures = schedules(SOAK, SEED)
    count("schedules of the protocol", figures.schedules)
    count("deaths in schedules of the protocol", figures.died_at.total())
    assert places() <= set(figures.died_at), "no process died at some place of the protocol"


# --- every place ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "then", [pytest.param(f, marks=() if f in ("die", "freeze", "delayed") else pytest.mark.soak) for f in FAULTS]
)
def test_a_night_survives_a_fault_at_every_call(then: str) -> None:
    with installed():
        for calls in range(MOST_CALLS):
            with opened(World()) as world:
                world.land(2)
                world.start()
                world.land()
                world.widen()
                process = world.start(Fate(then, calls))
                world.check()
                world.finish()
        assert process.fate.then, "a night makes more calls than that"


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("first", ["die", "die after", "freeze", "delayed"])
@pytest.mark.parametrize("then", FAULTS)
def test_a_recovery_survives_a_fault_at_every_call(first: str, then: str) -> None:
    with installed():
        for calls in range(0, MOST_CALLS, 3):
            for more in range(0, MOST_CALLS, 5):
                with opened(World()) as world:
                    world.land()
                    world.start(Fate(first, calls))
                    world.expire()
                    world.start(Fate(then, more))
                    world.check()
                    world.finish()


# --- what the schedules found -----------------------------------------------------------------------------------------


def released(world: World) -> list[tuple[Any, ...]]:
    """The numbers that readers of the newest release see."""
    last = release.newest(Journal(CONF.root))
    assert last is not None
    return world.lines(TABLES[0], last.tables[TABLES[0].id]["version"])


def test_what_came_after_a_rollback_is_released_though_its_night_died() -> None:
    with installed(), opened(World()) as world:
        for _ in range(2):
            world.land()
            world.start()
        world.roll_back()
        world.start()
        assert len(released(world)) == 1, "nothing new came, so readers stay where they were taken back to"
        world.land()
        world.start(Fate("die", place="before release"))
        world.start()
        assert len(released(world)) == 3
        world.finish()


def test_a_commit_of_one_thread_does_not_hide_that_of_another() -> None:
    names = [t.id for t in TABLES[:2]]
    with installed() as patch, opened(World()):
        journal, looking, other_is_done = Journal(CONF.root), threading.Event(), threading.Event()
        logs = {t.id: CONF.at(t) for t in TABLES}
        for path in logs.values():
            fake_store.create(path, {"columns": 1})
        ours, states = Commits(journal, "run", lambda table: FakeLog(logs[table])), journal.states  # type: ignore[arg-type, return-value]

        def slow() -> dict[str, control.State]:
            found = states()
            if threading.current_thread().name == "slow" and not looking.is_set():
                looking.set()
                other_is_done.wait(0.3)
            return found

        def commit(table: str) -> None:
            ours.commit(ours.held(table), table, {"inputs": {}, "definition": "d"}, {"changed": False})

        patch.setattr(journal, "states", slow)
        thread = threading.Thread(target=commit, args=(names[0],), name="slow")
        thread.start()
        looking.wait(5)
        commit(names[1])
        other_is_done.set()
        thread.join()
        assert set(ours.states) == set(names)


def test_F21_a_frozen_writer_that_wakes_cannot_widen_its_way_in() -> None:
    with installed(), opened(World()) as world:
        world.land()
        world.start()
        world.widen()
        world.land()
        zombie = world.start(Fate("freeze", place="opened"))
        world.clean_night()
        world.go_on(zombie)
        assert isinstance(zombie.error, Fenced)
        world.finish()


@pytest.mark.parametrize("place", ["opened", "committed"])
@pytest.mark.parametrize("then", ["die", "freeze"])
def test_a_table_that_was_not_declared_for_a_night_is_settled_when_it_returns(place: str, then: str) -> None:
    with installed(), opened(World(leased=False)) as world:
        world.land()
        zombie = world.start(Fate(then, 3, place))
        world.land()
        done = world.start(without="overview")
        assert done.result.exit_code == 0
        facts = len(world.ledger)
        world.start(without="overview")
        assert len(world.ledger) == facts, "nothing can be settled before it returns"
        world.go_on(zombie)
        world.finish()


def test_of_two_first_nights_one_begins_the_journal() -> None:
    with installed(), opened(World(leased=False)) as world:
        world.land()
        first = world.start(Fate("freeze", place="append"))
        world.start()
        world.go_on(first)
        assert isinstance(first.error, Fenced)
        world.finish()


# --- the state machine ------------------------------------------------------------------------------------------------

faults = st.sampled_from(["", *FAULTS])
fates = st.builds(Fate, faults, st.integers(0, MOST_CALLS)) | st.builds(
    Fate, faults, st.integers(0, 3), st.sampled_from(PLACES)
)


class Protocol(RuleBasedStateMachine):
    """Nights, rollbacks and the raw zone in any order, each command with a fate of its own."""

    @initialize(leased=st.booleans())
    def begin(self, leased: bool) -> None:
        self.patched = installed()
        self.patched.__enter__()
        self.open = opened(World(leased=leased))
        self.world = self.open.__enter__()

    @rule(count=st.integers(1, 3))
    def land(self, count: int) -> None:
        self.world.land(count)

    @rule(nth=st.integers(0, 5))
    def withdraw(self, nth: int) -> None:
        self.world.withdraw(nth)

    @rule()
    def widen(self) -> None:
        self.world.widen()

    @rule(
        fate=fates,
        broken=st.sampled_from(["", "", "", *(t.name for t in TABLES)]),
        without=st.sampled_from(["", "", "", "overview"]),
    )
    def start_a_night(self, fate: Fate, broken: str, without: str) -> None:
        self.world.start(fate, broken=broken, without=without)

    @rule(fate=fates, to=st.sampled_from([None, 1, 2]))
    def roll_back(self, fate: Fate, to: int | None) -> None:
        self.world.roll_back(fate, to=to)

    @precondition(lambda self: self.world.standing)
    @rule(nth=st.integers(0, 3), fate=fates)
    def thaw(self, nth: int, fate: Fate) -> None:
        standing = self.world.standing
        self.world.go_on(standing[nth % len(standing)], fate)

    @precondition(lambda self: self.world.standing)
    @rule(nth=st.integers(0, 3))
    def kill(self, nth: int) -> None:
        standing = self.world.standing
        self.world.kill(standing[nth % len(standing)])

    @precondition(lambda self: self.world.holder)
    @rule()
    def lose_the_lease(self) -> None:
        self.world.expire()

    @precondition(lambda self: self.world.pending)
    @rule(nth=st.integers(0, 3))
    def deliver(self, nth: int) -> None:
        self.world.deliver(nth)

    @invariant()
    def the_laws_hold(self) -> None:
        self.world.check()

    def teardown(self) -> None:
        if not hasattr(self, "world"):
            return
        try:
            self.world.finish()
        finally:
            self.open.__exit__(None, None, None)
            self.patched.__exit__(None, None, None)


TestProtocol = Protocol.TestCase
TestProtocol.settings = settings(
    max_examples=200,
    stateful_step_count=15,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)


@pytest.mark.soak
@pytest.mark.timeout(3600)
class TestProtocolAtLength(Protocol.TestCase):
    settings = settings(
        max_examples=3000,
        stateful_step_count=25,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )


# --- broken protocols -------------------------------------------------------------------------------------------------

Mutant = Callable[[pytest.MonkeyPatch], None]
MUTANTS: list[Any] = []


def mutant(*laws: str) -> Callable[[Mutant], Mutant]:
    """Declare a broken protocol, and the laws of which it breaks one."""

    def declare(broken: Mutant) -> Mutant:
        MUTANTS.append(pytest.param(broken, laws, id=broken.__name__))
        return broken

    return declare


OPEN, OURS = "a whole night succeeds", "what was given up stays out"


@mutant(OURS, OPEN)
def recovery_without_a_fence(patch: pytest.MonkeyPatch) -> None:
    def fence(self: Commits, log: Any, table: str, open_task: int) -> None:
        self.journal.append(self.run, ("aborted", table, {"task": open_task}))

    patch.setattr(Commits, "_fence", fence)


@mutant(OURS, OPEN, "nothing is doubled", "a version is what its inputs say")
def recovery_that_does_not_look_into_the_log(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(FakeLog, "transaction", lambda self: -1)


@mutant(OURS, OPEN)
def recovery_that_gives_up_what_is_not_declared(patch: pytest.MonkeyPatch) -> None:
    recover, every = Commits.recover, Journal.open_tasks

    def without_looking(self: Commits, tables: Any) -> list[str]:
        for task in self.journal.open_tasks():
            if task.subject not in tables:
                self.journal.append(self.run, ("aborted", task.subject, {"task": task.seq}))
        return recover(self, tables)

    patch.setattr(Commits, "recover", without_looking)
    patch.setattr(Journal, "open_tasks", lambda self, tables=None: every(self))


@mutant("transactions grow", OURS, OPEN)
def the_date_as_transaction_version(patch: pytest.MonkeyPatch) -> None:
    land = FakeLog._land

    def dated(self: FakeLog, commit: fake_store.Commit) -> int:
        return land(self, replace(commit, transaction=20260105 if commit.words else commit.transaction))

    patch.setattr(FakeLog, "_land", dated)


@mutant("an acknowledged commit is in its log")
def closing_what_was_not_committed(patch: pytest.MonkeyPatch) -> None:
    commit = FakeLog.commit

    def unchecked(self: FakeLog, *words: Any, **more: Any) -> int:
        with suppress(Fenced, Lost):
            commit(self, *words, **more)
        return self.version + 1

    patch.setattr(FakeLog, "commit", unchecked)


@mutant("a commit is closed once", OPEN, OURS, "transactions grow", "an acknowledged commit is in its log")
def a_commit_behind_whatever_there_is(patch: pytest.MonkeyPatch) -> None:
    def anywhere(self: FakeLog, commit: fake_store.Commit) -> int:
        self._log.append(commit)
        return len(self._log) - 1

    patch.setattr(FakeLog, "_land", anywhere)


@mutant("an acknowledged commit is in its log", OURS, OPEN, "a commit is closed once", "transactions grow")
def a_commit_over_whatever_there_is(patch: pytest.MonkeyPatch) -> None:
    def over(self: FakeLog, commit: fake_store.Commit) -> int:
        self._log[self.version + 1 :] = [commit]
        return self.version + 1

    patch.setattr(FakeLog, "_land", over)


@mutant(OURS, OPEN, "transactions grow", "the journal says what the logs say")
def widening_behind_whatever_there_is(patch: pytest.MonkeyPatch) -> None:
    land = FakeLog._land

    def anywhere(self: FakeLog, commit: fake_store.Commit) -> int:
        if commit.words:
            return land(self, commit)
        self._log.append(commit)
        return len(self._log) - 1

    patch.setattr(FakeLog, "_land", anywhere)


@mutant("every fact has its own number")
def a_journal_that_appends_anywhere(patch: pytest.MonkeyPatch) -> None:
    def anywhere(self: FakeLedger, facts: list[dict[str, Any]], at: int) -> int:
        fake_store.here().ledger.append(facts)
        return at + 1

    patch.setattr(FakeLedger, "_land", anywhere)


@mutant("every fact has its own number")
def a_first_fact_behind_whatever_there_is(patch: pytest.MonkeyPatch) -> None:
    land = FakeLedger._land

    def first(self: FakeLedger, facts: list[dict[str, Any]], at: int) -> int:
        return land(self, facts, at or len(fake_store.here().ledger))

    patch.setattr(FakeLedger, "_land", first)


@mutant("every fact has its own number")
def a_journal_that_catches_up_behind_its_reader(patch: pytest.MonkeyPatch) -> None:
    append = FakeLedger.append

    def and_update(self: FakeLedger, facts: list[dict[str, Any]]) -> None:
        append(self, facts)
        self.at = fake_store.here().call("update", lambda: len(fake_store.here().ledger))

    patch.setattr(FakeLedger, "append", and_update)


@mutant("every fact has its own number")
def compaction_that_catches_up_behind_its_reader(patch: pytest.MonkeyPatch) -> None:
    append = FakeLedger.append

    def and_compact(self: FakeLedger, facts: list[dict[str, Any]]) -> None:
        append(self, facts)
        self.at = fake_store.here().call("compact", self._compacted)

    patch.setattr(FakeLedger, "append", and_compact)


@mutant("a whole night leaves nothing open", OPEN, "nothing is doubled")
def commits_that_are_never_closed(patch: pytest.MonkeyPatch) -> None:
    append = Journal.append

    def all_but_closed(self: Journal, run: str, *facts: tuple[str, str, dict[str, Any]]) -> list[control.Row]:
        return append(self, run, *[f for f in facts if f[0] != "closed"])

    patch.setattr(Journal, "append", all_but_closed)


@mutant("only closed commits are released")
def a_release_before_its_commits_are_closed(patch: pytest.MonkeyPatch) -> None:
    commit = Commits.commit

    def and_release(self: Commits, log: Any, table: str, body: dict[str, Any], outcome: Any, **more: Any) -> None:
        entry = {"version": log.version + 1, "rows": outcome["rows"], "hash": outcome["hash"]}
        last = release.newest(self.journal)
        tables = {**(last.tables if last else {}), table: entry}
        release.publish(self.journal, self.run, {"tables": tables, "stale": {}, "as_of": "2026-01-05"})
        commit(self, log, table, body, outcome, **more)

    patch.setattr(Commits, "commit", and_release)


@mutant("a release is whole")
def a_release_that_holds_nothing_back(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Candidate, "_held_back", lambda *_: {})


@mutant("a rollback restores exactly the map")
def a_rollback_of_some_tables(patch: pytest.MonkeyPatch) -> None:
    publish = release.publish

    def mixed(journal: Journal, run: str, body: dict[str, Any]) -> release.Release:
        now = release.newest(journal)
        if body.get("reverts") and now:
            body = body | {"tables": body["tables"] | {TABLES[0].id: now.tables.get(TABLES[0].id)}}
        return publish(journal, run, body)

    patch.setattr(release, "publish", mixed)


@mutant("what came is released")
def a_rollback_that_hides_what_comes_after_it(patch: pytest.MonkeyPatch) -> None:
    from lake.engine import prospect

    look = prospect._unreleased

    def until_then(tables: Any, states: Any, journal: Journal) -> bool:
        last = release.newest(journal)
        return not (last and last.body.get("reverts")) and look(tables, states, journal)

    patch.setattr(prospect, "_unreleased", until_then)


@pytest.mark.parametrize(("broken", "laws"), MUTANTS)
def test_a_broken_protocol_is_caught(broken: Mutant, laws: tuple[str, ...], count: Count) -> None:
    with installed() as patch:
        broken(patch)
        found = next((v for v in map(violation, range(1000)) if v), None)
    assert found is not None, "nothing noticed"
    assert found.law in laws, found
    count("wrong protocols caught")


def violation(seed: int) -> Violation | None:
    """What a schedule breaks."""
    try:
        play(seed)
    except Violation as e:
        return e
    return None
