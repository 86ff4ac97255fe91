"""What a candidate must pass before it is released."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lake.core.table import Table
from lake.engine import store
from lake.engine.conf import Conf
from lake.engine.control import Journal, State
from lake.engine.intake import loaded
from lake.engine.release import Release


@dataclass(frozen=True)
class Finding:
    """A law that does not hold: which, where, and what was found."""

    law: str
    subject: str
    said: str


def accounts(tables: Sequence[Table], states: Mapping[str, State], journal: Journal) -> dict[str, dict[str, Any]]:
    """Per source: its files by fate, and where every line of the loaded ones went."""
    found = {}
    for source in (t for t in tables if t.is_source):
        state = states.get(source.id, State())
        held = loaded(journal.proven(source.id, state))
        seen = [r.body for r in journal.of("intake") if r.subject == source.id]
        observed = seen[-1] if seen else {}
        typed = next((t for t in tables if t.is_typed and source in t.inputs), None)
        into = states.get(typed.id, State()) if typed else State()
        found[source.id] = {
            "files": {
                "loaded": len(held),
                "duplicate": len(observed.get("duplicate", {})),
                "deferred": len(observed.get("deferred", {})),
                "rejected": len(observed.get("rejected", {})),
            },
            "lines": sum(r["lines"] for r in held.values()),
            "header": sum(r["header"] for r in held.values()),
            "blank": sum(r["blank"] for r in held.values()),
            "accepted": into.rows,
            "rejected": into.rejected,
            "through": observed.get("through"),
            "repeated": into.task.body.get("repeated", 0) if into.task else 0,
            "problems": {k: observed.get(k, {}) for k in _troubles(source) if observed.get(k)},
        }
    return found


def _troubles(source: Table) -> list[str]:
    """What of its files is worth a word."""
    may_evolve = source.delivery is not None and source.delivery.drift == "evolve"
    return ["rejected", "deferred", *([] if may_evolve else ["unknown", "drift"])]


def findings(
    tables: Sequence[Table],
    states: Mapping[str, State],
    journal: Journal,
    conf: Conf,
    last: Release | None,
    held_back: set[str],
) -> list[Finding]:
    """Every law that the candidate breaks; none, and it may be released."""
    found = []
    released = last.tables if last else {}
    for table in tables:
        state = states.get(table.id, State())
        since = released.get(table.id, {}).get("version", -1)
        found += commits(table, state, conf, since)
    for source, account in accounts(tables, states, journal).items():
        typed = next((t for t in tables if t.is_typed and any(i.id == source for i in t.inputs)), None)
        if typed is None or typed.id in held_back:
            continue
        lines = account["lines"]
        home = account["header"] + account["blank"] + account["accepted"] + account["rejected"]
        if lines != home:
            found.append(Finding("conservation", source, f"{lines} lines were delivered, {home} have a home"))
    return found


def commits(table: Table, state: State, conf: Conf, since: int) -> list[Finding]:
    """The table's log holds what the journal says, and nothing else."""
    path = conf.at(table)
    ours = {c["version"]: c["task"] for c in state.commits}
    newest = store.version(path)
    found = []
    for at in range(max(since, state.since, 0) + 1, newest + 1):
        said = store.said(path, at)
        if at in ours and said.get("seq") != ours[at]:
            found.append(Finding("audit", table.id, f"version {at} is not the commit that the journal has for it"))
        elif at not in ours and store.changes_data(path, at):
            found.append(Finding("audit", table.id, f"version {at} was written by somebody else"))
    lost = [v for v in ours if v > newest]
    return found + [Finding("audit", table.id, f"version {v} is lost") for v in lost]
