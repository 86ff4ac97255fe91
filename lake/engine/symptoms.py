"""What is wrong with a night, each thing once: of what follows from something else, only that is told."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from lake.core.graph import above
from lake.core.table import Table
from lake.core.watch import Watch
from lake.engine import alerting
from lake.engine.conf import Conf
from lake.engine.measures import DELAY, HIGH, LOW, Nights
from lake.engine.volumes import Deliveries, Series

LACK, REFUSED, FOUND, TOO_MANY, UNLIKE = range(5)
"""What explains what: rows that are missing, a refusal, what a watch found, too many rows, unusual values."""
OPERATOR = "operator"
"""Who answers for the night itself."""


@dataclass(frozen=True)
class Symptom:
    """Something that is wrong, in words without any value of a row.

    id      the same on every night, such as supply.receipts/missing
    tables  where it shows
    verb    what to type for more, without the environment
    """

    id: str
    tables: tuple[Table, ...]
    owner: str
    rank: int
    said: str
    verb: str


@dataclass
class Looked:
    """A night as it was found.

    judged      the ids of which it could be said whether they hold
    odd         those that do
    numbers     names of the numbers that are out of the ordinary: later nights are not compared with them
    """

    day: str
    judged: set[str] = field(default_factory=set)
    odd: dict[str, Symptom] = field(default_factory=dict)
    numbers: set[str] = field(default_factory=set)

    def incidents(self) -> list[Symptom]:
        """The symptoms that no other one explains: of related tables, only the first in rank is told."""
        kept: list[Symptom] = []
        for symptom in sorted(self.odd.values(), key=lambda s: (s.rank, s.id)):
            if not any(_related(symptom, other) for other in kept):
                kept.append(symptom)
        return kept


def _related(one: Symptom, other: Symptom) -> bool:
    """Whether a table of the one is the other's, or above or below it."""
    return any(a in above([b]) or b in above([a]) for a in one.tables for b in other.tables)


def short(table: Table) -> str:
    return f"{table.domain}.{table.name}"


class Look:
    """Judges the delivery of one day.

    bad     by the name of a number, earlier days on which it was odd
    """

    def __init__(self, day: str, conf: Conf, bad: Mapping[str, Collection[str]]) -> None:
        self.conf, self.bad, self.found = conf, bad, Looked(day)

    @property
    def day(self) -> str:
        return self.found.day

    def at(
        self, delivered: Sequence[Deliveries], measured: Nights, tables: Sequence[Table], watches: Sequence[Watch]
    ) -> Looked:
        days = sorted({d for s in delivered for d in s.complete if d <= self.day})
        for source in delivered:
            self._missing(source, days)
            self._not_taken(source, days)
            self._rows(source)
            self._columns(source)
        tonight = measured.get(self.day, {})
        for watch in (w for w in watches if w.id in tonight):
            self._watch(watch, numbers(measured, watch.id, "found"))
        for table in (t for t in tables if t.id in tonight):
            self._values(table, {name: numbers(measured, table.id, name) for name in tonight[table.id].values})
        return self.found

    def _judged(self, judge: alerting.Judge, name: str, series: Series) -> alerting.Judged | None:
        judged = alerting.judged(judge, self.day, series, self.conf.alerts, self.bad.get(name, ()))
        if judged and judged.odd is not None:
            self.found.numbers.add(name)
        return judged

    def _say(self, odd: bool, symptom: Symptom) -> None:
        self.found.judged.add(symptom.id)
        if odd:
            self.found.odd[symptom.id] = symptom

    def _missing(self, of: Deliveries, days: Sequence[str]) -> None:
        name, first = short(of.source), min(of.complete, default=self.day)
        there: Series = {d: float(d in of.complete) for d in {*days, self.day} if d >= first}
        judged = self._judged(alerting.absent, f"{name}/missing", there)
        if judged:
            said = f"{name} was not delivered"
            self._say(judged.odd is not None, _of(of.source, "missing", LACK, said, f"gaps --select {of.source.id}"))

    def _not_taken(self, of: Deliveries, days: Sequence[str]) -> None:
        name, recent = short(of.source), days[-self.conf.alerts.nights :]
        files = [why for path, why in of.rejected.items() if any(f"dt={d}/" in path for d in recent)]
        said = f"{len(files)} of the files of {name} could not be taken ({', '.join(sorted(set(files)))})"
        self._say(bool(files), _of(of.source, "files", LACK, said, f"gaps --select {of.source.id}"))

    def _rows(self, of: Deliveries) -> None:
        name = short(of.source)
        judge = alerting.extract if of.daily else alerting.arrivals
        judged = self._judged(judge, f"{name}/rows", of.rows) if self.day in of.rows else None
        if judged:
            rank = LACK if judged.odd is not None and judged.odd < 1 else TOO_MANY
            said = f"{name} delivered {_times(judged.odd)} the usual number of records"
            self._say(judged.odd is not None, _of(of.source, "rows", rank, said, f"alerts {name}/rows"))

    def _columns(self, of: Deliveries) -> None:
        name, tonight = short(of.source), of.drift.get(self.day, [])
        differ: Series = {d: float(len(of.drift.get(d, []))) for d in of.rows}
        if self.day not in of.rows:
            return
        judged = self._judged(alerting.never, f"{name}/columns", differ)
        odd = bool(tonight) and (judged is None or judged.odd is not None)
        rank = UNLIKE if all(what.startswith("new ") for what in tonight) else LACK
        said = f"{name} has other columns than declared: {', '.join(tonight)}"
        self._say(odd, _of(of.source, "columns", rank, said, "status"))

    def _watch(self, watch: Watch, series: Series) -> None:
        judged = self._judged(alerting.never if watch.test == "never" else alerting.flood, watch.id, series)
        if judged:
            odd = judged.odd is not None and series[self.day] >= watch.least
            said = f"{watch.doc}: {series[self.day]:.0f}, {_usual(judged.odd)}"
            tables, owner = tuple(t for t, _ in watch.inputs), watch.table.terms.owner
            self._say(odd, Symptom(watch.id, tables, owner, FOUND, said, f"lake alerts {watch.id}"))

    def _values(self, table: Table, values: Mapping[str, Series]) -> None:
        odd: dict[str, float] = {}
        any_judged = False
        for name, series in values.items():
            if name.startswith((LOW, HIGH)):
                continue
            judge: alerting.Judge = alerting.delay
            if name != DELAY:
                low, high = values[LOW + name][self.day], values[HIGH + name][self.day]
                judge = partial(alerting.level, low=low, high=high)
            judged = self._judged(judge, f"{short(table)}/values.{name}", series)
            any_judged |= judged is not None
            if judged and judged.odd is not None:
                odd[name] = judged.odd
        if any_judged:
            said = f"{short(table)}: {'; '.join(_unlike(name, factor) for name, factor in odd.items())}"
            zone = " --restricted" if table.restricted else ""
            self._say(bool(odd), _of(table, "values", UNLIKE, said, f"profile {table.id}{zone}"))


def _of(table: Table, what: str, rank: int, said: str, verb: str) -> Symptom:
    return Symptom(f"{short(table)}/{what}", (table,), table.terms.owner, rank, said, f"lake {verb}")


def numbers(measured: Nights, of: str, name: str) -> Series:
    """One number of a table or a watch, night by night."""
    return {d: m.values[name] for d, found in measured.items() if (m := found.get(of)) and name in m.values}


def of_the_end(
    tables: Iterable[Table], stale: Collection[str], failed: Mapping[str, str], findings: Sequence[Any], error: str
) -> tuple[set[str], dict[str, Symptom]]:
    """What a night's end says: the ids it settles, and what is wrong: a failed table, a refused release, no night."""
    by_id = {t.id: t for t in tables}
    found = {}
    roots: dict[str, str] = {}
    for name, why in failed.items():
        if not why.startswith("below ") and why not in roots.values():
            roots[name] = why
    for name, why in roots.items():
        table = by_id[name]
        said = f"{name} failed: {why}"
        found[f"{name}/failed"] = Symptom(f"{name}/failed", (), table.terms.owner, REFUSED, said, "lake plan")
    for finding in findings[:1]:
        about = by_id.get(finding.subject)
        owner = about.terms.owner if about else OPERATOR
        said = f"the release was refused: {finding.law}: {finding.subject}: {finding.said}"
        verb = "lake quality" if finding.law == "quality" else "./spark-submit.sh verify"
        found["release/refused"] = Symptom("release/refused", (about,) if about else (), owner, REFUSED, said, verb)
    if error:
        found["night/failed"] = Symptom("night/failed", (), OPERATOR, LACK, f"the night failed: {error}", "lake doctor")
    settled = {f"{t}/failed" for t in by_id if t not in stale} if not error else set()
    settled |= {"night/failed"} | ({"release/refused"} if not error else set())
    return settled | set(found), found


def _times(factor: float | None) -> str:
    """A factor in words: half, 3 times."""
    if factor is None or math.isinf(factor):
        return "far more than"
    return f"{factor:.0%} of" if factor < 1 else f"{factor:.3g} times"


def _usual(factor: float | None) -> str:
    return "usually none" if factor is None or math.isinf(factor) else f"{factor:.3g} times the usual"


def _unlike(name: str, factor: float) -> str:
    if name == DELAY:
        return (
            f"its times lie {abs(factor):.0f} days {'further from' if factor > 0 else 'beyond'} the delivery than usual"
        )
    return f"{name} is {_times(factor)} what it usually is"
