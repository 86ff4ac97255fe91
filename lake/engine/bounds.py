"""Figures of a candidate's tables, and what each may be: as declared, as configured, or as it usually was."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from statistics import median
from typing import Any

from lake.core.errors import LakeError
from lake.core.graph import above
from lake.core.table import Table
from lake.engine import figures, quality, rejects, release
from lake.engine.alerting import spread
from lake.engine.conf import Conf
from lake.engine.control import Journal, State
from lake.engine.figures import Touched

log = logging.getLogger("lake")

KINDS = {
    "rows": "No table has far fewer rows than at its last release.",
    "broken rule": "No new row breaks a rule that is only a warning.",
    "rejected share": "Of the lines that a source delivered, few are rejected but for those delivered before.",
    "hours behind": "A table tells of everything until as late as its terms say.",
    "empty share": "New rows lack a value no more often than those of earlier releases.",
    "mean": "The mean of new rows is about what it was in earlier releases.",
}
"""The kinds of figures, and what is expected of each."""
RUNS = 30
"""Of so many released runs what they found is looked through for history."""


@dataclass(frozen=True)
class Figure:
    """A figure of a table and the bounds it is expected within; without any, `skipped` says why it is not judged."""

    kind: str
    table: str
    version: int
    column: str
    observed: float
    least: float | None
    most: float | None
    said: str
    skipped: str = ""

    @property
    def expectation(self) -> str:
        return f"{self.kind} of {self.column}" if self.column else self.kind

    @property
    def expected(self) -> str:
        bounds = (("at least", self.least), ("at most", self.most))
        return " and ".join(f"{word} {_number(b)}" for word, b in bounds if b is not None)


def of_tables(
    conf: Conf,
    there: Sequence[Table],
    changed: Mapping[str, Touched],
    states: Mapping[str, State],
    candidate: Mapping[str, Any],
    released: Mapping[str, Mapping[str, Any]],
) -> Iterator[Figure]:
    """How many rows it has, how many were rejected, and how old they are."""
    for table in there:
        entry, state = candidate["tables"][table.id], states[table.id]
        if table.id in changed:
            yield from _of_rows(conf, table, state, released.get(table.id))
            yield from _of_rejected(conf, table, state, released.get(table.id, {}).get("version", -1))
            yield from _of_rules(table, state)
        hours = table.terms.fresh_hours
        if hours and entry["through"] and not _delivered_once(table):
            behind = 24 * (date.fromisoformat(candidate["as_of"]) - date.fromisoformat(entry["through"])).days
            said = f"tells of everything until {entry['through']}, {behind} hours before {candidate['as_of']}"
            yield Figure("hours behind", table.id, state.version, "", behind, None, hours, said)


def _of_rows(conf: Conf, table: Table, state: State, before: Mapping[str, Any] | None) -> Iterator[Figure]:
    if before is None and state.rows >= conf.gate.min_rows:
        yield Figure("rows", table.id, state.version, "", state.rows, None, None, "", "not released before")
    elif before and before["rows"] >= conf.gate.min_rows:
        least = (1 - conf.gate.max_loss) * before["rows"]
        said = f"has {state.rows:,} rows, it had {before['rows']:,} at the last release"
        yield Figure("rows", table.id, state.version, "", state.rows, least, None, said)


def _of_rejected(conf: Conf, table: Table, state: State, since: int) -> Iterator[Figure]:
    before = next((c for c in reversed(state.commits) if c["version"] <= since and c.get("changed")), None)
    new = state.rows + state.rejected - (before["rows"] + before["rejected"] if before else 0)
    rejected = state.rejected - (before["rejected"] if before else 0)
    if table.is_typed and new >= conf.gate.min_lines:
        most = conf.gate.max_rejected_share
        if rejected > most * new:  # an extract that came again says nothing against the source
            rejected -= rejects.delivered_before(conf, table, state.version)
            rejected += rejects.delivered_before(conf, table, since) if before else 0
        share = max(rejected, 0) / new
        said = f"{rejected:,} of {new:,} new lines are rejected (at most {100 * most:g}% may be)"
        yield Figure("rejected share", table.id, state.version, "", share, None, most, said)


def _of_rules(table: Table, state: State) -> Iterator[Figure]:
    """Rules whose breach is a warning: how many of the rows that its last refresh made break each."""
    for rule, n in (state.task.body.get("warned", {}) if state.task else {}).items():
        said = f"{rule} in {n:,} of the rows last made"
        yield Figure("broken rule", table.id, state.version, rule.partition(" ")[0], n, None, 0.0, said)


def _delivered_once(table: Table) -> bool:
    return any(t.delivery and t.delivery.delivered for t in above([table]))


def of_columns(
    conf: Conf, changed: Mapping[str, Touched], known: Mapping[tuple[str, str], Sequence[float]], *, first: bool
) -> Iterator[Figure]:
    """How many values are missing in what was touched, and what they are in the mean, beside earlier releases."""
    gate = conf.gate
    for it in changed.values():
        for column in () if it.table.is_source else figures.of_columns(conf, it, gate.most_rows):
            if column.rows < gate.min_rows:
                continue
            told = [("empty share", column.empty, gate.slack_empty), ("mean", column.mean, 0.0)]
            for kind, observed, slack in told:
                if observed is None:
                    continue
                history = known.get((it.table.id, f"{kind} of {column.name}"), ())
                why = "" if len(history) >= gate.min_history else "no release before" if first else "too few releases"
                usual = median(history) if history else 0.0
                chance = max(spread(history) if history else 0.0, column.error if kind == "mean" else 0.0)
                width = max(gate.spread * chance, slack or gate.slack_mean * abs(usual))
                least, most = (None if kind == "empty share" else usual - width), usual + width
                said = (
                    f"{column.name} is empty in {observed:.0%} of the new rows, usually in {usual:.0%}"
                    if kind == "empty share"
                    else f"{column.name} is {_number(observed)} in the mean of the new rows, usually {_number(usual)}"
                )
                bounds = (None, None) if why else (least, most)
                yield Figure(kind, it.table.id, it.version, column.name, observed, bounds[0], bounds[1], said, why)


def past(conf: Conf, journal: Journal) -> dict[tuple[str, str], list[float]]:
    """What the last releases' runs observed, by table and expectation."""
    runs = [r.run for r in release.releases(journal) if "restores" not in r.body][-RUNS:]
    found: dict[tuple[str, str], list[float]] = {}
    try:
        told = quality.of_runs(conf.root, runs)
    except LakeError as e:  # it only says what was usual
        log.warning("gate: %s Nothing is held against history.", e.message)
        told = []
    for row in told:
        if row["observed"] is not None:
            found.setdefault((row["table"], row["expectation"]), []).append(row["observed"])
    return {k: v[-conf.gate.history :] for k, v in found.items()}


def _number(value: float | None) -> str:
    return f"{value:,.4g}" if value is not None and abs(value) < 10_000 else f"{value or 0:,.0f}"
