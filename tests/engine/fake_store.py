"""A store in memory that can lose, delay and refuse any call, and the processes that call it, one at a time.

It stands in for what is below the protocol (storage, Spark, the raw zone, the lease); the protocol is the engine's own.
A process runs until its plan says what befalls it, and gives the baton back when it stands still or is over.
"""

from __future__ import annotations

import json
import threading
import zlib
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pyspark.sql.types import LongType

from lake.core.errors import Fenced, LakeError, LeaseHeld, PromiseBroken
from lake.core.graph import ordered
from lake.core.refresh import append, full
from lake.core.table import Column, Table, source, table
from lake.engine import build, control, crash, damage, intake, lease, night, prospect, release, store
from lake.engine.conf import Conf
from lake.engine.control import Row, State
from lake.engine.intake import File, Fingerprint, Landing
from lake.engine.work import Change, Outcome, Prepared

DAY = date(2026, 1, 5)
CONF = Conf(env="model", lake={"root": "/lake", "raw": "/raw"}, spark={"threads": 2})
Line = tuple[Any, ...]

# --- the tables -------------------------------------------------------------------------------------------------------

numbers = source("numbers", "lake.model.silver", "Numbers, as landed.", format="jsonl", path="numbers/dt=*/*")
number = Column("number", LongType(), null=False)


@table(inputs=[numbers], refresh=append(by="date(0)"), columns=[number])
def seen(landed: Any) -> Any:
    """One row per number that landed."""
    return landed


@table(inputs=[seen], refresh=full(), columns=[number])
def total(rows: Any) -> Any:
    """One row: the sum of all numbers."""
    return [(sum(n for _, n in rows),)]


@table(inputs=[seen, total], refresh=full(), columns=[number])
def overview(rows: Any, sums: Any) -> Any:
    """One row: how many numbers there are, and the double of their sum."""
    return [(len(rows), 2 * sums[0][0] if sums else 0)]


TABLES = ordered([numbers, seen, total, overview])
BY_PATH = {str(CONF.at(t)): t for t in TABLES}


def wanted(of: Table, contents: Sequence[list[Line]]) -> list[Line]:
    """What a table must hold, given what its inputs hold."""
    return contents[0] if of is seen else of.function(*contents)  # type: ignore[misc]


# --- what befalls a process -------------------------------------------------------------------------------------------


class Lost(OSError):
    """A call without an answer."""


class Died(BaseException):
    """The death of a process."""


class Violation(AssertionError):
    """A law that does not hold, by its name."""

    def __init__(self, law: str, said: object) -> None:
        super().__init__(f"{law}: {said}")
        self.law = law


FAULTS = {
    "freeze": "stands still before the call",
    "freeze after": "stands still before it hears the answer",
    "die": "dies before the call",
    "die after": "dies before it hears the answer",
    "error": "the call fails",
    "lost answer": "the call works and says that it failed",
    "refused answer": "the call is sent twice: the second time it finds the first one's effect and is refused",
    "delayed": "the call fails, and works later",
}
CALLS = ("take lease", "open ledger", "append", "compact", "open log", "create", "write", "widen", "commit")
"""The calls that something may befall."""


@dataclass(frozen=True)
class Fate:
    """What befalls a process: `then`, after `calls` calls; or when it comes to `place` after as many other times."""

    then: str = ""
    calls: int = 0
    place: str = ""


UNHARMED = Fate()


class Process:
    """A command on a thread of its own, which runs only while it has the baton."""

    def __init__(self, world: World, name: str, work: Callable[[], Any], broken: str) -> None:
        self.world, self.name, self.work, self.broken = world, name, work, broken
        self.columns = world.columns
        self.fate, self.left = UNHARMED, 0
        self.over = self.dead = False
        self.result: Any = None
        self.error: Exception | None = None
        self.surprise: BaseException | None = None
        self.place = "start"
        self._go = threading.Lock()
        self._go.acquire()
        threading.Thread(target=self._main, daemon=True).start()

    def go(self) -> None:
        self._go.release()
        self.world.baton.acquire()

    def stand_still(self) -> None:
        self.world.baton.release()
        self._go.acquire()
        if self.dead:
            raise Died

    def _main(self) -> None:
        self._go.acquire()
        try:
            if not self.dead:
                self.result = self.work()
        except Died:
            pass
        except (LakeError, Lost) as e:
            self.error = e
        except BaseException as e:
            self.surprise = e
        self.over = True
        self.world.baton.release()


@dataclass
class Figures:
    """What happened in some schedules."""

    schedules: int = 0
    steps: int = 0
    seconds: float = 0.0
    happened: Counter[str] = field(default_factory=Counter)
    died_at: Counter[str] = field(default_factory=Counter)

    def __str__(self) -> str:
        said = ", ".join(f"{n:,} {what}" for what, n in sorted(self.happened.items()))
        rate = self.schedules / self.seconds if self.seconds else 0
        return f"{self.schedules:,} schedules ({rate:,.0f}/s), {self.steps:,} steps, {said}"


@dataclass(frozen=True)
class Commit:
    """A version of a table: what it holds, and how it came to be."""

    transaction: int
    words: dict[str, Any]
    files: dict[str, tuple[Line, ...]]
    came: tuple[str, ...] = ()
    went: tuple[str, ...] = ()
    columns: int = 1

    @property
    def lines(self) -> list[Line]:
        return sorted(line for lines in self.files.values() for line in lines)

    @property
    def changed(self) -> bool:
        return bool(self.came or self.went)


class World:
    """Storage, raw zone, lease and processes, and the laws that hold between them.

    leased      whether there is a lease at all; without one the processes run side by side
    """

    def __init__(self, figures: Figures | None = None, *, leased: bool = True) -> None:
        self.figures = figures or Figures()
        self.leased = leased
        self.logs: dict[str, list[Commit]] = {}
        self.data: dict[str, tuple[Line, ...]] = {}
        self.ledger: list[list[dict[str, Any]]] = []
        self.raw: dict[str, int] = {}
        self.landed = 0
        self.columns = 1
        self.holder: Process | None = None
        self.running: Process | None = None
        self.processes: list[Process] = []
        self.pending: list[Callable[[], Any]] = []
        self.baton = threading.Lock()
        self.baton.acquire()
        self.story: list[str] = []
        self._checked_versions: dict[str, int] = defaultdict(int)
        self._rows: list[Row] = []
        self._closed: dict[tuple[str, int], int] = {}
        self._tasks: dict[int, Row] = {}
        self._given_up: set[tuple[str, int]] = set()
        self._releases: list[Row] = []
        self._batches = 0
        self._acknowledged = 0

    # --- what may happen ----------------------------------------------------------------------------------------------

    def land(self, count: int = 1) -> None:
        for _ in range(count):
            self.landed += 1
            self.raw[f"numbers/dt={DAY}/{self.landed:04d}"] = self.landed * self.landed
        self.story.append(f"land {count}")

    def withdraw(self, nth: int) -> None:
        if self.raw:
            name = sorted(self.raw)[nth % len(self.raw)]
            del self.raw[name]
            self.story.append(f"withdraw {name}")

    def widen(self) -> None:
        """What is deployed from now on writes one column more."""
        self.columns += 1
        self.story.append("widen")

    def start(self, fate: Fate = UNHARMED, *, broken: str = "", without: str = "") -> Process:
        """Start a night, and let it run until its fate befalls it; a table is `broken`, another not declared at all."""
        tables = [t for t in TABLES if t.name != without]
        return self._start("night", lambda: night.run(CONF, tables), fate, broken)

    def roll_back(self, fate: Fate = UNHARMED, *, to: int | None = None) -> Process:
        return self._start("rollback", lambda: release.rollback(CONF, to), fate, "")

    def _start(self, what: str, work: Callable[[], Any], fate: Fate, broken: str) -> Process:
        process = Process(self, f"{what} {len(self.processes)}", work, broken)
        self.processes.append(process)
        self.story.append(f"{process.name}{f' ({broken} broken)' if broken else ''}:")
        self.go_on(process, fate)
        return process

    def go_on(self, process: Process, fate: Fate = UNHARMED) -> None:
        """Let a process that stands still run on."""
        if process.over:
            return
        process.fate, process.left = fate, fate.calls
        self.running = process
        process.go()
        self.running = None
        how = "over" if process.over else "stands still"
        how = f"failed ({type(process.error).__name__})" if process.error else "died" if process.dead else how
        self.story.append(f"{process.name} {how} at {process.place} ({fate.then or 'unharmed'})")
        if process.over and self.holder is process:
            self.holder = None

    def kill(self, process: Process) -> None:
        if not process.over:
            process.dead = True
            self.figures.happened["deaths"] += 1
            self.figures.died_at[process.place] += 1
            self.go_on(process)

    def expire(self) -> None:
        """The lease is lost to its holder."""
        if self.holder is not None:
            self.story.append(f"{self.holder.name} loses the lease")
            self.figures.happened["leases lost"] += 1
            self.holder = None

    def deliver(self, nth: int = 0) -> None:
        """A delayed call works after all, or is refused."""
        if self.pending:
            try:
                self.pending.pop(nth % len(self.pending))()
                self.story.append("a delayed call works")
                self.figures.happened["late effects"] += 1
            except LakeError:
                self.story.append("a delayed call is refused")

    @property
    def releases(self) -> int:
        """How many there are, as of the last check."""
        return len(self._releases)

    @property
    def unsettled(self) -> bool:
        """Whether a task was open, as of the last check."""
        settled = {*self._closed.values(), *(seq for _, seq in self._given_up)}
        return any(r.kind == "task" and seq not in settled for seq, r in self._tasks.items())

    @property
    def standing(self) -> list[Process]:
        return [p for p in self.processes if not p.over]

    def close(self) -> None:
        for process in self.standing:
            process.dead = True
            process.go()

    # --- calls --------------------------------------------------------------------------------------------------------

    def call(self, place: str, effect: Callable[[], Any], *, partly: Callable[[], Any] | None = None) -> Any:
        """A call of the running process to the store. Returns its answer, unless something befalls it."""
        process = self.running
        if process is None:
            return effect()
        if process.dead:
            raise Died
        self.figures.steps += 1
        process.place = place
        if not self._now(process):
            return effect()
        then = self._befall(process)
        if then == "freeze":
            process.stand_still()
            self.running = process
            return effect()
        if then == "die":
            self._die(process, partly)
        if then in ("error", "delayed"):
            if then == "delayed":
                self.pending.append(effect)
            elif partly:
                partly()
            raise Lost(place)
        answer = effect()
        if then == "die after":
            self._die(process, None)
        if then == "lost answer":
            raise Lost(place)
        if then == "refused answer":
            raise Fenced(place)
        process.stand_still()
        self.running = process
        return answer

    def point(self, name: str) -> None:
        """A named place in the protocol: a process may stand still or die there."""
        process = self.running
        if process is None:
            return
        if process.dead:
            raise Died
        self.figures.steps += 1
        process.place = name
        if process.fate.then in ("freeze", "freeze after", "die", "die after") and self._now(process):
            if self._befall(process).startswith("die"):
                self._die(process, None)
            process.stand_still()
            self.running = process

    @staticmethod
    def _now(process: Process) -> bool:
        """Whether this is where its fate befalls it."""
        if not process.fate.then or process.fate.place not in ("", process.place):
            return False
        process.left -= 1
        return process.left < 0

    def _befall(self, process: Process) -> str:
        then, process.fate = process.fate.then, UNHARMED
        self.figures.happened[f"{then!r}"] += 1
        return then

    def _die(self, process: Process, partly: Callable[[], Any] | None) -> None:
        process.dead = True
        self.figures.happened["deaths"] += 1
        self.figures.died_at[process.place] += 1
        if partly:
            partly()
        raise Died

    @contextmanager
    def lease_held(self, root: Path, purpose: str) -> Iterator[None]:
        process = self.running
        if self.leased:
            self.call("take lease", lambda: None)
            if self.holder is not None:
                raise LeaseHeld(f"{self.holder.name} holds it")
            self.holder = process
        try:
            yield
        finally:
            if self.holder is process:
                self.holder = None

    def look(self, of: Table, typed: Table | None, held: dict[str, Any], *_: Any, **__: Any) -> Landing:
        """The raw zone as it lies there now, against what bronze holds."""
        landing = Landing(of, complete=[DAY.isoformat()])
        files = {
            name: File(name, DAY.isoformat(), Fingerprint(f"{zlib.crc32(name.encode()):016x}{n:08x}", 1, 1))
            for name, n in self.raw.items()
        }
        intake._settle(landing, files, {name for name in held if name not in files}, held, daily=False)
        return landing

    # --- the laws -----------------------------------------------------------------------------------------------------

    def check(self) -> None:
        """Every law that holds at any time, on what came since the last look."""
        for process in self.processes[self._acknowledged :]:
            if process.surprise is not None:
                raise Violation("no command ends in a surprise", repr(process.surprise)) from process.surprise
        for path, log in self.logs.items():
            of = BY_PATH[path]
            for at in range(self._checked_versions[path], len(log)):
                self._check_version(of, log, at)
            self._checked_versions[path] = len(log)
        for batch in self.ledger[self._batches :]:
            for fact in batch:
                row = Row(**fact | {"body": json.loads(fact["body"])})
                self._check_row(row)
        self._batches = len(self.ledger)
        for process in self.processes[self._acknowledged :]:
            if process.over and process.error is None and not process.dead:
                self._check_answer(process)
        while self._acknowledged < len(self.processes) and self.processes[self._acknowledged].over:
            self._acknowledged += 1

    def _check_version(self, of: Table, log: list[Commit], at: int) -> None:
        commit, before = log[at], log[at - 1] if at else None
        here = f"{of.name} v{at}"
        if "garbage" in str(commit.lines):
            raise Violation("only whole files are committed", here)
        if of in (numbers, seen) and len(set(commit.lines)) < len(commit.lines):
            raise Violation("nothing is doubled", f"{here}: {commit.lines}")
        if before and commit.words and commit.transaction <= before.transaction:
            raise Violation("transactions grow", f"{here}: {before.transaction}, then {commit.transaction}")
        if (of.id, commit.words.get("seq")) in self._given_up:
            raise Violation("what was given up stays out", f"{here}: {commit.words}")
        if commit.words and of is not numbers:
            inputs = commit.words["inputs"]
            contents = [self.logs[str(CONF.at(i))][inputs.get(i.id, 0)].lines for i in of.inputs]
            if inputs and commit.lines != wanted(of, contents):
                raise Violation("a version is what its inputs say", f"{here}: {commit.lines}, not {contents}")

    def _check_row(self, row: Row) -> None:
        last = self._rows[-1].seq if self._rows else 0
        if row.seq != last + 1:
            raise Violation("every fact has its own number", f"{last}, then {row}")
        self._rows.append(row)
        if row.kind in ("task", "fence"):
            self._tasks[row.seq] = row
        elif row.kind == "closed":
            task, at = self._tasks[row.body["task"]], row.body["version"]
            if (row.subject, at) in self._closed:
                raise Violation("a commit is closed once", row)
            self._closed[row.subject, at] = task.seq
            self._check_closed(row.subject, at)
        elif row.kind == "aborted":
            self._given_up.add((row.subject, row.body["task"]))
            log = self.logs.get(str(CONF.at(_named(row.subject))), [])
            if any(c.words.get("seq") == row.body["task"] for c in log):
                raise Violation("what was given up stays out", row)
        elif row.kind == "release":
            self._check_release(row)
            self._releases.append(row)

    def _check_closed(self, name: str, at: int) -> None:
        """The commit audit: what was acknowledged is in the table's log, with its number and its run."""
        task = self._tasks[self._closed[name, at]]
        log = self.logs.get(str(CONF.at(_named(name))), [])
        if at >= len(log) or (log[at].words.get("seq"), log[at].words.get("run")) != (task.seq, task.run):
            found = log[at].words if at < len(log) else None
            raise Violation("an acknowledged commit is in its log", f"{name} v{at} is not {task}: {found}")

    def _check_release(self, row: Row) -> None:
        body, last = row.body, self._releases[-1] if self._releases else None
        if body["release"] != (last.body["release"] + 1 if last else 1):
            raise Violation("releases are numbered", row)
        tables, stale = body["tables"], body["stale"]
        if body.get("reverts"):
            target = next(r for r in self._releases if r.body["release"] == body["restores"])
            if (tables, stale) != (target.body["tables"], target.body["stale"]):
                raise Violation("a rollback restores exactly the map", row)
        for name, entry in tables.items():
            of, at = _named(name), entry["version"]
            if (name, at) not in self._closed:
                raise Violation("only closed commits are released", f"{name} v{at} in {row}")
            if entry["hash"] != _hash(self.lines(of, at)) or entry["rows"] != len(self.lines(of, at)):
                raise Violation("a release says what is in it", f"{name} v{at} in {row}")
            if name in stale:
                if not body.get("reverts") and (not last or entry != last.body["tables"].get(name)):
                    raise Violation("what is held back does not move", f"{name} in {row}")
                continue
            inputs = self._consumed(of, at)
            for i in of.inputs:
                if i.id in tables and self.lines(i, inputs[i.id]) != self.lines(i, tables[i.id]["version"]):
                    raise Violation("a release is whole", f"{name} v{at} consumed {inputs}, but {tables}")

    def _check_answer(self, process: Process) -> None:
        """What a command said that it did, it did."""
        said = process.result if isinstance(process.result, release.Release) else process.result.release
        if said and said.number not in [r.body["release"] for r in self._releases]:
            raise Violation("an acknowledged release is there", said)

    def check_settled(self) -> None:
        """What holds after a night that nothing befell."""
        self.check()
        journal = control.Journal(CONF.root)
        if journal.open_tasks():
            raise Violation("a whole night leaves nothing open", journal.open_tasks())
        states = journal.states()
        for (name, at), _ in self._closed.items():
            self._check_closed(name, at)
        for of in TABLES:
            self._check_state(of, states.get(of.id, State()))
        landed = sorted(self.raw.items())
        bronze = self.lines(numbers, version(CONF.at(numbers)))
        if bronze != landed:
            raise Violation("what landed is there once", f"{bronze}, not {landed}")
        for of in TABLES[1:]:
            contents = [self.lines(i, states.get(i.id, State()).version) for i in of.inputs]
            held = self.lines(of, states.get(of.id, State()).version)
            if states.get(of.id) and held != wanted(of, contents):
                raise Violation("every table follows its inputs", f"{of.name}: {held}")
        self._check_released(states)

    def _check_state(self, of: Table, state: State) -> None:
        log = self.logs.get(str(CONF.at(of)), [])
        lines = log[-1].lines if log else []
        told = (state.version, state.task.seq if state.task else 0, state.rows, state.hash)
        if state.task is None:
            if any(c.changed for c in log):
                raise Violation("the journal says what the logs say", f"{of.name}: nothing, but {log}")
            return
        own = log[state.version].words.get("seq")
        rest = [c for c in log[state.version + 1 :] if c.changed]
        if own != told[1] or rest or told[2:] != (len(lines), _hash(lines)):
            raise Violation("the journal says what the logs say", f"{of.name}: {told}, but {own} {rest} {lines}")

    def _check_released(self, states: dict[str, State]) -> None:
        """Whatever came is released, unless readers were taken back and nothing came since."""
        last = self._releases[-1] if self._releases else None
        moved = [r for r in self._rows if r.kind == "closed" and r.body.get("changed")]
        if last is None or last.body.get("reverts"):
            if any(r.seq > (last.seq if last else 0) for r in moved):
                raise Violation("what came is released", moved[-1])
            return
        for name, state in states.items():
            now, of = last.body["tables"].get(name), _named(name)
            if now is None or self.lines(of, now["version"]) != self.lines(of, state.version):
                raise Violation("what came is released", f"{name} v{state.version}, not {now}")

    def lines(self, of: Table, at: int) -> list[Line]:
        """What version `at` of a table holds; nothing where there is no such version."""
        log = self.logs.get(str(CONF.at(of)), [])
        return log[at].lines if 0 <= at < len(log) else []

    def _consumed(self, of: Table, at: int) -> dict[str, int]:
        log = self.logs[str(CONF.at(of))]
        said = next((c.words for c in reversed(log[: at + 1]) if c.words), {"inputs": {}})
        return defaultdict(lambda: -1, said["inputs"])

    # --- the end ------------------------------------------------------------------------------------------------------

    def clean_night(self) -> None:
        """A night that nothing befalls puts everything right, and the next one finds nothing to do."""
        self.holder = None
        for again in (False, True):
            facts = len(self.ledger)
            process = self.start()
            self.check()
            if process.error or process.result.exit_code:
                said = process.error or (process.result.failed, process.result.findings)
                raise Violation("a whole night succeeds", repr(said))
            self.check_settled()
            if again and len(self.ledger) > facts:
                raise Violation("a second night finds nothing to do", self.ledger[facts:])

    def finish(self) -> None:
        """The end of a schedule: a whole night, then everything that stood still or was delayed, and one more."""
        self.check()
        self.clean_night()
        while self.standing or self.pending:
            for process in self.standing:
                self.go_on(process)
                self.check()
            if self.pending:
                self.deliver()
                self.check()
        self.clean_night()


def _named(name: str) -> Table:
    return next(t for t in TABLES if t.id == name)


def _hash(lines: list[Line]) -> str:
    return str(sum(zlib.crc32(repr(line).encode()) for line in lines))


# --- the store --------------------------------------------------------------------------------------------------------

_world: World | None = None


def here() -> World:
    assert _world is not None
    return _world


class FakeLog:
    """store.Log in memory."""

    def __init__(self, path: Path, at: int | None = None) -> None:
        self.path = path
        self._log = here().logs[str(path)]
        self.version = here().call("open log", lambda: len(self._log) - 1) if at is None else at
        self._now = self._log[self.version]

    def transaction(self) -> int:
        return self._now.transaction

    def said(self, at: int) -> dict[str, Any]:
        return said(self.path, at)

    def changes_data(self, at: int) -> bool | None:
        return changes_data(self.path, at)

    def schema(self) -> dict[str, Any]:
        return {"columns": self._now.columns}

    def files(self) -> list[str]:
        return list(self._now.files)

    def lines(self, files: Sequence[str]) -> list[Line]:
        return sorted(line for f in files for line in self._now.files[f])

    def counts(self) -> dict[str, int]:
        return {store.name_of(f): len(lines) for f, lines in self._now.files.items()}

    def changed_files(self, after: int, until: int) -> tuple[list[str], list[str]] | None:
        return store.netted((commit.came, commit.went) for commit in self._log[after + 1 : until + 1])

    def widened(self, schema: dict[str, Any]) -> FakeLog:
        if schema["columns"] <= self._now.columns:
            return self
        wide = Commit(self._now.transaction, {}, self._now.files, columns=schema["columns"])
        return FakeLog(self.path, here().call("widen", lambda: self._land(wide)))

    def commit(
        self,
        sequence: int,
        words: dict[str, Any],
        *,
        gone: Collection[str] | None = (),
        schema: dict[str, Any] | None = None,
    ) -> int:
        folder = f"{store.folder(self.path, sequence)}/"
        new = {f: lines for f, lines in here().data.items() if f.startswith(folder) and lines}
        went = tuple(f for f in self._now.files if gone is None or store.name_of(f) in gone)
        files = {f: lines for f, lines in self._now.files.items() if f not in went} | new
        columns = schema["columns"] if schema else self._now.columns
        words = json.loads(json.dumps(words, default=str))
        return here().call("commit", lambda: self._land(Commit(sequence, words, files, tuple(new), went, columns)))

    def _land(self, commit: Commit) -> int:
        if len(self._log) - 1 != self.version:
            here().figures.happened["commits refused"] += 1
            raise Fenced(f"{self.path} was written by another process")
        self._log.append(commit)
        return self.version + 1


class FakeLedger:
    """store.Ledger in memory; `at` is how many commits of it were read."""

    COMPACT = 12

    def __init__(self, path: Path, schema: Any) -> None:
        self.at: int = here().call("open ledger", lambda: len(here().ledger))

    def read(self) -> list[dict[str, Any]]:
        return sorted((f for batch in here().ledger[: self.at] for f in batch), key=lambda f: f["seq"])

    def append(self, facts: Sequence[dict[str, Any]]) -> None:
        at = self.at
        self.at = here().call("append", lambda: self._land(list(facts), at))

    def compact(self) -> None:
        files = [n for n, batch in enumerate(here().ledger[: self.at]) if batch]
        empty = [n for n, batch in enumerate(here().ledger[: self.at]) if not batch]
        if len([n for n in files if n > max(empty, default=-1)]) <= self.COMPACT:
            return
        landed = here().call("compact", self._compacted)
        if landed == self.at + 1:
            self.at = landed

    def _compacted(self) -> int:
        here().ledger.append([])
        return len(here().ledger)

    def _land(self, facts: list[dict[str, Any]], at: int) -> int:
        if len(here().ledger) != at:
            here().figures.happened["facts refused"] += 1
            raise Fenced("Another process wrote to this lake's journal.")
        here().ledger.append(facts)
        return at + 1


def create(path: Path, schema: dict[str, Any]) -> None:
    if str(path) not in here().logs:
        here().call(
            "create", lambda: here().logs.setdefault(str(path), [Commit(-1, {}, {}, columns=schema["columns"])])
        )


def version(path: Path) -> int:
    return len(here().logs.get(str(path), [])) - 1


def said(path: Path, at: int) -> dict[str, Any]:
    log = here().logs.get(str(path), [])
    return log[at].words if at < len(log) else {}


def changes_data(path: Path, at: int) -> bool | None:
    log = here().logs.get(str(path), [])
    return log[at].changed if at < len(log) else None


# --- instead of Spark -------------------------------------------------------------------------------------------------


class Frame:
    """Rows to be written."""

    def __init__(self, lines: list[Line], columns: int) -> None:
        self.lines, self.columns = lines, columns

    @property
    def schema(self) -> Any:
        return SimpleNamespace(jsonValue=lambda: {"columns": self.columns})

    def coalesce(self, _: int) -> Frame:
        return self

    @property
    def write(self) -> Frame:
        return self

    def parquet(self, folder: str) -> None:
        """Two files of it: a call that fails may leave half of the rows, or half a row."""
        world, half = here(), len(self.lines) // 2
        parts = {
            f"{folder}/part-0-{folder[-9:]}": self.lines[:half],
            f"{folder}/part-1-{folder[-9:]}": self.lines[half:],
        }
        whole = {f: tuple(lines) for f, lines in parts.items()}
        broken = {f: (*lines[:1], ("garbage",)) for f, lines in whole.items()}
        world.call("write", lambda: world.data.update(whole), partly=lambda: world.data.update(broken))


class Arithmetic:
    """The refresh of a model's table: bronze follows the raw zone, `seen` its changes; the others are computed anew."""

    def __init__(
        self,
        builder: build.Builder,
        of: Table,
        session: None,
        log: FakeLog,
        body: dict[str, Any],
        *,
        landing: Landing | None = None,
        scorer: None = None,
    ) -> None:
        self.b, self.table, self.log, self.body, self.landing = builder, of, log, body, landing
        self.own = builder.state(of)
        process = here().running
        assert process is not None
        self.columns = process.columns
        if process.broken == of.name:
            raise PromiseBroken(f"{of.id} is broken.")

    def release(self) -> None:
        pass

    def prepare(self) -> Prepared:
        if self.table is numbers:
            return self._loaded()
        if self.table is seen:
            return self._followed()
        inputs: list[Any] = [self.b.stored(None, i, self.body["inputs"][i.id]) for i in self.table.inputs]  # type: ignore[arg-type]
        return self._exchanged(self.log.files(), wanted(self.table, inputs), whole=True)

    def _loaded(self) -> Prepared:
        assert self.landing is not None
        held = intake.loaded(self.b.journal.proven(self.table.id, self.own))
        leave = {p for p in [*self.landing.remove, *(f.path for f in self.landing.add)] if p in held}
        self.body |= {"add": [f.as_record() for f in self.landing.add], "remove": sorted(leave)}
        new = [(f.path, int(f.print.sha[16:], 16)) for f in self.landing.add]
        gone = [f for f in self.log.files() if any(name in leave for name, _ in self.log.lines([f]))]
        stay = [line for line in self.log.lines(gone) if line[0] not in leave]
        return self._exchanged(gone, stay + new)

    def _followed(self) -> Prepared:
        at, until = self.own.consumed.get(numbers.id, -1), self.body["inputs"][numbers.id]
        bronze = FakeLog(self.b.path(numbers), until)
        found = bronze.changed_files(max(at, 0), until)
        assert found is not None
        lines = here().data
        came = Counter(line for f in found[0] for line in lines[f])
        went = Counter(line for f in found[1] for line in lines[f])
        new, leave = came - went, went - came
        gone = [f for f in self.log.files() if any(line in leave for line in self.log.lines([f]))]
        stay = [line for line in self.log.lines(gone) if line not in leave]
        return self._exchanged(gone, stay + list(new))

    def _exchanged(self, gone: list[str], new: list[Line], *, whole: bool = False) -> Prepared:
        was = self.log.lines(self.log.files())
        lines = sorted([*self.log.lines([f for f in self.log.files() if f not in gone]), *new])
        outcome = Outcome("replace", lines != was, len(lines), _hash(lines))
        names = None if whole else {store.name_of(f) for f in gone}
        frame: Any = Frame(sorted(new), self.columns)
        return outcome, Change(lambda _: frame, 1, names) if outcome.changed else None


class AtOnce:
    """A pool of threads that has none."""

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def __enter__(self) -> AtOnce:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def submit(self, work: Callable[..., Any], *given: Any) -> Future[Any]:
        done: Future[Any] = Future()
        try:
            done.set_result(work(*given))
        except BaseException as e:
            done.set_exception(e)
        return done


@contextmanager
def installed() -> Iterator[pytest.MonkeyPatch]:
    """Let the engine run on the store of the world that is `opened`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(control, "Ledger", FakeLedger)
        patch.setattr(build, "Log", FakeLog)
        for name, fake in (("create", create), ("version", version), ("said", said), ("changes_data", changes_data)):
            patch.setattr(store, name, fake)
        patch.setattr(crash, "point", lambda name: here().point(name))
        patch.setattr(lease, "held", lambda root, purpose, **_: here().lease_held(root, purpose))
        patch.setattr(build, "_STRATEGIES", defaultdict(lambda: Arithmetic))
        patch.setattr(build, "for_work", lambda *_: None)
        patch.setattr(build, "empty", lambda *_: [])
        patch.setattr(build, "read", lambda _, log, files: log.lines(files))
        patch.setattr(build.Builder, "schema", lambda *_: SimpleNamespace(jsonValue=lambda: {"columns": _columns()}))
        patch.setattr(night, "session", lambda _: None)
        patch.setattr(damage, "of", lambda *_, **__: [])
        patch.setattr(night, "check_disk", lambda _: None)
        patch.setattr(night, "ThreadPoolExecutor", AtOnce)
        patch.setattr(night.log, "disabled", True)
        patch.setattr(intake, "look", lambda *given, **named: here().look(*given, **named))
        patch.setattr(intake, "newest_day", lambda *_: DAY)
        patch.setattr(intake, "waited_for", lambda *_: {})
        patch.setattr(prospect, "Cache", SimpleNamespace(at=lambda _: SimpleNamespace(save=lambda: None)))
        yield patch


def _columns() -> int:
    process = here().running
    return process.columns if process else here().columns


@contextmanager
def opened(world: World) -> Iterator[World]:
    """Let the store be that of `world`, and end its processes with the block."""
    global _world
    before, _world = _world, world
    try:
        yield world
    finally:
        world.close()
        _world = before
