"""What a night would do, and why: decided from the journal and the raw zone, without a JVM."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from lake.core.table import Table
from lake.engine.control import State
from lake.engine.intake import Landing


@dataclass(frozen=True)
class Step:
    """A table that a run will write, or may: `will` if something it reads directly changed."""

    table: Table
    why: str
    will: bool
    inputs: dict[str, int]

    def as_json(self) -> dict[str, Any]:
        return {"table": self.table.id, "why": self.why, "will": self.will, "inputs": self.inputs}


def takes_as_of(table: Table) -> bool:
    """Whether the table looks from a day: a score does, and any whose function has an `as_of`."""
    return is_score(table) or (table.function is not None and "as_of" in inspect.signature(table.function).parameters)


def is_score(table: Table) -> bool:
    """Whether a model makes its rows, not a function."""
    return table.function is None and not table.is_source


def commits_since(state: State, version: int) -> list[dict[str, Any]]:
    """The commits that changed the table's rows after `version`."""
    return [c for c in state.commits if c["version"] > version and c.get("changed")]


def of_job(job: str, tables: Iterable[Table]) -> list[Table]:
    """Those of the tables that a job may write: `ingest` bronze, `build` all but that, any other job both."""
    return [t for t in tables if job not in ("ingest", "build") or t.is_source == (job == "ingest")]


def reason(table: Table, states: Mapping[str, State], as_of: date) -> str:
    """Why the table has to be refreshed now; empty if it need not."""
    own = states.get(table.id, State())
    inputs = {i.id: states.get(i.id, State()) for i in table.all_inputs}
    if own.definition is None:
        there = [i for i, s in inputs.items() if s.version >= 0]
        return "new table" if there else ""
    if own.lost:
        return "damaged: to be made anew"
    if own.definition != table.definition:
        return "definition changed"
    if own.replay:
        return "its records are to be read again"
    consumed = own.consumed
    moved = [i for i, s in inputs.items() if commits_since(s, consumed.get(i, -1))]
    if moved:
        return f"changed: {', '.join(moved)}"
    if takes_as_of(table) and own.task and own.task.body.get("as_of") != as_of.isoformat():
        return f"as of {as_of} (was {own.task.body.get('as_of')})"
    return ""


def steps(
    tables: Sequence[Table], states: Mapping[str, State], landings: Iterable[Landing], as_of: date, chosen: set[Table]
) -> list[Step]:
    """Every table that a run may write, in order; nothing that is not listed here may be written."""
    landed = {landing.source: landing for landing in landings if landing.changed}
    listed: dict[Table, Step] = {}
    for table in tables:
        if table not in chosen:
            continue
        inputs = {i.id: states.get(i.id, State()).version for i in table.all_inputs}
        if table in landed:
            landing = landed[table]
            parts = [(len(landing.add), "to load"), (len(landing.remove), "to give back")]
            said = ", ".join(f"{n} file{'s' * (n != 1)} {what}" for n, what in parts if n)
            listed[table] = Step(table, said, True, inputs)
            continue
        why = reason(table, states, as_of)
        above = [i for i in table.all_inputs if i in listed]
        if why:
            listed[table] = Step(table, why, True, inputs)
        elif above:
            direct = any(listed[i].will and i.is_source for i in above)
            listed[table] = Step(table, f"below {', '.join(i.id for i in above)}", direct, inputs)
    return list(listed.values())


def rows_to_do(table: Table, states: Mapping[str, State], landing: Landing | None = None) -> int:
    """About how many rows a refresh will read: what landed; what its inputs gained, or what they hold, if it looks for
    keys in all of them or computes all anew."""
    if landing:
        return sum(f.print.records for f in landing.add)
    own, rows = states.get(table.id, State()), 0
    follows = own.definition == table.definition and not own.replay and not table.refresh.reads_all
    for i in table.all_inputs:
        state = states.get(i.id, State())
        at = own.consumed.get(i.id, -1) if follows else -1
        before = next((c["rows"] for c in reversed(state.commits) if c["version"] <= at and c.get("changed")), 0)
        rows += max(state.rows - before, state.rows // 20)
    return rows
