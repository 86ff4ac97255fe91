"""Verbs about what the lake has to offer, and how good it is: `lake contracts`, `docs`, `profile` and `quality`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lake.core.errors import WrongUse, unknown_name
from lake.engine.conf import HOME, load
from lake.engine.verb import Debug, Env, Json, print_json, print_table

if TYPE_CHECKING:
    import pyarrow as pa

    from lake.core.table import Table
    from lake.engine.release import Lake

contracts = typer.Typer(
    name="contracts",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="What sources owe and tables promise, in the words of the Open Data Contract Standard.",
)


@contracts.command()
def export(as_json: Json = False, debug: Debug = False) -> None:
    """Write the contract of every source and table into docs/contracts."""
    from lake.catalog import TABLES
    from lake.engine import contracts as made

    changed = made.export(TABLES)
    if as_json:
        print_json(changed)
        return
    for name in changed:
        print(made.file_of(name).relative_to(HOME))
    print(f"{len(TABLES)} contracts, {len(changed) or 'none'} of them changed")


@contracts.command()
def diff(
    base: Annotated[str, typer.Option(metavar="REF", help="the commit, branch or tag to compare with")],
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """What is declared otherwise than at REF; exit 3 if that breaks a contract."""
    from lake.catalog import MODELS, REPORTS, TABLES
    from lake.engine import contract_changes
    from lake.engine import contracts as made

    changes = contract_changes.between(
        made.committed(base),
        made.declared(TABLES),
        models={m.id: [m.features.id, m.scores.id] for m in MODELS},
        reports={r.title: [t.id for t in r.inputs] for r in REPORTS},
    )
    if as_json:
        print_json({"base": base, "changes": [vars(c) for c in changes.all], "below": changes.below})
    elif not changes.all:
        print(f"Everything is declared as at {base}.")
    else:
        print(f"Declared otherwise than at {base}: {len(changes.all)} differences, {len(changes.breaking)} breaking")
        rows = [[c.contract, "breaking" if c.breaking else "", c.what] for c in changes.all]
        print_table("", ["contract", "", "difference"], rows)
        for name, reach in changes.below.items():
            print(f"below {name}:")
            for kind, names in reach.items():
                print(f"  {kind}: {', '.join(names) or 'none'}")
    if changes.breaking:
        raise typer.Exit(3)


def docs(
    out: Annotated[Path | None, typer.Option(help="the folder to write (default: docs in the lake)")] = None,
    env: Env = "local",
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Write a page for every table, with a search, to be opened in a browser."""
    from lake.catalog import MODELS, REPORTS, TABLES
    from lake.engine import docs

    conf = load(env)
    page = docs.write(conf, TABLES, MODELS, REPORTS, out or conf.root / "docs")
    print_json({"page": str(page), "tables": len(TABLES)}) if as_json else print(page)


def profile(
    of: Annotated[str, typer.Argument(metavar="TABLE|FILE", help="a table's id, SQL name or last name; or a raw file")],
    at: Annotated[int | None, typer.Option("--release", help="at this release (default: the newest)")] = None,
    against: Annotated[int | None, typer.Option(help="tell what drifted since this release")] = None,
    page: Annotated[Path | None, typer.Option(help="write a page into this file, too")] = None,
    propose: Annotated[bool, typer.Option("--propose", help="write a declaration of the raw file FILE")] = False,
    department: Annotated[str | None, typer.Option(help="who delivers FILE")] = None,
    name: Annotated[str | None, typer.Option(help="what the source is to be called")] = None,
    env: Env = "local",
    restricted: Annotated[bool, typer.Option(help="open the restricted zone, too; persons stay masked")] = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """How the values of a table lie; or, with --propose, how a new raw file could be declared."""
    if propose:
        _propose(Path(of), department, name, env, as_json)
        return
    from lake.engine import profile as made
    from lake.engine.docs import profiles
    from lake.engine.release import Lake

    if Path(of).is_file():
        raise WrongUse(f"{of} is a file.", hint="add --propose for a declaration of it.")
    lake = Lake.open(env, release=at, restricted=restricted)
    table = lake.named(of)
    earlier = Lake.open(env, release=against, restricted=restricted) if against else None
    before = _rows(earlier, table) if earlier else None
    found = made.of(table, _rows(lake, table), lake.release.number, before=before, against=against)
    if page:
        page.write_text(profiles.page(found, table.doc), encoding="utf-8")
        print(f"written: {page}", file=sys.stderr)
    if as_json:
        print_json(found.as_json())
        return
    since = f", drift since release {against}" if against else ""
    print(f"{table.id} at release {found.release}: {found.rows:,} rows{since}")
    print_table("", *made.in_words(found))
    for a, b, r in found.correlated:
        print(f"{a} and {b} move together: {r:+.2f}")
    for warning in made.warnings(found):
        print(f"⚠ {warning}")


def _rows(lake: Lake, table: Table) -> pa.Table:
    """All released rows of a table that has columns."""
    if table.is_source:
        raise WrongUse(f"{table.id} holds records as delivered.", hint="profile the typed table that reads it.")
    if lake.version(table) is None:
        raise WrongUse(f"{table.id} is not in release {lake.release.number}.", hint="`lake releases` lists them.")
    return lake.arrow(table.id, [c.name for c in table.columns])


def _propose(file: Path, department: str | None, name: str | None, env: str, as_json: bool) -> None:
    from lake.catalog import TABLES
    from lake.engine import declaration, proposal, sample

    if not file.is_file():
        raise WrongUse(f"There is no file {file}.", hint="name one delivered file of the source.")
    departments = sorted({t.domain for t in TABLES if t.is_source})
    place = proposal.placed(file, load(env), departments, department, name)
    other = proposal.of_another_day(file)
    made = proposal.propose(sample.read(file), place, sample.read(other) if other else None)
    if as_json:
        print_json(declaration.as_json(made))
        return
    print(declaration.written(made), end="")
    public = f"lake/{made.department}/public/{made.name}.py, where lake/catalog.py finds it"
    own = f"lake/{made.department}/{made.name}.py, and that module into MODULES of lake/catalog.py"
    print(f"Put it into {public if place.is_public else own}; then ./spark-submit.sh plan.", file=sys.stderr)


def quality(
    run: Annotated[str | None, typer.Option(help="of this run (default: the newest one that was judged)")] = None,
    env: Env = "local",
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """What the tables of a candidate were expected to be as a whole, and what they were."""
    from lake.engine import quality as ledger
    from lake.engine.control import Journal

    conf = load(env)
    known = ledger.audited(Journal(conf.root))
    if not known:
        raise WrongUse(f"Nothing was judged in {conf.root} yet.", hint="run ./spark-submit.sh nightly first.")
    if run is not None and run not in known:
        raise unknown_name("run", run, known)
    found = ledger.of_runs(conf.root, [run or known[-1]])
    if as_json:
        print_json(found)
        return
    broken = [f for f in found if f["success"] is False]
    unjudged = sum(f["success"] is None for f in found)
    title = f"{run or known[-1]}: {len(found) - unjudged} expectations judged, {len(broken)} broken"
    rows = [["✗" if f["severity"] == "stop" else "⚠", f["table"], f["expectation"], f["said"]] for f in broken]
    if rows:
        print_table(title, ["", "table", "expectation", "what was found"], rows)
    else:
        print(title)
    if unjudged:
        print(f"{unjudged} were not judged, most for lack of earlier releases  → lake quality --json")


VERBS: list[Callable[..., None]] = [docs, profile, quality]
