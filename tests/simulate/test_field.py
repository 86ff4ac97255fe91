"""What befalls robots in the field, told by their files and found again at three seeds."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from lake.simulate import cycles, lab, robot, simulate, supply
from lake.simulate.books import Books
from lake.simulate.company import Company
from lake.simulate.truth import part_lives

START = date(2026, 1, 5)
LAST = 59
LOT = ["part_id", "supplier_id", "lot"]


@pytest.fixture(scope="module", params=[7, 8, 9])
def books(request: pytest.FixtureRequest) -> Books:
    return Books(Company(seed=request.param, start=START, item_count=40, robot_count=12, hz=0.0001), LAST)


def bad_lot(books: Books) -> tuple[str, str, str]:
    supplier, item, lot = supply.bad_lot(books.company, books.receipts)
    suppliers, items = books.company.suppliers, books.company.items
    return items["item_id"].iat[item], suppliers["supplier_id"].iat[supplier], lot


def test_parts_of_the_bad_lot_fail_far_more_often_than_others(books: Books) -> None:
    lives = part_lives(books, LAST)
    is_bad = (lives[LOT] == list(bad_lot(books))).all(axis=1)
    servos = lives["part_id"] == bad_lot(books)[0]
    rate = lives[servos].groupby(is_bad)[["failed", "cycles"]].sum().eval("failed / cycles * 1e6")
    assert lives[is_bad & lives["failed"]].shape[0] >= 3
    assert rate[True] > 5 * rate[False]
    assert set(lives[is_bad]["fitted_by"]) == {"build"}


def test_every_lot_in_a_robot_was_received_before_it_was_fitted(books: Books) -> None:
    received = books.receipts.assign(
        part_id=books.company.items["item_id"].to_numpy()[books.receipts["item"]],
        supplier_id=books.company.suppliers["supplier_id"].to_numpy()[books.receipts["supplier"]],
    )
    came = received.groupby(LOT)["received_at"].min().rename("came")
    fitted = books.parts.join(came, on=LOT)
    fitted_at = pd.Timestamp(START) + pd.to_timedelta(fitted["fitted"], "D")
    assert fitted["came"].notna().all()
    first = received.groupby("part_id")["received_at"].transform("min").eq(received["received_at"])
    known_first = set(received[first][LOT].itertuples(index=False, name=None))
    early = fitted[fitted["came"] > fitted_at][LOT]
    assert set(early.itertuples(index=False, name=None)) <= known_first, "what came before the books begin"


def test_the_hurtful_firmware_stops_its_arm_and_no_other(books: Books) -> None:
    days = range(55)
    told = pd.concat([cycles.work_cycle_records(books.company, n).assign(number=n) for n in days])
    of = [int(s[3:]) - 1 for s in told["serial"]]
    told["arm"] = robot.fleet(books.company)["arm_variant"].to_numpy()[of]
    told["firmware"] = [robot.firmware(r, n) for r, n in zip(of, told["number"], strict=True)]
    stops = told["result"].eq("protective_stop").groupby([told["firmware"], told["arm"]]).sum()
    done = told.groupby(["firmware", "arm", "serial", "number"])["cycle"].agg(lambda c: c.max() - c.min())
    rate = stops / done.groupby(["firmware", "arm"]).sum() * 1000
    assert rate.idxmax() == (robot.HURTFUL_FIRMWARE, robot.HURT_ARM)
    assert rate.max() > 4 * rate.drop(rate.idxmax()).max()


def test_each_protective_stop_of_the_fault_log_is_a_logged_cycle(books: Books) -> None:
    for number in (0, 20):
        told = cycles.work_cycle_records(books.company, number)
        faults = robot.fault_records(books.company, number)
        stops = faults[faults["code"] == robot.STOP].groupby("serial").size()
        logged = told[told["result"] == "protective_stop"].groupby("serial").size()
        pd.testing.assert_series_equal(stops, logged, check_names=False)
        fine = told[told["result"] == "ok"]
        assert (fine["cycle"] % cycles.ONE_IN == 0).all()
        assert 15 < len(told) / told["serial"].nunique() < 60


def test_one_hand_variant_drifts_more_than_the_others(books: Books) -> None:
    tests = pd.concat([lab.accuracy_records(books.company, n) for n in (0, *range(42, LAST + 1))])
    off = sum((tests[f"measured_{a}_mm"] - tests[f"target_{a}_mm"]) ** 2 for a in "xyz") ** 0.5
    hands = robot.fleet(books.company).set_index("serial")["hand_variant"]
    late = tests["at"] > "2026-02-01"
    mean = off.groupby([tests["serial"].map(hands), late]).mean().unstack()
    drift = (mean[True] - mean[False]).sort_values()
    assert drift.index[-1] == "H5T"
    assert drift.iloc[-1] > 3 * drift.iloc[-2]


def test_a_fleet_grows_within_a_year() -> None:
    company = Company(seed=7, start=START, item_count=40, robot_count=40, hz=0.0001)
    assert len(robot.running(company, 0)) < len(robot.running(company, 120)) < len(robot.running(company, 300))


def test_service_and_builds_tell_what_the_truth_tells(tmp_path: Path) -> None:
    simulate(tmp_path, days=6, robots=2, items=20, hz=0.00005)
    truth = pd.read_csv(tmp_path / "truth" / "part_lives.csv", dtype={"position": str})
    bad: dict[str, Any] = json.loads((tmp_path / "truth" / "bad_lot.json").read_text())
    served = pd.concat(pd.read_csv(p, dtype=str) for p in sorted((tmp_path / "raw/robot/service").glob("*/*.csv")))
    builds = pd.concat(
        pd.read_json(p, lines=True, dtype=False)
        for p in sorted((tmp_path / "raw/warehouse/build_records").glob("*/*.jsonl"))
        if p.stat().st_size
    )
    assert len(builds) == (truth["fitted_by"] == "build").sum()
    closed = served[served["lot_removed"].notna()]
    assert len(closed) == truth["removed_on"].notna().sum()
    assert len(closed[closed["is_failure"] == "true"]) == truth["failed"].sum() > 0
    of_bad = closed[(closed["lot_removed"] == bad["lot"]) & (closed["is_failure"] == "true")]
    assert sorted(of_bad["serial"] + of_bad["joint"]) == sorted(f["serial"] + f["position"] for f in bad["failures"])
    assert set(builds[builds["lot"] == bad["lot"]]["serial"]) == set(bad["serials"]) == {"RB-0002"}
