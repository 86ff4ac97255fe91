"""Upkeep: few files, quick logs, and no data file that nobody can ask for any more."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from lake.core.table import Table
from lake.engine import damage, quality, release, store, tidying
from lake.engine.conf import Conf
from lake.engine.control import Journal, State
from lake.engine.release import Release

log = logging.getLogger("lake")


def due(conf: Conf, journal: Journal, now: datetime) -> bool:
    """Whether the last upkeep, or the lake's first run, is long enough ago."""
    last = next((r for r in reversed(journal.rows) if r.kind == "upkeep" and not r.subject), None)
    since = last or (journal.rows[0] if journal.rows else None)
    return since is not None and now - since.at >= timedelta(days=conf.upkeep.every_days)


def maintain(
    conf: Conf,
    journal: Journal,
    tables: Sequence[Table],
    *,
    chosen: Collection[Table] | None = None,
    now: datetime | None = None,
) -> list[str]:
    """Compact, checkpoint and vacuum every table (or those chosen), journal and quality; says what was done.

    Only for a holder of the lease, and with no task open. A damaged table is left as it is.
    """
    now = now or datetime.now(UTC)
    run = f"maintain-{now:%Y-%m-%d}-{journal.rows[-1].seq + 1 if journal.rows else 1}"
    states, kept, done = journal.states(), horizon(conf, journal, now), []
    for table in tables if chosen is None else chosen:
        state, path = states.get(table.id, State()), conf.at(table)
        if state.version < 0 or state.lost:
            continue
        if wrong := damage.of(table, state, conf):
            done.append(f"{wrong[0]}; left as it is, ./spark-submit.sh repair mends it")
            continue
        merged = tidying.compact(path, conf.upkeep.small_files, conf.upkeep.target_mb)
        pointed = tidying.checkpoint(path, conf.upkeep.checkpoint_every)
        keep = {v for v in needed(table, tables, states, kept) if v >= store.first(path)}
        removed, strays = tidying.vacuum(path, keep), tidying.sweep(path)
        if removed:
            journal.append(run, ("upkeep", table.id, {"kept": sorted(keep), "removed": removed}))
        parts = [
            f"{merged} small files merged" if merged else "",
            "a checkpoint written" if pointed else "",
            f"{removed} old files removed" if removed else "",
            f"{strays} files removed that were never committed" if strays else "",
        ]
        if any(parts):
            done.append(f"{table.id}: {', '.join(p for p in parts if p)}")
    oldest = kept[0].number if kept else None
    journal.append(run, ("upkeep", "", {"said": done, "release": oldest}))
    journal.upkeep()
    quality.upkeep(conf.root)
    return [*done, f"upkeep done; releases since {oldest} are kept" if kept else "upkeep done"]


def horizon(conf: Conf, journal: Journal, now: datetime) -> list[Release]:
    """The releases that stay readable, oldest first: the newest `keep_releases`, and all of the last `keep_days`."""
    found, since = release.releases(journal), now - timedelta(days=conf.upkeep.keep_days)
    newest = found[-conf.upkeep.keep_releases :]
    return [r for r in found if r.at >= since or r in newest]


def needed(table: Table, tables: Sequence[Table], states: Mapping[str, State], kept: Sequence[Release]) -> set[int]:
    """The versions of a table that somebody may still read: releases, and consumers from where they stand to now."""
    own = states[table.id]
    consumed = [s.consumed[table.id] for t in tables if (s := states.get(t.id)) and table.id in s.consumed]
    slowest = min([own.version, *(v for v in consumed if v >= 0)])
    entries: list[dict[str, Any]] = [r.tables[table.id] for r in kept if table.id in r.tables]
    return {*range(slowest, own.version + 1), *(e["version"] for e in entries)}
