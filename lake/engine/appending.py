"""Typed records follow bronze: parsed once, appended, and one winner a key whatever the order of arrival."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from functools import cached_property, reduce
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.window import Window

from lake.core.refresh import Append
from lake.core.table import PARKED, SLICE
from lake.core.transforms import HASH_RANGE, row_hash
from lake.engine import records
from lake.engine.parents import Parents
from lake.engine.work import Change, Outcome, Prepared, Summary, Work, as_days, total_of

ID_DAYS = 90
"""An id is looked for among the records of so many days around the new ones; `verify --law unique` looks everywhere."""


class Appending(Work):
    """The refresh of a typed table."""

    @cached_property
    def parents(self) -> Parents:
        return Parents(self)

    def prepare(self) -> Prepared:
        refresh = self.table.refresh
        assert isinstance(refresh, Append)
        [source] = self.table.inputs
        self.body["batch"] = self.b.state(source).task.seq if self.b.state(source).task else 0  # type: ignore[union-attr]
        if self.start_over:
            return self.replace(self.all_read(), scope=None)
        new = self._read(since=self.own.task.body["batch"])  # type: ignore[union-attr]
        judged = self.parents.judged(new)
        arrived = self.summary(judged)
        removed = sorted({p for c in self.feeds[source] for p in c.get("removed", [])})
        stored = self.stored()
        left = (
            [r[0] for r in stored.where(F.col("_file").isin(removed)).select(SLICE).distinct().collect()]
            if removed
            else []
        )
        days = [d for d in arrived if d is not None]
        twice = bool(refresh.key and days) and self._share(self._several(new, stored, days))
        moved = self.parents.moved(stored)
        if moved is None:
            return self.replace(self.all_read(), scope=None)
        if not left and not twice and not moved:
            return self._appended(judged, arrived)
        scope = sorted({d for d in [*arrived, *left, *moved] if d is not None})
        there = stored.where(F.col(SLICE).isin(scope)).drop("_in")
        kept = there.where(~F.col("_file").isin(removed)) if removed else there
        rows = self.parents.unjudged(kept).unionByName(new)
        decided = self._decided(rows, refresh) if refresh.key else rows
        return self.replace(self.keep(self.parents.judged(decided)), scope=scope)

    def all_read(self) -> DataFrame:
        """Every record of the source, as it is read by now."""
        refresh = self.table.refresh
        assert isinstance(refresh, Append)
        new = self._read(since=0)
        rows = new
        if refresh.key and self._share(several := self.keep(self._several(new))):
            alone, rivals = (new.join(several, on="_key", how=how) for how in ("leftanti", "leftsemi"))
            rows = alone.unionByName(self._decided(rivals, refresh)).select(new.columns)
        return self.keep(self.parents.judged(rows)) if self.table.parents else rows

    def _read(self, *, since: int) -> DataFrame:
        """The records that bronze took in after a task."""
        [source] = self.table.inputs
        bronze = self.b.stored(self.session, source, self.body["inputs"][source.id])
        held = [r.body for r in self.b.journal.of("task") if r.subject == source.id]
        headers = sorted({r["header_text"] for body in held for r in body.get("add", []) if r["header_text"]})
        return self.keep(records.typed(self.table, bronze.where(F.col("_batch") > since), headers))

    def _appended(self, new: DataFrame, arrived: Summary) -> Prepared:
        total = total_of(arrived.values())
        outcome = Outcome(
            "append",
            bool(arrived),
            self.own.rows + total.rows,
            str((int(self.own.hash) + total.hash) % HASH_RANGE),
            self.own.rejected + total.rejected,
            as_days([d for d, s in arrived.items() if s.rows]),
            {"new": total.rows, "new_rejected": total.rejected},
        )
        if not arrived:
            return outcome, None
        return outcome, Change(lambda _: new, self.files_for(total.rows))

    @staticmethod
    def _competes() -> Any:
        return F.col("_ok") | F.element_at("_errors.rule", 1).isin(*records.LOSERS, PARKED)

    def _several(self, new: DataFrame, stored: DataFrame | None = None, days: Sequence[date] = ()) -> DataFrame:
        """The keys of `new` that several records have, new or (around their `days`) stored: how many, and when."""
        keys = new.where("_ok").select("_key", SLICE)
        if stored is not None:
            around = F.col(SLICE).between(min(days) - timedelta(ID_DAYS), max(days) + timedelta(ID_DAYS))
            is_rival = F.col("_ok") | (F.col(SLICE).isin(days) & self._competes())
            rivals = stored.where(around & is_rival).join(keys.select("_key"), on="_key", how="leftsemi")
            keys = keys.unionByName(rivals.select("_key", SLICE))
        days_of = keys.groupBy("_key").agg(
            F.count("*").alias("n"), F.min(SLICE).alias("first"), F.max(SLICE).alias("last")
        )
        return days_of.where("n > 1")

    def _share(self, several: DataFrame) -> bool:
        """Whether records of a day share their key, as far as first and last day tell: of three records, two may.

        A key that is good on two days is two records to everything below, as its day may be part of it: `body` says
        how many keys are, for somebody to look at.
        """
        repeated = F.col("first") != F.col("last")
        counts = several.agg(
            F.count_if(repeated).alias("repeated"), F.count_if(~repeated | (F.col("n") > 2)).alias("n")
        )
        [found] = counts.collect()
        self.body["repeated"] = found["repeated"]
        return bool(found["n"])

    def _decided(self, rows: DataFrame, refresh: Append) -> DataFrame:
        """One winner a key and slice: the highest `newest`, then row hash; a function of the set, never of arrival."""
        said = [c.name for c in self.table.columns]
        content = [self.table.schema[c.name] for c in self.table.columns if c.parse != "_dt"]
        order = [F.col(c).desc_nulls_last() for c in refresh.newest]
        order += [F.col("_content").desc(), F.col("_dt"), F.col("_file")]
        rivals = Window.partitionBy("_competes", *refresh.key, SLICE).orderBy(*order)
        seen = rows.withColumn("_competes", self._competes()).withColumn("_content", row_hash(content))
        ranked = seen.select(
            "*", F.row_number().over(rivals).alias("_rank"), F.first("_content").over(rivals).alias("_winner")
        )
        newer = [~F.col(c).eqNullSafe(F.first(c).over(rivals)) for c in refresh.newest]
        ranked = ranked.withColumn("_older", reduce(lambda a, b: a | b, newer, F.lit(False)))
        why = (
            F.when(F.col("_content") == F.col("_winner"), "duplicate")
            .when(F.col("_older"), "superseded")
            .otherwise("conflict")
        )
        lost = F.array(
            F.struct(
                why.alias("rule"),
                F.lit(",".join(refresh.key)).alias("column"),
                F.lit(None).cast("string").alias("value"),
            )
        )
        wins, loses = F.col("_competes") & (F.col("_rank") == 1), F.col("_competes") & (F.col("_rank") > 1)
        return ranked.select(
            *said,
            wins.alias("_ok"),
            F.when(loses, lost).when(wins, F.array().cast(records.ERRORS)).otherwise(F.col("_errors")).alias("_errors"),
            *[c for c in records.ENGINE if c not in ("_ok", "_errors")],
        )
