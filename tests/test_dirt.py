"""Every line that the simulator breaks is found, at its place and for its reason, and no other one is."""

from __future__ import annotations

import json
from collections import Counter
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from lake.catalog import EXPECTATIONS, TABLES
from lake.core.table import Table
from lake.engine import night, rejects
from lake.engine.conf import Conf
from lake.engine.control import Journal
from lake.simulate import simulate
from tests.conftest import Count

TYPED = [t for t in TABLES if t.is_source or t.is_typed]
OF_SUPPLY = [t for t in TYPED if t.domain == "supply"]
RULES = {"duplicate_in_file": "duplicate", "broken_json": "record", "not_a_number": "type", "not_a_date": "type"}
"""By which rule a planted mishap that costs a record is found."""


class Delivered:
    """A company's days with a share of all lines broken off, and the lake that they were delivered to."""

    def __init__(self, home: Path, tables: list[Table], share: float) -> None:
        self.home, self.tables = home, tables
        for name, dirt in (("whole", 0.0), ("broken", share)):
            simulate(home / name, days=3, robots=2, items=20, hz=0.0002, start=date(2026, 1, 5), dirt=dirt)
        self.conf = Conf(
            env="dirt",
            lake={"root": str(home / "lake"), "raw": str(home / "broken" / "raw")},
            spark={"threads": 2},
            disk={"free_mb": 1},
        )
        self.result = night.run(self.conf, tables, expectations=EXPECTATIONS)

    @property
    def cut(self) -> dict[tuple[str, int], str]:
        """Of these tables' files the lines that were cut: file and number of the line → what is left of it."""
        found: dict[tuple[str, int], str] = {}
        whole, broken = (self.home / name / "raw" for name in ("whole", "broken"))
        domains = {t.domain for t in self.tables}
        for file in (f for domain in domains for f in sorted((broken / domain).rglob("dt=*/*"))):
            name = file.relative_to(broken).as_posix()
            pairs = zip((whole / name).read_bytes().splitlines(), file.read_bytes().splitlines(), strict=True)
            found |= {(name, n): left.decode() for n, (right, left) in enumerate(pairs, 1) if right != left}
        return found

    @property
    def planted(self) -> Counter[tuple[str, str]]:
        """The mishaps of the calendar that cost records: of which source, and by which rule they are found."""
        lines = (self.home / "broken" / "truth" / "planted.jsonl").read_text().splitlines()
        count: Counter[tuple[str, str]] = Counter()
        for p in map(json.loads, lines):
            source = p["source"].replace(".", ".bronze.")
            if p["kind"] in RULES and source in {t.id for t in self.tables}:
                count[source, RULES[p["kind"]]] += p["records"]
        return count

    def rejected(self) -> list[dict[str, Any]]:
        return rejects.listed(self.conf, Journal(self.conf.root), self.tables, TABLES)


@pytest.mark.parametrize(
    ("share", "tables"),
    [
        pytest.param(0.05, OF_SUPPLY, id="a twentieth of a department's"),
        *[pytest.param(s, TYPED, id=f"{s:.1%}", marks=pytest.mark.soak) for s in (0.001, 0.05, 0.6)],
    ],
)
def test_what_breaks_off_is_what_is_rejected(
    spark: SparkSession, tmp_path: Path, share: float, tables: list[Table], count: Count
) -> None:
    delivered = Delivered(tmp_path, tables, share)
    is_mad = share > delivered.conf.gate.max_rejected_share
    assert delivered.result.exit_code == (3 if is_mad else 0), delivered.result
    assert (delivered.result.release is None) == is_mad
    cut, rejected = delivered.cut, delivered.rejected()
    broken = {(r["file"], r["line"]): r["raw"] for r in rejected if r["rule"] == "record"}
    assert cut.items() <= broken.items()
    others = Counter((r["source"], r["rule"]) for r in rejected if (r["file"], r["line"]) not in cut)
    if is_mad:  # of what was planted, much is cut itself
        assert set(others) <= set(delivered.planted)
    else:
        assert others == delivered.planted
    count("broken lines found", len(cut))
