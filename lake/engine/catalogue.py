"""The catalogue of faults: which tests cover each, and how they last ended."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from lake.engine.conf import HOME

_ROW = re.compile(r"^\| (F\d\d) \| (.+) \| (.+) \|$", re.MULTILINE)
_TEST = re.compile(r"^def (test_(F\d\d)_\w+)", re.MULTILINE)
RESULTS = Path(".pytest_cache") / "v" / "lake" / "faults"


def faults(home: Path = HOME) -> list[dict[str, Any]]:
    """Every fault of docs/faults.md: `tests` by name, with their last `results` (empty: not run on this machine)."""
    tests: dict[str, list[str]] = {}
    for file in sorted((home / "tests").rglob("test_*.py")):
        for name, number in _TEST.findall(file.read_text(encoding="utf-8")):
            tests.setdefault(number, []).append(name)
    try:
        ended: dict[str, str] = json.loads((home / RESULTS).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        ended = {}
    listed = _ROW.findall((home / "docs" / "faults.md").read_text(encoding="utf-8"))
    return [
        {
            "fault": number,
            "what": what,
            "afterwards": afterwards,
            "tests": tests.get(number, []),
            "results": {t: ended[t] for t in tests.get(number, []) if t in ended},
        }
        for number, what, afterwards in listed
    ]


def lines(found: list[dict[str, Any]]) -> list[str]:
    """One line a fault: ✓ its tests passed, ✗ one failed, ? not run here, – not covered."""
    said = []
    for f in found:
        ended = set(f["results"].values())
        mark = "–" if not f["tests"] else "✗" if "failed" in ended else "✓" if "passed" in ended else "?"
        names = ", ".join(f"{t} ({f['results'].get(t, 'not run')})" for t in f["tests"]) or "no test"
        said.append(f"{mark} {f['fault']} {f['what']}: {names}")
    covered = sum(bool(f["tests"]) for f in found)
    return [*said, f"{covered} of {len(found)} faults are covered"]
