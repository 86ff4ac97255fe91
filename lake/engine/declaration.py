"""A proposed source as a module in the project's own words, in the form that ruff gives it."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from lake.core.table import Delivery
from lake.engine.proposal import Guess, Proposal

WIDE = 120
"""Characters of a line of code."""


def as_json(p: Proposal) -> dict[str, Any]:
    """What is proposed, for programs; only what is not as usual."""
    columns = [{k: v for k, v in vars(c).items() if v != getattr(Guess("", ""), k) or k == "type"} for c in p.columns]
    delivery = {k: v for k, v in vars(p.delivery).items() if v != getattr(Delivery("csv", ""), k)}
    return {
        "department": p.department,
        "name": p.name,
        "records": p.records,
        "extract": p.is_extract,
        "delivery": {"format": p.delivery.format} | delivery,
        "columns": columns,
        "module": written(p),
    }


def written(p: Proposal) -> str:
    """The text of the module."""
    keys = [c.name for c in p.columns if c.key]
    keys += ["known_on"] if keys and p.is_extract else []
    kinds = {k for c in p.columns for k in re.findall(r"\w+Type", c.type if not c.resolution else "")} | {"DateType"}
    delivery, usual = p.delivery, Delivery("csv", "")
    each = "One line per record, in a daily extract of all of them." if p.is_extract else "One line per record."
    words: list[tuple[str, str]] = [
        ("", quoted(p.name)),
        ("", "__name__"),
        ("", quoted(each)),
    ]
    words += [("format", quoted(delivery.format)), ("path", quoted(delivery.path))]
    for k in ("delivered", "delimiter", "header", "line_end", "decimal", "public", "required"):
        value = getattr(delivery, k)
        if value != getattr(usual, k):
            words.append((k, quoted(value)))
    if any(c.pii for c in p.columns):
        words.append(("personal", "True"))
    refresh: list[tuple[str, str]] = [("", quoted(keys))] if keys else []
    known = "key=True" if "known_on" in keys else "null=False"
    lines = [
        f'"""Proposed from {p.records:,} records: keys, nulls, rules, units, and who is personal, are guesses."""',
        "",
        "from pyspark.sql import DataFrame",
        _called("from pyspark.sql.types import ", [("", k) for k in sorted(kinds)], 0, brackets=False),
        "",
        "from lake.core.refresh import append",
        "from lake.core.table import Column, source, table",
        "",
        _called(f"{p.name} = source", words, 0, long=True),
        "",
        "",
        "@table(",
        f"    inputs=[{p.name}],",
        _called("refresh=append", [*refresh, ("by", quoted(p.by))], 4) + ",",
        "    columns=[",
        *[_column(c) + "," for c in p.columns],
        f'        Column("known_on", DateType(), {known}, parse="_dt", doc="day of delivery"),',
        "    ],",
        ")",
        f"def {p.name}_files(records: DataFrame) -> DataFrame:",
        f'    """One row per {", ".join(keys) if keys else "record"}."""',
        "    return records",
    ]
    return "\n".join(lines) + "\n"


def _column(c: Guess) -> str:
    words = [("", quoted(c.name))]
    words.append(("resolution", quoted(c.resolution)) if c.resolution else ("", c.type))
    if c.key:
        words.append(("key", "True"))
    elif c.whole:
        words.append(("null", "False"))
    words += [(k, quoted(v)) for k in ("unit", "pii") if (v := getattr(c, k))]
    if not c.every and (c.parse or c.raw != c.name):
        words.append(("raw", quoted(c.raw)))
    words += [("parse", quoted(c.parse.replace("{}", c.name)))] if c.parse else []
    words += [(k, quoted(v)) for k in ("every", "absent", "check", "doc") if (v := getattr(c, k))]
    return _called("Column", words, 8)


def quoted(value: object) -> str:
    """A value as Python writes it, in the quotes that ruff prefers."""
    if isinstance(value, str):
        if '"' in value and "'" not in value:
            return "'" + json.dumps(value, ensure_ascii=False)[1:-1].replace('\\"', '"') + "'"
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, tuple):
        return f"({', '.join(map(quoted, value))}{',' if len(value) == 1 else ''})"
    if isinstance(value, list):
        return f"[{', '.join(map(quoted, value))}]"
    return repr(value)


def _called(
    what: str, words: Sequence[tuple[str, str]], indent: int, *, brackets: bool = True, long: bool = False
) -> str:
    """A call in one line, or with an argument a line where it is too long (or wanted `long`)."""
    said = [f"{k}={v}" if k else v for k, v in words]
    space = " " * indent
    one = f"{space}{what}({', '.join(said)})" if brackets else f"{space}{what}{', '.join(said)}"
    if len(one) < WIDE and not long:
        return one
    inner = "\n".join(_argument(line, space + "    ") for line in said)
    return f"{space}{what}(\n{inner}\n{space})"


def _argument(said: str, space: str) -> str:
    """One argument of a call in a line of its own; a tuple that is too long, with an element a line."""
    head, bracket, rest = said.partition("=(")
    if len(space + said) < WIDE or not bracket:
        return f"{space}{said},"
    elements = json.loads(f"[{rest.removesuffix(')').rstrip(',')}]")
    inner = "\n".join(f"{space}    {quoted(e)}," for e in elements)
    return f"{space}{head}=(\n{inner}\n{space}),"
