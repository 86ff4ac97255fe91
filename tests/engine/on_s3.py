"""Nights over the five tables in a process of its own, whose Spark knows S3: python -m tests.engine.on_s3 WHERE.

WHERE is JSON: `root`, `raw`, `restricted`, `endpoint`, `days` (a night for each), `chosen` (names of tables), `laws`;
or `mended`: a backfill, repairs and a journal written anew instead. What came of it is said in JSON on the last line.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any

from lake.core.table import Table
from lake.engine import backfill, damage, lease, night, place, rebuild, release, store
from lake.engine.conf import Conf
from lake.engine.control import Journal
from lake.engine.verify import Verifier
from tests.engine.conftest import TABLES
from tests.engine.five_tables import PERSONAL

ALL = [*TABLES, *PERSONAL]
HOME = Path(__file__).resolve().parents[2]


def conf_of(where: dict[str, Any]) -> Conf:
    return Conf(
        env="five",
        lake={key: where.get(key, "") for key in ("root", "raw", "restricted")},
        spark={"threads": 2, "driver_memory": "1g"},
        disk={"free_mb": 1},
        intake={"max_withdrawn_share": 1.0},
        s3={"endpoint": where["endpoint"]},
    )


def played(where: dict[str, Any]) -> dict[str, Any]:
    """What came of the nights: how each ended, what the tables hold, what a rollback and the laws say."""
    conf, chosen = conf_of(where), [t for t in ALL if t.name in where["chosen"]]
    ended = [night.run(conf, ALL, day=date.fromisoformat(d), chosen=chosen).exit_code for d in where["days"]]
    states = Journal(conf.root).states()
    held = {t.id: [s.rows, s.rejected, s.hash, s.version] for t in chosen if (s := states.get(t.id))}
    verdicts = Verifier(conf, ALL, [], chosen).conclude(where["laws"])
    back = release.rollback(conf)
    return {"ended": ended, "held": held, "laws": [asdict(v) for v in verdicts], "back": back.tables}


def mended(where: dict[str, Any]) -> dict[str, Any]:
    """What the tables hold after a backfill behind the last day, then after repairs of three of them, and at last with
    a journal written anew: how each run ended, which tables were damaged, rows and hashes each time."""
    conf, chosen = conf_of(where), [t for t in TABLES if t.name in where["chosen"]]
    first, between, last = map(date.fromisoformat, where["days"])
    told: dict[str, Any] = {
        "ended": [night.run(conf, TABLES, day=last, since=last, chosen=chosen).exit_code],
        "held": [],
    }

    def ended(result: night.Result) -> None:
        states = Journal(conf.root).states()
        told["ended"].append(result.exit_code)
        told["held"].append({t.id: [s.rows, s.rejected, s.hash] for t in chosen if (s := states.get(t.id))})

    ended(backfill.run(conf, TABLES, since=first, until=between, chosen=chosen))
    spoil(conf, {t.name: t for t in chosen})
    found = damage.known(conf, Journal(conf.root), TABLES, chosen, deep=True)
    told["damaged"] = sorted(t.name for t in found)
    with lease.held(conf.root, "repair"):
        damage.repair(conf, Journal(conf.root), TABLES, chosen)
    ended(night.run(conf, TABLES, chosen=chosen, purpose="repair"))
    place.remove(conf.root / "_control" / "journal")
    rebuild.rebuild(conf, TABLES)
    ended(night.run(conf, TABLES, chosen=chosen))
    assert damage.known(conf, Journal(conf.root), TABLES, chosen, deep=True) == {}
    return told


def spoil(conf: Conf, tables: dict[str, Table]) -> None:
    """Cut off a data file, lose an entry of a log, and lose a whole log."""
    movements, daily, colours = (conf.at(tables[name]) for name in ("movements", "daily", "colours"))
    file = movements / store.Log(movements).files()[0]
    file.write_bytes(file.read_bytes()[:-7])
    (daily / "_delta_log" / f"{1:020d}.json").unlink()
    place.remove(colours / "_delta_log")


def in_a_process(**where: Any) -> dict[str, Any]:
    """The same, in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.engine.on_s3", json.dumps(where)], cwd=HOME, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-4000:]
    said: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return said


if __name__ == "__main__":
    asked = json.loads(sys.argv[1])
    print(json.dumps(mended(asked) if asked.get("mended") else played(asked), default=str))
