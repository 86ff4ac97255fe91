"""The whole flow on a tiny company: five nights, their release, and what may not be found in it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections import Counter
from datetime import timedelta
from pathlib import Path

import pandas as pd
import pytest
from pyspark.sql import SparkSession

from lake.catalog import LAWS, MODELS, TABLES, WATCHES
from lake.engine import audit, night, store, telling
from lake.engine.alerts import Alerts
from lake.engine.conf import HOME
from lake.engine.verify import Verifier
from lake.simulate import company as simulated
from lake.simulate import planning, simulate
from tests.conftest import Count
from tests.engine.five_tables import canaries
from tests.tiny_company import CORRECTED, FIRST, LATE, NIGHTS, TOUCHED, Company, built_at_once, conf_of

pytestmark = pytest.mark.timeout(2400)


def test_every_night_is_released(company: Company) -> None:
    assert [r.exit_code for r in company.results] == [0] * 5
    assert [r.failed for r in company.results] == [{}] * 5
    assert [r.release.number for r in company.results if r.release] == [1, 2, 3, 4, 5]


def test_every_table_that_a_night_wrote_stood_in_its_plan(company: Company) -> None:
    assert night.written_unplanned(company.journal) == []


def test_five_nights_equal_one_build(company: Company) -> None:
    scratch = built_at_once(company)
    assert scratch.results[0].exit_code == 0
    assert company.contents() == scratch.contents()
    check_apart(scratch)


@pytest.mark.soak
@pytest.mark.parametrize("place", ["9", "40", "before release"])
def test_F01_a_killed_night_of_the_company_is_finished_by_the_same_command(
    company: Company, tmp_path: Path, place: str
) -> None:
    killed = Company(tmp_path, conf_of(tmp_path, "lake", tmp_path / "raw"), company.truth)
    shutil.copytree(company.conf.root, killed.conf.root)
    shutil.copytree(company.conf.raw, killed.conf.raw)
    (killed.conf.raw / LATE).unlink()
    (killed.conf.raw / CORRECTED).unlink()
    command = [sys.executable, "jobs/nightly.py", "--env", killed.env]
    environment = os.environ | {"LAKE_CRASH_AT": place}
    done = subprocess.run(command, cwd=HOME, env=environment, start_new_session=True, capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL
    assert night.run(killed.conf, TABLES, models=MODELS).exit_code == 0
    assert killed.journal.open_tasks() == []
    assert killed.contents() == built_at_once(killed).contents()


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_a_month_of_nights_with_dirt_keeps_every_law(tmp_path: Path, spark: SparkSession, count: Count) -> None:
    days = 31
    simulate(tmp_path / "simulated", days=days, robots=3, items=40, hz=0.0005, start=FIRST)
    month = Company(tmp_path, conf_of(tmp_path, "lake", tmp_path / "raw"), tmp_path / "simulated" / "truth")
    for n in range(days):
        for folder in sorted((tmp_path / "simulated" / "raw").glob(f"*/*/dt={FIRST + timedelta(days=n)}")):
            shutil.copytree(folder, month.conf.raw / folder.relative_to(tmp_path / "simulated" / "raw"))
        month.results.append(night.run(month.conf, TABLES, models=MODELS))
    assert [r.exit_code for r in month.results] == [0] * days
    verdicts = Verifier(month.conf, TABLES, LAWS, TABLES).conclude()
    assert [v.violations for v in verdicts] == [0] * len(verdicts), [line for v in verdicts for line in v.lines()]
    count("nights of the company", days)
    count("rows compared with those from scratch", next(v.checked for v in verdicts if v.law == "scratch"))


def test_the_company_keeps_its_laws(company: Company) -> None:
    for verdict in Verifier(company.conf, TABLES, LAWS, TABLES).conclude(
        ["audit", "release", "conservation", "unique"]
    ):
        assert not verdict.violations, verdict
        assert verdict.checked > 0 and not verdict.skipped


def test_every_line_has_one_home(company: Company) -> None:
    accounts = audit.accounts(TABLES, company.journal.states(), company.journal)
    for source, a in accounts.items():
        assert a["lines"] == a["header"] + a["blank"] + a["accepted"] + a["rejected"], source
    assert sum(a["lines"] for a in accounts.values()) > 4000


def test_what_was_planted_as_dirt_is_what_is_rejected(company: Company) -> None:
    planted = [json.loads(line) for line in (company.truth / "planted.jsonl").read_text().splitlines()]
    expected: Counter[str] = Counter()
    for p in planted:
        if p["expect"] in ("rejected", "duplicate", "conflict"):
            domain, name = p["source"].split(".")
            expected[f"{domain}.bronze.{name}"] += p["records"]
    accounts = audit.accounts(TABLES, company.journal.states(), company.journal)
    found = {s: a["rejected"] for s, a in accounts.items() if a["rejected"] and s not in TOUCHED}
    assert found == {s: n for s, n in expected.items() if s not in TOUCHED}


def test_the_stock_of_every_day_is_the_true_one(company: Company) -> None:
    keys = ["item_id", "site", "day"]
    truth = pd.read_parquet(company.truth / "stock_day.parquet")
    truth["day"] = pd.to_datetime(truth["day"]).dt.date
    stock = company.lake.pandas("warehouse.gold.stock_day").rename(columns={"on": "day"})
    both = truth.merge(stock, on=keys, how="inner")
    assert len(both) > 100
    assert (both["balance"].astype(float) == both["closing"].astype(float)).all()
    last = truth[truth["day"] == truth["day"].max()]
    assert len(last.merge(stock, on=keys)) == len(last)


def test_the_lead_times_are_the_true_ones(company: Company) -> None:
    truth = pd.read_csv(company.truth / "lead_times.csv").set_index(["order_id", "line"])
    facts = company.lake.pandas("supply.gold.fct_order_line").set_index(["order_id", "line"])
    assert set(truth.index) == set(facts.index)
    said = facts.loc[truth.index, "lead_time_days"].astype(float)
    known = truth["lead_time_days"].notna() & (truth["status"] != "cancelled")
    assert known.sum() > 100
    assert (said[known] == truth.loc[known, "lead_time_days"]).all()


def test_the_lives_of_parts_are_the_true_ones(company: Company) -> None:
    place = ["serial", "position", "part_id", "lot", "fitted_on"]
    truth = pd.read_csv(company.truth / "part_lives.csv", dtype={"position": str})
    lives = company.lake.pandas("company.gold.part_life")
    for day in ("fitted_on", "removed_on", "ended_on"):
        lives[day] = lives[day].map(str, na_action="ignore")
    both = truth.merge(lives, on=place, suffixes=("_true", ""))
    assert len(both) == len(truth) == len(lives) > 40
    assert set(both["supplier_id_true"] + both["supplier_id"].map(lambda s: "" if s == "unknown" else s)) == {
        s * 2 for s in set(both["supplier_id"]) - {"unknown"}
    }
    assert (both["failed"] == both["failed_true"]).all()
    assert (both["removed_on"].fillna("") == both["removed_on_true"].fillna("")).all()
    ended = both[both["removed_on"].notna()]
    assert (ended["ended_on"] == ended["ended_on_true"]).all()
    assert (both["cycles_at_risk"].astype(float) - both["cycles"]).abs().max() < 2 * 8000


def test_the_bad_lot_is_the_one_that_fails_most_in_the_field(company: Company) -> None:
    bad = json.loads((company.truth / "bad_lot.json").read_text())
    lots = company.lake.pandas("company.gold.part_reliability")
    worst = lots.sort_values("failures_per_million_low").iloc[-1]
    assert (worst["part_id"], worst["lot"]) == (bad["part_id"], bad["lot"])
    assert worst["failures"] == len(bad["failures"]) > 0
    assert worst["robots"] == len(bad["serials"])


def test_the_stops_of_work_cycles_are_those_of_the_fault_log(company: Company) -> None:
    work = company.lake.pandas("robot.gold.work_day")
    faults = company.lake.pandas("robot.silver.faults")
    stops = faults[faults["code"] == "PROTECTIVE_STOP"]
    assert work.groupby("serial")["protective_stops"].sum().sum() == len(stops)
    card = company.lake.pandas("robot.gold.software_scorecard")
    assert card["protective_stops"].sum() == len(stops)
    assert card["cycles"].sum() == work["cycles"].sum() > 40_000


def test_the_demand_of_every_month_and_for_every_part_is_the_true_one(company: Company) -> None:
    truth = pd.read_csv(company.truth / "demand_month.csv").set_index(["item_id", "month"])
    months = company.lake.pandas("warehouse.gold.demand_month")
    months["month"] = months["month"].astype(str)
    wanted = months[months["lines"] > 0].set_index(["item_id", "month"])["demand"].astype(int)
    assert dict(wanted) == dict(truth.loc[truth["demand"] > 0, "demand"])
    is_part = ~truth.index.get_level_values("item_id").str.match("ARM|HAND|KIT")
    parts = company.lake.pandas("company.gold.part_demand")
    parts["month"] = parts["month"].astype(str)
    assert dict(parts.set_index(["part_id", "month"])["demand"].astype(int)) == dict(truth.loc[is_part, "needed"])
    assert (parts["built_in"] > 0).sum() > 100 and (parts["ordered"] > 0).sum() > 20


def test_a_launched_item_has_two_versions_and_every_part_and_customer_one(company: Company) -> None:
    items = company.lake.pandas("warehouse.gold.dim_item").sort_values(["item_id", "valid_from"])
    versions = items[["item_id", "lifecycle", "valid_from", "valid_to"]].astype(str)
    launched = pd.read_csv(company.truth / "items.csv").query(
        "launched_on > '2026-01-05' and launched_on < '2026-01-10'"
    )
    assert list(launched["item_id"]) == ["SP-0003"]
    assert versions[versions["item_id"] == "SP-0003"].to_numpy().tolist() == [
        ["SP-0003", "development", "2026-01-05", "2026-01-08"],
        ["SP-0003", "active", "2026-01-08", "None"],
    ]
    parts, customers = (company.lake.pandas(t) for t in ("supply.gold.dim_part", "warehouse.gold.dim_customer"))
    assert sorted(parts["part_id"]) == sorted(items["item_id"].unique())
    assert len(customers) == 20 and customers["is_current"].all()
    assert customers[["name", "email", "address"]].stack().str.fullmatch("[0-9a-f]{32}").all()


def test_the_stock_position_is_the_true_one(company: Company) -> None:
    place = ["item_id", "site"]
    position = company.lake.pandas("company.gold.stock_position").set_index(place)
    own = position[position.index.get_level_values("site") != "*"]
    truth = pd.read_parquet(company.truth / "stock_day.parquet")
    last = truth[truth["day"].astype(str) == "2026-01-09"].set_index(place)
    for column, true in (("on_hand", "balance"), ("blocked", "blocked")):
        assert dict(own[column].astype(int)) == dict(last[true])
    sales = company.lake.pandas("warehouse.silver.sales_lines")
    open_lines = sales[sales["shipped_at"].isna() & (sales["status"] != "cancelled")]
    ordered = open_lines.groupby(["item_id", "ship_from_site"])["quantity"].sum().astype(int)
    from_customers = (own["reserved"] - own["reserved_for_builds"]).astype(int)
    assert dict(from_customers[from_customers > 0]) == {k: n for k, n in ordered.items() if k in from_customers.index}
    moves = company.lake.pandas("warehouse.silver.movements")
    sent = moves[moves["kind"] == "transfer_out"].groupby(place)["quantity"].sum().astype(int)
    assert sent.sum() > 0 and dict(own.loc[own["in_transfer"] > 0, "in_transfer"].astype(int)) == dict(sent)
    receipts, judged = (company.lake.pandas(f"supply.silver.{t}") for t in ("receipts", "inspections"))
    young = receipts[receipts["received_at"].astype(str) >= "2026-01-07"]
    lines = company.lake.pandas("supply.gold.fct_order_line").set_index(["order_id", "line"])["part_id"]
    unjudged = young[~young["receipt_id"].isin(judged["receipt_id"])].join(lines, on=["order_id", "line"], how="inner")
    held = unjudged.groupby(["part_id", "site"])["quantity"].sum().astype(int)
    assert dict(own.loc[own["in_inspection"] > 0, "in_inspection"].astype(int)) == dict(held)


def test_frozen_money_is_what_was_overstocked_unused_or_dying_and_in_euro(company: Company) -> None:
    position = company.lake.pandas("company.gold.stock_position").query("site == '*'").set_index("item_id")
    stories = pd.read_csv(company.truth / "items.csv").set_index("item_id")["story"]
    frozen = position["frozen_class"]
    assert (frozen[stories[stories.isin(["unused"])].index] == "obsolete").all()
    assert (frozen[stories[stories == "overstocked"].index] == "excess").all()
    dollars = company.lake.pandas("warehouse.silver.items").query("currency == 'USD'").set_index("item_id")
    rate = planning.rate(simulated.Company(7, FIRST, 20, 2, 0.0002), "USD", 4)
    told = position.loc[dollars.index, "unit_cost"].astype(float)
    assert len(told) == 1 and told.iloc[0] == pytest.approx(float(dollars["standard_cost"].iloc[0]) * rate, abs=6e-5)
    assert set(position["currency"]) == {"EUR"}


def test_what_planners_set_and_answered_has_arrived(company: Company) -> None:
    last = planning.planning_extract(simulated.Company(7, FIRST, 20, 2, 0.0002), 4).set_index(["item_id", "site"])
    plans = company.lake.pandas("warehouse.silver.planning_parameters").set_index(["item_id", "site"])
    assert dict(plans["order_up_to"].astype(int)) == dict(last["order_up_to"])
    calendar = company.lake.pandas("company.gold.dim_calendar").groupby("site")["is_working_day"].agg(["size", "sum"])
    assert list(calendar.index) == ["austin", "leipzig", "osaka"] and (calendar["size"] == 3 * 365).all()


def test_no_personal_value_leaves_the_restricted_zone(company: Company) -> None:
    check_apart(company)


def check_apart(company: Company) -> None:
    """Nobody is named in the lake but in its restricted zone."""
    root, zone = (Path(str(place)) for place in company.conf.zones)
    open_files = [f for f in sorted(root.rglob("*")) if f.is_file() and not f.is_relative_to(zone)]
    assert [f for f in open_files if canaries(f)] == [] and len(open_files) > 200
    assert sum(canaries(f) for f in zone.rglob("*") if f.is_file()) > 100


def test_alerts_read_what_the_nights_wrote_and_keep_nothing_personal(company: Company, tmp_path: Path) -> None:
    root = shutil.copytree(company.conf.root, tmp_path / "lake")
    conf = company.conf.model_copy(update={"lake": company.conf.lake.model_copy(update={"root": str(root)})})
    last = FIRST + timedelta(NIGHTS - 1)
    telling.tell(conf, TABLES, WATCHES, TABLES, until=last)
    ledger = Alerts(root)
    measured = ledger.measured()[str(last)]
    samples = company.lake.pandas("robot.silver.telemetry", ["known_on", "temperature_c"])
    median = samples["temperature_c"][samples["known_on"] == last].astype(float).abs().median()
    assert measured["robot.silver.telemetry"].values["temperature_c"] == pytest.approx(median)
    assert measured["robot.silver.telemetry"].values["delay"] == 0
    found = {w.id: measured[w.id].values["found"] for w in WATCHES}
    assert found == {w.id: 0 for w in WATCHES} | {"supply.late_promises": 1}
    assert not ledger.open()
    assert not any(canaries(f) for f in (root / "_control" / "alerts").rglob("*") if f.is_file())


def test_a_pseudonym_is_the_same_person_everywhere(company: Company) -> None:
    operators = company.lake.pandas("warehouse.silver.movements", ["operator"])["operator"].dropna()
    assert operators.str.fullmatch("[0-9a-f]{32}").all()
    assert 1 < operators.nunique() < 50


def test_the_report_asks_nothing_from_outside(company: Company) -> None:
    page = (company.conf.root / "report" / "index.html").read_text(encoding="utf-8")
    assert "through" in page
    for loads in ('src="http', "src='http", 'href="http', "@import", "url(http"):
        assert loads not in page
    assert len(page) < 2_000_000


def test_the_journal_knows_what_the_tables_hold(company: Company) -> None:
    states = company.journal.states()
    for table in TABLES:
        path = company.conf.at(table)
        if not table.is_source and store.version(path) >= 0:
            where = [("_ok", "=", True)] if table.is_typed else None
            key = table.columns[0].name
            assert store.rows(path, columns=[key], where=where).num_rows == states[table.id].rows, table.id
