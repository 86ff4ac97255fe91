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
    "calm": "#8fa3ad",
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
    """

    title: str
    said: str
    reads: tuple[Table, ...] = ()
    specs: tuple[tuple[str, Mapping[str, Any]], ...] = ()
    rows: tuple[Mapping[str, Any], ...] = ()
    small: bool = False
    beside: bool = False


@dataclass(frozen=True)
class Page:
    """What one reader has to know: the finding in a sentence, what to do, what to look at."""

    finding: Said
    advice: tuple[Advice, ...] = ()
    notes: tuple[str, ...] = ()
    charts: tuple[Chart, ...] = ()


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
    """How many records of a typed table were rejected for one reason."""

    table: str
    rule: str
    column: str
    records: int


@dataclass(frozen=True)
class Facts:
    """What the journal knows of a release, beside the tables' rows."""

    release: int
    as_of: date
    nights: tuple[Night, ...] = ()
    rejects: tuple[Reject, ...] = ()
    sources: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    stale: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    cards: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, eq=False)
class Report:
    """A page for one kind of reader: a pure function of released tables and facts."""

    name: str
    title: str
    reader: str
    doc: str
    inputs: tuple[Table, ...]
    function: Callable[..., Page]

    def __call__(self, *frames: pd.DataFrame, facts: Facts) -> Page:
        return self.function(*frames, facts=facts)


def report(*, title: str, reader: str, inputs: Sequence[Table]) -> Callable[[Callable[..., Page]], Report]:
    """Declare the decorated function as a page; it gets its inputs as pandas frames, and `facts`."""

    def declare(function: Callable[..., Page]) -> Report:
        for read in inputs:
            if read.restricted or read.layer != "gold":
                raise LakeError(f"The report {title!r} reads {read.id}.", hint="reports read gold tables in the open.")
        return Report(function.__name__, title, reader, inspect.getdoc(function) or "", tuple(inputs), function)

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
