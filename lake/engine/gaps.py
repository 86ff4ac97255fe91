"""What is missing: days not delivered or not taken, and days that wait in the raw zone to be loaded. Needs no JVM."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from typing import Any

from lake.core.table import Table
from lake.engine import intake
from lake.engine.conf import Conf
from lake.engine.control import Journal
from lake.engine.intake import Landing
from lake.engine.prospect import prospect

SINGLY = 3
"""So many files are named one by one."""


@dataclass(frozen=True)
class Gaps:
    """One source's days between its `first` and its `newest`.

    missing             day → what it lacks: any file, or the marker that says it is complete
    deferred, rejected  file → why it was not taken
    unloaded            days with files that are not loaded yet
    """

    source: str
    first: str | None
    newest: str | None
    missing: dict[str, str]
    deferred: dict[str, str]
    rejected: dict[str, str]
    unloaded: list[str]

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def found(conf: Conf, tables: Sequence[Table], chosen: Iterable[Table] | None = None) -> list[Gaps]:
    """The gaps of every source that this environment reads."""
    ahead = prospect(conf, Journal(conf.root), tables, day=date.today(), chosen=chosen)
    return [_of(landing, conf) for landing in ahead.landings]


def troubles(source: str, files: Mapping[str, str]) -> list[str]:
    """Files that were not taken, as lines to print: many for one reason are one line."""
    by_reason: dict[str, list[str]] = {}
    for name, why in files.items():
        by_reason.setdefault(why, []).append(name)
    lines = []
    for why, names in by_reason.items():
        if len(names) <= SINGLY:
            lines += [f"! {source}: {name}: {why}" for name in names]
        else:
            lines.append(f"! {source}: {len(names)} files, {min(names)} to {max(names)}: {why}")
    return lines


def _of(landing: Landing, conf: Conf) -> Gaps:
    source = landing.source
    assert source.delivery is not None
    delivered = intake.delivered_days(source, conf)
    complete = set(intake.complete_days(source, conf))
    today = date.today().isoformat()
    known = sorted(d for d in {*delivered, *landing.days} if d <= today)  # the latter: also of files that are gone
    lacks = f"no {source.delivery.marker}"
    missing = {d: lacks if d in delivered else "no file" for d in _between(known) if d not in complete}
    unloaded = sorted({f.dt for f in landing.add})
    first, newest = (known[0], known[-1]) if known else (None, None)
    return Gaps(source.id, first, newest, missing, landing.deferred, landing.rejected, unloaded)


def _between(days: Sequence[str]) -> list[str]:
    """Every day from the first to the last."""
    if not days:
        return []
    first, last = date.fromisoformat(days[0]), date.fromisoformat(days[-1])
    return [(first + timedelta(n)).isoformat() for n in range((last - first).days + 1)]


def in_words(days: Iterable[str]) -> str:
    """Days as spans: 2026-01-05 to 2026-01-07, 2026-02-01."""
    spans: list[list[str]] = []
    for day in sorted(days):
        if spans and date.fromisoformat(day) - date.fromisoformat(spans[-1][-1]) == timedelta(1):
            spans[-1] = [spans[-1][0], day]
        else:
            spans.append([day])
    return ", ".join(" to ".join(s) for s in spans)


def command(gaps: Iterable[Gaps], env: str) -> str | None:
    """What loads the days that are not loaded yet; None if there are none."""
    days = sorted({d for g in gaps for d in g.unloaded})
    where = "" if env == "local" else f" --env {env}"
    return f"./spark-submit.sh nightly{where} --from {days[0]} --to {days[-1]}" if days else None
