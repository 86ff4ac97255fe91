"""A source that nobody has declared yet, proposed from the first records of one of its files."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from lake.core.errors import WrongUse, unknown_name
from lake.core.table import Delivery
from lake.engine.conf import Conf
from lake.engine.sample import ABSENT, NUMBER, Sample, Value

ALIKE = 12
"""So many columns with names of one form are gathered into one map."""
FEW = 8
"""A text column with at most so many different values, each told often, has its values named in a rule."""
LONGEST = 90
"""Characters of such a rule."""
MANY = 100
"""Of fewer records, a column that is not called like a key is none, though its values differ."""
KEY_WIDE = 3
"""At most so many columns make a key."""
UNITS = {
    "mm": "mm", "m": "m", "km": "km", "kg": "kg", "g": "g", "n": "N", "nm": "Nm", "rad": "rad", "deg": "deg", "c": "°C",
    "k": "K", "a": "A", "v": "V", "w": "W", "s": "s", "ms": "ms", "min": "min", "minutes": "min", "hours": "h",
    "h": "h", "days": "day", "months": "month", "rpm": "1/min", "psi": "psi", "eur": "EUR", "usd": "USD", "gbp": "GBP",
    "rad_s": "rad/s", "mm_s": "mm/s", "m_s": "m/s",
}  # fmt: skip
"""What the end of a number's name says about its unit."""
_PERSON = re.compile(
    r"(^|_)(e?mail|phone|mobile|fax|street|address|contact|operator|technician|employee|person|driver)(_|$)"
    r"|(first|last|sur|full|user|customer|contact)_?name"
)
_OF_A_PERSON = re.compile(r"(name|city|town|zip|post(al)?_?code|birth(day|_?date)?)")
"""Names that are personal where something else of the record is."""
_ID = re.compile(r"(^|_)(id|no|nr|num|number|key|code|serial|seq|line|cycle|revision|ref)(_|$)")
_RESERVED = {
    "all", "and", "any", "as", "both", "case", "cast", "check", "column", "create", "cross", "distinct", "else",
    "end", "except", "false", "fetch", "filter", "for", "from", "full", "group", "having", "in", "inner", "intersect",
    "into", "is", "join", "leading", "left", "like", "natural", "not", "null", "offset", "on", "only", "or", "order",
    "outer", "primary", "references", "right", "select", "semi", "some", "table", "then", "to", "trailing", "true",
    "union", "unique", "user", "using", "values", "when", "where", "with",
}  # fmt: skip
"""Words that SQL would not take for the name of a column."""
_TEXT = re.compile(r"(^|_)(note|notes|comment|comments|remark|remarks|message|cause|free_text)(_|$)")
_MAIL = re.compile(r"[^@\s]+@[^@\s]+\.[a-z]{2,}", re.IGNORECASE)
_MONTHS = "jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec"
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d([.,]\d+)?)?(Z|[+-]\d\d:?\d\d)?")
_FORMS = (
    ("%d.%m.%Y", "d.M.yyyy"), ("%Y/%m/%d", "yyyy/M/d"), ("%Y%m%d", "yyyyMMdd"), ("%d-%b-%Y", "d-MMM-yyyy"),
    ("%d-%b-%y", "d-MMM-yy"), ("%d/%m/%Y", "d/M/yyyy"), ("%m/%d/%Y", "M/d/yyyy"), ("%m/%d/%y", "M/d/yy"),
)  # fmt: skip
"""Ways to write a day, for Python and for Spark; each may have a time behind it."""
_CLOCKS = (("", ""), (" %H:%M", " H:mm"), (" %H:%M:%S", " H:mm:ss"))


@dataclass(frozen=True)
class Guess:
    """What a column seems to be. `type`: as it is written in a module; `parse`: SQL around the column's name, {}."""

    raw: str
    name: str
    type: str = "StringType()"
    resolution: str | None = None
    parse: str | None = None
    absent: tuple[str, ...] = ()
    check: str | None = None
    unit: str | None = None
    pii: str | None = None
    every: str | None = None
    doc: str = ""
    whole: bool = False
    key: bool = False
    newest: date | None = None

    @property
    def is_day(self) -> bool:
        return self.type in ("DateType()", "TimestampType()")


@dataclass(frozen=True)
class Proposal:
    """A source as it could be declared: its files, its columns, and which day a record belongs to (`by`, as SQL)."""

    department: str
    name: str
    delivery: Delivery
    columns: tuple[Guess, ...]
    by: str
    is_extract: bool
    records: int


# ---- where it lies


def placed(path: Path, conf: Conf, departments: Sequence[str], department: str | None, name: str | None) -> Placed:
    """Where files like `path` lie and how their day is told, as far as its place says it.

    Raises WrongUse if nothing says which department delivers it.
    """
    found = Placed(department or "", name or "", "", delivered=date.fromtimestamp(path.stat().st_mtime))
    for root, is_public in ((conf.raw, False), (conf.public, bool(conf.lake.public))):
        if (is_public or root == conf.raw) and path.resolve().is_relative_to(root.resolve()):
            parts = path.resolve().relative_to(root.resolve()).parts
            glob = "/".join("dt=*" if p.startswith("dt=") else p for p in parts[:-1])
            end = "*" if "dt=*" in glob else f"*{Path(path.name.removesuffix('.gz')).suffix or path.name}*"
            found = replace(found, path=f"{glob}/{end}" if glob else end, is_public=is_public)
            if parts[0] in departments and not department:
                found = replace(found, department=parts[0])
            if "dt=" in glob and not name:
                found = replace(found, name=parts[glob.split("/").index("dt=*") - 1])
            day = next((p[3:] for p in parts if re.fullmatch(r"dt=\d{4}-\d\d-\d\d", p)), None)
            found = replace(found, delivered=date.fromisoformat(day) if day else found.delivered, by_folder=bool(day))
    if not found.department:
        known = ", ".join(departments)
        raise WrongUse(f"Which department does {path.name} come from?", hint=f"say --department: one of {known}.")
    if found.department not in departments:
        raise unknown_name("department", found.department, departments)
    own_name = found.name or path.name.split(".")[0]
    found = replace(found, name=re.sub(r"\W+", "_", snake(own_name)).strip("_") or "records")
    if not found.path:
        return replace(found, path=f"{found.department}/{found.name}/dt=*/*", by_folder=True)
    return found


def of_another_day(path: Path) -> Path | None:
    """A file that was delivered on the day before, or after, if `path` lies in the folder of a day."""
    if not path.parent.name.startswith("dt="):
        return None
    days = sorted(path.parent.parent.glob("dt=*"))
    here = days.index(path.parent)
    near = [*reversed(days[:here]), *days[here + 1 :]]
    files = (f for day in near for f in sorted(day.iterdir()) if f.suffixes == path.suffixes and f.stat().st_size)
    return next(files, None)


@dataclass(frozen=True)
class Placed:
    department: str
    name: str
    path: str
    delivered: date
    by_folder: bool = False
    is_public: bool = False


def snake(name: str) -> str:
    """A delivered name as we write names: InvoiceNo → invoice_no, Weight (kg) → weight_kg."""
    parted = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name)
    plain = re.sub(r"[^0-9a-zA-Z]+", "_", parted).strip("_").lower()
    return f"c_{plain}" if not plain or plain[0].isdigit() or plain in _RESERVED else plain


# ---- what it says


def propose(sample: Sample, place: Placed, other: Sample | None = None) -> Proposal:
    """The source that the sample seems to be one delivery of.

    other   of another day: where most keys are told again, each day's delivery is an extract of all there is
    """
    named = [n for n in sample.names if n]
    if len(set(named)) < len(named):
        twice = next(n for n in named if named.count(n) > 1)
        raise WrongUse(f"The column {twice!r} stands twice in it.", hint="have it delivered with a name each.")
    gathered = _gathered(sample) if sample.headed and sample.format in ("csv", "parquet") else {}
    alone = [n for n in named if not any(n in some for some in gathered.values())]
    columns = [replace(_guess(n, sample), name=unique) for n, unique in zip(alone, _unique(alone), strict=True)]
    for form, some in gathered.items():
        columns.append(_map(form, [_guess(n, sample) for n in some], len(columns)))
    if any(c.pii for c in columns):
        of_persons = [c.type == "StringType()" and bool(_OF_A_PERSON.fullmatch(c.name)) for c in columns]
        columns = [
            replace(c, pii="person", check=None) if is_theirs else c
            for c, is_theirs in zip(columns, of_persons, strict=True)
        ]
    keys = _key(columns, sample)
    columns = [replace(c, key=c.raw in keys, check=None if c.raw in keys else c.check) for c in columns]
    is_extract = other is not None and _told_again(keys, sample, other)
    tomorrow = place.delivered + timedelta(1)
    told = [c for c in columns if c.is_day and c.whole and c.newest and c.newest <= tomorrow]
    days = [c.name if c.type == "DateType()" else f"to_date({c.name})" for c in told]
    by = days[0] if days and not is_extract else "known_on"
    delivery = Delivery(
        sample.format,
        place.path,
        required=False,
        delivered=None if place.by_folder else place.delivered.isoformat(),
        delimiter=sample.delimiter,
        header=() if sample.headed else sample.names,
        line_end=sample.line_end,
        decimal=sample.decimal,
        public=place.is_public,
    )
    return Proposal(place.department, place.name, delivery, tuple(columns), by, is_extract, len(sample.records))


def _unique(names: Sequence[str]) -> Iterator[str]:
    seen: set[str] = {"known_on"}
    for name in names:
        plain = snake(name)
        made = next(n for n in itertools.chain([plain], (f"{plain}_{i}" for i in itertools.count(2))) if n not in seen)
        seen.add(made)
        yield made


def _gathered(sample: Sample) -> dict[str, list[str]]:
    """Columns with numbers, and names of one form: months, electrodes. By the regular expression of the form."""
    forms: dict[str, list[str]] = {}
    for name in sample.names:
        form = re.sub("[0-9]+", "[0-9]+", re.escape(name))
        form = re.sub(rf"(?i)({_MONTHS})(?![a-z])", "[A-Za-z]{3}", form)
        forms.setdefault(form.replace(r"\-", "-").replace(r"\ ", " "), []).append(name)
    wide = {form: names for form, names in forms.items() if len(names) >= ALIKE}
    return {f: names for f, names in wide.items() if all(_is_number(_guess(n, sample)) for n in names)}


def _map(form: str, parts: Sequence[Guess], place: int) -> Guess:
    scale = max(-int(Decimal(p.resolution or "1").as_tuple().exponent) for p in parts)
    kind = "IntegerType()" if all(p.type == "IntegerType()" for p in parts) else f"DecimalType(18, {scale})"
    return Guess(
        form,
        f"values_{place}",
        f"MapType(StringType(), {kind})",
        absent=tuple(sorted({a for p in parts for a in p.absent})),
        every=form,
        doc=f"{parts[0].raw} to {parts[-1].raw}",
    )


def _is_number(guess: Guess) -> bool:
    return guess.resolution is not None or guess.type in ("IntegerType()", "LongType()")


def _guess(raw: str, sample: Sample) -> Guess:
    values = sample.column(raw)
    name = snake(raw)
    there = [v for v in values if v is not None]
    guess = Guess(raw, name, whole=bool(there) and len(there) == len(values))
    if any(isinstance(v, dict | list) for v in there):
        return replace(guess, **_nested(there))
    texts = [str(v) for v in there]
    typed = [t for t in texts if t not in ABSENT]
    found = _typed(typed, name, sample.decimal) if typed else None
    if found is None:
        return _about_text(replace(guess, whole=guess.whole and "" not in texts), texts)
    absent = tuple(sorted({t for t in texts if t in ABSENT and t}))
    guess = replace(guess, absent=absent, whole=guess.whole and len(typed) == len(texts), **found)
    end = next((u for n in (2, 1) if (u := UNITS.get("_".join(name.split("_")[1:][-n:])))), None)
    return replace(guess, unit=end if _is_number(guess) else None)


def _nested(there: Sequence[Value]) -> dict[str, Any]:
    """The type of objects and lists whose values are numbers; anything else stays JSON, as text."""
    dicts = [v for v in there if isinstance(v, dict)]
    lists = [v for v in there if isinstance(v, list)]
    inner = [str(x) for d in dicts for x in d.values()] + [str(x) for v in lists for x in v]
    kind = _typed(inner, "", ".") if inner and (not dicts or not lists) else None
    if kind and (kind.get("resolution") or kind.get("type") in ("IntegerType()", "LongType()")):
        scale = -int(Decimal(kind["resolution"]).as_tuple().exponent) if kind.get("resolution") else None
        of = kind["type"] if scale is None else f"DecimalType(18, {scale})"
        return {"type": f"MapType(StringType(), {of})" if dicts else f"ArrayType({of})"}
    return {"doc": "as JSON"}


def _about_text(guess: Guess, texts: Sequence[str]) -> Guess:
    if _PERSON.search(guess.name) or (texts and all(_MAIL.fullmatch(t) for t in texts)):
        return replace(guess, pii="person")
    if _TEXT.search(guess.name):
        return replace(guess, pii="text")
    different = sorted(set(texts))
    is_few = 1 < len(different) <= FEW and len(texts) >= 20 * len(different)
    check = f"{guess.name} IN ({', '.join(repr(v) for v in different)})"
    is_plain = all(re.fullmatch(r"[\w .-]{1,30}", v) for v in different) and len(check) <= LONGEST
    return replace(guess, check=check) if is_few and is_plain else guess


def _typed(values: Sequence[str], name: str, decimal: str) -> dict[str, Any] | None:
    """The type that all values have; None: they are texts."""
    if all(v in ("true", "false") for v in values):
        return {"type": "BooleanType()"}
    day = _day(values, name)
    if day:
        return day
    if not all(NUMBER[decimal].fullmatch(v) for v in values):
        return None
    if any(re.fullmatch(r"[+-]?0\d+", v) for v in values):  # 007 is a name
        return None
    if all(re.fullmatch(r"[+-]?\d+", v) for v in values):
        digits = max(len(v.lstrip("+-")) for v in values)
        largest = max(abs(int(v)) for v in values) if digits <= 18 else 2**63
        return {"type": "IntegerType()" if largest < 2**31 else "LongType()"} if largest < 2**63 else None
    numbers = [Decimal(v.replace(",", ".")).normalize() for v in values]
    before = max(max(0, n.adjusted() + 1) for n in numbers)
    behind = max(max(0, -int(n.as_tuple().exponent)) for n in numbers)
    scale = min(behind, 9, max(0, 18 - before))
    return {"resolution": f"{Decimal(1).scaleb(-scale):f}", "type": ""} if before <= 18 else None


def _day(values: Sequence[str], name: str) -> dict[str, Any] | None:
    if all(_DAY.fullmatch(v) for v in values) and (days := _all(values, date.fromisoformat)):
        return {"type": "DateType()", "newest": max(days)}
    if all(_TIME.fullmatch(v) for v in values):
        at = _all([v.replace(",", ".").replace("Z", "+00:00") for v in values], datetime.fromisoformat)
        return {"type": "TimestampType()", "newest": max(t.date() for t in at)} if at else None
    if all(v.isdigit() for v in values) and not re.search(r"(^|_)(day|date|dt|on|at)(_|$)", name):
        return None
    fits = []
    for (python, spark), (clock, spark_clock) in itertools.product(_FORMS, _CLOCKS):
        form = python + clock
        if at := _all(values, lambda v, form=form: datetime.strptime(v, form)):  # type: ignore[misc]
            kind, to = ("TimestampType()", "{}") if clock else ("DateType()", "to_date({})")
            parse = to.format(f"try_to_timestamp(trim({{}}), '{spark + spark_clock}')")
            fits.append({"type": kind, "parse": parse, "newest": max(t.date() for t in at)})
    if len(fits) > 1:  # 3/4/2026 may be in March or in April
        return None
    return fits[0] if fits else None


def _all(values: Sequence[str], read: Callable[[str], Any]) -> list[Any] | None:
    try:
        return [read(v) for v in values]
    except ValueError:
        return None


def _key(columns: Sequence[Guess], sample: Sample) -> tuple[str, ...]:
    """The fewest columns that tell all records of the sample apart; those that are called like a key come first."""
    able = [c for c in columns if c.whole and not (c.pii or c.resolution or c.every or c.doc)]
    able = [c for c in able if all(isinstance(v, str) for v in sample.column(c.raw))]
    called = [c.raw for c in able if _ID.search(c.name)]
    others = [c.raw for c in able if c.raw not in called] if len(sample.records) >= MANY else []
    for pool in (called, [*called, *others]):
        for wide in range(1, KEY_WIDE + 1):
            for names in itertools.combinations(pool[:8], wide):
                rows = _keys(names, sample)
                if len(rows) == len(sample.records):
                    return names
    return ()


def _keys(names: Sequence[str], sample: Sample) -> set[tuple[Value, ...]]:
    return set(zip(*(sample.column(n) for n in names), strict=True))


def _told_again(keys: Sequence[str], sample: Sample, other: Sample) -> bool:
    if not keys or other.names != sample.names or not other.records:
        return False
    mine, theirs = _keys(keys, sample), _keys(keys, other)
    return len(mine & theirs) > len(theirs) / 2
