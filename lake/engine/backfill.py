"""A backfill: days of delivery that lie before newer ones, loaded chunk by chunk.

Each chunk is a run and a release of its own. Whoever waits for the lease is let in between two of them, and leaves the
days of the backfill to it. What was loaded has nothing left to do, so the same command goes on after an interruption.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

from lake.core.table import Table
from lake.engine import lease, night
from lake.engine.conf import Conf
from lake.engine.control import Journal
from lake.engine.prospect import Prospect, prospect

log = logging.getLogger("lake")

_PART_OF_A_DAY = {"year": len("2026"), "month": len("2026-01"), "day": len("2026-01-31")}
_LETTING_IN_S = 60
"""A process that waits takes the lease within a moment, unless it was stopped itself."""


def run(
    conf: Conf,
    tables: Sequence[Table],
    *,
    since: date,
    until: date | None,
    train: bool = True,
    wait_s: float = 0,
    **how: Any,
) -> night.Result:
    """Load what was delivered from `since` to `until` (or now), a chunk at a time; the result is that of the last run.

    wait_s      so long whoever was let in is waited for
    how         as for night.run
    """
    lease.check_free(conf.root)
    ahead = prospect(conf, Journal(conf.root), tables, day=until, since=since, chosen=how.get("chosen"))
    todo = chunks(ahead, since, max(since, until or ahead.as_of), conf.backfill.chunk)
    result, written = night.Result(), []
    with lease.held(conf.root, lease.BACKFILL, name=lease.BACKFILL, days=(since, todo[-1][1])):
        for n, (first, last) in enumerate(todo, start=1):
            log.info("backfill %d of %d: %s to %s", n, len(todo), first, last)
            if n > 1:
                _let_in(conf)
            result = night.run(
                conf, tables, purpose=lease.BACKFILL, since=first, day=last,
                train=train and n == len(todo), wait_s=wait_s if n > 1 else 0, **how,
            )  # fmt: skip
            written += result.written
            if result.exit_code in (1, 3):
                break
    result.written = written
    return result


def chunks(ahead: Prospect, since: date, until: date, unit: str) -> list[tuple[date, date]]:
    """The days from `since` to `until` in pieces, one for each month (or other unit) in which there is work."""
    days = sorted(d for landing in ahead.landings for d in landing.days if since.isoformat() <= d <= until.isoformat())
    ends = {d[: _PART_OF_A_DAY[unit]]: date.fromisoformat(d) for d in days}
    lasts = [*list(ends.values())[:-1], until]
    return list(zip([since, *(d + timedelta(1) for d in lasts)], lasts, strict=False))


def _let_in(conf: Conf) -> None:
    """Let go of the lake until nobody waits for it any more."""
    end = time.monotonic() + _LETTING_IN_S
    while lease.holder(conf.root, lease.WAITING) and time.monotonic() < end:
        time.sleep(0.1)
