"""What a run may release: held against the laws and against what is expected of it, and published if it stands."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence

from lake.core.expect import Expectation
from lake.core.table import Table
from lake.engine import audit, gate, plan, release
from lake.engine.audit import Finding
from lake.engine.build import Builder

log = logging.getLogger("lake")


class Candidate:
    """The tables as a run leaves them, but as they were released last those that may not move.

    chosen      the tables that the run was asked for (None: all)
    failed      table → why it was not refreshed
    others      tables of other departments that have rows of their own to release → why they stay
    held        every table that stays → why
    body        what the release would say
    """

    def __init__(
        self, builder: Builder, tables: Sequence[Table], chosen: Iterable[Table] | None, failed: Mapping[str, str]
    ) -> None:
        self.builder, self.tables = builder, tables
        self.conf, self.journal, self.states = builder.conf, builder.journal, builder.states
        self.last = release.newest(self.journal)
        self.others = self._of_other_departments(tables if chosen is None else chosen)
        self.held = self._held_back(failed)
        complete = {s: r.body.get("through") for r in self.journal.of("intake") for s in [r.subject]}
        self.body = release.candidate(tables, self.states, self.held, self.last, complete, self.conf, builder.as_of)

    def findings(self, expectations: Sequence[Expectation] = (), accept: str = "") -> list[Finding]:
        """Why it may not be released; none, and it may.

        accept      why it is released even if it is not as expected: what would have stopped it is said in the release
        """
        own = [t for t in self.tables if t.id not in self.others]
        if broken := audit.findings(own, self.states, self.journal, self.conf, self.last, set(self.held)):
            return broken
        verdict = gate.passed(
            self.conf, self.journal, own, self.states, self.body, self.last, expectations, run=self.builder.run
        )
        if not (verdict.stops and accept):
            return [Finding("quality", f.table, f.said) for f in verdict.stops]
        said = [f"{f.table}: {f.said}" for f in verdict.stops]
        self.journal.append(self.builder.run, ("accepted", "", {"reason": accept, "findings": said}))
        log.warning("released all the same (%s): %s", accept, said[0])
        self.body["accepted"] = {"reason": accept, "findings": said[:10]}
        return []

    def publish(self, models: Mapping[str, str], seconds: float) -> release.Release:
        """Make it the release that readers see, unless it says what that one says.

        models      model → the version that made its scores in this run
        """
        accounts = {
            s: a for s, a in audit.accounts(self.tables, self.states, self.journal).items() if s not in self.others
        }
        accounts |= {s: a for s, a in self.last.sources.items() if s in self.others} if self.last else {}
        self.body |= {"models": (self.last.models if self.last else {}) | dict(models), "sources": accounts}
        self.body["seconds"] = round(seconds, 1)
        said = ("tables", "stale", "as_of", "models", "sources")
        if self.last and all(self.body.get(k) == self.last.body.get(k) for k in said):
            return self.last
        return release.publish(self.journal, self.builder.run, self.body)

    def _of_other_departments(self, chosen: Iterable[Table]) -> dict[str, str]:
        """Tables of departments that this run did not ask for, where they hold rows that were never released.

        A department is built, audited and released alone: what another one has not released yet is not its to release.
        """
        asked = {t.domain for t in chosen}
        released = self.last.tables if self.last else {}
        return {
            t.id: "not asked for: it stays at its last release"
            for t in self.tables
            if t.domain not in asked
            and plan.commits_since(self.builder.state(t), released.get(t.id, {}).get("version", -1))
        }

    def _held_back(self, failed: Mapping[str, str]) -> dict[str, str]:
        """Tables that may not move: failed, not brought up to their inputs, or below such a one."""
        held = self.others | dict(failed)
        for table in self.tables:
            lost = self.builder.state(table).lost
            why = plan.reason(table, self.states, self.builder.as_of) if lost or not table.is_source else ""
            if why and table.id not in held:
                held[table.id] = f"not refreshed: {why}"
            for above in table.all_inputs:
                if above.id in held:
                    held.setdefault(table.id, f"below {above.id}")
        return held
