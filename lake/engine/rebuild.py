"""The journal written anew, from what every commit says of itself and from the notes that releases left."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from lake.core.errors import LakeError, Unanswered
from lake.core.table import Table
from lake.engine import lease, place, release, store
from lake.engine.conf import Conf
from lake.engine.control import SCHEMA, Journal
from lake.engine.damage import ASIDE
from lake.engine.ledger import Ledger

log = logging.getLogger("lake")

_ONLY_TASKS = ("run", "seq", "add", "observed")


def rebuild(conf: Conf, tables: Sequence[Table]) -> list[str]:
    """Put the journal aside and write one that says of every table and release what the old one said.

    Sequence numbers stay, because data and transactions carry them; where others stood is left a row that says so.
    """
    with lease.held(conf.root, "doctor --rebuild-control"):
        facts = _commits(conf, tables)
        notes = [json.loads(p.read_text(encoding="utf-8")) for p in place.found(release.notes(conf.root), "*.json")]
        rows = _placed(facts, notes, _last_folder(conf, tables))
        now = f"{datetime.now(UTC):%Y%m%dT%H%M%S}"
        there = conf.root / "_control" / "journal"
        aside = conf.root / ASIDE / f"journal-{now}"
        made = there.with_name(".journal")
        place.remove(made)
        Ledger(made, SCHEMA).append(rows)
        if there.exists():
            aside.parent.mkdir(parents=True, exist_ok=True)
            place.move(there, aside)
        place.move(made, there)
        states = Journal(conf.root).states()
        return [
            f"{len(facts)} commits of {len(states)} tables and {len(notes)} releases are in the journal again",
            *([f"the old journal lies in {aside.relative_to(conf.root)}"] if aside.exists() else []),
        ]


def _commits(conf: Conf, tables: Sequence[Table]) -> list[tuple[datetime, str, int, dict[str, Any]]]:
    """What each of our commits says of itself: when, of which table, its version, its words; by sequence number."""
    found = []
    for table in tables:
        path = conf.at(table)
        for at in range(store.first(path), store.version(path) + 1) if store.version(path) >= 0 else ():
            try:
                words = store.said(path, at)
            except Unanswered:
                raise
            except LakeError as e:
                log.warning("%s", e.message)
                continue
            if "seq" in words:
                when = next(e["commitInfo"] for e in store.entries(path, at) or [] if "commitInfo" in e)["timestamp"]
                found.append((datetime.fromtimestamp(when / 1000, UTC), table.id, at, words))
    return sorted(found, key=lambda f: f[3]["seq"])


def _placed(
    facts: list[tuple[datetime, str, int, dict[str, Any]]], notes: list[dict[str, Any]], last: int
) -> list[dict[str, Any]]:
    """The journal's rows, numbered without a gap: tasks where they stood, what closed them on the next free numbers."""
    if not facts:
        raise LakeError("No table of this lake has a commit of ours.", hint="there is nothing to rebuild; run a night.")
    rows: dict[int, dict[str, Any]] = {}
    taken = {words["seq"] for _, _, _, words in facts}
    free = 1
    for when, table, at, words in facts:
        kind = "fence" if words.get("kind") in ("fence", "lost") else "task"
        rows[words["seq"]] = _row(words["seq"], when, words["run"], kind, table, _without(words, "run", "seq"))
        free = max(free, words["seq"] + 1)
        while free in taken:
            free += 1
        closed = {"task": words["seq"], "version": at, **_without(words, *_ONLY_TASKS)}
        rows[free] = _row(free, when, words["run"], "closed", table, closed)
        taken.add(free)
    last = max(last, *rows)
    for n, note in enumerate(notes, last + 1):
        rows[n] = _row(n, datetime.fromisoformat(note["at"]), note["run"], "release", "", note["body"])
    first = facts[0][0]
    for n in range(1, last + 1):
        rows.setdefault(n, _row(n, first, "rebuilt", "gone", "", {}))
    return [rows[n] for n in sorted(rows)]


def _last_folder(conf: Conf, tables: Sequence[Table]) -> int:
    """The highest sequence number that data files were ever written for; a new task must not get one of these."""
    folders = [p.name for t in tables for p in (conf.at(t) / store.DATA).glob("*")]
    return max((int(n) for n in folders if n.isdigit()), default=0)


def _row(seq: int, at: datetime, run: str, kind: str, subject: str, body: dict[str, Any]) -> dict[str, Any]:
    said = json.dumps(body, sort_keys=True, default=str)
    return {"seq": seq, "at": at, "run": run, "kind": kind, "subject": subject, "body": said}


def _without(words: dict[str, Any], *names: str) -> dict[str, Any]:
    return {k: v for k, v in words.items() if k not in names}
