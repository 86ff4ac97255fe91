"""The gate: what a candidate's tables are like as a whole, judged before they are released.

Rows were judged where they were written (Column.check and the like). Here sets are: against what is declared of them,
against earlier releases, and against each other.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lake.core.errors import Fenced, LakeError
from lake.core.expect import Ask, Expectation, Severity
from lake.core.table import Table
from lake.engine import bounds, figures, quality
from lake.engine.bounds import Figure
from lake.engine.conf import Conf
from lake.engine.control import Journal, State
from lake.engine.door import said_safely
from lake.engine.figures import Touched
from lake.engine.judge import Batch, Judged, judge
from lake.engine.quality import Finding
from lake.engine.release import Release

log = logging.getLogger("lake")

AT_LEAST = Ask(
    "expect_column_pair_values_a_to_be_greater_than_b",
    {"column_A": "observed", "column_B": "least", "or_equal": True, "ignore_row_if": "either_value_is_missing"},
)
AT_MOST = Ask(
    "expect_column_pair_values_a_to_be_greater_than_b",
    {"column_A": "most", "column_B": "observed", "or_equal": True, "ignore_row_if": "either_value_is_missing"},
)


@dataclass
class Verdict:
    """What the gate says of a candidate."""

    findings: list[Finding] = field(default_factory=list)
    judged: list[Judged] = field(default_factory=list)
    cpu_s: float = 0.0

    @property
    def stops(self) -> list[Finding]:
        return [f for f in self.findings if f.stops]

    @property
    def warnings(self) -> list[Finding]:
        return [f for f in self.findings if f.warns]

    @property
    def skipped(self) -> list[Finding]:
        return [f for f in self.findings if f.success is None]

    def as_json(self) -> dict[str, Any]:
        """For the journal: how many were asked, and the first of those that did not hold."""
        broken = [*self.stops, *self.warnings]
        told = [{"table": f.table, "severity": f.severity, "said": f.said} for f in broken[:10]]
        counts = {"judged": len(self.findings) - len(self.skipped), "skipped": len(self.skipped)}
        return counts | {"stops": len(self.stops), "warnings": len(self.warnings), "broken": told, "cpu_s": self.cpu_s}


def passed(
    conf: Conf,
    journal: Journal,
    tables: Sequence[Table],
    states: Mapping[str, State],
    candidate: Mapping[str, Any],
    last: Release | None,
    expectations: Sequence[Expectation],
    *,
    run: str,
) -> Verdict:
    """Judge the tables of a candidate that are not stale, write down what was found, and say it."""
    started = time.process_time()
    there = [t for t in tables if t.id in candidate["tables"] and t.id not in candidate["stale"]]
    released = last.tables if last else {}
    found = (figures.touched(t, states[t.id], released.get(t.id, {}).get("version", -1)) for t in there)
    changed = {t.table.id: t for t in found if t}
    usual = bounds.past(conf, journal)
    told = [
        *bounds.of_tables(conf, there, changed, states, candidate, released),
        *bounds.of_columns(conf, changed, usual, first=last is None),
    ]
    batches = [*_batches(told, conf)]
    verdict = Verdict([_unjudged(f, conf) for f in told if f.skipped])
    rows_of: dict[str, Expectation] = {}
    for asked in expectations:
        if set(asked.inputs) <= set(there) and any(t.id in changed for t in asked.inputs):
            made = _rows(conf, asked, changed, states, verdict)
            if made:
                rows_of[made.name] = asked
                batches.append(made)
    verdict.judged = judge(batches)
    for one in verdict.judged:
        if asked_of := rows_of.get(one.batch.name):
            verdict.findings += _told_of_rows(one, asked_of, states)
        else:
            verdict.findings += _told_of_figures(one, [f for f in told if f.kind == one.batch.name and not f.skipped])
    if verdict.findings:
        _keep(conf, run, verdict, bounds.KINDS | {e.id: e.doc.splitlines()[0] for e in expectations})
        verdict.cpu_s = round(time.process_time() - started, 1)
        journal.append(run, ("gate", "", verdict.as_json()))
        _say(verdict, first=last is None)
    return verdict


def _keep(conf: Conf, run: str, verdict: Verdict, docs: Mapping[str, str]) -> None:
    """Into the ledger and the pages; no release hangs on them."""
    try:
        quality.write(conf.root, run, verdict.findings)
    except Fenced:
        raise
    except LakeError as e:
        log.error("gate: %s What was found is not written down there.", e.message)
    if verdict.judged:
        from lake.engine.docs import quality as pages

        try:
            pages.write(conf.root, run, verdict.judged, docs)
        except Exception as e:
            log.error("gate: no pages of it: %s", said_safely(e), exc_info=log.isEnabledFor(logging.DEBUG))


def _say(verdict: Verdict, *, first: bool) -> None:
    against = len(verdict.skipped)
    why = "this is the first release" if first else "too few releases tell of it"
    skipped = f", {against} against history skipped ({why})" if against else ""
    judged = len(verdict.findings) - against
    log.info(
        "gate: %d expectations judged, %d broken that stop, %d that warn%s; %.1f CPU-s",
        judged, len(verdict.stops), len(verdict.warnings), skipped, verdict.cpu_s,
    )  # fmt: skip
    for finding in verdict.warnings[:5]:
        log.warning("gate: %s: %s", finding.table, finding.said)


# --- figures ----------------------------------------------------------------------------------------------------------


def _batches(told: Sequence[Figure], conf: Conf) -> Iterator[Batch]:
    """A batch for each kind of figure: a row is a table, or a column of one."""
    import pandas as pd

    columns = ["table", "column", "observed", "least", "most"]
    for kind in dict.fromkeys(f.kind for f in told if not f.skipped):
        some = [f for f in told if f.kind == kind and not f.skipped]
        rows = pd.DataFrame([[getattr(f, c) for c in columns] for f in some], columns=columns)
        rows = rows.astype(dict.fromkeys(columns[2:], "float64"))
        sides = (("least", AT_LEAST), ("most", AT_MOST))
        asks = tuple(_at(conf, kind, ask) for name, ask in sides if rows[name].notna().any())
        yield Batch(kind, rows, asks, ("table", "column"))


def _severity(conf: Conf, kind: str) -> Severity:
    found: Severity = getattr(conf.gate.severity, kind.replace(" ", "_"))
    return found


def _at(conf: Conf, kind: str, ask: Ask) -> Ask:
    return Ask(ask.kind, ask.arguments, _severity(conf, kind))


def _unjudged(f: Figure, conf: Conf) -> Finding:
    return Finding(f.table, f.version, f.expectation, _severity(conf, f.kind), None, f.observed, "", f.skipped)


def _told_of_figures(one: Judged, told: Sequence[Figure]) -> Iterator[Finding]:
    broken = {name for answer in one.answers for name in answer.broken}
    trouble = next((a.trouble for a in one.answers if a.trouble), "")
    severity = one.batch.asks[0].severity
    for f in told:
        holds = (f.table, f.column) not in broken and not trouble
        said = f"could not be judged: {trouble}" if trouble else f.said
        yield Finding(f.table, f.version, f.expectation, severity, holds, f.observed, f.expected, said)


# --- rows: what departments ask ---------------------------------------------------------------------------------------


def _rows(
    conf: Conf, asked: Expectation, changed: Mapping[str, Touched], states: Mapping[str, State], verdict: Verdict
) -> Batch | None:
    """The rows that an expectation is about; None, and a word about it in the verdict, if there are none to judge."""
    held, why = None, ""
    try:
        read = figures.frames(conf, asked, changed, states, conf.gate.most_rows)
        rows = asked.frame(*read) if len(read[0]) else read[0]
        why = "" if len(rows) else "there are no rows"
    except figures.TooLarge as e:
        why = str(e)
    except Exception as e:
        held, why = False, f"could not be judged: {said_safely(e)}"
        log.debug("%s", asked.id, exc_info=e)
    if why:
        at = states[asked.table.id].version
        verdict.findings += [
            Finding(asked.table.id, at, asked.id, a.severity, held, None, a.said, why) for a in asked.asks
        ]
        return None
    return Batch(asked.id, rows, asked.asks)


def _told_of_rows(one: Judged, asked: Expectation, states: Mapping[str, State]) -> Iterator[Finding]:
    at = states[asked.table.id].version
    for answer in one.answers:
        which = f" ({answer.ask.said})" if len(one.answers) > 1 else ""
        said = (
            f"could not be judged: {answer.trouble}"
            if answer.trouble
            else f"{asked.doc.splitlines()[0]} {answer.found}{which}"
        )
        severity = answer.ask.severity
        yield Finding(asked.table.id, at, asked.id, severity, answer.success, answer.observed, answer.ask.said, said)
