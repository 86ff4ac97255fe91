"""What is expected of tables as a whole, in the terms of Great Expectations; rows are the business of Column.check."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from lake.core.errors import LakeError
from lake.core.table import Table

if TYPE_CHECKING:
    import pandas as pd

Severity = Literal["warn", "stop"]


@dataclass(frozen=True)
class Ask:
    """One expectation.

    kind        its name in Great Expectations, such as "expect_column_sum_to_be_between"
    arguments   as they are called there: column, min_value, value_set, …
    severity    stop: a candidate that breaks it is not released; warn: it is, and says so
    """

    kind: str
    arguments: Mapping[str, Any]
    severity: Severity = "warn"

    @property
    def said(self) -> str:
        """The expectation in a few words: its name, and what it is asked of."""
        told = ", ".join(f"{k}={v!r}" for k, v in self.arguments.items())
        return f"{self.kind.removeprefix('expect_').replace('_', ' ')}: {told}"


def ask(kind: str, *, severity: Severity = "warn", **arguments: Any) -> Ask:
    """`ask("expect_column_sum_to_be_between", column="off", min_value=0, max_value=0, severity="stop")`."""
    return Ask(kind, arguments, severity)


@dataclass(frozen=True)
class Expectation:
    """What is asked of the rows that `frame` makes of some columns of some tables.

    id      department and name, as warehouse.stock_is_worth_its_cost
    reads   the columns it gets of each table; the first one is the table it is about
    """

    id: str
    doc: str
    asks: tuple[Ask, ...]
    reads: tuple[tuple[Table, tuple[str, ...]], ...]
    frame: Callable[..., pd.DataFrame]

    @property
    def table(self) -> Table:
        return self.reads[0][0]

    @property
    def inputs(self) -> list[Table]:
        return [t for t, _ in self.reads]


def expectation(*asks: Ask, reads: Mapping[Table, str]) -> Callable[[Callable[..., pd.DataFrame]], Expectation]:
    """Declare the decorated function: pandas frames in, one for each table that it reads, and out what is asked about.

    A table by day or month comes with the days or months that a run touched in any of the tables (whole months where
    it reads several), any other one whole; measured values as floats, days as timestamps.
    """

    def declare(function: Callable[..., pd.DataFrame]) -> Expectation:
        name = f"{function.__module__.split('.')[1]}.{function.__name__}"
        for table, columns in reads.items():
            there = {c.name: c for c in table.columns}
            if unknown := sorted(set(columns.split()) - set(there)):
                raise LakeError(f"{name}: {table.id} has no {', '.join(unknown)}.")
            if personal := [c for c in columns.split() if there[c].pii]:
                raise LakeError(
                    f"{name} reads {personal[0]} of {table.id}, which is personal.", hint="read an open table below it."
                )
        wanted = tuple((t, tuple(columns.split())) for t, columns in reads.items())
        return Expectation(name, inspect.cleandoc(function.__doc__ or ""), asks, wanted, function)

    return declare
