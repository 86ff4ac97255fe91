"""What the readers of public data sets share. Copies of a set differ: in separators, line ends, words for yes."""

from __future__ import annotations

from pyspark.sql.types import BooleanType

from lake.core.table import Column

HANDED_OVER = "2026-01-01"
"""The day on which the sets reached us, whole and long after the fact; their own dates say when a record was known."""
SEPARATORS = ",;\t|"
"""Copies of one table are separated by any of these."""


def flag(name: str, raw: str, *, required: bool = True, null: bool = True, doc: str = "") -> Column:
    """A yes or no, as words or as numbers."""
    said = f"regexp_replace(lower(trim({name})), '[.,]0+$', '')"
    parse = f"CASE WHEN {said} IN ('true', 'yes', '1') THEN true WHEN {said} IN ('false', 'no', '0') THEN false END"
    return Column(name, BooleanType(), raw=raw, parse=parse, required=required, null=null, doc=doc)
