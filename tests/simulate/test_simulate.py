"""The simulator against little oracles that know nothing of it but its files."""

from __future__ import annotations

import csv
import filecmp
import json
import math
import re
import subprocess
import sys
import time
from collections import Counter
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from lake.core.errors import WrongUse
from lake.simulate import simulate
from lake.simulate.books import COLUMNS
from lake.simulate.company import Company
from lake.simulate.mishaps import CALENDAR
from lake.simulate.telemetry import day_blocks

START, DAYS = date(2026, 1, 5), 30
TINY: dict[str, Any] = {"robots": 3, "items": 40, "hz": 0.0002}
CHECKED = {"supply.order_lines", "supply.receipts", "warehouse.movements"}
SIGN = {
    **dict.fromkeys(["opening", "receipt", "return_in", "transfer_in", "build", "adjust"], 1),
    **dict.fromkeys(["issue", "ship", "return_out", "scrap", "transfer_out"], -1),
    **dict.fromkeys(["block", "release"], 0),
}
PERSONAL = {
    "supply.suppliers": ["contact_name", "contact_email"],
    "warehouse.customers": ["name", "email", "phone", "address"],
    "warehouse.movements": ["operator"],
    "warehouse.decisions": ["note"],
    "robot.robots": ["site"],
    "robot.faults": ["message"],
    "robot.service": ["cause", "technician"],
    "warehouse.build_records": ["operator"],
}


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("company")
    simulate(out, days=DAYS, **TINY)
    return out


@pytest.fixture(scope="module", params=[7, 8, 9])
def seeded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten days of a company of each of three seeds."""
    out = tmp_path_factory.mktemp("seeded")
    simulate(out, days=10, seed=request.param, **TINY)
    return out


def day(number: int) -> date:
    return START + timedelta(days=number)


def files_of(out: Path, source: str) -> list[Path]:
    return sorted(p for p in (out / "raw" / source.replace(".", "/")).glob("dt=*/*") if p.name != "_done")


def records(path: Path) -> tuple[list[dict[str, Any]], int]:
    """What parses in a file, by name of column, and how many lines do not."""
    found, broken = [], 0
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".csv":
        header, *rows = csv.reader(text.splitlines())
        return [dict(zip(header, r, strict=True)) for r in rows if len(r) == len(header)], sum(
            len(r) != len(header) for r in rows
        )
    for line in text.splitlines():
        try:
            found.append(json.loads(line))
        except json.JSONDecodeError:
            broken += 1
    return found, broken


def is_good(source: str, record: dict[str, Any]) -> bool:
    """The rules a lake would have for these sources."""
    try:
        if source == "warehouse.movements":
            return record["item_id"] is not None and int(record["quantity"]) > 0
        if source == "supply.order_lines":
            return int(record["quantity"]) > 0
        if source == "warehouse.planning_parameters":
            return int(record["order_up_to"]) >= int(record["reorder_point"])
        if source == "supply.receipts":
            return bool(datetime.fromisoformat(record["received_at"]))
        if source == "robot.telemetry":
            return "serial" in record and -50 < record["temperature_c"] < 300 and math.isfinite(record["temperature_c"])
        if source == "robot.accuracy_tests":
            return bool(datetime.fromisoformat(record["at"]))
        if source == "robot.work_cycles":
            return bool(datetime.fromisoformat(record["started_at"]))
    except (KeyError, ValueError):
        return False
    return True


def good_and_rejected(out: Path, source: str) -> tuple[list[dict[str, Any]], int]:
    good, rejected = [], 0
    for path in files_of(out, source):
        found, broken = records(path)
        fine = [r | {"_dt": path.parent.name} for r in found if is_good(source, r)]
        good += fine
        rejected += broken + len(found) - len(fine)
    return good, rejected


def planted(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "truth" / "planted.jsonl").read_text(encoding="utf-8").splitlines()]


def expected(out: Path, source: str, expect: str) -> int:
    return sum(p["records"] for p in planted(out) if (p["source"], p["expect"]) == (source, expect))


def same_files(one: Path, other: Path) -> bool:
    names = sorted(str(p.relative_to(one)) for p in one.rglob("*") if p.is_file())
    assert names == sorted(str(p.relative_to(other)) for p in other.rglob("*") if p.is_file())
    return filecmp.cmpfiles(one, other, names, shallow=False)[1:] == ([], [])


def test_the_same_seed_gives_the_same_bytes_and_another_seed_does_not(company: Path, tmp_path: Path) -> None:
    simulate(tmp_path / "again", days=DAYS, **TINY)
    assert same_files(company, tmp_path / "again")
    simulate(tmp_path / "other", days=1, seed=8, **TINY)
    name = "raw/supply/order_lines/dt=2026-01-05/order_lines.csv"
    assert (tmp_path / "other" / name).read_bytes() != (company / name).read_bytes()


def test_days_played_one_by_one_equal_one_call_for_all_of_them(company: Path, tmp_path: Path) -> None:
    for number in range(8):
        simulate(tmp_path / "nights", since=day(number), until=day(number), **TINY)
    simulate(tmp_path / "whole", days=8, **TINY)
    assert same_files(tmp_path / "nights", tmp_path / "whole")


def test_more_days_leave_the_earlier_ones_as_they_were(company: Path, tmp_path: Path) -> None:
    simulate(tmp_path, days=DAYS + 1, since=day(0), until=day(DAYS - 1), **TINY)
    assert same_files(company, tmp_path)


def test_every_source_has_a_complete_folder_for_every_day(company: Path) -> None:
    for source in COLUMNS:
        folders = sorted((company / "raw" / source.replace(".", "/")).iterdir())
        assert [f.name for f in folders] == [f"dt={day(n)}" for n in range(DAYS)]
        assert all((f / "_done").read_bytes() == b"" and len(list(f.iterdir())) >= 2 for f in folders)


def test_columns_are_those_declared(company: Path) -> None:
    for source, columns in COLUMNS.items():
        first = records(files_of(company, source)[0])[0]
        assert not first or list(first[0]) == columns.split()


def test_stock_is_the_sum_of_the_good_movements_each_once(company: Path) -> None:
    good, _ = good_and_rejected(company, "warehouse.movements")
    moves = pd.DataFrame(good).drop_duplicates("movement_id")
    moves["signed"] = moves["kind"].map(SIGN) * moves["quantity"].astype(int)
    moves["day"] = pd.to_datetime(moves["at"]).dt.date
    daily = moves.pivot_table(index="day", columns=["item_id", "site"], values="signed", aggfunc="sum", fill_value=0)
    balance = daily.reindex([day(n) for n in range(DAYS)], fill_value=0).cumsum()
    truth = pd.read_parquet(company / "truth" / "stock_day.parquet")
    found = truth.pivot_table(index="day", columns=["item_id", "site"], values="balance", fill_value=0)
    pd.testing.assert_frame_equal(balance, found, check_dtype=False)


def test_stock_is_negative_only_where_that_was_planted(company: Path) -> None:
    truth = pd.read_parquet(company / "truth" / "stock_day.parquet")
    negative = truth[truth["balance"] < 0][["item_id", "site"]].drop_duplicates()
    keys = {p["key"]["movement_id"] for p in planted(company) if p["kind"] == "negative_stock"}
    moves = {m["movement_id"]: m for m in good_and_rejected(company, "warehouse.movements")[0]}
    culprits = {(moves[k]["item_id"], moves[k]["site"]) for k in keys}
    assert set(negative.itertuples(index=False, name=None)) <= culprits
    assert len(negative) > 0


def test_lead_times_follow_from_the_good_revisions_and_receipts(company: Path) -> None:
    revisions = pd.DataFrame(good_and_rejected(company, "supply.order_lines")[0])
    revisions["line"] = revisions["line"].astype(int)
    keys = ["order_id", "line"]
    ordered = revisions.drop_duplicates(keys).set_index(keys)
    received = pd.DataFrame(good_and_rejected(company, "supply.receipts")[0]).drop_duplicates("receipt_id")
    received["line"] = received["line"].astype(int)
    received["quantity"] = received["quantity"].astype(int)
    received["on"] = received["received_at"].str[:10]
    received = received.sort_values("received_at")
    first = received.groupby(keys)["on"].min()
    truth = pd.read_csv(company / "truth" / "lead_times.csv").set_index(keys)
    assert set(truth.index) == set(ordered.index)
    took = (pd.to_datetime(first) - pd.to_datetime(ordered["ordered_at"].str[:10])).dt.days.reindex(truth.index)
    pd.testing.assert_series_equal(took, truth["lead_time_days"], check_names=False, check_dtype=False)
    received["so_far"] = received.groupby(keys)["quantity"].cumsum()
    wanted = ordered["quantity"].astype(int)
    whole = received.join(wanted.rename("wanted"), on=keys)
    completed = whole[whole["so_far"] >= 0.95 * whole["wanted"]].groupby(keys)["on"].min().reindex(truth.index)
    pd.testing.assert_series_equal(completed.dropna(), truth["completed_on"].dropna(), check_names=False)
    assert truth["completed_on"].isna().sum() > 10


@pytest.mark.parametrize(
    "source",
    ["supply.order_lines", "supply.receipts", "warehouse.movements", "warehouse.sales_lines", "supply.inspections",
     "supply.exchange_rates", "warehouse.planning_parameters", "warehouse.decisions", "robot.telemetry", "robot.faults",
     "robot.accuracy_tests", "robot.work_cycles"],
)  # fmt: skip
def test_planted_rejects_and_duplicates_are_all_there_is(company: Path, source: str) -> None:
    key = {
        "supply.order_lines": ("order_id", "line", "revision"),
        "warehouse.sales_lines": ("order_id", "line", "revision"),
        "supply.receipts": ("receipt_id",),
        "supply.inspections": ("inspection_id",),
        "warehouse.movements": ("movement_id",),
        "supply.exchange_rates": ("on", "currency"),
        "warehouse.planning_parameters": ("item_id", "site", "_dt"),
        "warehouse.decisions": ("recommendation_id", "decided_at"),
        "robot.telemetry": ("serial", "boot_id", "seq"),
        "robot.faults": ("fault_id",),
        "robot.accuracy_tests": ("test_id",),
        "robot.work_cycles": ("serial", "boot_id", "cycle"),
    }[source]
    good, rejected = good_and_rejected(company, source)
    assert rejected == expected(company, source, "rejected")
    spare = sum(n - 1 for n in Counter(tuple(str(r[k]) for k in key) for r in good).values())
    assert spare == expected(company, source, "duplicate") + expected(company, source, "conflict")


def test_every_plant_points_to_a_file_and_every_kind_is_planted_within_30_days(company: Path) -> None:
    plants = planted(company)
    assert all((company / p["file"]).is_file() for p in plants)
    assert {(m.kind, m.source) for m in CALENDAR} == {(p["kind"], p["source"]) for p in plants}


def test_a_cut_extract_names_the_keys_it_lacks(company: Path) -> None:
    for source, key in (("supply.parts", "part_id"), ("warehouse.customers", "customer_id")):
        [cut] = [p for p in planted(company) if (p["kind"], p["source"]) == ("cut_extract", source)]
        there, before = (
            {r[key] for r in records(file)[0]}
            for file in (
                company / cut["file"],
                files_of(company, source)[files_of(company, source).index(company / cut["file"]) - 1],
            )
        )
        assert before - there == set(cut["key"][key])
        assert len(before - there) == cut["records"] > 0


def test_a_new_item_is_listed_before_it_is_sold_and_a_dying_one_is_sold_no_more(seeded: Path) -> None:
    items = pd.read_csv(seeded / "truth" / "items.csv").set_index("item_id")
    sales = pd.DataFrame(good_and_rejected(seeded, "warehouse.sales_lines")[0])
    first, last = sales.groupby("item_id")["ordered_at"].agg(["min", "max"]).to_numpy().T
    sold = pd.DataFrame({"first": first, "last": last}, index=sorted(sales["item_id"].unique()))
    new, dying = items[items["story"] == "new"], items[items["story"] == "dying"]
    assert len(new) > 0 and len(dying) > 0
    launched = new.join(sold, how="inner")
    assert (launched["first"].str[:10] >= launched["launched_on"]).all()
    gone = dying.join(sold, how="inner")
    assert len(gone) > 0 and (gone["last"].str[:10] < gone["dies_on"]).all()
    states = [{r["item_id"]: r["lifecycle"] for r in records(f)[0]} for f in files_of(seeded, "warehouse.items")]
    assert [s["SP-0003"] for s in states[:5]] == ["development"] * 3 + ["active"] * 2


def test_the_demand_of_a_month_is_what_the_sales_lines_say(seeded: Path) -> None:
    sales = pd.DataFrame(good_and_rejected(seeded, "warehouse.sales_lines")[0]).astype(
        {"quantity": int, "revision": int}
    )
    last = sales.sort_values(["revision", "changed_at"]).drop_duplicates(["order_id", "line"], keep="last")
    last = last[last["status"] != "cancelled"]
    demand = last.groupby(["item_id", last["ordered_at"].str[:8] + "01"])["quantity"].sum()
    truth = pd.read_csv(seeded / "truth" / "demand_month.csv").set_index(["item_id", "month"])
    told = truth.loc[truth["demand"] > 0, "demand"]
    assert dict(told) == dict(demand)
    parts = truth[truth.index.get_level_values("item_id").str.startswith("P-")]
    assert (parts["demand"] == 0).all() and (parts["needed"] > 0).all() and len(parts) > 50


def test_more_suppliers_than_the_items_need_can_be_had(tmp_path: Path) -> None:
    simulate(tmp_path, days=1, suppliers=70, **TINY)
    assert len(records(files_of(tmp_path, "supply.suppliers")[0])[0]) == 70


def test_late_records_are_one_to_twenty_days_older_than_their_folder(company: Path) -> None:
    late = [p for p in planted(company) if p["kind"] == "late_file"]
    assert {p["source"] for p in late} == {"robot.telemetry", "warehouse.movements"}
    for p in late:
        delivered = date.fromisoformat(p["file"].split("dt=")[1][:10])
        ages = {(delivered - date.fromisoformat(r["at"][:10])).days for r in records(company / p["file"])[0]}
        assert ages <= set(range(1, 21))


def test_each_personal_value_carries_a_token(company: Path) -> None:
    for source, columns in PERSONAL.items():
        for path in files_of(company, source)[:9]:
            for record in records(path)[0]:
                assert all(re.search(r"PII-[0-9a-f]{12}", record[c]) for c in columns), (path, record)
    others = [p for s in COLUMNS if s not in PERSONAL for p in files_of(company, s)]
    assert not any(b"PII-" in p.read_bytes() for p in others)


def test_one_hand_variant_loses_accuracy(tmp_path: Path) -> None:
    simulate(tmp_path, days=60, robots=6, items=40, hz=0.00005)
    tests = pd.DataFrame(good_and_rejected(tmp_path, "robot.accuracy_tests")[0])
    robots = pd.DataFrame(records(files_of(tmp_path, "robot.robots")[50])[0]).set_index("serial")
    axes = ["x_mm", "y_mm", "z_mm"]
    off = sum((tests[f"measured_{a}"].astype(float) - tests[f"target_{a}"].astype(float)) ** 2 for a in axes) ** 0.5
    mean = off.groupby([tests["serial"].map(robots["hand_variant"]), tests["at"] > "2026-02-20"]).mean().unstack()
    assert mean.loc["H5T", True] > mean.loc["H5T", False] + 0.1
    assert abs(mean.loc["H3", True] - mean.loc["H3", False]) < 0.02


def test_wrong_spans_and_settings_are_refused(company: Path, tmp_path: Path) -> None:
    for wrong in (
        {"days": 0},
        {"hz": 0.0},
        {"items": 3},
        {"suppliers": 2},
        {"robots": 0},
        {"days": 5, "since": day(9)},
        {"since": day(4), "until": day(2)},
        {"until": day(-1)},
    ):
        with pytest.raises(WrongUse):
            simulate(tmp_path / "none", **{**TINY, **wrong})
    assert not (tmp_path / "none").exists()
    with pytest.raises(WrongUse, match=r"holds another company: robots 3 \(not 4\)"):
        simulate(company, **{**TINY, "robots": 4})


def test_the_job_ends_with_2_and_one_line_for_wrong_values(tmp_path: Path) -> None:
    job = [sys.executable, str(Path(__file__).parents[2] / "jobs" / "simulate.py"), "--out", str(tmp_path)]
    for wrong in (["--from", "2026-13-01"], ["--days", "many"], ["--days", "-1"]):
        done = subprocess.run([*job, *wrong], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)


def test_telemetry_is_written_fast() -> None:
    busy = Company(seed=7, start=START, item_count=40, robot_count=1, hz=0.5)
    began = time.process_time()
    size = sum(len(block) for block in day_blocks(busy, 0))
    assert size > 50e6
    assert size / 1e6 / (time.process_time() - began) > 20, "MB per CPU-second"


def test_a_share_of_all_lines_breaks_off_if_asked_for(tmp_path: Path) -> None:
    simulate(tmp_path / "whole", days=1, robots=1, items=20, hz=0.0002)
    simulate(tmp_path / "broken", days=1, robots=1, items=20, hz=0.0002, dirt=0.6)
    for source in ("robot/telemetry", "supply/supplier_parts"):
        whole, broken = (
            [
                line
                for f in sorted((tmp_path / home / "raw" / source).glob("dt=*/*"))
                for line in f.read_bytes().splitlines()
            ]
            for home in ("whole", "broken")
        )
        cut = sum(a != b for a, b in zip(whole, broken, strict=True))
        told = [p["records"] for p in planted(tmp_path / "broken") if p["kind"] == "breakage"]
        assert 0.4 < cut / len(whole) < 0.75
        assert cut in told
    with pytest.raises(WrongUse, match="no share"):
        simulate(tmp_path / "never", days=1, dirt=60)
