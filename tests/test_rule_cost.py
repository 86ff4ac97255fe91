"""What it costs that each record is judged, and that a rejected one is kept."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

HOME = Path(__file__).resolve().parents[1]


@pytest.mark.soak
def test_rules_and_rejected_records_cost_at_most_a_seventh_of_the_silver_write(tmp_path: Path) -> None:
    """450 MB of telemetry with one broken record in a thousand, in a JVM of its own; the figures are printed."""
    ran = subprocess.run(
        [sys.executable, "-m", "tests.rule_cost", str(tmp_path), "450"], cwd=HOME, capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stderr
    print(ran.stdout)
    cost = re.search(r"they cost (-?[0-9.]+) %", ran.stdout)
    assert cost and float(cost[1]) <= 15, ran.stdout
    records, rejected = (int(n.replace(",", "")) for n in re.findall(r"([0-9,]+) (?:records|rejected)", ran.stdout))
    assert rejected == records // 1_000
