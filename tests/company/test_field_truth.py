"""What was planted in the field is what the gold tables find, at three seeds: all of them in one computation."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pandas as pd
import pytest
from pyspark.sql import functions as F

from lake.company import gold_parts
from lake.robot import gold, gold_work, silver, silver_work
from lake.simulate import cycles, robot, supply
from lake.simulate.books import Books
from lake.simulate.company import Company
from lake.simulate.truth import part_lives
from tests.conftest import Frame

DAYS = 60


@pytest.fixture(scope="module")
def companies() -> dict[str, Company]:
    return {str(s): Company(s, date(2026, 1, 5), item_count=40, robot_count=12, hz=0.0001) for s in (7, 8, 9)}


def test_the_bad_lot_and_no_other_is_worse(companies: dict[str, Company], given: Frame) -> None:
    rows, planted = [], set()
    for seed, company in companies.items():
        books = Books(company, DAYS - 1)
        supplier, item, lot = supply.bad_lot(company, books.receipts)
        planted.add(
            (f"{seed} {company.items['item_id'].iat[item]}", company.suppliers["supplier_id"].iat[supplier], lot)
        )
        rows += [
            (f"{seed} {r.part_id}", r.supplier_id, r.lot, r.serial, bool(r.failed), pd.isna(r.removed_on), 0, r.cycles)
            for r in part_lives(books, DAYS - 1).itertuples()
        ]
    names = "part_id supplier_id lot serial failed is_running days_at_risk cycles_at_risk"
    found = gold_parts.part_reliability(given(gold_parts.part_life, names, *rows)).toPandas()
    lot = ["part_id", "supplier_id", "lot"]
    worse = found[found["standing"] == "worse"]
    assert set(worse[lot].itertuples(index=False, name=None)) == planted
    highest = (
        found.dropna(subset=["failures_per_million_low"])
        .sort_values("failures_per_million_low")
        .groupby(found["part_id"].str[0])
        .tail(1)
    )
    assert set(highest[lot].itertuples(index=False, name=None)) == planted


def test_the_hurtful_firmware_is_rolled_back_on_its_arm_and_no_other_software_is(
    companies: dict[str, Company], given: Frame, tmp_path: Path
) -> None:
    done, boots, arms = [], [], []
    for seed, company in companies.items():
        for n in range(DAYS):
            done.append(cycles.work_cycle_records(company, n).assign(seed=seed))
            started = robot.boot_records(company, n)
            boots += [(f"{seed} {b.serial}", b.boot_id, b.at[:19], b.firmware, "p1") for b in started.itertuples()]
        arms += [(f"{seed} {r.serial}", f"{seed} {r.arm_variant}", True) for r in robot.fleet(company).itertuples()]
    told = pd.concat(done)
    told["serial"] = told["seed"] + " " + told["serial"]
    told["started_at"] = told["started_at"].str[:19]
    told[["serial", "boot_id", "cycle", "started_at", "payload_kg", "result"]].to_parquet(
        tmp_path / "work.parquet", index=False
    )
    spark = given(silver_work.work_cycles, "serial").sparkSession
    types = {c.name: c.stored for c in silver_work.work_cycles.columns}
    read = spark.read.parquet(str(tmp_path / "work.parquet"))
    work = read.select([F.col(c).cast(types[c]) for c in read.columns])
    card = gold_work.software_scorecard(
        gold_work.work_day(work),
        given(silver.boots, "serial boot_id at firmware position_model", *boots),
        given(gold.accuracy_day, "serial"),
        given(gold.dim_robot, "serial arm_variant is_current", *arms),
    ).toPandas()
    verdicts = card.groupby(["firmware", "arm_variant"])["verdict"].agg(lambda v: set(v.dropna()))
    rolled_back = {software for software, said in verdicts.items() if "roll back" in said}
    assert rolled_back == {(robot.HURTFUL_FIRMWARE, f"{seed} {robot.HURT_ARM}") for seed in companies}
    repaired = verdicts.loc[[("4.2.1", f"{seed} {robot.HURT_ARM}") for seed in companies]]
    assert all("keep" in said or said == {"hold"} for said in repaired)
