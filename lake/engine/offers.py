"""Verbs about what the lake has to offer: `lake contracts` and `lake docs`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from lake.engine.conf import HOME, load
from lake.engine.verb import Debug, Env, Json, print_json, print_table

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


VERBS: list[Callable[..., None]] = [docs]
