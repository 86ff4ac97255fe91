"""What each source delivered night by night, from the journal and the names in the raw zone: no data is read."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lake.core.table import Table
from lake.engine import intake
from lake.engine.conf import Conf
from lake.engine.control import Journal, State

Series = dict[str, float]
"""A number for each night, by the day of its delivery."""


@dataclass(frozen=True)
class Deliveries:
    """One source's nights.

    complete    the days on which it delivered all it had to
    rows        records loaded of each complete day that a run has seen
    files       what was loaded of each day, as a hash
    rejected    file → why it could not be taken, as a word
    daily       whether each delivery is an extract of all there is
    drift       day → how the columns of its files differ from what is declared, where that is to be told
    """

    source: Table
    complete: frozenset[str]
    rows: Series = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    rejected: Mapping[str, str] = field(default_factory=dict)
    daily: bool = False
    drift: Mapping[str, list[str]] = field(default_factory=dict)


def deliveries(
    conf: Conf, journal: Journal, states: Mapping[str, State], tables: Sequence[Table], chosen: Sequence[Table]
) -> list[Deliveries]:
    """The nights of every chosen source that delivers by day; public sets do not."""
    observed: dict[str, dict[str, Any]] = {r.subject: r.body for r in journal.of("intake")}
    found = []
    for source in chosen:
        if not source.delivery or source.delivery.public or source.delivery.delivered:
            continue
        if not intake.is_active(source, conf):
            continue
        typed = next((t for t in tables if t.is_typed and source in t.inputs), None)
        said = observed.get(source.id, {})
        complete = frozenset(intake.complete_days(source, conf))
        rows: Series = {d: 0 for d in complete if d <= (said.get("through") or "")}
        parts: dict[str, list[str]] = {}
        for path, record in intake.loaded(journal.proven(source.id, states.get(source.id, State()))).items():
            day = record["dt"]
            parts.setdefault(day, []).append(f"{path} {record['sha']}")
            if day in rows:
                rows[day] += record["lines"] - record["header"] - record["blank"]
        found.append(
            Deliveries(
                source, complete, rows,
                {d: hashlib.sha256("\n".join(sorted(p)).encode()).hexdigest()[:16] for d, p in parts.items()},
                {p: why.partition(":")[0] for p, why in said.get("rejected", {}).items()},
                typed is not None and intake.is_daily(typed),
                _drift(source, said) if source.delivery.drift == "alarm" else {},
            )
        )  # fmt: skip
    return found


def _drift(source: Table, said: Mapping[str, Any]) -> dict[str, list[str]]:
    found: dict[str, set[str]] = {}
    for path, what in said.get("drift", {}).items():
        if day := intake.day_of(path, source):
            found.setdefault(day, set()).update(what)
    return {day: sorted(what) for day, what in found.items()}


def nights(found: Sequence[Deliveries], until: str) -> list[str]:
    """The days until `until` of which at least half of the sources are complete, oldest first."""
    days = {d for s in found for d in s.complete if d <= until}
    return sorted(d for d in days if 2 * sum(d in s.complete for s in found) >= len(found))
