"""What Spark's parsers let pass though it would be read as something else: found in the few lines that can have it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pyspark.sql import Column as SparkColumn
from pyspark.sql import functions as F
from pyspark.sql.types import MapType, StructField

LONGEST_RECORD = 1 << 20
"""Bytes of a line; a longer one is rejected unread."""
MOST_CELLS = 20_000
"""Of a line of csv; Spark's parser gives the whole table up at some more."""
_BACKSLASH = r"\\\\"
_PAIR = r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
_HALF_OR_NUL = r"\\u([dD][89a-fA-F]|0000)"


def readable(line: SparkColumn) -> SparkColumn:
    """A line that is not too long to be read; null for one that is."""
    return F.when(F.octet_length(line) <= LONGEST_RECORD, line)


def csv_line(line: SparkColumn, delimiter: str) -> SparkColumn:
    """The same, and without too many cells."""
    many = (F.octet_length(line) > MOST_CELLS) & (F.size(F.split(line, f"\\Q{delimiter}\\E")) > MOST_CELLS)
    return F.when(~many, readable(line))


def has_nul(line: SparkColumn) -> SparkColumn:
    return F.contains(line, F.lit("\0"))


def names(line: SparkColumn, read: str, fields: Sequence[StructField]) -> SparkColumn:
    """The names in a line of JSON, as often as they stand there; none if they are known to differ, which costs less.

    To be a column of its own: within a branch Spark would work it out as often as it is named.

    read    the column in which the fields of the line were read
    """
    found = F.json_object_keys(line)
    if any(isinstance(f.dataType, MapType) for f in fields):  # the names in it stand in the line as well
        return found
    known = _names_differ(line, read, [f.name for f in fields])
    return F.when(known, F.array().cast("array<string>")).otherwise(found)


def _names_differ(line: SparkColumn, read: str, fields: Iterable[str]) -> SparkColumn:
    """Whether as many names end in the line (which no blank follows) as fields were found in it: then each is another.

    A field was found if it has a value, or its null stands in the line.
    """
    ends = F.octet_length(line) - F.octet_length(F.replace(line, F.lit('":'), F.lit(":")))
    found = F.lit(0)
    for name in fields:
        null = F.contains(line, F.lit(f'"{name}":null')) | F.contains(line, F.lit(f'"{name}": null'))
        found = found + F.when(F.col(f"{read}.`{name}`").isNotNull() | null, 1).otherwise(0)
    blank = F.contains(line, F.lit('" ')) | F.contains(line, F.lit('"\t')) | F.contains(line, F.lit('"\r'))
    return F.when(ends == found, ~blank).otherwise(F.lit(False))


def is_one_object(line: SparkColumn, names: str) -> SparkColumn:
    """Whether a line that parses as JSON and ends in a brace is one object, of different names, in whole characters.

    Spark's parser stops behind the first object, takes the last of equal names, and makes a "?" of half a character.
    What is costly to look at is in branches: Spark works out beforehand what stands twice elsewhere.

    names   the column of its names
    """
    differ = F.when(F.size(names) < 2, F.lit(True)).otherwise(F.size(names) == F.size(F.array_distinct(names)))
    alone = F.when(_closes_once(line), F.lit(True)).otherwise(_is_alone(line))
    whole = F.when(F.contains(line, F.lit(r"\u")), _has_whole_characters(line)).otherwise(F.lit(True))
    return differ & alone & whole


def _closes_once(line: SparkColumn) -> SparkColumn:
    """Whether the first brace that closes ends the line: then nothing stands behind the object."""
    return F.octet_length(F.substring_index(line, "}", 1)) + 1 == F.octet_length(F.rtrim(line))


def _is_alone(line: SparkColumn) -> SparkColumn:
    """Whether the line is one value: in a list its hash comes right behind it, which no line can say of itself."""
    seal = F.xxhash64(line).cast("string")
    listed = F.concat(F.lit("["), line, F.lit(","), seal, F.lit("]"))
    return F.coalesce(F.get_json_object(listed, "$[1]") == seal, F.lit(False))


def _has_whole_characters(line: SparkColumn) -> SparkColumn:
    without = F.regexp_replace(F.regexp_replace(line, _BACKSLASH, ""), _PAIR, "")
    return ~F.rlike(without, F.lit(_HALF_OR_NUL))
