"""What there is to do, found out without a JVM: the raw zone against the journal."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from lake.core.errors import LakeError, WrongUse
from lake.core.table import Table
from lake.engine import intake, lease, place, plan, release, store
from lake.engine.conf import Conf
from lake.engine.control import Journal, State
from lake.engine.fingerprint import Cache
from lake.engine.intake import Landing
from lake.engine.plan import Step
from lake.engine.s3 import listed_once

_ANSWER_S = 5


@dataclass
class Prospect:
    """What is there to do: the day, what landed, what is waited for, and every table that may be written.

    rows    about how many rows that is: those that landed, and those that a table to be made anew is made from
    """

    as_of: date
    landings: list[Landing]
    steps: list[Step]
    rows: int = 0
    unsettled: int = 0
    observed: bool = False
    unreleased: bool = False
    waiting: dict[str, str] = field(default_factory=dict)

    @property
    def idle(self) -> bool:
        return not (self.steps or self.unsettled or self.observed or self.unreleased)


@listed_once()
def prospect(
    conf: Conf,
    journal: Journal,
    tables: Sequence[Table],
    *,
    day: date | None = None,
    since: date | None = None,
    chosen: Iterable[Table] | None = None,
) -> Prospect:
    """Look at the raw zone and the journal and say what a run would do. Needs no JVM and writes only its cache.

    day, since      only what was delivered until the one, and from the other on, counts
    """
    states = journal.states()
    check_known(conf, tables, journal)
    chosen = set(tables if chosen is None else chosen)
    sources = [t for t in tables if t.is_source]
    span = intake.Span(since, day, _left(conf))
    as_of = _as_of(conf, journal, sources, span)
    cache = Cache.at(conf.root)
    landings = []
    for source in sources:
        if source not in chosen or not intake.is_active(source, conf):
            continue
        typed = next((t for t in tables if t.is_typed and source in t.inputs), None)
        state = states.get(source.id, State())
        same = state.definition == source.definition
        held = intake.loaded(journal.proven(source.id, state)) if same else {}
        known = _observed(journal, source)
        landings.append(intake.look(source, typed, held, conf, cache, until=day or as_of, span=span, known=known))
    cache.save()
    steps = plan.steps(tables, states, landings, as_of, chosen)
    news = any(has_news(landing, journal) for landing in landings)
    waiting = {} if day else intake.waited_for(sources, conf, as_of, date.today())
    asked = {t.domain for t in chosen}
    unreleased = _unreleased([t for t in tables if t.domain in asked], states, journal)
    unsettled = len(journal.open_tasks({t.id for t in tables}))
    landed = {landing.source: landing for landing in landings}
    rows = sum(plan.rows_to_do(s.table, states, landed.get(s.table)) for s in steps)
    return Prospect(as_of, landings, steps, rows, unsettled, news, unreleased, waiting)


def check_known(conf: Conf, tables: Sequence[Table], journal: Journal) -> None:
    """Raise LakeError if the journal has lost a row, or knows nothing at all of tables that were written."""
    journal.check_whole()
    if any(journal.of("task")):
        return
    if there := [t.id for t in tables if store.version(conf.at(t)) > 0]:
        raise LakeError(
            f"The journal of {conf.root} is empty, but {len(there)} tables were written ({there[0]}).",
            hint="`lake doctor --rebuild-control` writes it anew from the tables.",
        )


def check_zone(conf: Conf, tables: Sequence[Table], journal: Journal) -> None:
    """Raise WrongUse if restricted tables were written, and none of them lies where `lake.restricted` says."""
    states = journal.states()
    written = [t for t in tables if t.restricted and (s := states.get(t.id)) and s.version >= 0 and not s.lost]
    if written and all(store.version(conf.at(t)) < 0 for t in written):
        raise WrongUse(
            f"None of the {len(written)} restricted tables of {conf.root} lies in {conf.restricted}.",
            hint="name their place as lake.restricted, or move them; ./spark-submit.sh repair makes lost ones anew.",
        )


def _left(conf: Conf) -> tuple[date, date] | None:
    """The days that a backfill in another process has before it: no other run minds them."""
    who = lease.holder(conf.root, lease.BACKFILL)
    if not who or (who["pid"], who["host"]) == (os.getpid(), socket.gethostname()):
        return None
    since, until = map(date.fromisoformat, who["days"])
    return since, until


def _as_of(conf: Conf, journal: Journal, sources: Sequence[Table], span: intake.Span) -> date:
    """The day from which a run looks: the one it is given, else the newest complete one that it minds.

    A run that minds only some days never takes the lake back to an earlier one.
    """
    today = date.today()
    runs = (r.body["as_of"] for r in reversed(journal.rows) if r.kind == "run" and r.body.get("as_of"))
    before = next(map(date.fromisoformat, runs), None)
    if span.until and not span.since:
        wanted = span.until
    else:
        newest = intake.newest_day(sources, conf, min(span.until or today, today), span)
        wanted = newest or before or span.until or today
    return max(wanted, before) if before and span != intake.EVERY_DAY else wanted


def _unreleased(tables: Sequence[Table], states: Mapping[str, State], journal: Journal) -> bool:
    """Whether rows changed that no release holds: a run died before it, or its audit refused it.

    After a rollback they are meant to be held back, until something new comes.
    """
    row, last = journal.last("release"), release.newest(journal)
    if row is not None and row.body.get("reverts"):
        known = {t.id for t in tables}
        return any(r.seq > row.seq and r.subject in known and r.body.get("changed") for r in journal.of("closed"))
    released = last.tables if last else {}
    return any(plan.commits_since(states.get(t.id, State()), released.get(t.id, {}).get("version", -1)) for t in tables)


def has_news(landing: Landing, journal: Journal) -> bool:
    """Whether the source shows something that the journal has not written down yet."""
    last = _observed(journal, landing.source)
    seen = landing.observed()
    return any(seen.values()) if last is None else last != seen


def _observed(journal: Journal, source: Table) -> dict[str, Any] | None:
    """What was last written down about the source's raw folder."""
    rows = (r for r in reversed(journal.rows) if r.kind == "intake" and r.subject == source.id)
    return next((r.body for r in rows), None)


def check_master(conf: Conf) -> str:
    """Where Spark runs. Raises WrongUse if that is a cluster whose masters do not answer: Spark would try long."""
    name = conf.spark.master
    masters = name.removeprefix("spark://").split(",") if name.startswith("spark://") else []
    for host, _, port in (m.rpartition(":") for m in masters):
        with suppress(OSError, ValueError), socket.create_connection((host, int(port)), timeout=_ANSWER_S):
            return name
    if masters:
        raise WrongUse(f"No Spark master answers at {name}.", hint="`make cluster` starts one on this machine.")
    return name


def check_disk(conf: Conf) -> None:
    """Raise WrongUse if the disk has less free space than a night may need; nothing has been written then."""
    disk = place.written_on(*conf.zones)
    free = shutil.disk_usage(disk).free // 2**20
    if free < conf.disk.free_mb:
        raise WrongUse(
            f"{disk} has {free} MB free; a night needs {conf.disk.free_mb} MB (disk.free_mb).",
            hint="make room, or run `lake doctor` to see what takes it; nothing was written.",
        )
