"""A run: take the lease, settle what was left open, ingest, build, audit, release."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import partial
from typing import Any

from lake.core.errors import GateRefused, LakeError
from lake.core.expect import Expectation
from lake.core.graph import below
from lake.core.model import Model
from lake.core.table import Table
from lake.engine import (
    artefact,
    audit,
    crash,
    damage,
    drift,
    judge,
    lease,
    lineage,
    openlineage,
    plan,
    release,
    training,
    upkeep,
)
from lake.engine.build import Builder
from lake.engine.candidate import Candidate
from lake.engine.conf import Conf
from lake.engine.control import Journal, State
from lake.engine.door import said_safely
from lake.engine.intake import Landing
from lake.engine.prospect import Prospect, check_disk, check_zone, has_news, prospect
from lake.engine.session import for_work, no_space, session
from lake.engine.work import Outcome, Scorer

log = logging.getLogger("lake")


@dataclass
class Result:
    """How a run ended. `versions`: of each model the version that its scores are of."""

    release: release.Release | None = None
    written: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    findings: list[audit.Finding] = field(default_factory=list)
    versions: dict[str, str] = field(default_factory=dict)

    @property
    def exit_code(self) -> int:
        if self.findings:
            return GateRefused.exit_code
        if self.failed:
            return 5 if self.release else 1
        return 0


def run(
    conf: Conf,
    tables: Sequence[Table],
    *,
    purpose: str = "nightly",
    day: date | None = None,
    since: date | None = None,
    chosen: Iterable[Table] | None = None,
    publish: bool = True,
    strict: bool = False,
    models: Sequence[Model] = (),
    train: bool = True,
    expectations: Sequence[Expectation] = (),
    accept: str = "",
    wait_s: float = 0,
) -> Result:
    """Run what there is to do under the lease, and release it if it passes its audit.

    since, day      only what was delivered between them counts
    chosen          only these tables are refreshed
    models          are trained if due (and `train`), and score on the candidate
    expectations    what the departments ask of the candidate
    accept          why it is released even if it is not as expected
    wait_s          so long a backfill is waited for, which lets others in between its chunks
    """
    check_disk(conf)
    with lease.held(conf.root, purpose, wait_s=wait_s):
        crash.point("leased")
        journal = Journal(conf.root)
        if purpose != "repair":
            check_zone(conf, tables, journal)
        started = time.monotonic()
        ahead = prospect(conf, journal, tables, day=day, since=since, chosen=chosen)
        if ahead.idle:
            return Result(release.newest(journal))
        name = f"{purpose}-{day or ahead.as_of}-{(journal.rows[-1].seq if journal.rows else 0) + 1}"
        planned = [s.table.id for s in ahead.steps]
        journal.append(name, ("run", "", {"as_of": ahead.as_of, "planned": planned, "purpose": purpose}))
        crash.point("begun")
        observed = [
            ("intake", landing.source.id, landing.observed())
            for landing in ahead.landings
            if has_news(landing, journal)
        ]
        if observed:
            journal.append(name, *observed)
            crash.point("observed")
        for landing in ahead.landings:
            new = {f.path: landing.drift[f.path] for f in landing.add if f.path in landing.drift}
            for line in drift.lines(landing.source, new):
                log.warning("%s", line)
        if publish:
            threading.Thread(target=judge.imported, daemon=True).start()  # while the JVM starts, Python waits
        builder = Builder(session(conf), conf, journal, name, ahead.as_of, tables)
        builder.events = _events(conf, builder, purpose, ahead)
        if ahead.unsettled:
            for line in builder.recover():
                log.info("recovered: %s", line)
            ahead = prospect(conf, journal, tables, day=day, since=since, chosen=chosen)
        result = Result()
        build_all(ahead, builder, tables, result, models, train=train)
        if publish:
            candidate = Candidate(builder, tables, chosen, result.failed)
            result.findings = candidate.findings(expectations, accept)
            crash.point("audited")
            for finding in result.findings:
                log.error("%s: %s: %s", finding.law, finding.subject, finding.said)
            if not result.findings and not (strict and candidate.held):
                result.release = candidate.publish(result.versions, time.monotonic() - started)
            _keep_up(conf, journal, tables)
        if conf.lineage.ahead:
            _lineage(conf, builder, tables)
        body = {"seconds": round(time.monotonic() - started, 1), "written": result.written, "failed": result.failed}
        journal.append(name, ("ended", "", body | {"exit": result.exit_code}))
        crash.point("ended")
        journal.compact()
        return result


def _events(conf: Conf, builder: Builder, purpose: str, ahead: Prospect) -> openlineage.Events | None:
    """Whoever wants to be told of this run's refreshes, and of where their columns come from."""
    if not (conf.lineage.file or conf.lineage.url):
        return None
    return openlineage.Events(conf, builder.run, purpose, _lineage(conf, builder, [s.table for s in ahead.steps]))


def _lineage(conf: Conf, builder: Builder, wanted: Sequence[Table]) -> lineage.Graph | None:
    """Where the columns of some tables come from; a night does not fail for it."""
    try:
        return lineage.graph(conf, list(builder.tables.values()), wanted, lambda: for_work(builder.spark, 0))
    except Exception as e:
        log.warning("no lineage: %s", said_safely(e))
        return None


def build_all(
    ahead: Prospect,
    builder: Builder,
    tables: Sequence[Table],
    result: Result,
    models: Sequence[Model] = (),
    *,
    train: bool = True,
) -> None:
    """Refresh tables side by side, each when its inputs are ready; a failed one holds back only what is below it.

    models      score, too, as soon as their features are there; before that they are trained if due (and `train`)
    """
    of_scores = {model.scores: model for model in models}
    landings = {landing.source: landing for landing in ahead.landings}

    def refresh(table: Table) -> Outcome | None:
        if table in of_scores:
            return _scored(builder, of_scores[table], ahead.as_of, result, train=train)
        return _followed(builder, table, landings.get(table), ahead.as_of)

    todo = {s.table for s in ahead.steps if s.table in of_scores or not plan.is_score(s.table)}
    total, done = len(todo), 0
    running: dict[Future[str], Table] = {}
    with ThreadPoolExecutor(builder.conf.spark.threads, thread_name_prefix="refresh") as pool:
        while todo or running:
            ready = [
                t for t in tables if t in todo and not any(i in todo or i in running.values() for i in t.all_inputs)
            ]
            for table in ready:
                todo.discard(table)
                running[pool.submit(_one, builder, table, refresh)] = table
            finished, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in finished:
                table = running.pop(future)
                done += 1
                try:
                    said = future.result()
                except Exception as e:
                    lost = below([table], tables)
                    why = said_safely(e)
                    log.debug("%s", table.id, exc_info=e)
                    log.error("%s FAILED: %s", table.id, why)
                    result.failed[table.id] = why
                    for other in lost - {table}:
                        result.failed.setdefault(other.id, f"below {table.id}")
                        if other in todo:
                            todo.discard(other)
                            done += 1
                    continue
                if said:
                    result.written.append(table.id)
                    log.info("[%d/%d] %s", done, total, said)


def _one(builder: Builder, table: Table, refresh: Callable[[Table], Outcome | None]) -> str:
    """What was done, in words; where Spark knows none for what went wrong, which disk is full or file damaged."""
    threading.current_thread().name = table.id
    started = time.monotonic()
    try:
        outcome = refresh(table)
    except LakeError:
        raise
    except Exception as e:
        if "No space left on device" in str(e):
            raise no_space(builder.conf) from e
        for t in (table, *table.all_inputs):
            if wrong := damage.of(t, builder.state(t), builder.conf, deep=True):
                raise LakeError(f"{wrong[0]}", hint=f"./spark-submit.sh repair --select {t.id} mends it.") from e
        raise
    if outcome is None:
        return ""
    state = builder.states[table.id]
    rejected = f", {state.rejected:,} rejected" if state.rejected else ""
    what = outcome.kind if outcome.changed else "unchanged"
    return f"{table.id} v{state.version} {what}: {state.rows:,} rows{rejected}, {time.monotonic() - started:.1f} s"


def _followed(builder: Builder, table: Table, landing: Landing | None, as_of: date) -> Outcome | None:
    """Bring a table up to its inputs; None if it is."""
    if table.is_source:
        is_due = landing is not None and (landing.changed or builder.state(table).lost)
    else:
        is_due = bool(plan.reason(table, builder.states, as_of))
    return builder.refresh(table, landing) if is_due else None


def _scored(builder: Builder, model: Model, as_of: date, result: Result, *, train: bool) -> Outcome | None:
    """Score the features just built; None if there is nothing to score with, or it is done. Should it fail, the scores
    stay those of the last version."""
    features, scored = (builder.states.get(t.id, State()) for t in (model.features, model.scores))
    version = _version(builder, model, features, as_of, train=train) if features.version >= 0 else None
    if version is None:
        return None
    outcome = None
    by_another = scored.task and scored.task.body.get("model") != version
    if plan.reason(model.scores, builder.states, as_of) or by_another:
        score = partial(training.score, model, version, as_of=as_of, root=builder.conf.root)
        outcome = builder.refresh(model.scores, scorer=Scorer(version, score))
    result.versions[model.id] = version
    return outcome


def _keep_up(conf: Conf, journal: Journal, tables: Sequence[Table]) -> None:
    """The upkeep, if it is due; should it fail, the release stands all the same."""
    try:
        for line in upkeep.maintain(conf, journal, tables) if upkeep.due(conf, journal, datetime.now(UTC)) else ():
            log.info("%s", line)
    except Exception as e:
        log.error("no upkeep: %s", said_safely(e), exc_info=log.isEnabledFor(logging.DEBUG))


def _version(builder: Builder, model: Model, features: State, as_of: date, *, train: bool) -> str | None:
    """The version to score with: a new one if training is due, else the released one."""
    conf, last = builder.conf, release.newest(builder.journal)
    settings = conf.train.model_dump()
    known = last.models.get(model.id) if last else None
    card = artefact.card(artefact.folder(conf.root, model.id, known)) if known else None
    why = training.due(model, card, content=features.hash, rows=features.rows, as_of=as_of, conf=settings)
    if not train or why is None:
        return known
    log.info("training %s: %s", model.id, why)
    rows = builder.stored(for_work(builder.spark, 0), model.features, features.version)
    return training.train(model, rows, content=features.hash, root=conf.root, conf=settings).id


def written_unplanned(journal: Journal) -> list[dict[str, Any]]:
    """Tables that a run wrote though its plan did not name them: each one is a bug."""
    plans = {r.run: set(r.body["planned"]) for r in journal.of("run")}
    written = [r for r in journal.of("task") if r.run in plans]
    return [{"run": r.run, "table": r.subject} for r in written if r.subject not in plans[r.run]]
