"""Transforms of frames that several tables need."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from pyspark.sql import functions as F
from pyspark.sql.types import MapType
from pyspark.sql.window import Window

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame
    from pyspark.sql.types import StructField

HASH_RANGE = 2**64


def row_hash(fields: Iterable[StructField]) -> Column:
    """64-bit hash of a row over `fields` in this order; unlike xxhash64 it tells nulls apart, and hashes maps."""
    parts = []
    for f in fields:
        value = F.col(f"`{f.name}`")
        said = F.to_json(F.array_sort(F.map_entries(value))) if isinstance(f.dataType, MapType) else value
        parts += [said, value.isNull()]
    return F.xxhash64(*parts)


def hash_sum(hashed: Column) -> Column:
    """Order-free hash of a set of rows: the sum of their hashes, to be taken modulo 2**64 by `hash_text`."""
    return F.sum(hashed.cast("decimal(20,0)"))


def hash_text(total: object) -> str:
    """The hash of a table as text, from the sum of its row hashes."""
    return str(int(str(total or 0)) % HASH_RANGE)


def latest_by(rows: DataFrame, *, key: Sequence[str], newest: Sequence[str]) -> DataFrame:
    """Of the rows of each key the one with the highest `newest`; ties end in the row hash, never in arrival."""
    order = [F.col(c).desc_nulls_last() for c in newest] + [row_hash(rows.schema).desc()]
    rank = F.row_number().over(Window.partitionBy(*key).orderBy(*order))
    return rows.withColumn("_rank", rank).where("_rank = 1").drop("_rank")


def versions_of(statements: DataFrame, *, key: Sequence[str], at: str) -> DataFrame:
    """Type-2 versions of daily statements: [valid_from, valid_to), equal consecutive statements collapsed.

    A key that is missing on a day keeps its version: absence is no statement. `at` itself is dropped.
    """
    said = [c for c in statements.columns if c not in (*key, at)]
    one_a_day = latest_by(statements, key=[*key, at], newest=[])
    days = Window.partitionBy(*key).orderBy(at)
    content = F.struct(*[F.col(c) for c in said]) if said else F.lit(True)
    changed = ~content.eqNullSafe(F.lag(content).over(days)) | F.lag(at).over(days).isNull()
    starts = one_a_day.withColumn("_changed", changed).where("_changed")
    until = F.lead(at).over(days)
    return starts.select(
        *key,
        *said,
        F.col(at).alias("valid_from"),
        until.alias("valid_to"),
        until.isNull().alias("is_current"),
    )
