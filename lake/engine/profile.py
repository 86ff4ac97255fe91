"""How the rows of a released table lie: how much is missing, which values there are, what moves together or drifted."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lake.core.table import Column, Table
from lake.engine.docs.example import text

SHARES = (0.01, 0.25, 0.5, 0.75, 0.99)
"""The quantiles that are told."""
TOP = 5
BARS = 24
"""So many bars of equal width draw a column of numbers."""
PARTS = 10
"""Drift is measured over so many parts, which held equal shares before."""
CONCERN = 0.25
"""A population stability index of so much is taken for a drift, if chance alone would hardly make it."""
STRONG = 0.5
"""Correlations weaker than this are not told."""
ENOUGH = 20
"""Rows that a correlation needs."""
MOST_PAIRS = 12
SHORT = 16
"""Characters of a value on a terminal."""


@dataclass(frozen=True)
class Look:
    """How the values of a column lie. Of a personal column only how many are missing and how many differ.

    distinct    None: its values (maps, lists) are not compared
    quantiles   by share, as text; of numbers, days and times
    top         the commonest values, if any is told twice
    bars        how many values lie in each of BARS parts of equal width between the least and the most
    drift       population stability index against the other release; None: not compared
    drifted     whether that is more than chance makes of so many rows
    """

    name: str
    type: str
    unit: str = ""
    personal: bool = False
    missing: int = 0
    distinct: int | None = None
    least: str | None = None
    mean: float | None = None
    most: str | None = None
    quantiles: dict[str, str] | None = None
    top: tuple[tuple[str, int], ...] = ()
    bars: tuple[int, ...] = ()
    drift: float | None = None
    drifted: bool = False


@dataclass(frozen=True)
class Profile:
    """Of a table at a release; `against`: the release that drift is measured from."""

    table: str
    release: int
    rows: int
    columns: tuple[Look, ...]
    correlated: tuple[tuple[str, str, float], ...]
    against: int | None = None
    rows_before: int | None = None

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def of(
    table: Table, rows: pa.Table, release: int, *, before: pa.Table | None = None, against: int | None = None
) -> Profile:
    """The profile of `rows` of a table at a release, and its drift from the rows `before`."""
    looks = tuple(_look(c, rows[c.name], before[c.name] if before is not None else None) for c in table.columns)
    numbers = {c.name: _floats(rows[c.name]) for c in table.columns if not c.pii and _is_number(rows[c.name].type)}
    correlated = tuple(_correlated(numbers))
    return Profile(
        table.id, release, rows.num_rows, looks, correlated, against, None if before is None else before.num_rows
    )


def _look(c: Column, values: pa.ChunkedArray, before: pa.ChunkedArray | None) -> Look:
    head = {"name": c.name, "type": c.stored.simpleString(), "unit": c.unit or "", "missing": values.null_count}
    if not _is_flat(values.type):
        return Look(**head)
    distinct = pc.count_distinct(values).as_py()
    if c.pii:
        return Look(**head, personal=True, distinct=distinct)
    there = values.drop_null()
    goes_on = _is_day(values.type) or (c.key and pa.types.is_integer(values.type))
    drift, drifted = _drift(before, values) if before is not None and not goes_on else (None, False)
    more: dict[str, Any] = {"distinct": distinct, "drift": drift, "drifted": drifted, "top": _top(there, distinct)}
    if len(there) and (_is_number(values.type) or _is_day(values.type)):
        numbers = np.sort(_floats(there))
        back = [_as(values.type, n) for n in (numbers[0], numbers[-1], *np.quantile(numbers, SHARES, method="lower"))]
        counts, _ = np.histogram(numbers, BARS) if numbers[0] < numbers[-1] else ([len(numbers)], [])
        more |= {"least": back[0], "most": back[1], "quantiles": dict(zip(_names(), back[2:], strict=True))}
        more |= {"bars": tuple(int(n) for n in counts)}
        more |= {"mean": float(f"{np.mean(numbers):.6g}")} if _is_number(values.type) else {}
    return Look(**head, **more)


def _names() -> list[str]:
    return [f"p{round(100 * share):02d}" for share in SHARES]


def _is_flat(kind: pa.DataType) -> bool:
    return not (pa.types.is_nested(kind) or pa.types.is_map(kind))


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))


def _is_day(kind: pa.DataType) -> bool:
    return bool(pa.types.is_date(kind) or pa.types.is_timestamp(kind))


def _floats(values: pa.ChunkedArray) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Numbers as they are, days and times as numbers; what is missing as NaN."""
    kind = values.type
    if _is_day(kind):
        values = values.cast(pa.int32() if pa.types.is_date32(kind) else pa.int64())
    found: np.ndarray[Any, np.dtype[np.float64]] = values.cast(pa.float64()).to_numpy(zero_copy_only=False)
    return found


def _as(kind: pa.DataType, number: float) -> str:
    """A number of `_floats` as a value of its column is said."""
    if not _is_day(kind):
        return f"{number:,.6g}" if number != int(number) or abs(number) > 10**15 else f"{number:,.0f}"
    whole = pa.scalar(int(number), pa.int32() if pa.types.is_date32(kind) else pa.int64())
    return text(whole.cast(kind).as_py())


def _top(there: pa.ChunkedArray, distinct: int) -> tuple[tuple[str, int], ...]:
    if not len(there) or distinct == len(there):
        return ()
    return tuple((text(value), n) for value, n in _commonest(there, TOP))


def _commonest(there: pa.ChunkedArray, most: int) -> list[tuple[Any, int]]:
    counted = pc.value_counts(there)
    found = pa.table({"value": counted.field("values"), "n": counted.field("counts")})
    found = found.sort_by([("n", "descending"), ("value", "ascending")]).slice(0, most)
    return list(zip(found["value"].to_pylist(), found["n"].to_pylist(), strict=True))


# ---- what moves together, and what moved


def _correlated(numbers: dict[str, Any]) -> list[tuple[str, str, float]]:
    """Pairs of columns by Pearson's correlation over the rows that have both, strongest first."""
    import pandas as pd

    names = list(numbers)
    found = pd.DataFrame(numbers).corr(min_periods=ENOUGH).to_numpy() if numbers else np.empty((0, 0))
    pairs = [
        (a, b, round(float(found[i, j]), 3))
        for (i, a), (j, b) in itertools.combinations(enumerate(names), 2)
        if abs(found[i, j]) >= STRONG
    ]
    return sorted(pairs, key=lambda p: (-abs(p[2]), p[0], p[1]))[:MOST_PAIRS]


def _drift(before: pa.ChunkedArray, now: pa.ChunkedArray) -> tuple[float | None, bool]:
    """The population stability index (Siddiqi, 2006), and whether chance alone would hardly make it.

    Without drift it is distributed as chi-square over the sizes of both samples (Yurdakul and Naranjo, 2020).
    """
    if not len(before) or not len(now):
        return None, False
    counts = _by_number(before, now) if _is_number(now.type) else _by_value(before, now)
    if counts is None:
        return None, False
    was, is_now = ((c + 0.5) / (c.sum() + 0.5 * len(c)) for c in counts)
    index = float(((is_now - was) * np.log(is_now / was)).sum())
    chance = _chi_square(len(was) - 1) * (1 / len(before) + 1 / len(now))
    return round(index, 4), index >= max(CONCERN, chance)


def _by_number(before: pa.ChunkedArray, now: pa.ChunkedArray) -> list[np.ndarray[Any, Any]] | None:
    was, is_now = (_floats(v.drop_null()) for v in (before, now))
    if not len(was):
        return None
    inner = np.unique(np.quantile(was, np.linspace(0, 1, PARTS + 1)[1:-1]))
    edges = np.concatenate([[-np.inf], inner, [np.inf]])
    return [
        np.append(np.histogram(numbers, edges)[0], values.null_count)
        for numbers, values in ((was, before), (is_now, now))
    ]


def _by_value(before: pa.ChunkedArray, now: pa.ChunkedArray) -> list[np.ndarray[Any, Any]] | None:
    """Over the commonest values; None where there are nearly as many values as rows: names do not drift."""
    if pc.count_distinct(before).as_py() > max(PARTS, len(before) / 2):
        return None
    named = [value for value, _ in _commonest(before.drop_null(), 2 * PARTS)]
    found = []
    for values in (before, now):
        there = values.filter(pc.is_in(values, pa.array(named, values.type)))
        counts = dict(_commonest(there, len(named)))
        others = len(values) - values.null_count - len(there)
        found.append(np.array([*(counts.get(v, 0) for v in named), others, values.null_count]))
    return found


def _chi_square(degrees: int) -> float:
    """What chi-square exceeds once in a thousand times (Wilson and Hilferty, 1931)."""
    part = 2 / (9 * max(1, degrees))
    return max(1, degrees) * (1 - part + 3.0902 * math.sqrt(part)) ** 3


def warnings(profile: Profile) -> Sequence[str]:
    """What a reader should look at first."""
    said = [f"{c.name} drifted: index {c.drift}" for c in profile.columns if c.drifted]
    said += [f"{c.name} is always missing" for c in profile.columns if profile.rows and c.missing == profile.rows]
    return said + [f"{c.name} is always {c.top[0][0]}" for c in profile.columns if c.distinct == 1 and c.top]


def in_words(profile: Profile) -> tuple[list[str], list[list[str]]]:
    """The heads and the lines of a table that tells it on a terminal."""
    heads = ["column", "type", "missing", "distinct", "least", *_names()[1:4], "most", "commonest"]
    heads += ["drift"] if profile.against else []
    lines = []
    for c in profile.columns:
        share = f"{c.missing / profile.rows:.1%}" if c.missing else ""
        ends = [c.least or "", *((c.quantiles or {}).get(p, "") for p in _names()[1:4]), c.most or ""]
        top = "masked" if c.personal else ", ".join(f"{_short(v)} ({n:,})" for v, n in c.top[:2])
        kind = f"{_short(c.type)} [{c.unit}]" if c.unit else _short(c.type)
        distinct = "" if c.distinct is None else f"{c.distinct:,}"
        line = [c.name, kind, share, distinct, *map(_short, ends), top]
        lines.append([*line, "" if c.drift is None else f"{c.drift:.3f}"] if profile.against else line)
    return heads, lines


def _short(said: str) -> str:
    """A text that leaves room for others; a time to the minute."""
    return said if len(said) <= SHORT else said[:SHORT].rstrip() + ("" if said[SHORT : SHORT + 1] == ":" else "…")
