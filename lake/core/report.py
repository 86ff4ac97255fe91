"""What a report shows: pages of a finding, things to do, and charts. How it looks is the engine's business."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from lake.core.errors import LakeError
from lake.core.table import Table

if TYPE_CHECKING:
    import pandas as pd

COLOURS = {
    "ink": "#1d2a33",
    "muted": "#5a6872",
    "line": "#d9dfe2",
    "paper": "#ffffff",
    "calm": "#788d98",
    "good": "#2f6f73",
    "good_light": "#cfe0df",
    "note": "#35618f",
    "warn": "#b8741a",
    "bad": "#a5303a",
}
"""The house's colours by meaning; charts and page take theirs from here."""


@dataclass(frozen=True)
class Number:
    """A figure in a sentence, and the table it comes from."""

    text: str
    table: Table


Said = tuple[str | Number, ...]
"""A sentence whose figures know where they come from."""


@dataclass(frozen=True)
class Advice:
    """One thing to do. `amount`: the money at stake in `currency`, or None where nobody can tell."""

    text: str
    table: Table
    amount: float | None = None
    currency: str = ""


@dataclass(frozen=True)
class Chart:
    """A chart of Vega-Lite specs (several: small multiples), or a sentence in its place where there is nothing to draw.

    said      how to read it, in a sentence
    specs     caption and spec of each panel
    rows      the figures behind it, for those who cannot see it; at most as many as somebody would read
    small     its panels are many and small
    beside    it takes half the width, next to another one
    choices   what one may look at, one at a time: the spec's data named `CHOSEN` are the rows of the choice
    choose    what a choice is: item, robot
    """

    title: str
    said: str
    reads: tuple[Table, ...] = ()
    specs: tuple[tuple[str, Mapping[str, Any]], ...] = ()
    rows: tuple[Mapping[str, Any], ...] = ()
    small: bool = False
    beside: bool = False
    choose: str = ""
    choices: tuple[Choice, ...] = ()


def spec(chart: Any) -> dict[str, Any]:
    """A chart of Altair's in Vega-Lite. It is held against the schema of that, unless Altair's `debug_mode` is off."""
    from altair.utils import schemapi

    made: dict[str, Any] = chart.to_dict(validate=schemapi.DEBUG_MODE)
    return made


CHOSEN = "chosen"
"""The name of the data that a chart with choices draws."""


@dataclass(frozen=True)
class Choice:
    """One thing to look at: what there is to say of it, and its rows (all of one chart have the same fields)."""

    name: str
    said: str
    rows: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True)
class Listing:
    """Rows to act on, as a table.

    said   what a row is, and by which rule it is here
    """

    title: str
    said: str
    reads: tuple[Table, ...] = ()
    rows: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True)
class Page:
    """What one reader has to know: the finding in a sentence, what stands out, what to do, what to look at.

    stories   what the tables say has changed or differs, a sentence each, with the rule it passed
    filters   fields by which the reader may narrow what has them: rows of listings and of charts
    """

    finding: Said
    advice: tuple[Advice, ...] = ()
    notes: tuple[str, ...] = ()
    charts: tuple[Chart | Listing, ...] = ()
    stories: tuple[Said, ...] = ()
    filters: tuple[str, ...] = ()


@dataclass(frozen=True)
class Night:
    """What became of one source's delivery of one day."""

    source: str
    day: date
    state: str
    lines: int = 0
    rejected: int = 0


@dataclass(frozen=True)
class Reject:
    """How many records of a typed table were rejected for one reason.

    by_night    how many of them by the day of their delivery
    """

    table: str
    rule: str
    column: str
    records: int
    source: str = ""
    by_night: Mapping[date, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Step:
    """One table's part of a night: when it began, in seconds from the night's beginning, and how long it took.

    usual   median of what it took in earlier nights; None if there were none
    """

    table: str
    begin: float
    seconds: float
    usual: float | None = None
    changed: bool = True


@dataclass(frozen=True)
class Facts:
    """What the journal knows of a release, beside the tables' rows.

    steps     of the night that made it
    quality   what of its tables was not as expected: table, severity and said of each
    """

    release: int
    as_of: date
    nights: tuple[Night, ...] = ()
    rejects: tuple[Reject, ...] = ()
    sources: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    stale: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    cards: tuple[Mapping[str, Any], ...] = ()
    steps: tuple[Step, ...] = ()
    quality: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True)
class Part:
    """What a page reads of a table that is large: these columns, of the rows that satisfy all of `where`.

    recent   a DATE column and a number of days: only rows of so many days until the newest one
    """

    table: Table
    columns: tuple[str, ...]
    where: tuple[tuple[str, str, Any], ...] = ()
    recent: tuple[str, int] | None = None


def part(
    table: Table, columns: str, *, where: Sequence[tuple[str, str, Any]] = (), recent: tuple[str, int] | None = None
) -> Part:
    """`part(stock_day, "item_id site day")`. Raises LakeError if the table has no such column."""
    names = tuple(columns.split())
    wanted = {*names, *(c for c, _, _ in where), *([recent[0]] if recent else [])}
    if unknown := sorted(wanted - {c.name for c in table.columns}):
        raise LakeError(f"{table.id} has no {unknown}.", hint=f"it has {', '.join(c.name for c in table.columns)}.")
    return Part(table, names, tuple(where), recent)


@dataclass(frozen=True, eq=False)
class Report:
    """A page for one kind of reader: a pure function of released tables and facts."""

    name: str
    title: str
    reader: str
    doc: str
    parts: tuple[Part, ...]
    function: Callable[..., Page]

    @property
    def inputs(self) -> tuple[Table, ...]:
        return tuple(p.table for p in self.parts)

    def __call__(self, *frames: pd.DataFrame, facts: Facts) -> Page:
        return self.function(*frames, facts=facts)


def report(*, title: str, reader: str, inputs: Sequence[Table | Part]) -> Callable[[Callable[..., Page]], Report]:
    """Declare the decorated function as a page; it gets its inputs as pandas frames, and `facts`."""

    parts = tuple(i if isinstance(i, Part) else Part(i, tuple(c.name for c in i.columns)) for i in inputs)

    def declare(function: Callable[..., Page]) -> Report:
        for read in (p.table for p in parts):
            if read.restricted or read.layer == "bronze":
                raise LakeError(
                    f"The report {title!r} reads {read.id}.", hint="reports read gold and silver tables in the open."
                )
        return Report(function.__name__, title, reader, inspect.getdoc(function) or "", parts, function)

    return declare


def plain(rows: pd.DataFrame | Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The rows with values that JSON has: days as text, decimals as numbers, what is missing as None."""
    listed = rows if not hasattr(rows, "to_dict") else rows.to_dict("records")
    return [{str(k): _plain(v) for k, v in row.items()} for row in listed]


def _plain(value: Any) -> Any:
    if value is None or value != value:
        return None
    if isinstance(value, datetime | date):
        return value.isoformat()[:10]
    if isinstance(value, Decimal):
        return float(value)
    return value.item() if hasattr(value, "item") else value


def count(number: float, table: Table) -> Number:
    return Number(f"{number:,.0f}", table)


def money(amount: float, currency: str = "") -> str:
    """An amount as people say it: whole units, thousands apart."""
    return f"{amount:,.0f} {currency}".rstrip()


def day(value: date) -> str:
    """A day as people write it: 7 Mar 2026."""
    return f"{value.day} {value:%b %Y}"


def in_one_currency(rows: Iterable[Mapping[str, Any]]) -> tuple[dict[str, Any], ...]:
    """The rows with their currency in the name of `value`, if it is the same everywhere."""
    listed = [dict(r) for r in rows]
    currencies = {r["currency"] for r in listed if r["currency"]}
    if len(currencies) != 1:
        return tuple(listed)
    name = f"value, {currencies.pop()}"
    return tuple({name if k == "value" else k: v for k, v in r.items() if k != "currency"} for r in listed)


def counted(number: int, one: str, many: str = "") -> str:
    """`1 line`, `7 lines`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def dearest(advice: Iterable[Advice], most: int = 5) -> tuple[Advice, ...]:
    """The `most` things to do with the most money at stake; amounts compare within the commonest currency only."""
    listed = list(advice)
    currencies = [a.currency for a in listed if a.amount is not None]
    main = max(sorted(set(currencies)), key=currencies.count, default="")
    order = sorted(listed, key=lambda a: (a.amount is None, a.currency != main, a.currency, -(a.amount or 0)))
    return tuple(order[:most])
