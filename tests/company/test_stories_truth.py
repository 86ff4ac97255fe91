"""The report names what the simulated company has planted, at three seeds, and nothing else."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pandas as pd
import pytest

from lake.simulate import truth
from lake.simulate.books import Books
from lake.simulate.company import MISCOUNTING_SITE, SITES, Company
from lake.supply import reports_suppliers
from lake.warehouse import reports_stories

LAST = 90


@pytest.fixture(scope="module", params=[7, 8, 9])
def books(request: pytest.FixtureRequest) -> Books:
    company = Company(seed=request.param, start=date(2026, 1, 5), item_count=120, robot_count=6, hz=0.001)
    return Books(company, LAST)


@pytest.fixture(scope="module")
def told(books: Books, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the truth."""
    folder = tmp_path_factory.mktemp("truth")
    truth.write_truth(books, LAST, folder)
    return folder


def test_the_two_suppliers_whose_lead_time_changed_are_named_within_a_fortnight_of_the_day(books: Books, told: Path):
    lines = pd.read_csv(told / "lead_times.csv")
    lines = lines.assign(ordered_at=pd.to_datetime(lines["ordered_on"]), is_open=lines["status"] == "open")
    found = reports_suppliers.changes(lines, books.company.day(LAST)).set_index("supplier")
    regimes = pd.read_csv(told / "lead_time_regimes.csv")
    new = regimes[regimes.duplicated("supplier_id")].set_index("supplier_id")
    assert set(found.index) == set(new.index)
    for supplier, regime in new.iterrows():
        assert abs((found["since"][supplier] - date.fromisoformat(regime["from_day"])).days) <= 14
        assert found["after"][supplier] == pytest.approx(regime["median_days"], rel=0.2)


def test_the_site_that_miscounts_is_named_and_no_other(told: Path):
    counts = pd.read_csv(told / "counts.csv")
    found = reports_stories.miscounting(counts.assign(adjusted=(counts["counted"] - counts["booked"]).clip(lower=0)))
    assert list(found[found["stands_out"].astype(bool)]["site"]) == [SITES[MISCOUNTING_SITE]]


def test_only_items_that_really_die_are_named_and_those_that_sold_well_are(books: Books, told: Path):
    sales = books.stock.sales
    sales = sales[~sales["cancelled"].astype(bool)]
    sold = sales.assign(
        item_id=books.company.items["item_id"].to_numpy()[sales["item"]], day=sales["ordered_at"].dt.date
    )
    demand = sold.groupby(["item_id", "day"]).size().rename("lines").reset_index()
    found = reports_stories.dying(demand[demand["day"] <= books.company.day(LAST)], books.company.day(LAST))
    items = pd.read_csv(told / "items.csv").set_index("item_id")
    dying = items[items["story"] == "dying"]
    assert set(found["item"]) <= set(dying.index)
    assert set(found["item"]) >= set(dying[dying["daily_rate"] > 0.2].index) != set()
