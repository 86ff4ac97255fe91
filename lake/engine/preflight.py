"""What happens before a JVM starts: check everything, say what will be done, and end here if that is nothing."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from lake.core.errors import LakeError, WrongUse
from lake.core.graph import select
from lake.core.table import Table
from lake.core.watch import Watch
from lake.engine import catalogue, door, gaps, lease, plan, prospect, telling
from lake.engine.conf import Conf, load
from lake.engine.control import Journal
from lake.engine.door import NOTHING_TO_DO, Options
from lake.engine.session import properties


def ready(options: Options, tables: Sequence[Table], argv: Sequence[str] = (), watches: Sequence[Watch] = ()) -> int:
    """Check configuration, selection, disk and lease; NOTHING_TO_DO if the job has nothing to do, else 0.

    Where jobs run on EMR: submit it there with the arguments `argv`, and return how it ended.
    """
    conf = load(options.env)
    chosen = plan.of_job(options.job, select(options.select, tables))
    if conf.emr:
        from lake.engine import submission

        return submission.submit(conf, options, argv)
    if options.dry_run and not options.replay:
        raise WrongUse(
            f"--dry-run is for jobs on EMR and for build --replay, and {conf.env!r} runs here.",
            hint="`plan` says what a night would write.",
        )
    prospect.check_disk(conf)
    if options.catalogue:
        found = catalogue.faults()
        print(json.dumps(found, indent=1) if options.as_json else "\n".join(catalogue.lines(found)))
        return NOTHING_TO_DO
    if options.job == "verify" or options.dry_run:  # they only read
        write_properties(conf)
        return 0
    lease.check_free(conf.root, wait_s=conf.backfill.wait_minutes if options.wait and not options.since else 0)
    if options.job == "nightly":
        make_demo(conf)
    rows = None
    if options.job in ("nightly", "ingest", "build") and not options.replay:
        journal = Journal(conf.root)
        is_night = options.job == "nightly" and not options.since
        try:
            ahead = prospect.prospect(conf, journal, tables, day=options.until, since=options.since, chosen=chosen)
        except LakeError as e:
            if is_night:
                telling.tell(conf, tables, watches, chosen, until=options.until, error=e.message, journal=journal)
            raise
        for landing in ahead.landings:
            for line in gaps.troubles(landing.source.id, {**landing.rejected, **landing.deferred}):
                print(line, file=sys.stderr)
        for source, newest in ahead.waiting.items():
            print(f"! {source} is waited for: nothing complete for {newest} yet", file=sys.stderr)
        if lease.purpose_of(conf.root) == lease.BACKFILL:
            print("A backfill is running; it lets this job in after its present chunk.", file=sys.stderr)
        if ahead.idle:
            of_bronze = " in bronze (`ingest` loads what landed)" if options.job == "build" else ""
            print(f"Nothing new for {ahead.as_of}{of_bronze}; nothing to do.", file=sys.stderr)
            if is_night:
                telling.tell(conf, tables, watches, chosen, until=options.until, journal=journal)
            return NOTHING_TO_DO
        will = [s for s in ahead.steps if s.will]
        may = len(ahead.steps) - len(will)
        print(f"{options.job} for {ahead.as_of}: {len(will)} tables will be written, {may} may be.", file=sys.stderr)
        rows = ahead.rows
    write_properties(conf, rows)
    return 0


def make_demo(conf: Conf) -> None:
    """Simulate a small company if this environment asks for it and its raw zone is empty."""
    if not conf.lake.demo or (conf.raw.is_dir() and any(conf.raw.iterdir())):
        return
    from lake.simulate import simulate

    print(f"{conf.raw} is empty: making a demo company there, 60 days of a maker of robotic hands.", file=sys.stderr)
    simulate(str(conf.raw.parent))


def write_properties(conf: Conf, rows: int | None = None) -> None:
    """Leave the Spark properties of a run over so many rows where spark-submit.sh wants them.

    Raises WrongUse if the cluster that it is to run on does not answer.
    """
    prospect.check_master(conf)
    place = os.environ.get("ROBOLAKE_PROPERTIES")
    if place:
        lines = [f"{k} {v}" for k, v in properties(conf, rows).items()]
        Path(place).write_text("\n".join(lines) + "\n", encoding="utf-8")


def main() -> int:
    from lake.catalog import TABLES, WATCHES

    job, *argv = sys.argv[1:]
    return door.run(job, lambda options: ready(options, TABLES, argv, WATCHES), argv)


if __name__ == "__main__":
    door.leave(main())
