"""Profiles: how values lie, what moves together, what drifted; and nobody is named in them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import date
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from deltalake import write_deltalake
from pyspark.sql import DataFrame
from pyspark.sql.types import DateType, DecimalType, IntegerType, MapType, StringType

from lake.core.refresh import full
from lake.core.table import Column, table
from lake.engine import profile
from lake.engine.conf import HOME
from lake.engine.control import Journal
from lake.engine.docs import profiles
from lake.supply.gold_dims import dim_part


@table(
    inputs=[],
    refresh=full(),
    columns=[
        Column("id", IntegerType(), key=True),
        Column("day", DateType()),
        Column("price", DecimalType(9, 2), unit="EUR"),
        Column("weight", DecimalType(9, 2)),
        Column("kind", StringType()),
        Column("buyer", StringType(), pii="person"),
        Column("notes", MapType(StringType(), StringType())),
    ],
)
def tickets() -> DataFrame:
    """One row per ticket."""
    raise NotImplementedError


def rows(ids: list[int], prices: list[float | None], kinds: list[str]) -> pa.Table:
    return pa.table(
        {
            "id": pa.array(ids, pa.int32()),
            "day": pa.array([date(2026, 3, 1 + i % 28) for i in ids], pa.date32()),
            "price": pa.array([None if p is None else Decimal(f"{p:.2f}") for p in prices], pa.decimal128(9, 2)),
            "weight": pa.array([None if p is None else Decimal(f"{2 * p:.2f}") for p in prices], pa.decimal128(9, 2)),
            "kind": pa.array(kinds, pa.string()),
            "buyer": pa.array([f"Lovelace {i}" for i in ids], pa.string()),
            "notes": pa.array([None for _ in ids], pa.map_(pa.string(), pa.string())),
        }
    )


def test_a_column_tells_what_is_missing_how_many_differ_and_where_they_lie() -> None:
    found = profile.of(tickets, rows([1, 2, 3, 4, 5], [1, 2, 2, 7.5, None], ["a", "b", "a", "a", "c"]), 3)
    looks = {c.name: c for c in found.columns}
    price = looks["price"]
    assert (found.rows, price.type, price.unit, price.missing, price.distinct) == (5, "decimal(9,2)", "EUR", 1, 3)
    assert (price.least, price.mean, price.most) == ("1", 3.125, "7.5")
    assert price.quantiles == {"p01": "1", "p25": "1", "p50": "2", "p75": "2", "p99": "2"}
    assert price.top == (("2", 2), ("1", 1), ("7.5", 1))
    assert (sum(price.bars), price.bars[0], price.bars[-1]) == (4, 1, 1)
    assert looks["kind"].top == (("a", 3), ("b", 1), ("c", 1))
    assert (looks["id"].top, looks["id"].distinct) == ((), 5)
    assert (looks["day"].least, looks["day"].most, looks["day"].mean) == ("2026-03-02", "2026-03-06", None)
    assert (looks["notes"].missing, looks["notes"].distinct) == (5, None)
    assert profile.warnings(found) == ["notes is always missing"]


def test_a_table_without_rows_has_a_profile() -> None:
    found = profile.of(tickets, rows([], [], []), 1, before=rows([], [], []), against=1)
    assert [(c.distinct, c.drift) for c in found.columns if c.name == "price"] == [(0, None)]
    assert profile.warnings(found) == []
    assert profiles.page(found, "One row per ticket.")


def test_nobody_is_named_in_any_form_of_a_profile() -> None:
    some = rows(list(range(30)), [1.0] * 30, ["a"] * 30)
    found = profile.of(tickets, some, 2, before=some, against=1)
    said = [json.dumps(found.as_json()), profiles.page(found, tickets.doc), str(profile.in_words(found))]
    assert [s for s in said if "Lovelace" in s] == []
    assert all("masked" in s for s in said[1:])
    [buyer] = [c for c in found.columns if c.name == "buyer"]
    assert (buyer.personal, buyer.distinct, buyer.drift) == (True, 30, None)


def test_what_moves_together_is_told_with_its_strength() -> None:
    found = profile.of(tickets, rows(list(range(40)), [float(i % 7) for i in range(40)], ["a"] * 40), 1)
    assert found.correlated == (("price", "weight", 1.0),)
    few = profile.of(tickets, rows(list(range(5)), [1, 2, 3, 4, 5], ["a"] * 5), 1)
    assert few.correlated == ()


def drawn(seed: int, count: int, *, shift: float = 0.0, share: float = 0.5) -> pa.Table:
    dice = np.random.default_rng(seed)
    kinds = np.where(dice.random(count) < share, "a", "b").tolist()
    return rows(list(range(count)), (dice.normal(50 + shift, 10, count)).tolist(), kinds)


@pytest.mark.parametrize(
    ("now", "drifted"),
    [
        (drawn(2, 2000), []),
        (drawn(2, 2000, shift=10), ["price", "weight"]),
        (drawn(2, 2000, share=0.9), ["kind"]),
        (drawn(2, 12, shift=3), []),  # so few rows may lie anywhere
    ],
)
def test_a_column_drifts_when_its_values_lie_elsewhere_and_not_by_chance(now: pa.Table, drifted: list[str]) -> None:
    found = profile.of(tickets, now, 2, before=drawn(1, 2000), against=1)
    assert [c.name for c in found.columns if c.drifted] == drifted


def test_days_keys_and_names_do_not_drift() -> None:
    before = rows(list(range(50)), [1.0] * 50, [f"T-{i}" for i in range(50)])
    now = rows(list(range(50, 100)), [1.0] * 50, [f"T-{i}" for i in range(50, 100)])
    found = {c.name: c.drift for c in profile.of(tickets, now, 2, before=before, against=1).columns}
    assert (found["id"], found["day"], found["kind"]) == (None, None, None)


# ---- on the command line


@pytest.fixture
def env(tmp_path: Path) -> str:
    """A lake that released supply.gold.dim_part twice; a part came in between."""
    root = tmp_path / "lake"
    entries = []
    for version, ids in enumerate((["P-1"], ["P-1", "P-2"])):
        columns = {c.name: pa.nulls(len(ids), pa.string()) for c in dim_part.columns} | {"part_id": pa.array(ids)}
        write_deltalake(str(root / dim_part.path), pa.table(columns), mode="overwrite")
        entries.append({dim_part.id: {"version": version, "rows": len(ids), "hash": "", "through": "2026-03-01"}})
    journal = Journal(root)
    for number, tables in enumerate(entries, 1):
        journal.append("night", ("release", "", {"release": number, "tables": tables, "as_of": "2026-03-01"}))
    file = tmp_path / "shop.toml"
    file.write_text(f'[lake]\nroot = "{root}"\nraw = "{tmp_path / "raw"}"\n', encoding="utf-8")
    return str(file)


def lake(*words: str) -> subprocess.CompletedProcess[str]:
    program = "from lake.engine.cli import main; main()"
    environment = os.environ | {"PYTHONPATH": str(HOME)}
    return subprocess.run([sys.executable, "-c", program, *words], env=environment, capture_output=True, text=True)


def test_a_profile_is_of_a_release_against_another(env: str, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    done = lake("profile", "dim_part", "--env", env, "--against", "1", "--page", str(page), "--json")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert (said["release"], said["rows"], said["against"], said["rows_before"]) == (2, 2, 1, 1)
    assert {c["name"]: c["distinct"] for c in said["columns"]}["part_id"] == 2
    assert "drift against release 1" in page.read_text(encoding="utf-8")
    older = json.loads(lake("profile", "dim_part", "--env", env, "--release", "1", "--json").stdout)
    assert (older["release"], older["rows"]) == (1, 1)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("supply.bronze.bom", "holds records as delivered"),
        ("supply.gold.supplier_month", "is not in release 2"),
        ("supply.silver.supplier_files", "is restricted"),
        ("dim_prat", "did you mean"),
    ],
)
def test_what_has_no_profile_is_said_with_exit_code_2(env: str, asked: str, said: str) -> None:
    done = lake("profile", asked, "--env", env)
    assert (done.returncode, said in done.stderr) == (2, True), done.stderr
