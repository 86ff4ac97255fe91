"""Verbs about where things come from: `lake lineage`, `lake trace` and `lake diff`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lake.core.errors import WrongUse, unknown_name
from lake.core.table import Table
from lake.engine.conf import load
from lake.engine.verb import Debug, Env, Json, Select, print_json, print_table

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from lake.engine.conf import Conf
    from lake.engine.lineage import Graph, Ref
    from lake.engine.trace import Trace


def lineage(
    of: Annotated[str, typer.Argument(metavar="TABLE[.COLUMN]", help="its id, SQL name or last name, and a column")],
    svg: Annotated[Path | None, typer.Option(help="draw it into this file, too")] = None,
    env: Env = "local",
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Where a table or a column comes from, down to the delivered columns."""
    from lake.catalog import TABLES
    from lake.core.graph import above
    from lake.engine import lineage as made

    conf = load(env)
    table, column = named(of, TABLES)
    reach = above([table])
    tables = [t for t in TABLES if t in reach]
    graph = made.graph(conf, TABLES, tables, lambda: started(conf, "working out the lineage of new definitions"))
    if svg:
        svg.write_text(_drawn(graph, table, column, tables), encoding="utf-8")
        print(f"drawn: {svg}", file=sys.stderr)
    if as_json:
        print_json(_told(graph, table, column))
    else:
        for line in _tree_of_column(graph, (table.id, column)) if column else _tree_of_table(graph, table):
            print(line)


def named(name: str, tables: list[Table]) -> tuple[Table, str | None]:
    """The table that `name` means, and the column behind it, if one is named."""
    for words, column in ((name, None), tuple(name.rpartition(".")[::2])):
        for t in tables:
            if words in (t.id, t.sql_name, f"{t.domain}.{t.name}", t.name):
                if column is not None and column not in {c.name for c in t.columns}:
                    raise unknown_name("column", column, {c.name for c in t.columns}, where=t.id)
                return t, column
    raise unknown_name("table", name, {n for t in tables for n in (t.id, t.name)})


def started(conf: Conf, why: str) -> SparkSession:
    """A Spark session for a verb that needs one for a few rows, and says so."""
    from lake.engine.session import for_work, session

    print(f"Starting Spark once, {why} …", file=sys.stderr)
    return for_work(session(conf, rows=0), 0)


def _told(graph: Graph, table: Table, column: str | None) -> dict[str, Any]:
    wanted = [column] if column else [c.name for c in table.columns]
    mine = graph.of.get(table.id)
    columns = []
    for name in wanted:
        origin = mine.columns[name] if mine else None
        columns.append(
            {"column": name, "raw": [list(r) for r in sorted(graph.raw((table.id, name)))]}
            | {"of": [list(r) for r in sorted(origin.of)] if origin else []}
            | {"by": [list(r) for r in sorted(origin.by)] if origin else []}
        )
    return {
        "table": table.id,
        "refresh": type(table.refresh).__name__.lower(),
        "inputs": [i.id for i in table.all_inputs],
        "read_by": graph.read_by[table.id],
        "rows": [list(r) for r in sorted(mine.rows)] if mine else [],
        "columns": columns,
    }


def _tree_of_table(graph: Graph, table: Table) -> Iterator[str]:
    def below(t: Table) -> list[Table]:
        return list(t.all_inputs)

    def said(t: Table) -> str:
        return f"{t.id}   {t.delivery.format} {t.delivery.path}" if t.delivery else t.id

    yield f"{table.id}   {table.doc.splitlines()[0]}"
    yield from _tree(table, below, said, set())
    yield f"read by: {', '.join(graph.read_by[table.id]) or 'no table'}"


def _tree_of_column(graph: Graph, ref: Ref) -> Iterator[str]:
    column = graph.tables[ref[0]].column(ref[1])
    about = [column.stored.simpleString(), column.unit and f"in {column.unit}", column.doc]
    yield f"{'.'.join(ref)}   {', '.join(str(a) for a in about if a)}"
    yield from _tree(ref, lambda r: sorted(graph.above(r)), ".".join, set())
    yield f"delivered as: {', '.join('.'.join(r) for r in sorted(graph.raw(ref)))}"


def _tree(
    at: Any, below: Callable[[Any], list[Any]], said: Callable[[Any], str], seen: set[Any], indent: str = ""
) -> Iterator[str]:
    """What lies below `at`, a branch a line; what was shown once is named again without its branches."""
    branches = below(at)
    for n, branch in enumerate(branches):
        last = n == len(branches) - 1
        again = branch in seen and bool(below(branch))
        yield f"{indent}{'└─' if last else '├─'} {said(branch)}{' (see above)' if again else ''}"
        if branch not in seen:
            seen.add(branch)
            yield from _tree(branch, below, said, seen, indent + ("   " if last else "│  "))


def _drawn(graph: Graph, table: Table, column: str | None, tables: list[Table]) -> str:
    from lake.engine.drawing import drawn

    if column is None:
        return drawn(tables, {}, [((i.id, ""), (t.id, "")) for t in tables for i in set(t.all_inputs)])
    todo: list[Ref] = [(table.id, column)]
    edges: set[tuple[Ref, Ref]] = set()
    while todo:
        ref = todo.pop()
        new = {(up, ref) for up in graph.above(ref)} - edges
        edges |= new
        todo += [up for up, _ in new]
    columns: dict[str, list[str]] = {table.id: [column]}
    for ref in sorted({r for edge in edges for r in edge}):
        if ref[1] not in columns.setdefault(ref[0], []):
            columns[ref[0]].append(ref[1])
    return drawn([t for t in tables if t.id in columns], columns, edges)


def trace(
    of: Annotated[str, typer.Argument(metavar="TABLE[.COLUMN]", help="its id, SQL name or last name, and a column")],
    key: Annotated[list[str], typer.Option("--key", help="column=value of its key; comma-separated, or repeated")],
    at: Annotated[int | None, typer.Option("--release", help="at this release (default: the newest)")] = None,
    env: Env = "local",
    restricted: Annotated[bool, typer.Option(help="show delivered records of persons, too")] = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """From a row of a release to its source files and lines, computed again from them."""
    from lake.catalog import MODELS, TABLES
    from lake.core.graph import above
    from lake.engine import lineage as made
    from lake.engine.release import Lake
    from lake.engine.trace import Tracer, key_of

    lake = Lake.open(env, release=at, restricted=restricted)
    table, column = named(of, TABLES)
    wanted = key_of(table, [word for words in key for word in words.split(",")])
    if table.is_source or table.is_typed:
        raise WrongUse(
            f"{table.id} is read from files itself.", hint=f"see `lake show {table.id}` and `lake rejected`."
        )
    reach = above([table])
    with ThreadPoolExecutor(1) as beside:
        spark = beside.submit(started, lake.conf, "to compute the row again").result
        graph = made.graph(lake.conf, TABLES, [t for t in TABLES if t in reach], spark)
        found = Tracer(lake.conf, lake.release, graph, spark, MODELS, restricted=restricted).trace(table, wanted)
    asked = [column] if column else list(found.row)
    wrong = [c for c in found.differs if c in asked]
    if as_json:
        said = {**vars(found), "differs": wrong}
        said |= {"delivered_as": sorted(graph.raw((table.id, column)))} if column else {}
        print_json(said)
    else:
        for line in _traced(found, asked):
            print(line)
        if column:
            print(f"{column} is delivered as: {', '.join('.'.join(r) for r in sorted(graph.raw((table.id, column))))}")
    if wrong:
        raise typer.Exit(1)


def _traced(found: Trace, asked: list[str]) -> Iterator[str]:
    key = ", ".join(f"{k}={v}" for k, v in found.key.items())
    yield f"{found.table} {key} · release {found.release}"
    for name in asked:
        if name in found.differs:
            again = found.again[name] if found.again else "no such row"
            yield f"  ✗ {name} = {found.row[name]}; computed again: {again}"
        else:
            yield f"  ✓ {name} = {found.row[name]}"
    yield "made from"
    for i in found.inputs:
        chosen = f", chosen by {i['by']}" if i.get("by") else ", all there are" if "by" in i else ""
        yield f"  {i['table']}: {i['rows']:,} rows{chosen}"
    for r in found.records:
        yield f"{r['source']}: {r['records']:,} records in {r['files']:,} files"
        for line in r["first"]:
            number = f":{line['line']}" if line["line"] else ""
            yield f"  {line['file']}{number}   {(line['record'] or '')[:160]}"
        if r["records"] > len(r["first"]):
            yield f"  and {r['records'] - len(r['first']):,} more"


def diff(
    before: Annotated[int | None, typer.Argument(help="release (default: the one before the other)")] = None,
    after: Annotated[int | None, typer.Argument(help="release (default: the newest)")] = None,
    env: Env = "local",
    select: Select = None,
    limit: Annotated[int, typer.Option(help="at most so many examples of a kind and table")] = 3,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Rows that came, changed and went between two releases, with examples."""
    from lake.catalog import TABLES
    from lake.core import graph
    from lake.engine import diff, release
    from lake.engine.control import Journal

    conf = load(env)
    journal = Journal(conf.root)
    last = release.newest(journal)
    b = release.numbered(journal, after if after is not None else last.number if last else 1)
    a = release.numbered(journal, before if before is not None else b.number - 1)
    changes = diff.between(conf, a, b, graph.select(select, TABLES), limit=limit)
    models = {m: [a.models.get(m), b.models.get(m)] for m in sorted({*a.models, *b.models})}
    models = {m: pair for m, pair in models.items() if pair[0] != pair[1]}
    if as_json:
        tables = [vars(c) for c in changes]
        print_json({"before": a.number, "after": b.number, "tables": tables, "models": models})
        return
    heads = ["table", "added", "changed", "gone", ""]
    rows = [[c.table, c.added, c.changed, c.gone, "" if c.compared else "too much to compare"] for c in changes]
    print_table(f"Release {a.number} → {b.number}: {len(changes) or 'no'} tables differ", heads, rows)
    for model, (was, now) in models.items():
        print(f"model {model}: {was} → {now}")
    for change in changes:
        for line in _examples(change.examples):
            print(f"{change.table}: {line}")


def _examples(examples: list[dict[str, Any]]) -> Iterator[str]:
    sign = {"added": "+", "changed": "~", "gone": "−"}
    for e in examples:
        key = ", ".join(f"{k}={v}" for k, v in e["key"].items())
        columns = "; ".join(f"{c} {was} → {now}" for c, (was, now) in e.get("columns", {}).items())
        yield f"{sign[e['what']]} {key}" + (f": {columns}" if columns else "")


VERBS: list[Callable[..., None]] = [lineage, trace, diff]
