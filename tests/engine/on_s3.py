"""Nights over the five tables in a process of its own, whose Spark knows S3: python -m tests.engine.on_s3 WHERE.

WHERE is JSON: `root`, `raw`, `endpoint`, `days` (a night for each), `chosen` (names of tables), `laws`. What came of it
is said in JSON on the last line.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any

from lake.engine import night, release
from lake.engine.conf import Conf
from lake.engine.control import Journal
from lake.engine.verify import Verifier
from tests.engine.conftest import TABLES

HOME = Path(__file__).resolve().parents[2]


def conf_of(where: dict[str, Any]) -> Conf:
    return Conf(
        env="five",
        lake={"root": where["root"], "raw": where["raw"]},
        spark={"threads": 2, "driver_memory": "1g"},
        disk={"free_mb": 1},
        intake={"max_withdrawn_share": 1.0},
        s3={"endpoint": where["endpoint"]},
    )


def played(where: dict[str, Any]) -> dict[str, Any]:
    """What came of the nights: how each ended, what the tables hold, what a rollback and the laws say."""
    conf, chosen = conf_of(where), [t for t in TABLES if t.name in where["chosen"]]
    ended = [night.run(conf, TABLES, day=date.fromisoformat(d), chosen=chosen).exit_code for d in where["days"]]
    states = Journal(conf.root).states()
    held = {t.id: [s.rows, s.rejected, s.hash, s.version] for t in chosen if (s := states.get(t.id))}
    verdicts = Verifier(conf, TABLES, [], chosen).conclude(where["laws"])
    back = release.rollback(conf)
    return {"ended": ended, "held": held, "laws": [asdict(v) for v in verdicts], "back": back.tables}


def in_a_process(**where: Any) -> dict[str, Any]:
    """The same, in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.engine.on_s3", json.dumps(where)], cwd=HOME, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-4000:]
    said: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return said


if __name__ == "__main__":
    print(json.dumps(played(json.loads(sys.argv[1])), default=str))
