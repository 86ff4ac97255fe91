"""Parents: a record that refers to a row that is not there is parked, and comes back when the row does.

Whether a record is parked depends on it and on the keys that its parents hold at their pinned versions, and on nothing
else. A parked record competes with others of its key like a good one; the winner is decided first.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from functools import reduce
from typing import TYPE_CHECKING

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from lake.core.table import PARKED, SLICE, Table
from lake.engine import records
from lake.engine.session import read
from lake.engine.store import Log

if TYPE_CHECKING:
    from lake.engine.work import Work


class Parents:
    """The tables that the records of a typed table refer to, pinned."""

    def __init__(self, work: Work) -> None:
        self._work, self._of = work, work.table.parents

    def judged(self, rows: DataFrame) -> DataFrame:
        """Good rows without a parent are parked."""
        for parent, columns in self._of.items():
            there = self._keys(parent, self._stored(parent)).withColumn("_parent", F.lit(1))
            joined = rows.join(there, on=_same(columns), how="left")
            refers = reduce(lambda a, b: a & b, [F.col(f"`{own}`").isNotNull() for own in columns])
            parked = F.col("_ok") & refers & F.col("_parent").isNull()
            names = F.lit(",".join(columns)).alias("column")
            value = F.concat_ws(",", *[F.col(f"`{own}`").cast("string") for own in columns]).alias("value")
            reason = F.array(F.struct(F.lit(PARKED).alias("rule"), names, value))
            rows = _with(joined, rows.columns, F.col("_ok") & ~parked, F.when(parked, reason))
        return rows

    def unjudged(self, rows: DataFrame) -> DataFrame:
        """Stored rows as they would be if every parent were there."""
        if not self._of:
            return rows
        parked = _is_parked()
        return _with(rows, rows.columns, F.col("_ok") | parked, F.when(parked, F.array().cast(records.ERRORS)))

    def moved(self, stored: DataFrame) -> set[date] | None:
        """The slices of stored rows whose parent came or went since it was last looked at; None: all may be."""
        days: set[date] = set()
        for parent, columns in self._of.items():
            if not self._work.feeds[parent]:
                continue
            until = self._work.body["inputs"][parent.id]
            files = Log(self._work.b.path(parent)).changed_files(self._work.own.consumed.get(parent.id, -1), until)
            if files is None:
                return None
            log = Log(self._work.b.path(parent), until)
            came, went = (self._keys(parent, read(self._work.session, log, some)) for some in files)
            concerned = [(came.subtract(went), _is_parked())] if self._work.own.rejected else []
            concerned += [(went.subtract(came), F.col("_ok"))] if files[1] else []
            for keys, rows in concerned:
                found = stored.where(rows).join(keys, on=_same(columns), how="left_semi").select(SLICE).distinct()
                days |= {r[0] for r in found.collect()}
        return days

    def _stored(self, parent: Table) -> DataFrame:
        return self._work.b.stored(self._work.session, parent, self._work.body["inputs"][parent.id])

    def _keys(self, parent: Table, rows: DataFrame) -> DataFrame:
        """What rows of a parent can be referred to by, each once, under the names of the columns that do."""
        good = self._work.b.accepted(rows, parent, self._work.table)
        columns = self._of[parent].items()
        return good.select(*[F.col(f"`{other}`").alias(_there(own)) for own, other in columns]).distinct()


def _there(own: str) -> str:
    return f"_there_{own}"


def _same(columns: Iterable[str]) -> Column:
    return reduce(lambda a, b: a & b, [F.col(f"`{own}`") == F.col(f"`{_there(own)}`") for own in columns])


def _is_parked() -> Column:
    return F.coalesce(F.get(F.col("_errors.rule"), F.lit(0)) == PARKED, F.lit(False))


def _with(rows: DataFrame, names: Sequence[str], ok: Column, errors: Column) -> DataFrame:
    """Some columns of rows, with another verdict; where that names no errors they keep theirs."""
    verdict = {"_ok": ok, "_errors": F.coalesce(errors, F.col("_errors"))}
    return rows.select(*[verdict.get(c, F.col(f"`{c}`")).alias(c) for c in names])
