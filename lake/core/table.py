"""What a table promises: its columns, its inputs, and how it follows them."""

from __future__ import annotations

import ast
import dataclasses
import functools
import hashlib
import inspect
import linecache
import sys
from collections.abc import Callable, Sequence
from collections.abc import Mapping as Pairs
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Literal

from pyspark.sql.types import DataType, DateType, DecimalType, MapType, StructField, StructType

from lake.core.errors import ColumnsDiffer, LakeError
from lake.core.refresh import Append, Files, Full, Keyed, Refresh, Slices
from lake.core.terms import NO_TERMS, Terms

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

Layer = Literal["bronze", "silver", "gold"]
Pii = Literal["person", "text"]
Drift = Literal["evolve", "alarm", "reject"]
Breach = Literal["quarantine", "warn", "stop"]

SLICE = "_slice"
"""The engine's own DATE column: which part of the table a row belongs to."""
DELIVERED_BEFORE = ("duplicate", "superseded")
"""The rules that a typed record breaks which lost to another one of its key: nothing of it is missing."""
PARKED = "references"
"""The rule that a typed record breaks whose parent is not there (yet)."""


@dataclass(frozen=True)
class Column:
    """One promised column.

    name        as readers see it
    type        its Spark type; a measured value gives `resolution` instead and is stored as DECIMAL(18, scale),
                so that sums do not depend on the order of the rows
    key         part of the grain: never null, unique together
    null        False: a row without it is rejected (typed tables) or fails the table (all others)
    check       SQL over this table's columns that a good row satisfies; NULL passes, as in SQL CHECK
    breach      what becomes of a row that breaks `null` or `check`. quarantine: it is rejected (usual in typed tables);
                stop: the table fails, and readers stay where they were (usual in all others); warn: it stays and is
                counted, and the gate says so
    pii         "person": identifies somebody; the table is restricted, open tables see a keyed pseudonym instead.
                "text": free text; the table is restricted, open tables see NULL
    raw         the name in the delivered record, where it is another one
    parse       SQL that makes the value from the delivered texts (named as the columns), where a cast is not enough
    absent      delivered texts that mean "no value"
    required    False: a delivered file may lack this column
    formerly    names under which earlier files bring it
    references  the table that has to hold its value in the column of this name, or (table, column) if that has another
                one; several columns that refer to one table do so together. A record of a typed table whose parent is
                not there is parked: rejected by the rule `references` until the parent comes. A null refers to nothing
    every       regular expression: the column is a map from name to value of all delivered columns so named, however
                many a file brings; an empty cell is a null in it
    """

    name: str
    type: DataType | None = None
    _: dataclasses.KW_ONLY
    key: bool = False
    null: bool = True
    check: str | None = None
    unit: str | None = None
    resolution: str | None = None
    pii: Pii | None = None
    raw: str | None = None
    parse: str | None = None
    absent: tuple[str, ...] = ()
    required: bool = True
    every: str | None = None
    doc: str = ""
    formerly: tuple[str, ...] = field(default=(), repr=False)
    references: Table | tuple[Table, str] | None = field(default=None, repr=False)
    breach: Breach | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if (self.type is None) == (self.resolution is None):
            raise LakeError(f"Column {self.name!r} needs either a type or a resolution.")
        if self.resolution is not None:
            scale = -int(Decimal(self.resolution).normalize().as_tuple().exponent)
            object.__setattr__(self, "type", DecimalType(18, max(0, scale)))
        if self.breach and (self.key or (self.null and not self.check)):
            raise LakeError(f"Column {self.name!r} has no null=False and no check that could be broken, or is a key.")
        if self.every is not None and not isinstance(self.type, MapType):
            raise LakeError(f"Column {self.name!r} takes every column like {self.every!r}: its type has to be a map.")

    @property
    def stored(self) -> DataType:
        assert self.type is not None
        return self.type

    @property
    def delivered(self) -> str:
        return self.raw or self.name

    @property
    def is_for_all(self) -> bool:
        """Whether its rules are judged of all new rows together, in a table of typed records, too."""
        return self.breach in ("warn", "stop")

    @property
    def names(self) -> tuple[str, ...]:
        """The names under which files bring it, today's first."""
        return self.delivered, *self.formerly


@dataclass(frozen=True)
class Delivery:
    """How the files of a source look and arrive.

    path        glob below the raw zone; a `dt=YYYY-MM-DD` folder in it is the day of delivery
    delivered   the day of delivery (YYYY-MM-DD) of files that lie in no dt folder
    marker      name of the file that says a day is complete; without one, a day with a file is complete
    format      "text": a record is its text, and each column is parsed out of it
    delimiter   what separates the columns; several characters: the one that parts a file's first line most; a blank:
                any run of blanks
    header      the names of the columns of files that come without a line of them
    line_end    what ends a record; a trailing carriage return is stripped where it is a newline. "any": a newline, a
                carriage return or both, for files that several systems write. "blank line": records of several lines
                with blank ones between them; such files are read whole
    drift       what becomes of a file with other columns than declared, or than earlier files had. alarm: it is taken,
                and who answers for the source is told; evolve: it is taken; reject: it is refused. The order of the
                columns is no drift: they are read by name
    """

    format: Literal["csv", "jsonl", "parquet", "text"]
    path: str
    _: dataclasses.KW_ONLY
    required: bool = True
    delivered: str | None = None
    marker: str | None = None
    expected_by: str | None = None
    delimiter: str = ","
    header: tuple[str, ...] = ()
    line_end: str = "\n"
    decimal: str = "."
    public: bool = False
    drift: Drift = "alarm"

    @property
    def records(self) -> tuple[object, ...]:
        """What decides which records a file holds; where it changes, the files are loaded anew."""
        return self.format, self.line_end, self.delivered

    @property
    def reading(self) -> tuple[object, ...]:
        """What decides how a record is read."""
        return self.delimiter, self.header, self.decimal


@dataclass(frozen=True, eq=False)
class Table:
    """A pure function of tables, plus the columns and rules it promises. Calling it computes it, as a test would."""

    domain: str
    layer: Layer
    name: str
    doc: str
    columns: tuple[Column, ...]
    inputs: tuple[Table, ...]
    refresh: Refresh
    function: Callable[..., DataFrame] | None = None
    delivery: Delivery | None = None
    owner: str = ""
    own_terms: Pairs[str, object] = field(default_factory=dict)
    mappings: list[Mapping] = field(default_factory=list)

    def __call__(self, *frames: DataFrame, **more: object) -> DataFrame:
        """The table computed from its inputs (its own first, then those of its mappings), promised columns only.

        A table without inputs of its own is what its mappings make.
        """
        return self.promised(self.refresh.shaped(self.made(*frames, **more)))

    def made(self, *frames: DataFrame, **more: object) -> DataFrame:
        """What its functions make of its inputs, before its refresh gives that its shape."""
        assert self.function is not None
        own = len(frames) if len(frames) < len(self.all_inputs) else len(self.inputs)
        parts = [self.function(*frames[:own], **more)] if own else []
        rest = list(frames[own:])
        for mapping in self.mappings if rest else []:
            parts.append(mapping.function(*[rest.pop(0) for _ in mapping.inputs]))
        made = parts[0]
        for part in parts[1:]:
            made = made.select(self.made_names).unionByName(part.select(self.made_names))
        return made

    @property
    def made_names(self) -> list[str]:
        """The columns that the function makes; the refresh adds its own (valid_from and the like) to them."""
        return [c.name for c in self.columns if c.name not in self.refresh.added]

    def promised(self, made: DataFrame) -> DataFrame:
        """`made` in the promised order; both the missing and the extra columns are named if they differ."""
        wanted, found = [c.name for c in self.columns], made.columns
        missing = [c for c in wanted if c not in found]
        extra = [c for c in found if c not in wanted]
        if missing or extra:
            raise ColumnsDiffer(
                f"{self.id} promised {missing or 'nothing more'}, its function returned {extra or 'too few columns'}.",
                hint=f"make the last select of {self.place} agree with its columns.",
            )
        return made.select(wanted)

    @property
    def id(self) -> str:
        return f"{self.domain}.{self.layer}.{self.name}"

    @property
    def sql_name(self) -> str:
        return f"{self.domain}_{self.layer}.{self.name}"

    @property
    def place(self) -> str:
        module = self.function.__module__ if self.function else f"lake.{self.domain}.{self.layer}"
        return f"{module.replace('.', '/')}.py: {self.name}"

    @property
    def all_inputs(self) -> tuple[Table, ...]:
        return self.inputs + tuple(t for m in self.mappings for t in m.inputs) + tuple(self.parents)

    @property
    def parents(self) -> dict[Table, dict[str, str]]:
        """The tables that its records refer to: for each of its columns that do, the column there."""
        found: dict[Table, dict[str, str]] = {}
        for c in self.columns:
            if c.references is not None:
                to = c.references if isinstance(c.references, tuple) else (c.references, c.name)
                found.setdefault(to[0], {})[c.name] = to[1]
        return found

    @property
    def is_source(self) -> bool:
        return isinstance(self.refresh, Files)

    @property
    def is_typed(self) -> bool:
        """Whether it is the typed record of a source: each delivered record has its one home here, good or rejected."""
        return isinstance(self.refresh, Append)

    @property
    def restricted(self) -> bool:
        """Whether it holds personal data in clear: its own columns say so, or it is the bronze of a table that does."""
        return any(c.pii for c in self.columns)

    @property
    def terms(self) -> Terms:
        """On what terms it is offered: those of its department (`TERMS` in the package), and what it says itself."""
        theirs: Terms = getattr(sys.modules.get(f"lake.{self.domain}"), "TERMS", NO_TERMS)
        own = dict(self.own_terms) | ({"owner": self.owner} if self.owner else {})
        return replace(theirs, **own | ({"classification": "restricted"} if self.restricted else {}))  # type: ignore[arg-type]

    @property
    def path(self) -> str:
        """Where it lies in its zone of the lake: that of all tables, or that of the restricted ones."""
        return f"{self.domain}/{self.layer}/{self.name}"

    @property
    def keys(self) -> list[str]:
        return [c.name for c in self.columns if c.key]

    @property
    def schema(self) -> StructType:
        return StructType([StructField(c.name, c.stored) for c in self.columns])

    def column(self, name: str) -> Column:
        return next(c for c in self.columns if c.name == name)

    @property
    def definition(self) -> str:
        """Hash of all that decides what the rows are: columns, refresh, reading of files, code of its functions."""
        return _definition(self, len(self.mappings))


@dataclass(frozen=True, eq=False)
class Mapping:
    """Rows of another source, brought into the form of a table that exists."""

    to: Table
    inputs: tuple[Table, ...]
    function: Callable[..., DataFrame]


def table(
    *,
    inputs: Sequence[Table],
    refresh: Refresh,
    columns: Sequence[Column],
    owner: str = "",
    terms: Pairs[str, object] | None = None,
) -> Callable[[Callable[..., DataFrame]], Table]:
    """Declare the decorated function as a table. Name, layer and domain come from where it stands.

    terms   what of its department's terms (lake/core/terms.py) is otherwise for this table
    """

    def declare(function: Callable[..., DataFrame]) -> Table:
        domain, layer = _room(function.__module__)
        made = Table(
            domain=domain,
            layer=layer,
            name=function.__name__,
            doc=inspect.getdoc(function) or "",
            columns=tuple(columns),
            inputs=tuple(inputs),
            refresh=refresh,
            function=function,
            owner=owner,
            own_terms=terms or {},
        )
        if not made.doc:
            raise LakeError(f"{made.id} has no docstring.", hint='begin it with "One row per …".')
        names = [c.name for c in made.columns]
        if len(set(names)) < len(names):
            raise LakeError(f"{made.id} declares a column twice.")
        for delivery in (i.delivery for i in made.inputs if i.delivery):
            if delivery.format not in ("csv", "parquet") and any(c.every for c in made.columns):
                raise LakeError(f"{made.id}: only csv and parquet files name the columns that `every` chooses from.")
        refresh.fits(made.id, names)
        _check_references(made)
        if not made.is_typed and any(c.breach == "quarantine" for c in made.columns):
            raise LakeError(
                f"{made.id}: only typed records are rejected one by one.", hint='say breach="warn" or "stop".'
            )
        return made

    return declare


def _check_references(table: Table) -> None:
    if table.parents and not table.is_typed:
        raise LakeError(f"{table.id}: only typed records refer to others.", hint="declare it where they are typed.")
    for parent, columns in table.parents.items():
        for own, other in columns.items():
            there = next((c for c in parent.columns if c.name == other), None)
            if there is None or there.stored != table.column(own).stored or there.pii:
                raise LakeError(
                    f"{table.id}: {own} refers to {parent.id}, which has no open column {other} of its type.",
                    hint=f"say which one: references=({parent.name}, …).",
                )


def source(name: str, module: str, doc: str, *, personal: bool = False, **delivery: object) -> Table:
    """Declare a source: the bronze table of what is delivered, plus where it came from.

    A source with personal columns says `personal=True`; its bronze then lies in the restricted zone.
    """
    domain, _ = _room(module)
    pii: Pii | None = "person" if personal else None
    from pyspark.sql.types import StringType

    return Table(
        domain=domain,
        layer="bronze",
        name=name,
        doc=doc,
        columns=(Column("line", StringType(), pii=pii, doc="the record as delivered"),),
        inputs=(),
        refresh=Files(),
        delivery=Delivery(**delivery),  # type: ignore[arg-type]
    )


def mapping(*, to: Table, inputs: Sequence[Table]) -> Callable[[Callable[..., DataFrame]], Mapping]:
    """Declare the decorated function as what brings `inputs` into the form of `to`, which then follows them too."""

    def declare(function: Callable[..., DataFrame]) -> Mapping:
        made = Mapping(to, tuple(inputs), function)
        to.mappings.append(made)
        return made

    return declare


def _room(module: str) -> tuple[str, Layer]:
    """The domain and the layer of what stands in `module`; gold_demand is gold, too."""
    layers: dict[str, Layer] = {"bronze": "bronze", "gold": "gold", "features": "gold", "models": "gold"}
    parts = module.split(".")
    domain = parts[1] if parts[0] == "lake" and len(parts) > 2 else parts[0]
    return domain, layers.get(parts[-1].split("_")[0], "silver")


@functools.cache
def _definition(table: Table, mappings: int) -> str:
    parts = [repr(table.columns), repr(table.refresh), *(t.id for t in table.all_inputs)]
    parts += [repr(table.delivery.records)] if table.delivery else []
    parts += [repr(i.delivery.reading) for i in table.inputs if i.delivery]
    parts += [f"{c.name} was {c.formerly}" for c in table.columns if c.formerly]
    parts += [f"{c.name} broken: {c.breach}" for c in table.columns if c.breach]
    parts += [f"{parent.id} has {sorted(columns.items())}" for parent, columns in table.parents.items()]
    for function in [table.function, *(m.function for m in table.mappings)]:
        if function is not None:
            parts.append(_source_of(function, set()))
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def _source_of(thing: object, seen: set[int]) -> str:
    """The code of a function and of every function and plain value of ours that it names, without comments."""
    if id(thing) in seen or not inspect.isfunction(thing):
        return ""
    seen.add(id(thing))
    lines = linecache.getlines(thing.__code__.co_filename, thing.__globals__)
    function = _functions("".join(lines))[thing.__code__.co_firstlineno]
    parts = [ast.dump(ast.Module([function], []))]
    for name in sorted(_names(thing.__code__)):
        value = thing.__globals__.get(name)
        if inspect.isfunction(value) and value.__module__.split(".")[0] == thing.__module__.split(".")[0]:
            parts.append(_source_of(value, seen))
        elif inspect.ismodule(value) and value.__name__.startswith("lake."):
            for attribute in sorted(_names(thing.__code__)):
                parts.append(_source_of(getattr(value, attribute, None), seen))
        elif isinstance(value, (str, int, float, tuple, dict, Decimal)):
            parts.append(f"{name}={value!r}")
    return "\n".join(p for p in parts if p)


@functools.cache
def _functions(source: str) -> dict[int, ast.stmt]:
    """A module's statements by the line on which they begin: functions without decorators and docstrings."""
    found: dict[int, ast.stmt] = {}
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.stmt):
            found.setdefault(node.lineno, node)
        if isinstance(node, ast.FunctionDef):
            found[min([node.lineno, *(d.lineno for d in node.decorator_list)])] = node
            node.decorator_list = []
            if ast.get_docstring(node) is not None and len(node.body) > 1:
                node.body = node.body[1:]
    return found


def _names(code: object) -> set[str]:
    import types

    assert isinstance(code, types.CodeType)
    inner = [c for c in code.co_consts if isinstance(c, types.CodeType)]
    return set(code.co_names).union(*(_names(c) for c in inner)) if inner else set(code.co_names)


__all__ = [
    "SLICE",
    "Append",
    "Column",
    "DateType",
    "Delivery",
    "Files",
    "Full",
    "Keyed",
    "Mapping",
    "Slices",
    "Table",
    "mapping",
    "source",
    "table",
]
