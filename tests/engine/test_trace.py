"""A released row is followed to the lines it was made of, and computed again from them."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping

import pytest
import typer
from pyspark.sql import SparkSession

from lake.catalog import MODELS, TABLES
from lake.core.errors import WrongUse
from lake.core.graph import above
from lake.core.table import Table
from lake.engine import lineage, provenance
from lake.engine.trace import Trace, Tracer, key_of
from tests.tiny_company import Company

pytestmark = pytest.mark.timeout(2400)
SEED = 20261125


Traced = Callable[[Table, Mapping[str, object]], Trace]


@pytest.fixture(scope="module")
def traced(company: Company, spark: SparkSession) -> Traced:
    """A row by its table and key, traced at the newest release; lineage is worked out for what lies above it only."""

    def trace(table: Table, key: Mapping[str, object]) -> Trace:
        graph = lineage.graph(company.conf, TABLES, sorted(above([table]), key=lambda t: t.id), lambda: spark)
        return Tracer(company.conf, company.lake.release, graph, lambda: spark, MODELS).trace(table, key)

    return trace


def cells(company: Company, count: int, seed: int) -> list[tuple[Table, dict[str, object], str]]:
    """Random cells of gold tables: each table alike, however many rows it has."""
    dice = random.Random(seed)
    released = company.lake.release.tables
    gold = [t for t in TABLES if t.layer == "gold" and released.get(t.id, {}).get("rows")]
    rows = {t.id: company.lake.pandas(t.id, t.keys).to_dict("records") for t in gold}
    found = []
    while len(found) < count:
        table = dice.choice(gold)
        found.append((table, dice.choice(rows[table.id]), dice.choice(table.columns).name))
    return found


def wrong(company: Company, traced: Traced, count: int) -> list[str]:
    """Of random cells those that were not computed again to the same value, or lead to no delivered record."""
    found = []
    for table, key, column in cells(company, count, SEED):
        trace = traced(table, key)
        if column in trace.differs or not any(r["records"] for r in trace.records):
            found.append(f"{table.id} {key} {column}: {trace.row[column]} {trace.again and trace.again[column]}")
    return found


def test_random_cells_are_computed_again_to_the_same_value(company: Company, traced: Traced) -> None:
    assert wrong(company, traced, 4) == []


@pytest.mark.soak
@pytest.mark.timeout(3000)
def test_200_random_cells_are_computed_again_to_the_same_value(company: Company, traced: Traced) -> None:
    assert wrong(company, traced, 200) == []


def test_an_order_line_leads_to_the_lines_that_told_of_it(company: Company, traced: Traced) -> None:
    table = next(t for t in TABLES if t.id == "supply.gold.fct_order_line")
    rows = company.lake.pandas(table.id)
    inspected = rows[(rows["quantity_accepted"].astype(float) > 0) & (rows["revisions"] > 1)].iloc[0]
    key = {"order_id": inspected["order_id"], "line": int(inspected["line"])}
    trace = traced(table, key)
    assert (trace.again, trace.differs) == (trace.row, [])
    records = {r["source"]: r for r in trace.records}
    assert set(records) == {f"supply.bronze.{n}" for n in ("order_lines", "receipts", "inspections")}
    assert records["supply.bronze.order_lines"]["records"] == inspected["revisions"]
    for one in (line for r in trace.records for line in r["first"]):
        delivered = (company.conf.raw / one["file"]).read_text(encoding="utf-8").splitlines()
        assert delivered[one["line"] - 1] == one["record"]
    assert all(key["order_id"] in one["record"] for one in records["supply.bronze.receipts"]["first"])


def test_a_row_that_hangs_on_its_neighbours_is_computed_from_its_whole_day(company: Company, traced: Traced) -> None:
    table = next(t for t in TABLES if t.id == "robot.gold.joint_day")
    days = company.lake.pandas(table.id)
    day = days[(days["samples"] > 0) & (days["missing_samples"] == 0)].iloc[0]
    trace = traced(table, {k: day[k] for k in table.keys})
    assert (trace.again, trace.differs) == (trace.row, [])
    by = {i["table"]: i["by"] for i in trace.inputs if "by" in i}
    assert (by["robot.silver.telemetry"], by["robot.silver.faults"]) == ("day", "day, serial, joint")


def test_a_balance_is_computed_from_what_its_place_did_until_then(company: Company, traced: Traced) -> None:
    table = next(t for t in TABLES if t.id == "warehouse.gold.stock_day")
    days = company.lake.pandas(table.id)
    places = days.groupby(["item_id", "site"])["day"].transform("count")
    day = days[places == places.max()].sort_values("day").iloc[-2]
    trace = traced(table, {k: day[k] for k in table.keys})
    assert (trace.again, trace.differs) == (trace.row, [])
    changes = company.lake.pandas("warehouse.gold.stock_change_day")
    own = changes[(changes["item_id"] == day["item_id"]) & (changes["site"] == day["site"])]
    [read] = [i for i in trace.inputs if i["table"] == "warehouse.gold.stock_change_day"]
    assert read["rows"] == (own["day"] <= day["day"]).sum() > 0
    assert read["by"] == "day, item_id, site"


def test_of_a_person_the_place_is_told_and_not_the_record(company: Company, traced: Traced) -> None:
    table = next(t for t in TABLES if t.id == "supply.gold.dim_supplier")
    row = company.lake.pandas(table.id).iloc[0]
    trace = traced(table, {k: row[k] for k in table.keys})
    [told] = trace.records
    assert trace.differs == [] and told["records"] > 0
    assert all(one["line"] and one["record"] is None for one in told["first"])


def test_a_row_that_does_not_follow_from_its_inputs_is_named() -> None:
    trace = Trace("t", 1, {"k": 1}, {"k": 1, "a": 2, "b": float("nan")}, {"k": 1, "a": 3, "b": float("nan")})
    assert trace.differs == ["a"]
    assert Trace("t", 1, {"k": 1}, {"k": 1}).differs == ["k"]


def test_a_key_is_read_as_its_columns_are_typed() -> None:
    table = next(t for t in TABLES if t.id == "supply.gold.fct_order_line")
    assert key_of(table, ["order_id=PO-1", "line=2"]) == {"order_id": "PO-1", "line": 2}
    with pytest.raises(WrongUse, match="no column 'lane'"):
        key_of(table, ["lane=2"])
    with pytest.raises(WrongUse, match="'two' is no value of line"):
        key_of(table, ["line=two"])


def test_the_verb_says_the_cell_and_its_lines(company: Company, capsys: pytest.CaptureFixture[str]) -> None:
    row = company.lake.pandas("supply.gold.dim_supplier").iloc[0]
    words = [f"supplier_id={row['supplier_id']},valid_from={row['valid_from']}"]
    provenance.trace("dim_supplier.country", words, env=company.env, as_json=True)
    said = json.loads(capsys.readouterr().out)
    assert (said["row"]["country"], said["differs"]) == (row["country"], [])
    assert said["delivered_as"] == [["supply.bronze.suppliers", "country"]]
    provenance.trace("dim_supplier.country", words, env=company.env)
    assert f"  ✓ country = {row['country']}" in capsys.readouterr().out.splitlines()


def test_a_key_that_names_no_row_or_several_is_refused(traced: Traced) -> None:
    table = next(t for t in TABLES if t.id == "supply.gold.fct_order_line")
    with pytest.raises(WrongUse, match="no rows of release"):
        traced(table, {"order_id": "PO-none"})
    with pytest.raises(WrongUse, match="rows of release"):
        traced(table, {"source_system": "erp"})


def test_only_computed_tables_are_traced(company: Company) -> None:
    with pytest.raises((WrongUse, typer.Exit), match="read from files"):
        provenance.trace("supply.silver.receipt_files", ["receipt_id=x"], env=company.env)
