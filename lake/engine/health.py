"""What `lake doctor` looks at."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from lake.core.errors import LakeError
from lake.engine import damage, intake, jars, lease, place, prospect, release, store
from lake.engine.conf import Conf
from lake.engine.control import Journal


@dataclass(frozen=True)
class Check:
    what: str
    ok: bool
    said: str

    def as_json(self) -> dict[str, Any]:
        return {"check": self.what, "ok": self.ok, "said": self.said}


def checks(conf: Conf, *, deep: bool = False) -> list[Check]:
    """Every check with its finding, machine first; `deep` reads every data file."""
    looks: list[tuple[str, Callable[[Conf], str]]] = [
        ("python", lambda _: sys.version.split()[0]),
        ("java", _java),
        ("jars", lambda _: f"{len(jars.verified(*jars.locks(on_s3=conf.is_on_s3)))} as locked"),
        ("spark", prospect.check_master),
        ("disk", _disk),
        ("restricted zone", _restricted),
        ("raw zone", _raw),
        ("lease", _lease),
        ("journal", _journal),
        ("tables", partial(_tables, deep=deep)),
    ]
    found = []
    for what, look in looks:
        try:
            found.append(Check(what, True, look(conf)))
        except LakeError as e:
            found.append(Check(what, False, str(e).replace("\n", " ")))
        except OSError as e:
            found.append(Check(what, False, str(e)))
    return found


def _java(_: Conf) -> str:
    home = os.environ.get("JAVA_HOME")
    command = f"{home}/bin/java" if home else shutil.which("java")
    if not command:
        raise LakeError("no java found", hint="apt-get install openjdk-17-jre-headless.")
    said = subprocess.run([command, "-version"], capture_output=True, text=True, check=False).stderr.splitlines()
    return said[0] if said else command


def _disk(conf: Conf) -> str:
    disk = place.written_on(*conf.zones)
    free = shutil.disk_usage(disk).free // 2**20
    if free < conf.disk.free_mb:
        raise LakeError(f"{free} MB free at {disk}, a night needs {conf.disk.free_mb}", hint="make room.")
    return f"{free:,} MB free at {disk}"


def _restricted(conf: Conf) -> str:
    place.check_writable(conf.restricted)
    return str(conf.restricted)


def _raw(conf: Conf) -> str:
    from lake.catalog import TABLES

    sources = [t for t in TABLES if t.is_source and intake.is_active(t, conf)]
    empty = [s.id for s in sources if intake.is_required(s, conf) and not intake.complete_days(s, conf)]
    if empty:
        raise LakeError(
            f"nothing landed for {', '.join(empty)}",
            hint=f"deliver below {conf.raw}, or run ./spark-submit.sh simulate.",
        )
    return f"{len(sources)} sources deliver"


def _lease(conf: Conf) -> str:
    holder = lease.holder(conf.root)
    return (
        f"held by {holder.get('purpose')}, pid {holder.get('pid')}, since {holder.get('since')}" if holder else "free"
    )


def _journal(conf: Conf) -> str:
    from lake.catalog import TABLES

    journal = Journal(conf.root)
    unsettled = len(journal.open_tasks({t.id for t in TABLES}))
    if unsettled:
        raise LakeError(f"{unsettled} tasks of an interrupted run are unsettled", hint="run ./spark-submit.sh nightly.")
    last = release.newest(journal)
    return f"{len(journal.rows)} rows, {'release ' + str(last.number) if last else 'nothing released'}"


def _tables(conf: Conf, *, deep: bool) -> str:
    from lake.catalog import TABLES

    found = [d for some in damage.known(conf, Journal(conf.root), TABLES, TABLES, deep=deep).values() for d in some]
    if found:
        more = f"; and {len(found) - 3} more" if len(found) > 3 else ""
        raise LakeError("; ".join(map(str, found[:3])) + more, hint="./spark-submit.sh repair mends them.")
    read = "every data file read" if deep else "every data file in its size"
    return f"{sum(store.version(conf.at(t)) >= 0 for t in TABLES)} tables, every commit in the journal, {read}"
