"""What the rows of a night look like: typical values of measured columns, and what the departments watch for.

Only rows delivered that night are read, and only the columns in question, without Spark. A night is measured once, and
again if its files, or what is looked for, change.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING

from lake.core.refresh import Append
from lake.core.table import Table
from lake.core.watch import Watch, day_of_delivery
from lake.engine import store
from lake.engine.conf import Conf
from lake.engine.control import State
from lake.engine.figures import floats
from lake.engine.volumes import Deliveries

if TYPE_CHECKING:
    import pandas as pd

ROWS = 8
"""Fewer rows than this have no typical value."""
NUMBERS = ("int", "bigint", "double", "float")
DELAY = "delay"
"""The number that says how many days a record was delivered after it happened."""
LOW, HIGH = "low of ", "high of "
"""Before a column's name: between these values its true median lies, as good as certainly."""
SURE = 4.5
"""As certainly as a bell curve lies within so many deviations."""
ALL_AT_ONCE = 7
"""So many nights are read together."""


@dataclass(frozen=True)
class Measured:
    """The numbers of a night in one table, or of one watch. `of`: hash of what they were taken from."""

    of: str
    values: dict[str, float]


Nights = dict[str, dict[str, Measured]]
"""Day → table or watch → its numbers."""


def measured_columns(table: Table) -> list[str]:
    """The columns in which a change of unit or currency would show: decimals, and numbers with a unit."""
    kinds = {c.name: c.stored.simpleString() for c in table.columns if not (c.key or c.pii)}
    units = {c.name for c in table.columns if c.unit}
    return [n for n, kind in kinds.items() if kind.startswith("decimal") or (n in units and kind in NUMBERS)]


def event_time(table: Table) -> str | None:
    """The column that says when what a record tells of happened, where that is not its day of delivery."""
    by = (table.refresh.by if isinstance(table.refresh, Append) else None) or ""
    name = by.removeprefix("to_date(").removesuffix(")")
    return name if name in {c.name for c in table.columns} and name != day_of_delivery(table) else None


class Measure:
    """Measures nights of typed tables, each at its newest version."""

    def __init__(
        self, conf: Conf, states: Mapping[str, State], tables: Sequence[Table], watches: Sequence[Watch],
        delivered: Sequence[Deliveries],
    ) -> None:  # fmt: skip
        self.conf, self.states, self.watches = conf, states, watches
        by_source = {d.source: d for d in delivered}
        self.files: dict[Table, Mapping[str, str]] = {}
        for table in tables:
            if table.is_typed and day_of_delivery(table) and all(i in by_source for i in table.inputs):
                if all(self._is_taken_up(table, source) for source in table.inputs):
                    self.files[table] = by_source[table.inputs[0]].files

    def _is_taken_up(self, table: Table, source: Table) -> bool:
        own, read = self.states.get(table.id, State()), self.states.get(source.id, State())
        return own.version >= 0 and own.consumed.get(source.id, -1) == read.version

    def nights(self, days: Sequence[str], known: Nights) -> Nights:
        """What there is to know of `days` and is not `known`, or not as it is now."""
        found: Nights = {}
        for start in range(0, len(days), ALL_AT_ONCE):
            for day, name, measured in self._some(days[start : start + ALL_AT_ONCE], known):
                found.setdefault(day, {})[name] = measured
        return found

    def _some(self, days: Sequence[str], known: Nights) -> Iterator[tuple[str, str, Measured]]:
        for table in self.files:
            columns, happened = measured_columns(table), event_time(table)
            names = [*columns, *([happened] if happened else [])]
            todo = self._todo(table.id, [table], repr([LOW, HIGH, *names]), days, known) if names else {}
            if todo:
                rows = self.rows(table, names, list(todo), max(todo))
                for day, of in todo.items():
                    yield day, table.id, Measured(of, _typical(_on(rows, table, day), columns, happened, day))
        for watch in self.watches:
            tables = [t for t, _ in watch.inputs]
            if not all(t in self.files for t in tables):
                continue
            todo = self._todo(watch.id, tables, watch.definition, days, known)
            frames = self._frames(watch, list(todo))
            for day, of in todo.items():
                yield day, watch.id, Measured(of, {"found": float(len(_found(watch, day, frames)))})

    def find(self, watch: Watch, day: str) -> pd.DataFrame:
        """The rows by which a watch sees something wrong in the delivery of `day`."""
        return _found(watch, day, self._frames(watch, [day]))

    def _frames(self, watch: Watch, days: Sequence[str]) -> dict[Table, pd.DataFrame]:
        if not days:
            return {}
        return {t: self.rows(t, names, None if t in watch.earlier else days, max(days)) for t, names in watch.inputs}

    def _todo(
        self, name: str, tables: Sequence[Table], what: str, days: Sequence[str], known: Nights
    ) -> dict[str, str]:
        """Of `days` those to be measured, each with the hash of what it is to be measured from."""
        found = {}
        for day in days:
            files = [self.files[t].get(day, "") for t in tables]
            of = hashlib.sha256("\n".join([what, *files]).encode()).hexdigest()[:16]
            before = known.get(day, {}).get(name)
            if any(files) and (before is None or before.of != of):
                found[day] = of
        return found

    def rows(self, table: Table, names: Sequence[str], days: Sequence[str] | None, until: str) -> pd.DataFrame:
        """The good rows that were delivered on `days`, or all until a day; decimals as floats."""
        delivered = day_of_delivery(table)
        assert delivered is not None
        when = (delivered, "in", [date.fromisoformat(d) for d in days]) if days is not None else (
            delivered, "<=", date.fromisoformat(until))  # fmt: skip
        read = store.rows(
            self.conf.at(table),
            at=self.states[table.id].version,
            columns=list(dict.fromkeys([*names, delivered])),
            where=[("_ok", "=", True), when],
        )
        found: pd.DataFrame = floats(read).to_pandas()
        return found


def _found(watch: Watch, day: str, frames: Mapping[Table, pd.DataFrame]) -> pd.DataFrame:
    night = date.fromisoformat(day)
    given = []
    for table, rows in frames.items():
        told = rows[day_of_delivery(table)]
        given.append(rows[told <= night if table in watch.earlier else told == night])
    return watch.find(night, *given)


def _on(rows: pd.DataFrame, table: Table, day: str) -> pd.DataFrame:
    return rows[rows[day_of_delivery(table)] == date.fromisoformat(day)]


def _typical(rows: pd.DataFrame, columns: Sequence[str], happened: str | None, day: str) -> dict[str, float]:
    """The median size of each column's values and between what it surely lies, and the days between event and delivery.

    These are the days by which nearly all records were late, or early: some late ones are no clock that is off.
    """
    found: dict[str, float] = {}
    for name in columns:
        sizes = rows[name].astype(float).abs().dropna()
        if len(sizes) >= ROWS:
            off = min(0.5, SURE / 2 / math.sqrt(len(sizes)))
            low, middle, high = sizes.quantile([0.5 - off, 0.5, 0.5 + off])
            found |= {name: middle, LOW + name: low, HIGH + name: high}
    if happened:
        when = rows[happened].astype("datetime64[ns, UTC]").dt.normalize()
        days = (datetime.fromisoformat(f"{day}T00:00:00+00:00") - when).dt.days.dropna()
        if len(days) >= ROWS:
            least, most = days.quantile([0.1, 0.9], interpolation="nearest")
            found[DELAY] = max(0, least) or min(0, most)
    return {name: float(value) for name, value in found.items()}
