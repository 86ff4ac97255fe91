"""Verbs about what is wrong: `lake alerts` and `lake ack`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import typer

from lake.core.errors import unknown_name
from lake.engine.alerts import Alerts, acknowledge
from lake.engine.conf import day, load
from lake.engine.verb import Debug, Env, Json, print_json, print_table


def alerts(
    alert: Annotated[
        str | None, typer.Argument(help="only this one: its last nights, and the rows that show it")
    ] = None,
    limit: Annotated[int, typer.Option(help="at most so many rows")] = 20,
    env: Env = "local",
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """What is wrong: since when, whose it is, and what to type."""
    conf = load(env)
    ledger = Alerts(conf.root)
    if alert:
        _one(env, ledger, alert, limit, as_json)
        return
    found, looked = ledger.open(), max(ledger.nights(), default=None)
    if as_json:
        print_json({"night": looked, "alerts": [a.as_json() for a in found]})
        return
    if not found:
        print(f"No alert is open; the last night looked at is {looked}." if looked else "No night was looked at yet.")
        return
    quiet = {a.id: f"until {a.until}: {a.reason}" if a.until >= (looked or "") else "" for a in found}
    rows = [[a.id, a.since, a.owner, a.said, quiet[a.id]] for a in found]
    print_table(f"Open after the night of {looked}", ["alert", "since", "owner", "cause", "acknowledged"], rows)
    for a in found:
        print(f"{a.id} → {a.command}")


def _one(env: str, ledger: Alerts, id: str, limit: int, as_json: bool) -> None:
    from lake.catalog import TABLES, WATCHES
    from lake.engine import telling

    known = ledger.all()
    if id not in known:
        raise unknown_name("alert", id, known)
    alert = known[id]
    nights, rows = telling.shown(load(env), TABLES, WATCHES, id)
    if as_json:
        said: dict[str, Any] = alert.as_json() | {"open": alert.is_open, "nights": nights}
        print_json(said | {"rows": rows.head(limit).to_dict("records") if rows is not None else None})
        return
    print(f"{id}, {'open since' if alert.is_open else 'over, last opened'} {alert.since} ({alert.owner}): {alert.said}")
    for name, series in nights.items():
        print_table("", ["night", name], [[d, f"{x:.6g}"] for d, x in series.items()])
    if rows is not None:
        print_table(f"{len(rows)} rows show it now", [*rows.columns], rows.head(limit).astype(str).values.tolist())


def ack(
    alert: Annotated[str, typer.Argument(help="as `lake alerts` names it")],
    until: Annotated[str, typer.Option(metavar="DAY", help="the last night on which nobody is told of it")],
    reason: Annotated[str, typer.Option(help="why it is left as it is")],
    env: Env = "local",
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Keep an open alert quiet for a while."""
    acknowledged = acknowledge(load(env).root, alert, day(until), reason)
    if as_json:
        print_json(acknowledged.as_json())
    else:
        print(f"{alert} is quiet until the night of {until}; its end will be told.")


VERBS: list[Callable[..., None]] = [alerts, ack]
