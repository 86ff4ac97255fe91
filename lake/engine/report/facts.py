"""What the journal and the rejected records say of a release. Counts only: no value of any record."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import date, timedelta
from statistics import median
from typing import Any

from lake.core.report import Facts, Night, Reject, Step, counted
from lake.core.table import Table
from lake.engine import artefact, intake
from lake.engine.control import Journal
from lake.engine.intake import is_active, is_required
from lake.engine.rejects import first_broken
from lake.engine.release import Lake, Release

USUAL_NIGHTS = 20
"""A night is held against the median of so many before it."""

Counts = dict[tuple[str, str], int]
"""(source, day of delivery) → rejected records."""


def gathered(lake: Lake, journal: Journal) -> Facts:
    """The facts of the lake's release."""
    rejects, by_day = rejected(lake)
    as_of = date.fromisoformat(lake.release.body["as_of"])
    return Facts(
        release=lake.release.number,
        as_of=as_of,
        nights=tuple(nights(lake, journal, as_of, by_day)),
        rejects=tuple(rejects),
        sources={s: a for s, a in lake.release.sources.items() if any(a["files"].values())},
        stale=lake.release.stale,
        cards=tuple(cards(lake)),
        steps=tuple(steps(lake.release, journal)),
        quality=tuple(quality(lake.release, journal)),
    )


def quality(release: Release, journal: Journal) -> list[dict[str, Any]]:
    """What of the release's tables was not as expected: the first ten, those first that would have stopped it."""
    found: list[dict[str, Any]] = _judged(release, journal).get("broken", [])
    return found


def _judged(release: Release, journal: Journal) -> dict[str, Any]:
    return next((r.body for r in journal.of("gate") if r.run == release.run), {})


def steps(release: Release, journal: Journal) -> Iterator[Step]:
    """What each table took in the night that made the release, against the median of the same table's earlier nights.

    The journal says when a commit was closed, and how many seconds its refresh had taken by then.
    """
    begun = {r.run: r.at for r in journal.of("run") if r.body.get("purpose", "nightly") == "nightly"}
    earlier: dict[str, list[float]] = {}
    for row in (r for r in journal.of("closed") if r.at <= release.at and r.run in begun and "seconds" in r.body):
        seconds = float(row.body["seconds"])
        if row.run == release.run:
            begin = (row.at - begun[row.run]).total_seconds() - seconds
            usual = median(earlier[row.subject][-USUAL_NIGHTS:]) if row.subject in earlier else None
            yield Step(row.subject, round(max(begin, 0.0), 2), seconds, usual, bool(row.body.get("changed")))
        elif row.body.get("changed"):
            earlier.setdefault(row.subject, []).append(seconds)


def gate(release: Release, journal: Journal) -> str:
    """How the audit went: of this release, or of a later night that it refused."""
    refused = [r for r in journal.of("ended") if r.body.get("exit") == 3 and r.at > release.at]
    if refused:
        return f"passed; refused {refused[-1].at:%d %b %Y}, so readers stay here"
    if release.body.get("restores"):
        return f"passed; back to release {release.body['restores']}"
    if accepted := release.body.get("accepted"):
        return f"not passed; released all the same: {accepted['reason']}"
    warned = f", {counted(n, 'warning')}" if (n := _judged(release, journal).get("warnings", 0)) else ""
    return f"passed{warned}, {len(release.stale)} tables stale" if release.stale else f"passed{warned}"


def nights(lake: Lake, journal: Journal, as_of: date, rejects: Counts) -> Iterator[Night]:
    """What became of every delivery until `as_of`, by source and day. Sources without dt folders have no nights."""
    runs = {r.run: r.body.get("as_of") for r in journal.of("run")}
    order = [(r.run, str(r.body.get("as_of"))) for r in journal.of("run")]
    proven = {r.body["task"] for r in journal.of("closed")}
    for source in (t for t in lake.tables.values() if t.is_source and is_active(t, lake.conf)):
        if source.delivery is None or "dt=" not in source.delivery.path:
            continue
        tasks = [
            r for r in journal.of("task") if r.subject == source.id and r.seq in proven and r.at <= lake.release.at
        ]
        held = intake.loaded(r.body for r in tasks)
        came: dict[str, str] = {}
        for task in tasks:
            for record in task.body.get("add", []):
                came.setdefault(record["dt"], task.run)
        if not came:
            continue
        wanted = {day: next((run for run, until in order if until >= day), None) for day in came}
        lines: Counter[str] = Counter()
        for record in held.values():
            lines[record["dt"]] += record["lines"] - record["header"] - record["blank"]
        odd = _odd(journal, source, lake.release)
        first = date.fromisoformat(min(came))
        daily = is_required(source, lake.conf) and len(came) > 1
        for n in range((as_of - first).days + 1):
            day = (first + timedelta(n)).isoformat()
            if day in odd and day not in lines:
                state = odd[day]
            elif day in lines:
                state = (
                    "late" if wanted[day] and came[day] != wanted[day] and runs.get(came[day]) != day else "delivered"
                )
            elif daily:
                state = "missing"
            else:
                continue
            yield Night(source.id, date.fromisoformat(day), state, lines[day], rejects.get((source.id, day), 0))


def _odd(journal: Journal, source: Table, release: Release) -> dict[str, str]:
    """Day → why a file of it was not loaded, as last observed before the release."""
    seen = [r.body for r in journal.of("intake") if r.subject == source.id and r.at <= release.at]
    seen = seen or [
        r.body.get("observed", {}) for r in journal.of("task") if r.subject == source.id and r.at <= release.at
    ]
    found: dict[str, str] = {}
    for kind, state in (("duplicate", "unchanged"), ("deferred", "deferred"), ("rejected", "file rejected")):
        for name in seen[-1].get(kind, {}) if seen else {}:
            day = name.partition("dt=")[2][:10]
            if day:
                found[day] = state
    return found


def rejected(lake: Lake) -> tuple[list[Reject], Counts]:
    """How many records broke which rule first, and how many of each delivery are rejected."""
    found: list[Reject] = []
    by_day: Counts = {}
    for table in (t for t in lake.tables.values() if t.is_typed):
        entry = lake.release.tables.get(table.id)
        if not entry or not entry.get("rejected"):
            continue
        records = first_broken(lake.conf, table, entry["version"])
        reasons: dict[tuple[str, str], Counter[date]] = {}
        for rule, column, day in records:
            reasons.setdefault((rule, column or ""), Counter())[day] += 1
        found += [
            Reject(table.id, rule, column, sum(nights.values()), table.inputs[0].id, nights)
            for (rule, column), nights in sorted(reasons.items())
        ]
        for day, n in Counter(d for _, _, d in records).items():
            by_day[table.inputs[0].id, str(day)] = n
    return found, by_day


def cards(lake: Lake) -> Iterator[dict[str, Any]]:
    """The cards of the released models."""
    for model, version in sorted(lake.release.models.items()):
        path = artefact.folder(lake.conf.root, model, version)
        if (path / artefact.CARD).is_file():
            yield artefact.card(path)
