"""The end of a night: look at what it delivered, and tell whom it concerns what changed. The night stands, whatever
happens here."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from typing import TYPE_CHECKING, Any

from lake.core.errors import Fenced, LakeError, LeaseHeld
from lake.core.table import Table
from lake.core.watch import Watch
from lake.engine import couriers, release, symptoms, volumes
from lake.engine.alerts import Alerts, Change, changed
from lake.engine.conf import HOME, Conf
from lake.engine.control import Journal
from lake.engine.door import said_safely
from lake.engine.measures import HIGH, LOW, Measure

if TYPE_CHECKING:
    import pandas as pd

    from lake.engine.night import Result

log = logging.getLogger("lake")

CAUGHT_UP_DAYS = 7
"""So many nights that nobody looked at yet are looked at together."""
MEASURED_DAYS = 42
"""So many nights before the first one are measured, to compare it with."""


@contextmanager
def told(
    conf: Conf, tables: Sequence[Table], watches: Sequence[Watch], chosen: Collection[Table], *,
    until: date | None = None, on: bool = True,
) -> Iterator[list[Result]]:  # fmt: skip
    """Tell what is wrong once the night is over, however it ends; who ran it leaves its result in the list.

    on      False: what runs is no night, and nobody is told
    """
    ended: list[Result] = []
    if not on:
        yield ended
        return
    try:
        yield ended
    except LeaseHeld:
        raise
    except Exception as e:
        tell(conf, tables, watches, chosen, until=until, error=said_safely(e))
        raise
    tell(conf, tables, watches, chosen, until=until, result=ended[0] if ended else None)


def tell(
    conf: Conf, tables: Sequence[Table], watches: Sequence[Watch], chosen: Collection[Table], *,
    until: date | None = None, result: Result | None = None, error: str = "", journal: Journal | None = None,
) -> None:  # fmt: skip
    """Look at the newest night, until a day, and tell what changed. Never raises.

    journal     the lake's, if it was read just now
    """
    if not conf.alerts.on:
        return
    for attempt in (1, 2):
        try:
            read = journal or Journal(conf.root)
            _tell(conf, read, tables, watches, chosen, until or date.today(), result, error)
            return
        except Fenced:  # somebody acknowledged an alert meanwhile
            if attempt == 2:
                log.warning("no alerts: others keep writing to their ledger.")
        except Exception as e:
            hint = f" {e.hint}" if isinstance(e, LakeError) else ""
            log.warning("no alerts: %s%s", said_safely(e), hint, exc_info=log.isEnabledFor(logging.DEBUG))
            return


def _tell(
    conf: Conf, journal: Journal, tables: Sequence[Table], watches: Sequence[Watch], chosen: Collection[Table],
    until: date, result: Result | None, error: str,
) -> None:  # fmt: skip
    alerts, states, last = Alerts(conf.root), journal.states(), release.newest(journal)
    delivered = volumes.deliveries(conf, journal, states, tables, [t for t in tables if t in chosen])
    nights = volumes.nights(delivered, until.isoformat())
    seen, measured = alerts.nights(), alerts.measured()
    if seen and nights and nights[-1] < max(seen):
        return  # somebody ran an earlier day once more
    days = [d for d in nights if seen and d > max(seen)][-CAUGHT_UP_DAYS:] or nights[-1:] or [until.isoformat()]
    news = Measure(conf, states, tables, watches, delivered).nights(nights[-MEASURED_DAYS:], measured)
    facts: list[tuple[str, str, dict[str, Any]]] = []
    for day, found in news.items():
        measured.setdefault(day, {}).update(found)
        facts.append(("measured", day, {name: vars(m) for name, m in found.items()}))
    known, changes = alerts.all(), list[Change]()
    failed, findings = (result.failed, result.findings) if result else ({}, [])
    stale = {*failed, *(last.stale if last else ())}
    for day in days:
        looked = symptoms.Look(day, conf, _bad(seen, day)).at(delivered, measured, tables, watches)
        if day == days[-1]:
            judged, odd = symptoms.of_the_end(tables, stale, failed, findings, error)
            looked.judged |= judged
            looked.odd |= odd
        if seen.get(day) != sorted(looked.numbers):
            seen[day] = sorted(looked.numbers)
            facts.append(("night", day, {"odd": seen[day]}))
        changes += changed(looked, known, _env(conf))
    facts += [("alert", c.alert.id, c.body()) for c in changes]
    loud = [c for c in changes if not c.quiet]
    if loud:
        facts.append(
            (
                "message",
                days[-1],
                _message(conf, days[-1], readers(last, days[-1], is_held=bool(findings or error)), loud),
            )
        )
    alerts.append(journal.rows[-1].run if journal.rows else "", *facts)
    couriers.send(conf, alerts)
    alerts.compact()


def _bad(seen: dict[str, list[str]], day: str) -> dict[str, set[str]]:
    """By the name of a number: the nights before `day` on which it was odd."""
    found: dict[str, set[str]] = {}
    for earlier in (d for d in seen if d < day):
        for name in seen[earlier]:
            found.setdefault(name, set()).add(earlier)
    return found


def readers(last: release.Release | None, day: str, *, is_held: bool) -> str:
    """What readers see after a night. is_held: it released nothing, for something was wrong."""
    if last is None:
        return "readers see nothing: there is no release yet"
    stays = is_held or last.body["as_of"] < day
    older = f", {len(last.stale)} tables older than that" if last.stale else ""
    return f"readers {'stay at' if stays else 'see'} release {last.number}, as of {last.body['as_of']}{older}"


def _env(conf: Conf) -> str:
    """What a command needs besides, to ask this lake."""
    return f" --env {conf.env}" if conf.env != "local" and (HOME / "conf" / f"{conf.env}.toml").is_file() else ""


def _message(conf: Conf, day: str, first: str, changes: Sequence[Change]) -> dict[str, Any]:
    counts = {s: sum(c.state == s for c in changes) for s in ("opened", "open", "recovered")}
    words = ", ".join(f"{n} {'still open' if s == 'open' else s}" for s, n in counts.items() if n)
    lines = [f"robolake {conf.env}, night of {day}: {first}", *(line for c in changes for line in c.lines())]
    return {
        "title": f"robolake {conf.env}, night of {day}: {words}",
        "text": "\n".join(lines),
        "readers": first,
        "changes": [c.alert.as_json() | {"state": c.state} for c in changes],
        "owners": sorted({c.alert.owner for c in changes}),
        "to": couriers.named(conf),
    }


def shown(
    conf: Conf, tables: Sequence[Table], watches: Sequence[Watch], id: str
) -> tuple[dict[str, dict[str, float]], pd.DataFrame | None]:
    """An alert's numbers of the last nights and, if a watch sees it, the rows by which it does."""
    journal, alerts = Journal(conf.root), Alerts(conf.root)
    delivered = volumes.deliveries(conf, journal, journal.states(), tables, tables)
    measured, last = alerts.measured(), max(alerts.nights())
    series: dict[str, volumes.Series] = {}
    for of in delivered:
        if id == f"{symptoms.short(of.source)}/rows":
            series["records"] = of.rows
    for table in (t for t in tables if id == f"{symptoms.short(t)}/values"):
        names = sorted({name for found in measured.values() if table.id in found for name in found[table.id].values})
        series |= {n: symptoms.numbers(measured, table.id, n) for n in names if not n.startswith((LOW, HIGH))}
    rows = None
    for watch in (w for w in watches if w.id == id):
        series["found"] = symptoms.numbers(measured, id, "found")
        rows = Measure(conf, journal.states(), tables, watches, delivered).find(watch, last)
    return {name: dict(sorted(s.items())[-conf.alerts.nights :]) for name, s in series.items()}, rows
