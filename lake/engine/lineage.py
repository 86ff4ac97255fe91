"""Where each column comes from, read off the analysed plan of its table's function over empty inputs.

Spark gives every column of a plan an id, so nothing is guessed from names. A table's lineage hangs on its definition
alone; it is worked out once and kept in the lake (`_control/lineage.json`), where it is read without a JVM.
"""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property
from itertools import chain
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.types import DataType, DateType, StringType

from lake.core.table import Column, Table
from lake.engine import place, plan, records
from lake.engine.conf import Conf
from lake.engine.place import Place

Ref = tuple[str, str]
"""A column: the id of its table, and its name; of a source, the name that was delivered."""
Refs = frozenset[Ref]
NONE: Refs = frozenset()
DAY, FILE = "_dt", "_file"
"""What a source calls the day of delivery, and the file: its name may say what its lines do not."""
_MARK = "from:"


@dataclass(frozen=True)
class Origin:
    """What a column's value is made of.

    of      columns that its value is computed from
    by      columns that say which rows it is computed over, and in which order: of windows, and of counts
    same    columns whose value it is, unchanged, or equal because they were joined on it
    """

    of: Refs = NONE
    by: Refs = NONE
    same: Refs = NONE

    @staticmethod
    def together(origins: Iterable[Origin]) -> Origin:
        found = list(origins)
        return Origin(*(frozenset(chain(*(getattr(o, part) for o in found))) for part in ("of", "by")))


@dataclass(frozen=True)
class Lineage:
    """Of one table: the origin of each column, and the columns that decide which rows there are."""

    columns: Mapping[str, Origin]
    rows: Refs = NONE

    def as_json(self) -> dict[str, Any]:
        columns = {c: {k: sorted(v) for k, v in vars(o).items() if v} for c, o in self.columns.items()}
        return {"columns": columns, "rows": sorted(self.rows)}

    @classmethod
    def of_json(cls, said: Mapping[str, Any]) -> Lineage:
        columns = {c: Origin(**{k: _refs(v) for k, v in parts.items()}) for c, parts in said["columns"].items()}
        return cls(columns, _refs(said["rows"]))


def _refs(pairs: Iterable[Sequence[str]]) -> Refs:
    return frozenset((t, c) for t, c in pairs)


# ---- one table


def worked_out(spark: SparkSession, table: Table) -> Lineage:
    """The lineage of a table (but a source), from the plan of its function."""
    if plan.is_score(table):
        return _of_a_model(table)
    made = _typed(spark, table) if table.is_typed else _made(spark, table)
    nodes = json.loads(made._jdf.queryExecution().analyzed().toJSON())
    reader = _Plan(iter(nodes))
    output = reader.node()
    found = {name: origin for name, origin in output.values() if name in {c.name for c in table.columns}}
    return Lineage(found, frozenset(reader.rows))


def _of_a_model(table: Table) -> Lineage:
    """A score's keys are those of its features; everything else a model makes of all of them."""
    [features] = table.inputs
    every = frozenset((features.id, c.name) for c in features.columns)
    keys = {k: frozenset({(features.id, k)}) for k in features.keys}
    return Lineage({c.name: Origin(keys.get(c.name, every), NONE, keys.get(c.name, NONE)) for c in table.columns})


def _made(spark: SparkSession, table: Table) -> DataFrame:
    frames = [_marked(spark, i, [(c.name, c.name, c.stored) for c in i.columns]) for i in table.all_inputs]
    wanted = inspect.signature(table.function).parameters if table.function else {}
    day = date(2000, 1, 1)
    more: dict[str, object] = {name: day for name in ("as_of", "last") if name in wanted}
    if "previous" in wanted:
        more["previous"] = _marked(spark, table, [(c.name, c.name, c.stored) for c in table.columns])
    return table(*frames, **more)


def _typed(spark: SparkSession, table: Table) -> DataFrame:
    [source] = table.inputs
    delivery = source.delivery
    assert delivery is not None
    read = [(raw_name(c, source), c.name, records.read_as(c, delivery)) for c in table.columns if c.parse != DAY]
    from_where = [(DAY, DAY, DateType()), (FILE, FILE, StringType())]
    return records.made_of(table, _marked(spark, source, [*read, *from_where]), [])


def raw_name(c: Column, source: Table) -> str:
    """What a source calls the column: its delivered name, the pattern of several, or `line` where it has no columns."""
    assert source.delivery is not None
    if source.delivery.format not in ("csv", "jsonl", "parquet"):
        return "line"
    every = getattr(c, "every", None)
    return f"/{every}/" if every else c.delivered


def _marked(spark: SparkSession, table: Table, columns: Sequence[tuple[str, str, DataType]]) -> DataFrame:
    """No rows of a table; the plan says of each column (its name, its name here, its type) where it is from."""
    marks = [f"{_MARK}{n}:{table.id}:{name}" for n, (name, _, _) in enumerate(columns)]
    kinds = [kind.simpleString() for _, _, kind in columns]
    nothing = [f"CAST(NULL AS {kind}) AS `{mark}`" for mark, kind in zip(marks, kinds, strict=True)]
    named = [f"`{mark}` AS `{here}`" for mark, (_, here, _) in zip(marks, columns, strict=True)]
    return spark.range(0).selectExpr(*nothing).selectExpr(*named)


Output = dict[int, tuple[str, Origin]]
"""What a node of a plan puts out, in order: expression id → name and origin."""
_LEFT_ONLY = ("LeftSemi", "LeftAnti")


class _Plan:
    """Reads a plan as Spark writes it in JSON: each node is followed by its children. `rows` fills on the way."""

    def __init__(self, nodes: Iterator[dict[str, Any]]) -> None:
        self.nodes = nodes
        self.rows: set[Ref] = set()

    def node(self) -> Output:
        said = next(self.nodes)
        children = [self.node() for _ in range(said["num-children"])]
        below: Output = {k: v for child in children for k, v in child.items()}
        kind = _kind(said)
        if kind == "Project":
            return self._named(said["projectList"], below)
        if kind == "Aggregate":
            groups = Origin.together(_value(e, below) for e in said["groupingExpressions"])
            self._decides(groups)
            named = self._named(said["aggregateExpressions"], below)
            return {k: (n, o if o.of else Origin(NONE, o.by | groups.of | groups.by)) for k, (n, o) in named.items()}
        if kind == "Window":
            return below | self._named(said["windowExpressions"], below)
        if kind == "Generate":
            made = _value(said["generator"], below)
            return below | {_id(a[0]): (a[0]["name"], made) for a in said["generatorOutput"]}
        if kind == "Union":
            columns = zip(*(child.values() for child in children), strict=True)
            return {k: _united(c) for k, c in zip(children[0], columns, strict=True)}
        if kind == "Filter":
            self._decides(_value(said["condition"], below))
            return below
        if kind == "Join":
            if said.get("condition"):
                self._decides(_value(said["condition"], below))
                below = _joined(_tree(said["condition"]), below)
            left_only = said["joinType"].get("object", "").rstrip("$").endswith(_LEFT_ONLY)
            return {k: below[k] for k in children[0]} if left_only else below
        if kind in ("Intersect", "Except"):
            self._decides(Origin.together(o for _, o in below.values()))
            return children[0]
        if "output" in said:  # applyInPandas and the like: what they put out may hang on all they get
            everything = Origin.together(o for _, o in below.values())
            return {_id(a[0]): (a[0]["name"], everything) for a in said["output"]}
        return below

    def _named(self, expressions: Sequence[list[dict[str, Any]]], below: Output) -> Output:
        return {_id(e[0]): (e[0]["name"], _value(e, below)) for e in expressions}

    def _decides(self, origin: Origin) -> None:
        self.rows |= origin.of | origin.by


def _united(columns: Sequence[tuple[str, Origin]]) -> tuple[str, Origin]:
    origins = [o for _, o in columns]
    made = Origin.together(origins)
    return columns[0][0], Origin(made.of, made.by, frozenset(chain(*(o.same for o in origins))))


def _id(expression: Mapping[str, Any]) -> int:
    return int(expression["exprId"]["id"])


Tree = tuple[Mapping[str, Any], list["Tree"]]
"""An expression: what its first part says, and the trees below it."""


def _tree(expression: Sequence[dict[str, Any]]) -> Tree:
    """The tree of an expression, which stands flat: each part is followed by its children."""
    parts = iter(expression)

    def grown() -> Tree:
        said = next(parts)
        return said, [grown() for _ in range(said["num-children"])]

    return grown()


def _kind(said: Mapping[str, Any]) -> str:
    return str(said["class"]).rsplit(".", 1)[-1]


def _joined(condition: Tree, below: Output) -> Output:
    """Columns that a join holds to be equal are the same to whoever looks for the rows that met."""
    said, children = condition
    if _kind(said) == "And":
        return _joined(children[1], _joined(children[0], below))
    if _kind(said) in ("EqualTo", "EqualNullSafe") and all(_kind(c) == "AttributeReference" for c, _ in children):
        sides = [_id(c) for c, _ in children]
        same = frozenset(chain(*(below[i][1].same for i in sides)))
        return below | {i: (below[i][0], replace(below[i][1], same=same)) for i in sides}
    return below


def _value(expression: Sequence[dict[str, Any]], below: Output) -> Origin:
    """The origin of an expression's value."""
    return _part(_tree(expression), below)[0]


def _part(tree: Tree, below: Output) -> tuple[Origin, str]:
    """The origin of a part's value, and its type as far as it is known."""
    said, parts = tree
    kind = _kind(said)
    children = [_part(p, below) for p in parts]
    origins = [o for o, _ in children]
    if kind == "AttributeReference":
        return below[_id(said)][1] if _id(said) in below else Origin(), str(said["dataType"])
    if kind == "Alias":
        if said["name"].startswith(_MARK):
            _, table, column = said["name"].removeprefix(_MARK).split(":", 2)
            ref = frozenset({(table, column)})
            return Origin(ref, NONE, ref), ""
        return origins[0], children[0][1]
    if kind == "WindowExpression":
        function, spec = origins
        return Origin(function.of, function.by | spec.of | spec.by), ""
    made = Origin.together(origins)
    if kind == "Coalesce" and all(o.same for o in origins):
        return Origin(made.of, made.by, frozenset(chain(*(o.same for o in origins)))), children[0][1]
    if kind == "Cast" and str(said["dataType"]) == children[0][1]:
        return origins[0], children[0][1]
    return made, ""


# ---- all of them


class Graph:
    """The lineage of several tables together. `of`: by the table's id; sources have none."""

    def __init__(self, tables: Iterable[Table], of: Mapping[str, Lineage]) -> None:
        self.tables = {t.id: t for t in tables}
        self.of = of
        self._raw: dict[Ref, Refs] = {}

    def above(self, ref: Ref) -> Refs:
        """The columns that a column comes from, of the tables that its table reads.

        A value that is made of none (a constant, a count) comes from what says which rows there are.
        """
        table, column = ref
        if table not in self.of:
            return NONE
        lineage = self.of[table]
        origin = lineage.columns[column]
        inputs = self.tables[table].all_inputs
        keys = frozenset((i.id, k) for i in inputs for k in i.keys or [c.name for c in i.columns])
        for found in (origin.of, origin.by, lineage.rows, keys):
            others = frozenset(r for r in found if r[0] != table)
            if others:
                return others
        return NONE

    def raw(self, ref: Ref) -> Refs:
        """The delivered columns, of sources, that a column comes from in the end."""
        if ref not in self._raw:
            found = {ref} if self.tables[ref[0]].is_source else {r for up in self.above(ref) for r in self.raw(up)}
            self._raw[ref] = frozenset(found)
        return self._raw[ref]

    @cached_property
    def read_by(self) -> dict[str, list[str]]:
        """The tables that read a table directly, by its id."""
        found: dict[str, list[str]] = {name: [] for name in self.tables}
        for t in self.tables.values():
            for i in t.all_inputs:
                found[i.id].append(t.id)
        return found


def graph(conf: Conf, tables: Sequence[Table], wanted: Iterable[Table], spark: Callable[[], SparkSession]) -> Graph:
    """The lineage of the wanted tables. `spark` is asked only for those whose definition is new to this lake."""
    file, kept = _kept(conf)
    asked = [t for t in wanted if not t.is_source]
    new = [t for t in asked if kept.get(t.id, {}).get("key") != _key(t)]
    if new:
        session = spark()
        kept |= {t.id: {"key": _key(t), **worked_out(session, t).as_json()} for t in new}
        _keep(file, kept)
    return Graph(tables, {t.id: Lineage.of_json(kept[t.id]) for t in asked})


def known(conf: Conf, tables: Sequence[Table]) -> Graph:
    """The lineage of those tables whose definition this lake has met, read without a JVM."""
    _, kept = _kept(conf)
    met = [t.id for t in tables if not t.is_source and kept.get(t.id, {}).get("key") == _key(t)]
    return Graph(tables, {name: Lineage.of_json(kept[name]) for name in met})


def _kept(conf: Conf) -> tuple[Place, dict[str, Any]]:
    file = conf.root / "_control" / "lineage.json"
    return file, json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}


def _key(table: Table) -> str:
    """All that a table's lineage hangs on: its definition, and what its inputs' columns are called."""
    names = [f"{i.id}:{','.join(c.name for c in i.columns)}" for i in table.all_inputs]
    return hashlib.sha256("\n".join([table.definition, *names]).encode()).hexdigest()[:16]


def _keep(file: Place, kept: Mapping[str, Any]) -> None:
    if file.parent.is_dir():  # a lake without a first night keeps nothing
        place.put(file, json.dumps(kept, sort_keys=True))
