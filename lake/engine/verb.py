"""What verbs share: their options, and how they print."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Annotated, Any

import typer

Env = Annotated[str, typer.Option("--env", help="a name under conf/, or the path of a .toml file")]
Json = Annotated[bool, typer.Option("--json", help="for programs")]
Debug = Annotated[bool, typer.Option("--debug", help="stack traces and all")]
Select = Annotated[
    str | None, typer.Option("--select", help="ids, domains or layers, comma-separated; + adds all below")
]


def print_json(value: Any) -> None:
    print(json.dumps(value, indent=1, default=str))


def print_table(title: str, heads: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    from rich.box import SIMPLE
    from rich.console import Console
    from rich.table import Table

    made = Table(*heads, title=title or None, box=SIMPLE, title_justify="left")
    for row in rows:
        made.add_row(*[str(v) for v in row])
    console = Console()
    console.print(made) if console.is_terminal else Console(width=200).print(made)
