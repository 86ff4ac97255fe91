"""Facts, states and histories follow by key: what a touched key says is recomputed, and the differences are merged."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import reduce
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import StructType

from lake.core.refresh import History, Keyed, RowWise
from lake.core.table import SLICE, Table
from lake.core.transforms import HASH_RANGE, hash_sum, row_hash
from lake.engine.plan import takes_as_of
from lake.engine.session import empty, read
from lake.engine.store import Log
from lake.engine.work import Outcome, Prepared, Work

MOST_LITERALS = 2000
"""Up to so many touched groups are written into the plan as literals; they prune better than a join."""


class Keying(Work):
    """The refresh of a keyed table."""

    def prepare(self) -> Prepared:
        refresh = self.table.refresh
        assert isinstance(refresh, Keyed)
        self.moved = {i: self._moved(i) for i, commits in self.feeds.items() if commits}
        if self.start_over or None in self.moved.values():
            return self.replace(self.keep(self.computed(self.inputs())), scope=None)
        touched = self.keep(self._touched_groups(refresh).distinct())
        some = touched.limit(MOST_LITERALS + 1).collect()
        if not some:
            return self.unchanged(), None
        groups = some if len(some) <= MOST_LITERALS else None
        stored = _of_groups(self.stored(), refresh.group, touched, groups)
        new = self._built_on(refresh, stored)
        if new is None:
            new = self.computed(self._narrowed(refresh, touched, groups))
        new = new.withColumn("_h", row_hash(self.table.schema))
        stored = stored.withColumn("_oh", row_hash(self.table.schema))
        day = [F.col(SLICE).alias("_oslice")] if self.table.refresh.by else []
        both = new.join(stored.select(*refresh.key, "_oh", "_in", *day), on=list(refresh.key), how="full_outer")
        differ = self.keep(both.where(~F.col("_h").eqNullSafe(F.col("_oh"))))
        return self._merged(refresh, differ)

    def _built_on(self, refresh: Keyed, stored: DataFrame) -> DataFrame | None:
        """The rows of the touched keys from those stored and what came, without a look at all that came earlier.

        None where these do not say it: something went, a row that came has another type than is stored, or a statement
        is not later than all that were there.
        """
        went = any(m and m[1] for m in self.moved.values())
        if not isinstance(refresh, RowWise) or takes_as_of(self.table) or went:
            return None
        frames = [self._feed(i) if i in self.moved else self._nothing_of(i) for i in self.table.all_inputs]
        came = self.table.made(*frames).dropna(subset=list(refresh.group))
        if isinstance(refresh, History) and not self._is_later(came, refresh.at):
            return None
        told = refresh.told(stored).select(came.columns)
        if told.dtypes != came.dtypes:
            return None
        both = came.unionByName(told)
        return self._sliced(self.cast(self.table.promised(refresh.shaped(both))))

    def _is_later(self, came: DataFrame, at: str) -> bool:
        """Whether all that came was stated after all that had been consumed."""
        [[first]] = came.agg(F.min(at)).collect()
        there = self.table.made(*[self._were_there(i) for i in self.table.all_inputs])
        return there.where(F.col(at) >= F.lit(first)).isEmpty()

    def _merged(self, refresh: Keyed, differ: DataFrame) -> Prepared:
        present = F.col("_h").isNotNull()
        days = (
            [F.to_json(F.collect_set(F.col(c).cast("string"))).alias(c) for c in (SLICE, "_oslice")]
            if refresh.by
            else []
        )
        [row] = differ.agg(
            F.count("*").alias("n"),
            F.count_if(present & F.col("_oh").isNull()).alias("came"),
            F.count_if(~present).alias("went"),
            hash_sum(F.col("_h")).alias("h"),
            hash_sum(F.col("_oh")).alias("oh"),
            F.count_distinct(row_hash(self.table.schema[k] for k in refresh.key)).alias("keys"),
            F.to_json(F.collect_set("_in")).alias("_in"),
            *self.broken(present),
            *days,
        ).collect()
        self.judge(row, row["n"] - row["keys"])
        if not row["n"]:
            return self.unchanged(), None
        slices = sorted({*json.loads(row[SLICE]), *json.loads(row["_oslice"])}) if refresh.by else None
        outcome = Outcome(
            "merge",
            True,
            self.own.rows + row["came"] - row["went"],
            str((int(self.own.hash) + int(row["h"] or 0) - int(row["oh"] or 0)) % HASH_RANGE),
            slices=slices,
        )
        changed = differ.select(*refresh.key)
        return outcome, self.exchanged(
            set(json.loads(row["_in"])),
            lambda rows: rows.join(changed, on=list(refresh.key), how="left_anti"),
            differ.where(present),
            row["n"],
        )

    def _touched_groups(self, refresh: Keyed) -> DataFrame:
        """The groups that any input's changes concern."""
        group = list(refresh.group)
        found = []
        row_wise = isinstance(refresh, RowWise)
        via = dict(refresh.via)
        frames = {i: self._feed(i) for i in self.moved}
        if row_wise:
            own = self.table.inputs
            functions = [(self.table.function, own), *((m.function, m.inputs) for m in self.table.mappings)]
            for function, inputs in functions:
                for i in inputs:
                    if i in frames and function is not None:
                        found.append(function(frames[i]).select(group))
        else:
            by_name = {i.name: i for i in self.table.all_inputs}
            for i, feed in frames.items():
                if i.name in via:
                    column, through = via[i.name]
                    middle = by_name[through]
                    rows = self.b.accepted(
                        self.b.stored(self.session, middle, self.body["inputs"][middle.id]), middle, self.table
                    )
                    found.append(rows.join(feed.select(column).distinct(), on=column, how="left_semi").select(group))
                else:
                    found.append(feed.select(group))
        none = empty(self.session, StructType([self.table.schema[g] for g in group]))
        return reduce(DataFrame.unionByName, found, none).dropna(subset=group)

    def _moved(self, table: Table) -> tuple[list[str], list[str]] | None:
        """The data files that an input gained and lost since it was consumed; None if that cannot be known."""
        consumed = self.own.consumed.get(table.id, -1)
        return Log(self.b.path(table)).changed_files(consumed, self.body["inputs"][table.id])

    def _feed(self, table: Table) -> DataFrame:
        """The rows of an input that came or went since it was consumed, netted."""
        files = self.moved[table]
        assert files is not None
        log = Log(self.b.path(table), self.body["inputs"][table.id])
        names = [c.name for c in table.columns]
        came, went = (self._seen(read(self.session, log, some), table) for some in files)
        if not files[1]:
            return came
        both = came.select("*", F.lit(1).alias("_sign")).unionByName(went.select("*", F.lit(-1).alias("_sign")))
        net = (
            both.withColumn("_h", row_hash(table.schema))
            .groupBy("_h")
            .agg(F.sum("_sign").alias("n"), F.min_by(F.struct(*names), "_h").alias("r"))
        )
        return net.where("n <> 0").select("r.*")

    def _were_there(self, table: Table) -> DataFrame:
        """The rows of an input, of which none went, that had been consumed."""
        version = self.body["inputs"][table.id]
        if version < 0:
            return self._nothing_of(table)
        log = Log(self.b.path(table), version)
        came, _ = self.moved.get(table) or ([], [])
        return self._seen(read(self.session, log, sorted({*log.files()} - {*came})), table)

    def _nothing_of(self, table: Table) -> DataFrame:
        return self._seen(empty(self.session, self.b.schema(table)), table)

    def _seen(self, rows: DataFrame, table: Table) -> DataFrame:
        """Stored rows of an input as the table's functions get them."""
        return self.b.accepted(rows, table, self.table).select([c.name for c in table.columns])

    def _narrowed(self, refresh: Keyed, touched: DataFrame, groups: Sequence[Any] | None) -> list[DataFrame]:
        """The inputs with only the rows that the touched groups need."""
        group, via = list(refresh.group), dict(refresh.via)
        if isinstance(refresh, RowWise):
            return self._row_wise(refresh, touched, groups)
        by_name = {i.name: f for i, f in zip(self.table.all_inputs, self.inputs(), strict=True)}
        direct = {n: _of_groups(f, group, touched, groups) for n, f in by_name.items() if n not in via}
        for name, (column, through) in via.items():
            ids = direct[through].select(column).distinct()
            direct[name] = by_name[name].join(F.broadcast(ids), on=column, how="left_semi")
        return [direct[i.name] for i in self.table.all_inputs]

    def _row_wise(self, refresh: Keyed, touched: DataFrame, groups: Sequence[Any] | None) -> list[DataFrame]:
        """Inputs of row-wise functions are narrowed through them: a row stays if what it becomes is touched."""
        function = self.table.function
        assert function is not None
        frames = self.inputs()
        narrowed = []
        for i, rows in zip(self.table.all_inputs, frames, strict=True):
            mapped = next((m.function for m in self.table.mappings if i in m.inputs), function)
            if all(g in rows.columns for g in refresh.group) and mapped is function:
                narrowed.append(_of_groups(rows, list(refresh.group), touched, groups))
            else:
                narrowed.append(rows)
        return narrowed


def _of_groups(rows: DataFrame, group: Sequence[str], touched: DataFrame, few: Sequence[Any] | None) -> DataFrame:
    """The rows of the touched groups; few of them are named in the plan, many joined."""
    if few is None:
        return rows.join(touched, on=list(group), how="left_semi")
    first = group[0]
    rows = rows.where(F.col(f"`{first}`").isin(sorted({g[0] for g in few})))
    return rows if len(group) == 1 else rows.join(F.broadcast(touched), on=list(group), how="left_semi")
