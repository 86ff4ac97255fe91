"""What each job does once its options are read."""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from lake.core.errors import WrongUse
from lake.core.graph import select
from lake.core.table import Table
from lake.engine.conf import load
from lake.engine.door import Options, said_safely, stop_on_sigterm

if TYPE_CHECKING:
    from lake.engine.audit import Finding

log = logging.getLogger("lake")


def nightly(options: Options) -> int:
    """Ingest, build, train if due, score, audit, release, report; and tell what was out of the ordinary."""
    return _run(options)


def ingest(options: Options) -> int:
    """Only bronze; the next build or night goes on from there."""
    return _run(options, publish=False)


def build(options: Options) -> int:
    """Everything but bronze, then release; `--replay`: read what was rejected again."""
    return _replay(options) if options.replay else _run(options)


def _replay(options: Options) -> int:
    from lake.catalog import TABLES
    from lake.engine import lease, replay
    from lake.engine.control import Journal

    conf = load(options.env)
    journal = Journal(conf.root)
    found = replay.forecasts(conf, journal, TABLES, select(options.select, TABLES), rule=options.rule)
    for line in [f.said() for f in found] or ["no record is rejected" + f" by {options.rule}" * bool(options.rule)]:
        log.info("%s", line)
    wanted = {f.table for f in found if f.changes}
    if options.dry_run or not wanted:
        return 0
    with lease.held(conf.root, "replay"):
        replay.ask(Journal(conf.root), sorted(wanted))
    return _anew(options, [t for t in TABLES if t.id in wanted])


def maintain(options: Options) -> int:
    """Compact, checkpoint and vacuum, whether or not it is due; without Spark."""
    from lake.catalog import TABLES
    from lake.engine import lease, upkeep
    from lake.engine.control import Journal

    conf = load(options.env)
    with lease.held(conf.root, "maintain"):
        journal = Journal(conf.root)
        if journal.open_tasks():
            raise WrongUse("An interrupted run is unsettled.", hint="./spark-submit.sh nightly settles it.")
        for line in upkeep.maintain(conf, journal, TABLES, chosen=select(options.select, TABLES)):
            log.info("%s", line)
    return 0


def repair(options: Options) -> int:
    """Give up what is damaged, make it and all below it anew, and release."""
    from lake.catalog import TABLES
    from lake.engine import damage, lease
    from lake.engine.control import Journal

    conf = load(options.env)
    with lease.held(conf.root, "repair"):
        journal = Journal(conf.root)
        for line in damage.repair(conf, journal, TABLES, select(options.select, TABLES)):
            log.info("%s", line)
        states = journal.states()
    lost = [t for t in TABLES if t.id in states and states[t.id].lost]
    if not lost:
        log.info("nothing has to be made anew")
        return 0
    return _anew(options, lost)


def _anew(options: Options, tables: Sequence[Table]) -> int:
    """Build these tables and all below them, whatever was selected, and release.

    What they are made from is brought up to its declarations first: else it would hold them at their last release.
    """
    from lake.catalog import TABLES
    from lake.core.graph import above, below

    made = below(tables, TABLES) | {t for t in above(tables) if not t.is_source}
    return _run(replace(options, select=None), made)


def _run(options: Options, only: Collection[Table] | None = None, *, publish: bool = True) -> int:
    from lake.catalog import EXPECTATIONS, MODELS, REPORTS, TABLES, WATCHES
    from lake.engine import backfill, night, plan, report, telling
    from lake.engine.release import Lake

    conf = load(options.env)
    chosen = plan.of_job(options.job, select(options.select, TABLES))
    chosen = chosen if only is None else [t for t in chosen if t in only]
    stop_on_sigterm(_stop_spark)
    how: dict[str, Any] = {"chosen": chosen, "publish": publish, "strict": options.strict}
    how |= {"models": MODELS if publish else (), "train": options.job == "nightly"}
    how |= {"expectations": EXPECTATIONS, "accept": options.accept}
    wait_s = conf.backfill.wait_minutes * 60
    is_night = options.job == "nightly" and not options.since
    with telling.told(conf, TABLES, WATCHES, chosen, until=options.until, on=is_night) as ended:
        if options.since and any(t.is_source for t in chosen):
            result = backfill.run(conf, TABLES, since=options.since, until=options.until, wait_s=wait_s, **how)
        else:
            wait_s = wait_s if options.wait else 0
            result = night.run(conf, TABLES, purpose=options.job, day=options.until, wait_s=wait_s, **how)
        ended.append(result)
        if result.release:
            try:
                report.write(Lake(conf, result.release, TABLES), REPORTS)
            except Exception as e:  # the release stands whether or not its page could be drawn
                log.error("no report: %s", said_safely(e), exc_info=e if options.debug else None)
            log.info("RELEASED %d as of %s", result.release.number, result.release.body["as_of"])
        elif result.findings:
            _say_refused(result.findings, options.job)
    return result.exit_code


def _say_refused(findings: Sequence[Finding], job: str) -> None:
    log.error("NOT RELEASED: readers stay at the last release.")
    for finding in findings[:3]:
        log.error("  %s: %s", finding.subject, finding.said)
    if all(f.law == "quality" for f in findings):
        log.error('  lake quality lists all; %s --accept "REASON" releases it all the same.', job)


def _stop_spark() -> None:
    from pyspark import SparkContext

    from lake.engine import lease

    if SparkContext._active_spark_context is not None:
        SparkContext._active_spark_context.cancelAllJobs()
    lease.let_go()
