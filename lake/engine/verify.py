"""The laws, asked of a whole lake: every table and release there is, not only what a night touched."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from lake.core.errors import WrongUse, unknown_name
from lake.core.graph import above
from lake.core.law import Law
from lake.core.table import Table
from lake.core.transforms import hash_sum, hash_text, row_hash
from lake.engine import damage, night, place, plan, quality, release, store
from lake.engine.build import Builder
from lake.engine.conf import Conf
from lake.engine.control import SCHEMA, Journal, State
from lake.engine.intake import loaded
from lake.engine.ledger import Ledger
from lake.engine.place import Place
from lake.engine.prospect import Prospect
from lake.engine.session import for_work, session

ASIDE = "_scratch"
"""The folder of the lake in which `scratch` builds everything anew; it is removed afterwards."""
EXAMPLES = 5


@dataclass
class Verdict:
    """What came of one law.

    examples    what breaks it, the first few
    skipped     what could not be judged
    remarks     what is worth knowing beside it
    """

    law: str
    checked: int = 0
    violations: int = 0
    examples: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    def broken(self, example: str, times: int = 1) -> None:
        self.violations += times
        if len(self.examples) < EXAMPLES:
            self.examples.append(example)

    def as_json(self) -> dict[str, Any]:
        return vars(self)

    def lines(self) -> list[str]:
        mark = "✗" if self.violations else "✓"
        said = [f"{mark} {self.law}: {self.checked:,} checked, {self.violations:,} violations"]
        return [
            *said,
            *(f"    {e}" for e in self.examples),
            *(f"    not judged: {e}" for e in self.skipped),
            *(f"    {e}" for e in self.remarks),
        ]


class Verifier:
    """A lake as its journal says it is, to be held against what is really there."""

    def __init__(self, conf: Conf, tables: Sequence[Table], laws: Sequence[Law], chosen: Iterable[Table]) -> None:
        self.conf, self.tables, self.laws, self.chosen = conf, tables, laws, set(chosen)
        self.journal = Journal(conf.root)
        self.states = self.journal.states()
        if not self.states:
            raise WrongUse(f"There is nothing to verify in {conf.root}.", hint="run ./spark-submit.sh nightly first.")
        days = [s.task.body["as_of"] for s in self.states.values() if s.task and s.task.body.get("as_of")]
        self.as_of = date.fromisoformat(max(days)) if days else date.today()
        self._spark: SparkSession | None = None

    @property
    def spark(self) -> SparkSession:
        if self._spark is None:
            self._spark = session(self.conf)
        return self._spark

    def reader(self) -> Builder:
        return Builder(self.spark, self.conf, self.journal, "verify", self.as_of, self.tables)

    def there(self) -> Iterator[tuple[Table, State]]:
        """The chosen tables that have been written, with their states."""
        return ((t, s) for t in self.tables if t in self.chosen and (s := self.states.get(t.id)) and s.version >= 0)

    def stale(self) -> dict[str, str]:
        """Tables that do not follow their inputs just now, and why."""
        found: dict[str, str] = {}
        for t in self.tables:
            why = "" if t.is_source else plan.reason(t, self.states, self.as_of)
            late = [i.id for i in t.all_inputs if i.id in found]
            if why or late:
                found[t.id] = why or f"below {late[0]}"
        return found

    def conclude(self, names: Sequence[str] = ()) -> list[Verdict]:
        """Ask the named laws (default: all). Raises WrongUse for a law there is not."""
        for name in names:
            if name not in LAWS:
                raise unknown_name("law", name, LAWS, where="--law")
        return [LAWS[name](self) for name in names or LAWS]


def of_audit(lake: Verifier) -> Verdict:
    """The journal and the tables' logs say the same, and every file they name is there; and how the gate judged."""
    verdict = Verdict("audit")
    if last := release.newest(lake.journal):
        verdict.remarks = quality.lines(lake.journal, last.run)
    for table, state in lake.there():
        verdict.checked += len(state.commits)
        found = damage.of(table, state, lake.conf)
        for wrong in found:
            verdict.broken(str(wrong))
        for at, names in [] if found else _edited(table, state, lake.conf):
            verdict.broken(f"{table.id}: version {at} and the journal differ in {names}")
    numbers = [r.seq for r in lake.journal.rows]
    gaps = [b for a, b in zip([0, *numbers], numbers, strict=False) if b != a + 1]
    for seq in gaps:
        verdict.broken(f"journal: row {seq} does not follow the one before it")
    return verdict


def _edited(table: Table, state: State, conf: Conf) -> Iterator[tuple[int, str]]:
    """Versions of a whole log of which the journal says something else than the commit does, and what."""
    for said in state.commits:
        words = store.said(conf.at(table), said["version"]) if said["version"] > state.since else {}
        wrong = [k for k in ("rows", "hash", "changed", "rejected") if words and said.get(k) != words.get(k)]
        if wrong:
            yield said["version"], ", ".join(wrong)


def of_release(lake: Verifier) -> Verdict:
    """A release's tables belong together: each was made from what the release holds of its inputs."""
    verdict = Verdict("release")
    tables = {t.id: t for t in lake.tables}
    tasks = {r.seq: r.body for r in lake.journal.of("task", "fence")}
    for one in release.releases(lake.journal):
        verdict.checked += len(one.tables)
        for name, entry in one.tables.items():
            table, state = tables.get(name), lake.states.get(name, State())
            if table is None or table not in lake.chosen:
                continue
            made = next((c for c in state.commits if c["version"] == entry["version"]), None)
            if made is None:
                verdict.broken(f"release {one.number}: the journal knows no version {entry['version']} of {name}")
                continue
            last = next(
                (c for c in reversed(state.commits) if c["version"] <= entry["version"] and c.get("changed")), made
            )
            said = {k: entry[k] for k in ("rows", "hash")}
            known = {k: last.get(k) for k in said}
            if last.get("changed") and said != known:
                verdict.broken(
                    f"release {one.number}: {name} v{entry['version']} is said to hold {said}, and holds {known}"
                )
            for i, consumed in tasks[made["task"]].get("inputs", {}).items():
                held = one.tables.get(i, {}).get("version", -1)
                between = [c["version"] for c in plan.commits_since(lake.states.get(i, State()), min(consumed, held))]
                if any(v <= max(consumed, held) for v in between) and i not in one.stale and name not in one.stale:
                    verdict.broken(
                        f"release {one.number}: {name} was made from {i} v{consumed}, beside which lies v{held}"
                    )
    return verdict


def of_conservation(lake: Verifier) -> Verdict:
    """Every line of every loaded file has one home, and what is additive arrives whole."""
    verdict = Verdict("conservation")
    reader = lake.reader()
    for table, state in lake.there():
        if not table.is_typed:
            continue
        source = table.inputs[0]
        consumed = state.consumed.get(source.id, -1)
        if plan.commits_since(lake.states[source.id], consumed):
            verdict.skipped.append(f"{table.id}: does not follow {source.id} yet")
            continue
        expected = {
            path: r["lines"] - r["header"] - r["blank"]
            for path, r in loaded(lake.journal.proven(source.id, lake.states[source.id])).items()
        }
        delivered = _per_file(reader, source, consumed)
        homes = _per_file(reader, table, state.version)
        for file in sorted({*expected, *delivered, *homes}):
            want = expected.get(file, 0)
            verdict.checked += 1
            for where, found in ((source.id, delivered), (table.id, homes)):
                if found.get(file, 0) != want:
                    verdict.broken(f"{where}: {file} has {want} records, {found.get(file, 0)} are there")
    stale = lake.stale()
    for law in lake.laws:
        if not lake.chosen.intersection(law.inputs):
            continue
        late = next((i.id for i in law.inputs if i.id in stale), None)
        if late:
            verdict.skipped.append(f"{law.id}: {late} is stale ({stale[late]})")
            continue
        frames = []
        for i in law.inputs:
            rows = reader.stored(reader.spark, i, lake.states.get(i.id, State()).version)
            frames.append(_good(rows, i).select([c.name for c in i.columns]))
        verdict.checked += 1
        _say(verdict, law.id, law.broken(*frames), restricted=any(i.restricted for i in law.inputs))
    return verdict


def _good(rows: DataFrame, table: Table) -> DataFrame:
    return rows.where("_ok") if table.is_typed else rows


def _per_file(reader: Builder, table: Table, version: int) -> dict[str, int]:
    rows = reader.stored(for_work(reader.spark, 0), table, version)
    return {r["_file"]: r["n"] for r in rows.groupBy("_file").agg(F.count("*").alias("n")).collect()}


def of_unique(lake: Verifier) -> Verdict:
    """A key is there once in its whole table, whatever the day."""
    verdict = Verdict("unique")
    reader = lake.reader()
    for table, state in lake.there():
        keys = table.keys
        if not keys:
            continue
        rows = reader.stored(for_work(reader.spark, state.rows), table, state.version)
        good = _good(rows, table)
        hashed = good.select(row_hash(table.schema[k] for k in keys).alias("_h"), *keys)
        twice = hashed.groupBy("_h").agg(F.count("*").alias("n"), *(F.min(k).alias(k) for k in keys)).where("n > 1")
        verdict.checked += state.rows
        _say(verdict, table.id, twice.drop("_h"), restricted=table.restricted)
    return verdict


def of_scratch(lake: Verifier) -> Verdict:
    """Silver and gold are what one build from bronze, as it stands, would make of it."""
    verdict = Verdict("scratch")
    stale = lake.stale()
    wanted = [
        t for t in lake.tables
        if not t.is_source and not plan.is_score(t) and t.id in lake.states and t.id not in stale
        and t in {a for c in lake.chosen for a in above([c])}
    ]  # fmt: skip
    verdict.skipped += [f"{t.id}: {stale[t.id]}" for t, _ in lake.there() if t.id in stale and not plan.is_score(t)]
    side = lake.conf.elsewhere(*(str(zone / ASIDE) for zone in lake.conf.zones))
    _remove(side)
    try:
        builder = _Aside(lake, side)
        result = night.Result()
        steps = [plan.Step(t, "verify", True, {}) for t in wanted]
        night.build_all(Prospect(lake.as_of, [], steps), builder, lake.tables, result)
        for name, why in result.failed.items():
            verdict.broken(f"{name}: could not be built: {why}")
        reader = lake.reader()
        for table in wanted:
            if table in lake.chosen and table.id not in result.failed:
                verdict.checked += lake.states[table.id].rows
                _compare(verdict, table, reader, builder)
    finally:
        _remove(side)
    return verdict


def _remove(side: Conf) -> None:
    for zone in side.zones:
        place.remove(zone)


class _Aside(Builder):
    """Builds into folders of its own; bronze, and what the journal says of it, is the lake's."""

    def __init__(self, lake: Verifier, side: Conf) -> None:
        self.origin = lake.conf
        sources = {t.id for t in lake.tables if t.is_source}
        facts = [
            r for r in lake.journal.rows if r.subject in sources and r.kind in ("task", "fence", "closed", "aborted")
        ]
        ledger = Ledger(side.root / "_control" / "journal", SCHEMA)
        ledger.append([vars(r) | {"body": json.dumps(r.body)} for r in facts])
        super().__init__(lake.spark, side, Journal(side.root, ledger), "verify", lake.as_of, lake.tables)

    def path(self, table: Table) -> Place:
        return (self.origin if table.is_source else self.conf).at(table)


def _compare(verdict: Verdict, table: Table, reader: Builder, builder: Builder) -> None:
    rows = reader.states[table.id].rows
    frames = []
    for one in (reader, builder):
        state = one.states.get(table.id, State())
        stored = one.stored(for_work(one.spark, rows), table, state.version)
        good = _good(stored, table)
        [sums] = good.agg(F.count("*").alias("n"), hash_sum(row_hash(table.schema)).alias("h")).collect()
        found = (sums["n"], hash_text(sums["h"]), stored.count() - sums["n"] if table.is_typed else 0)
        frames.append((good.select([c.name for c in table.columns]), found))
    (here, is_here), (fresh, is_fresh) = frames
    if is_here == is_fresh:
        return
    hashed = row_hash(table.schema)
    both = here.select(hashed.alias("_h"), F.lit(1).alias("n"), F.struct("*").alias("row")).unionByName(
        fresh.select(hashed.alias("_h"), F.lit(-1).alias("n"), F.struct("*").alias("row"))
    )
    net = both.groupBy("_h").agg(F.sum("n").alias("n"), F.any_value("row").alias("row")).where("n <> 0")
    name = (
        f"{table.id} holds {is_here[0]} rows ({is_here[2]} rejected), from scratch {is_fresh[0]} ({is_fresh[2]}); "
        "n > 0: too much, n < 0: missing"
    )
    _say(verdict, name, net.select("n", "row.*"), restricted=table.restricted, least=1)


def _say(verdict: Verdict, what: str, broken: DataFrame, *, restricted: bool, least: int = 0) -> None:
    """Write down the rows that break a law; of restricted tables only how many."""
    some = [r.asDict() for r in broken.limit(EXAMPLES).collect()]
    times = max(broken.count() if len(some) == EXAMPLES else len(some), least)
    if not times:
        return
    shown = [] if restricted else [json.dumps({k: v for k, v in r.items() if v is not None}, default=str) for r in some]
    verdict.broken(f"{what}: {times} rows" + "".join(f"\n      {s[:300]}" for s in shown[:3]), times)


LAWS: Mapping[str, Callable[[Verifier], Verdict]] = {
    "audit": of_audit,
    "release": of_release,
    "conservation": of_conservation,
    "unique": of_unique,
    "scratch": of_scratch,
}
