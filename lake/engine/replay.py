"""Replay: what was rejected is read again, by the rules and parsers of now.

A typed table is a function of bronze, so a mended declaration has all its records read again at the next build; what is
accepted by then reaches the tables below like a record that was delivered late. `build --replay` asks for that where no
declaration changed (a parser of the engine did), and `--dry-run` says beforehand what would come of it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lake.core.table import Table
from lake.core.transforms import row_hash
from lake.engine.appending import Appending
from lake.engine.build import Builder
from lake.engine.conf import Conf
from lake.engine.control import Journal
from lake.engine.session import session
from lake.engine.work import total_of


@dataclass(frozen=True)
class Forecast:
    """What reading all records of a typed table again would do to it.

    rows, rejected, hash    of the table as it would be
    accepted                of the records that are rejected now, how many would not be any more, by their present rule
    refused                 of the records that are not rejected now, how many would be, by the rule
    otherwise               records that would be rejected for another reason than now, by the new rule
    changes                 whether anything at all would be written
    """

    table: str
    rows: int
    rejected: int
    hash: str
    accepted: dict[str, int]
    refused: dict[str, int]
    otherwise: dict[str, int]
    changes: bool

    def said(self) -> str:
        """In one line, for people."""
        parts = [
            f"{sum(found.values()):,} {what} ({', '.join(f'{n:,} {rule}' for rule, n in sorted(found.items()))})"
            for found, what in (
                (self.accepted, "of the rejected records would be accepted"),
                (self.refused, "would be rejected"),
                (self.otherwise, "would be rejected for another reason"),
            )
            if found
        ]
        parts = parts or ["rows would differ" if self.changes else "nothing would change"]
        return f"{self.table}: {'; '.join(parts)}"


def forecasts(
    conf: Conf, journal: Journal, tables: Sequence[Table], chosen: Sequence[Table], *, rule: str | None = None
) -> list[Forecast]:
    """What a replay would do to each typed table of `chosen` with rejected records (of `rule`); nothing is written."""
    builder = Builder(session(conf), conf, journal, "replay", date.today(), tables)
    found = []
    for table in chosen:
        if not table.is_typed or not builder.state(table).rejected:
            continue
        rejects = _rejects(table, builder.stored(builder.spark, table, builder.state(table).version))
        if rule is None or rejects.where(F.col("rule") == rule).limit(1).collect():
            found.append(_forecast(builder, table, rejects))
    return found


def ask(journal: Journal, names: Sequence[str]) -> None:
    """Write down that the records of these typed tables are to be read again; the next build does. Needs the lease."""
    journal.append("replay", *[("replay", name, {}) for name in names])


def _forecast(builder: Builder, table: Table, now: DataFrame) -> Forecast:
    inputs = {i.id: builder.state(i).version for i in table.all_inputs}
    work = builder.work(table, inputs)
    assert isinstance(work, Appending)
    try:
        then = work.all_read()
        total = total_of(work.summary(then).values())
        whole = total.rows, total.rejected, str(total.hash)
        changes = _change(now, _rejects(table, then))
        state = builder.state(table)
        differs = any(changes) or whole != (state.rows, state.rejected, state.hash)
        return Forecast(table.id, *whole, *changes, changes=differs)
    finally:
        work.release()


def _rejects(table: Table, rows: DataFrame) -> DataFrame:
    """Of the rejected records which one it is, the first rule that it breaks, and how many there are of it."""
    record = F.xxhash64("_file", F.coalesce("_raw", row_hash(table.schema).cast("string"))).alias("record")
    return rows.where(~F.col("_ok")).groupBy(record, F.col("_errors")[0]["rule"].alias("rule")).count()


def _change(now: DataFrame, then: DataFrame) -> tuple[dict[str, int], dict[str, int], dict[str, int]]:
    """By rule, how many of the records that are rejected now or then would be accepted, refused, rejected otherwise."""
    both = now.join(then.withColumnRenamed("count", "then"), on=["record", "rule"], how="full_outer").fillna(0)
    gone: Counter[tuple[int, str]] = Counter()
    came: Counter[tuple[int, str]] = Counter()
    for record, rule, before, after in both.where(F.col("count") != F.col("then")).collect():
        (gone if before > after else came)[record, rule] = abs(after - before)
    leave, enter = _by_record(gone), _by_record(came)
    accepted, _ = _apart(gone, enter)
    refused, otherwise = _apart(came, leave)
    return accepted, refused, otherwise


def _by_record(found: Counter[tuple[int, str]]) -> Counter[int]:
    total: Counter[int] = Counter()
    for (record, _), n in found.items():
        total[record] += n
    return total


def _apart(found: Counter[tuple[int, str]], others: Counter[int]) -> tuple[dict[str, int], dict[str, int]]:
    """By rule, how many records of `found` are not among the others, and how many are."""
    alone: Counter[str] = Counter()
    among: Counter[str] = Counter()
    rest = Counter(others)
    for (record, rule), n in sorted(found.items()):
        met = min(n, rest[record])
        rest[record] -= met
        among[rule] += met
        alone[rule] += n - met
    return dict(+alone), dict(+among)
