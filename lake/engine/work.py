"""What every strategy shares: pinned inputs, sums of rows, the promise, and writing only what differs."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import LongType, StructField, StructType

from lake.core.errors import PromiseBroken
from lake.core.refresh import Slices
from lake.core.table import SLICE, Table
from lake.core.transforms import HASH_RANGE, hash_sum, row_hash
from lake.engine import store
from lake.engine.control import State
from lake.engine.plan import commits_since, takes_as_of
from lake.engine.session import read
from lake.engine.store import Log

if TYPE_CHECKING:
    from lake.engine.build import Builder
    from lake.engine.intake import Landing

MOST_SLICES = 800
"""More differing slices than this are written as the whole table."""
ROWS_A_FILE = 250_000


@dataclass
class Outcome:
    """What a commit did. `slices`: the days whose rows differ (None: unknown, so children start over)."""

    kind: str
    changed: bool
    rows: int = 0
    hash: str = "0"
    rejected: int = 0
    slices: list[str] | None = None
    more: dict[str, Any] = field(default_factory=dict)

    def said(self) -> dict[str, Any]:
        return {
            "kind": self.kind, "changed": self.changed, "rows": self.rows, "hash": self.hash,
            "rejected": self.rejected, "slices": self.slices, **self.more,
        }  # fmt: skip


@dataclass(frozen=True)
class Scorer:
    """A model version, and what it says of its features."""

    version: str
    score: Callable[[DataFrame], DataFrame]


@dataclass(frozen=True)
class Sum:
    """Rows and order-free hashes of a part of a table: `hash` of the promise, `all` of everything worth a rewrite.

    files   names of the data files it lies in, if it is stored
    """

    rows: int = 0
    hash: int = 0
    rejected: int = 0
    all: int = 0
    files: frozenset[str] = field(default=frozenset(), compare=False)


Summary = dict[date | None, Sum]


@dataclass(frozen=True)
class Change:
    """What a commit brings and takes.

    rows    the rows of its new data files, given its sequence number
    files   in about how many
    gone    names of the data files that leave; None: all, and the table takes on its declared schema
    """

    rows: Callable[[int], DataFrame]
    files: int
    gone: Collection[str] | None = ()


Prepared = tuple[Outcome, Change | None]
"""What a commit will have done, and how; None if there is nothing to write."""


class Work:
    """The computation behind one refresh: its inputs pinned, its frames cached until the commit is made.

    log         the table as it stands; what is committed comes right behind it
    body        what the task says of itself in the journal; a strategy adds what its next run will need
    feeds       per input, its commits since this table last consumed it
    redefined   whether what is stored cannot even be compared: it has another form, or is damaged
    start_over  whether nothing stored may be built upon
    """

    def __init__(
        self,
        builder: Builder,
        table: Table,
        session: SparkSession,
        log: Log,
        body: dict[str, Any],
        *,
        landing: Landing | None = None,
        scorer: Scorer | None = None,
    ) -> None:
        self.b, self.table, self.session, self.log, self.body = builder, table, session, log, body
        self.landing, self.scorer = landing, scorer
        self.own = builder.state(table)
        self.cached: list[DataFrame] = []
        self.first = self.own.definition is None
        anew = not self.first and (self.own.definition != body["definition"] or self.own.replay)
        self.redefined = anew and (self.own.lost or StructType.fromJson(log.schema()) != builder.schema(table))
        self.feeds = {i: commits_since(builder.state(i), self.own.consumed.get(i.id, -1)) for i in table.all_inputs}
        moved = any(c.get("redefined") for commits in self.feeds.values() for c in commits)
        self.start_over = self.first or anew or moved

    def prepare(self) -> Prepared:
        """Compute what differs. Here: the whole table; other strategies know better."""
        if self.scorer:
            [features] = self.inputs()
            return self.replace(self.keep(self.cast(self.table.promised(self.scorer.score(features)))), scope=None)
        return self.replace(self.keep(self.computed(self.inputs())), scope=None)

    def release(self) -> None:
        for frame in self.cached:
            frame.unpersist()

    def keep(self, frame: DataFrame) -> DataFrame:
        self.cached.append(frame.persist())
        return frame

    def stored(self, names: Collection[str] | None = None) -> DataFrame:
        """The table's own rows (those in the data files named), and in `_in` the name of the data file of each."""
        files = [f for f in self.log.files() if names is None or store.name_of(f) in names]
        rows = read(self.session, self.log, files)
        return rows.withColumn("_in", F.col("_metadata.file_name") if files else F.lit(None).cast("string"))

    def exchanged(
        self, gone: Collection[str], stays: Callable[[DataFrame], DataFrame], new: DataFrame, rows: int
    ) -> Change:
        """Data files leave; those of their rows that stay and the new ones (`rows` of them) take their place."""
        columns = [F.col(f"`{f.name}`") for f in self.b.schema(self.table).fields]
        made = new.select(columns)
        if gone:
            made = stays(self.stored(gone)).select(columns).unionByName(made)
            rows += sum(n for f, n in self.log.counts().items() if f in gone)
        return Change(lambda _: made, self.files_for(rows), gone)

    def files_for(self, rows: int) -> int:
        return min(self.b.conf.spark.shuffle_partitions, 1 + rows // ROWS_A_FILE)

    def inputs(self, narrowed: Callable[[Table, DataFrame], DataFrame] | None = None) -> list[DataFrame]:
        """What the table's functions get: pinned, good rows, masked, narrowed, promised columns only."""
        frames = []
        for i in self.table.all_inputs:
            rows = self.b.accepted(self.b.stored(self.session, i, self.body["inputs"][i.id]), i, self.table)
            rows = narrowed(i, rows) if narrowed else rows
            frames.append(rows.select([c.name for c in i.columns]))
        return frames

    def computed(self, frames: Sequence[DataFrame], **more: object) -> DataFrame:
        if takes_as_of(self.table):
            more["as_of"] = self.b.as_of
        return self._sliced(self.cast(self.table(*frames, **more)))

    def cast(self, made: DataFrame) -> DataFrame:
        return made.select([F.col(f"`{c.name}`").cast(c.stored).alias(c.name) for c in self.table.columns])

    def _sliced(self, made: DataFrame) -> DataFrame:
        refresh = self.table.refresh
        if not refresh.by:
            return made
        at = F.expr(refresh.by).cast("date")
        at = F.trunc(at, "month") if isinstance(refresh, Slices) and refresh.unit == "month" else at
        never = F.lit("1970-01-01").cast("date")
        return made.withColumn(SLICE, F.coalesce(at, never))

    def unchanged(self) -> Outcome:
        return Outcome("none", False, self.own.rows, self.own.hash, self.own.rejected, [])

    def replace(self, new: DataFrame, *, scope: Sequence[date] | date | None) -> Prepared:
        """Write what of `new` differs from what is stored in `scope`: some slices, all from one on, or (None) all.

        new     is computed twice, so it is kept, or made cheaply of what is
        """
        computed = self.summary(new)
        if self.first or self.redefined:
            stored: Summary = {}
        else:
            there = self.stored()
            if isinstance(scope, date):
                there = there.where(F.col(SLICE) >= scope)
            elif scope is not None:
                there = there.where(F.col(SLICE).isin(list(scope)))
            stored = self.summary(there, judge=False)
        slices = {*computed, *stored}
        differ = {d for d in slices if computed.get(d, Sum()) != stored.get(d, Sum())}
        promise = [d for d in differ if _promised(computed.get(d)) != _promised(stored.get(d))]
        now, was = total_of(computed.values()), total_of(stored.values())
        base = State() if self.first or self.redefined or scope is None else self.own
        outcome = Outcome(
            "replace",
            bool(differ) or self.redefined,
            base.rows + now.rows - (was.rows if scope is not None else 0),
            str((int(base.hash) + now.hash - (was.hash if scope is not None else 0)) % HASH_RANGE),
            base.rejected + now.rejected - (was.rejected if scope is not None else 0),
            as_days(promise) if self.table.refresh.by and not self.redefined else None,
        )
        if not outcome.changed:
            return outcome, None
        some = sorted(d for d in differ if d is not None)
        whole = self.first or self.redefined or not some or (scope is None and len(some) > MOST_SLICES)
        if self.redefined:
            outcome.more["redefined"] = True
        if whole:
            return outcome, Change(lambda _: new, self.files_for(now.rows), None)
        gone = {f for d in some if d in stored for f in stored[d].files}
        differs = F.col(SLICE).isin(some)
        return outcome, self.exchanged(gone, lambda rows: rows.where(~differs), new.where(differs), now.rows)

    def summary(self, rows: DataFrame, *, judge: bool = True) -> Summary:
        """Per slice: rows, hashes and rejects; in the same pass, whether computed rows keep the promise (`judge`)."""
        table, schema = self.table, self.b.schema(self.table)
        typed = table.is_typed
        ok = F.col("_ok") if typed else F.lit(True)
        promised = StructField("_hash", LongType())
        hashed = F.col(promised.name)
        engine = ("_ok", "_errors", "_file", "_raw", "_key")
        everything = row_hash([promised, *(schema[c] for c in engine)]) if typed else hashed
        keys = table.keys
        unique = (
            F.count_distinct(row_hash(table.schema[k] for k in keys)) if keys and not typed and judge else F.count("*")
        )
        day = F.col(SLICE) if table.refresh.by else F.lit(None).cast("date")
        found = (
            rows.withColumn(promised.name, row_hash(table.schema))
            .groupBy(day.alias("day"))
            .agg(
                F.count("*").alias("all_rows"),
                F.count_if(ok).alias("rows"),
                hash_sum(F.when(ok, hashed)).alias("hash"),
                hash_sum(everything).alias("all"),
                unique.alias("keys"),
                *([] if judge else [F.collect_set("_in").alias("files")]),
                *(self.broken(ok) if judge else []),
            )
            .collect()
        )
        if judge:
            self.body.pop("warned", None)
            for row in found:
                self.judge(row, row["all_rows"] - row["keys"])
        return {
            r["day"]: Sum(
                r["rows"],
                int(r["hash"] or 0) % HASH_RANGE,
                r["all_rows"] - r["rows"],
                int(r["all"] or 0) % HASH_RANGE,
                frozenset() if judge else frozenset(r["files"]),
            )
            for r in found
        }

    def broken(self, present: Any) -> list[Any]:
        """Counts of rows that break a rule which is judged of all of them together."""
        counts = []
        for c in self.table.columns:
            if self.table.is_typed and not c.is_for_all:
                continue
            if c.key or not c.null:
                counts.append(F.count_if(present & F.col(f"`{c.name}`").isNull()).alias(f"_null:{c.name}"))
            if c.check:
                bad = ~F.coalesce(F.expr(c.check), F.lit(True))
                counts.append(F.count_if(present & bad).alias(f"_check:{c.name}"))
        return counts

    def judge(self, row: Any, doubled: int) -> None:
        """Raise PromiseBroken if rows break what they must not; what is only a warning is counted in `body`."""
        broken = {k: v for k, v in row.asDict().items() if k.startswith(("_null:", "_check:")) and v}
        for key, n in broken.items():
            rule, name = key[1:].split(":", 1)
            said = "is null" if rule == "null" else f"breaks {self.table.column(name).check}"
            if self.table.column(name).breach == "warn":
                warned = self.body.setdefault("warned", {})
                warned[f"{name} {said}"] = warned.get(f"{name} {said}", 0) + n
                continue
            raise PromiseBroken(
                f"{self.table.id}: {name} {said} in {n} rows.", hint=f"mend {self.table.place}, or what it reads."
            )
        if doubled > 0:
            keys = ", ".join(self.table.keys)
            raise PromiseBroken(
                f"{self.table.id}: {doubled} rows share their key ({keys}).", hint=f"mend {self.table.place}."
            )


def _promised(part: Sum | None) -> tuple[int, int]:
    return (part.rows, part.hash) if part else (0, 0)


def total_of(parts: Iterable[Sum]) -> Sum:
    """The sum of sums."""
    rows = hashed = rejected = 0
    for p in parts:
        rows, hashed, rejected = rows + p.rows, (hashed + p.hash) % HASH_RANGE, rejected + p.rejected
    return Sum(rows, hashed, rejected)


def as_days(days: Sequence[date | None]) -> list[str] | None:
    """Slices as text for the commit; too many of them are as good as all."""
    return sorted(d.isoformat() for d in days if d is not None) if len(days) <= MOST_SLICES else None
