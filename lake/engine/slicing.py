"""Aggregates and balances follow by slice: the touched days or months are recomputed, as far as their reach goes."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from datetime import date, timedelta

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lake.core.refresh import FORWARD, Slices
from lake.core.table import SLICE, Table
from lake.engine.session import empty
from lake.engine.work import Prepared, Work


class Slicing(Work):
    """The refresh of a table of slices."""

    def prepare(self) -> Prepared:
        refresh = self.table.refresh
        assert isinstance(refresh, Slices)
        touched = None if self.start_over else self._touched(refresh)
        if refresh.reach == FORWARD:
            return self._forward(refresh, touched)
        if touched is None:
            return self.replace(self.keep(self.computed(self.inputs(), **self._horizon())), scope=None)
        if not touched:
            return self.unchanged(), None
        target = sorted({step(d, n, refresh.unit) for d in touched for n in range(refresh.reach + 1)})
        needed = sorted({step(d, -n, refresh.unit) for d in target for n in range(refresh.reach + 1)})
        made = self.computed(
            self.inputs(lambda i, rows: self._within(i, rows, needed, refresh.unit)), **self._horizon()
        )
        return self.replace(self.keep(made.where(F.col(SLICE).isin(target))), scope=target)

    def _forward(self, refresh: Slices, touched: set[date] | None) -> Prepared:
        """From the first touched slice to the horizon, starting at the own closing of the slice before it.

        The horizon moves without a slice being touched: a changed one touches all behind the nearer of the two.
        """
        last = self.last_day()
        self.body["last"] = last.isoformat() if last else None
        before = self.own.task.body.get("last") if self.own.task else None
        if touched is not None and before and last:
            ends = sorted(_slice_of(d, refresh.unit) for d in (date.fromisoformat(before), last))
            if ends[0] != ends[1]:
                touched.add(step(ends[0], 1, refresh.unit))
        if touched is None or last is None or not before:
            none = empty(self.session, self.table.schema)
            made = self.computed(self.inputs(), previous=none, last=last or date(1970, 1, 1))
            return self.replace(self.keep(made), scope=None)
        if not touched:
            return self.unchanged(), None
        first = min(touched)
        stored = self.stored()
        names = [c.name for c in self.table.columns]
        previous = stored.where(F.col(SLICE) == step(first, -1, refresh.unit)).select(names)
        frames = self.inputs(lambda i, rows: rows.where(F.col(SLICE) >= first) if SLICE in rows.columns else rows)
        made = self.computed(frames, previous=previous, last=last)
        return self.replace(self.keep(made), scope=first)

    def _horizon(self) -> dict[str, object]:
        function = self.table.function
        wants = function is not None and "last" in inspect.signature(function).parameters
        return {"last": self.last_day() or date(1970, 1, 1)} if wants else {}

    def last_day(self) -> date | None:
        days = []
        for i in self.table.all_inputs:
            rows = self.b.stored(self.session, i, self.body["inputs"][i.id])
            if SLICE in rows.columns:
                good = rows.where("_ok") if i.is_typed else rows
                days.append(good.agg(F.max(SLICE)).collect()[0][0])
        return max((d for d in days if d is not None), default=None)

    def _touched(self, refresh: Slices) -> set[date] | None:
        """The slices whose inputs changed since they were consumed; None if that cannot be known."""
        found: set[date] = set()
        for commits in self.feeds.values():
            for commit in commits:
                if commit.get("slices") is None:
                    return None
                found |= {_slice_of(date.fromisoformat(d), refresh.unit) for d in commit["slices"]}
        return found

    @staticmethod
    def _within(table: Table, rows: DataFrame, days: Sequence[date], unit: str) -> DataFrame:
        if SLICE not in rows.columns:
            return rows
        if unit == "day":
            return rows.where(F.col(SLICE).isin(list(days)))
        ends = (F.col(SLICE) >= days[0]) & (F.col(SLICE) < step(days[-1], 1, unit))
        return rows.where(ends & F.trunc(SLICE, unit).isin(list(days)))


def _slice_of(day: date, unit: str) -> date:
    return day.replace(day=1) if unit == "month" else day


def step(day: date, n: int, unit: str) -> date:
    if unit == "day":
        return day + timedelta(days=n)
    months = day.year * 12 + day.month - 1 + n
    return date(months // 12, months % 12 + 1, 1)
