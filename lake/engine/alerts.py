"""Alerts: what is wrong is told once when it begins, once more on its third day, and when it is over.

They have a ledger of their own beside the journal (`_control/alerts`): what each night was found to be, every change of
an alert's state, every message, and who got it. It holds counts and typical values, and no value of a row.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from lake.core.errors import LakeError, Unanswered, WrongUse, unknown_name
from lake.engine.control import SCHEMA, Row
from lake.engine.ledger import Ledger
from lake.engine.measures import Measured, Nights
from lake.engine.place import Place
from lake.engine.symptoms import Looked

REMINDED_ON_DAY = 3


@dataclass
class Alert:
    """Something that is wrong, since a night. `until`: acknowledged up to this night, with the `reason`."""

    id: str
    since: str
    owner: str
    said: str
    command: str
    is_open: bool = True
    reminded: bool = False
    until: str = ""
    reason: str = ""

    def as_json(self) -> dict[str, Any]:
        return {
            "alert": self.id, "since": self.since, "owner": self.owner, "cause": self.said, "command": self.command,
            "acknowledged_until": self.until or None, "reason": self.reason or None,
        }  # fmt: skip


class Alerts:
    """The ledger of one lake's alerts. kind: measured, night, alert, ack, message, delivered."""

    def __init__(self, root: Place) -> None:
        self.root = root
        try:
            self._ledger = Ledger(root / "_control" / "alerts", SCHEMA)
            self.rows = [Row(**fact | {"body": json.loads(fact["body"])}) for fact in self._ledger.read()]
        except Unanswered:
            raise
        except LakeError as e:
            hint = "remove the folder _control/alerts of the lake: they begin anew."
            raise LakeError("The ledger of alerts cannot be read.", hint=hint) from e

    def append(self, run: str, *facts: tuple[str, str, dict[str, Any]]) -> list[Row]:
        """Write facts (kind, subject, body) in one commit. Raises Fenced if another process wrote meanwhile."""
        now, first = datetime.now(UTC), (self.rows[-1].seq if self.rows else 0) + 1
        new = [Row(first + n, now, run, *fact) for n, fact in enumerate(facts)]
        if new:
            self._ledger.append([vars(r) | {"body": json.dumps(r.body, sort_keys=True)} for r in new])
            self.rows.extend(new)
        return new

    def compact(self) -> None:
        """Few files again; those that this leaves are removed a week later."""
        self._ledger.compact()
        self._ledger.upkeep()

    def of(self, kind: str) -> Iterator[Row]:
        return (r for r in self.rows if r.kind == kind)

    def measured(self) -> Nights:
        """The numbers of every night, as last taken."""
        found: Nights = {}
        for row in self.of("measured"):
            for name, said in row.body.items():
                found.setdefault(row.subject, {})[name] = Measured(said["of"], said["values"])
        return found

    def nights(self) -> dict[str, list[str]]:
        """The nights that were looked at, each with the numbers that were out of the ordinary."""
        return {r.subject: r.body["odd"] for r in self.of("night")}

    def all(self) -> dict[str, Alert]:
        """Every alert there ever was, as it stands."""
        found: dict[str, Alert] = {}
        for row in self.rows:
            body = row.body
            if row.kind == "alert" and body["state"] == "opened":
                before = found.get(row.subject)
                alert = Alert(row.subject, body["day"], body["owner"], body["said"], body["command"])
                found[row.subject] = alert
                if before:
                    alert.until, alert.reason = before.until, before.reason
            elif row.kind == "alert":
                found[row.subject].is_open = body["state"] != "recovered"
                found[row.subject].reminded |= body["state"] == "open"
            elif row.kind == "ack":
                acknowledged = found[row.subject]
                acknowledged.until, acknowledged.reason = body["until"], body["reason"]
                acknowledged.reminded = False
        return found

    def open(self) -> list[Alert]:
        """The alerts that are open, oldest first."""
        return sorted((a for a in self.all().values() if a.is_open), key=lambda a: (a.since, a.id))


def acknowledge(root: Place, id: str, until: date, reason: str) -> Alert:
    """Keep an open alert quiet up to the night of `until`. Raises WrongUse for one that is not open."""
    alerts = Alerts(root)
    known = {a.id: a for a in alerts.open()}
    if id not in known:
        if not known:
            raise WrongUse("No alert is open.", hint="`lake alerts` lists them.")
        raise unknown_name("alert", id, known)
    if not reason.strip():
        raise WrongUse("An alert is acknowledged for a reason.", hint='--reason "spare part ordered"')
    last = max(alerts.nights(), default=known[id].since)
    if until.isoformat() < last:
        raise WrongUse(f"The night of {last} was already looked at.", hint="give a later day as --until.")
    alerts.append("ack", ("ack", id, {"until": until.isoformat(), "reason": reason.strip()}))
    return alerts.all()[id]


# --- what changes in a night ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Change:
    """A change of state: opened, open (still), or recovered. `quiet`: acknowledged, so that nobody is told."""

    state: str
    day: str
    alert: Alert
    quiet: bool = False

    def body(self) -> dict[str, Any]:
        a = self.alert
        return {"state": self.state, "day": self.day, "owner": a.owner, "said": a.said, "command": a.command}

    def lines(self) -> list[str]:
        """The cause, and the command to type."""
        a = self.alert
        if self.state == "recovered":
            return [f"RECOVERED {a.id} ({a.owner}): open since {a.since}"]
        words = "OPENED" if self.state == "opened" else f"STILL OPEN on day {_days(a.since, self.day)}"
        return [f"{words} {a.id} ({a.owner}): {a.said}", f"  → {a.command}"]


def changed(looked: Looked, known: dict[str, Alert], env: str) -> list[Change]:
    """What a night changes of the alerts that are `known`, which are brought up to it."""
    day, changes, new = looked.day, list[Change](), set[str]()
    for symptom in looked.incidents():
        alert = known.get(symptom.id)
        if alert is None or not alert.is_open:
            until, reason = (alert.until, alert.reason) if alert else ("", "")
            alert = Alert(symptom.id, day, symptom.owner, symptom.said, symptom.verb + env, until=until, reason=reason)
            known[symptom.id] = alert
            new.add(alert.id)
            changes.append(Change("opened", day, alert, quiet=until >= day))
    for alert in (a for a in known.values() if a.is_open and a.id not in new):
        if alert.id in looked.judged and alert.id not in looked.odd:
            alert.is_open = False
            changes.append(Change("recovered", day, alert))
        elif not alert.reminded and alert.until < day and _days(alert.since, day) >= REMINDED_ON_DAY:
            alert.reminded = True
            changes.append(Change("open", day, alert))
    return changes


def _days(since: str, day: str) -> int:
    """Counting both."""
    return (date.fromisoformat(day) - date.fromisoformat(since)).days + 1
