"""Contracts: what is declared stands in the committed files, valid; and what breaks one is told with who is below."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from pyspark.sql import DataFrame
from pyspark.sql.types import DateType, DecimalType, IntegerType, LongType, StringType

from lake.catalog import MODELS, REPORTS, TABLES
from lake.core.errors import WrongUse
from lake.core.refresh import append, full
from lake.core.table import Column, Delivery, Table, source, table
from lake.engine import contract_changes, contracts
from lake.supply import gold

VALID = jsonschema.Draft201909Validator(
    json.loads((Path(__file__).parent / "odcs" / "odcs-3.1.0.schema.json").read_text(encoding="utf-8"))
)
TERMS = {"owner": "shop owner", "purpose": "sell", "classification": "internal", "fresh_hours": 30, "consumers": ("a",)}

tickets = source("tickets", __name__, "One line per ticket.", format="csv", path="shop/*", expected_by="02:00")


@table(
    inputs=[tickets],
    refresh=append(["ticket"], by="day"),
    terms=TERMS,
    columns=[
        Column("ticket", IntegerType(), key=True, raw="Ticket No"),
        Column("price", DecimalType(9, 2), unit="EUR", check="price >= 0", absent=("?",)),
        Column("buyer", StringType(), pii="person", required=False),
        Column("day", DateType(), null=False, parse="_dt"),
    ],
)
def ticket_files(records: DataFrame) -> DataFrame:
    """One row per ticket."""
    return records


@table(
    inputs=[ticket_files],
    refresh=full(),
    terms=TERMS,
    columns=[
        Column("day", DateType(), key=True),
        Column("sold", IntegerType(), null=False, check="sold > 0", doc="tickets"),
        Column("takings", DecimalType(12, 2), unit="EUR"),
    ],
)
def takings(files: DataFrame) -> DataFrame:
    """One row per day."""
    return files


def texts(tables: Sequence[Table]) -> dict[str, str]:
    return {name: contracts.text(contract) for name, contract in contracts.declared(tables).items()}


# ---- what is written


def test_the_committed_contracts_are_those_that_the_code_declares() -> None:
    there, declared = contracts.there(), texts(TABLES)
    stale = sorted(name for name in {*there, *declared} if there.get(name) != declared.get(name))
    assert stale == [], "write them anew: lake contracts export"
    assert len(there) == len(TABLES)


def test_every_contract_is_valid_in_the_words_of_the_standard() -> None:
    for name, contract in contracts.declared(TABLES).items():
        wrong = [e.message for e in VALID.iter_errors(contract)]
        assert wrong == [], name


@pytest.mark.parametrize("spoil", [lambda c: c.pop("version"), lambda c: c.update(owner="me"),
                                   lambda c: c["schema"][0]["properties"][0].update(logicalType="money")])  # fmt: skip
def test_the_standard_refuses_what_is_no_contract(spoil: Callable[[dict[str, Any]], object]) -> None:
    contract = contracts.of_table(takings)
    assert VALID.is_valid(contract)
    spoil(contract)
    assert not VALID.is_valid(contract)


def test_a_table_promises_its_columns_keys_units_rules_freshness_and_owner() -> None:
    said = contracts.of_table(takings)
    [schema] = said["schema"]
    assert (said["id"], said["team"], said["description"]) == (takings.id, {"name": "shop owner"}, {"purpose": "sell"})
    assert schema["properties"] == [
        {"name": "day", "logicalType": "date", "physicalType": "date", "required": True}
        | {"primaryKey": True, "primaryKeyPosition": 1},
        {"name": "sold", "logicalType": "integer", "physicalType": "int", "description": "tickets", "required": True},
        {"name": "takings", "logicalType": "number", "physicalType": "decimal(12,2)"}
        | {"customProperties": [{"property": "unit", "value": "EUR"}]},
    ]
    key, rule = schema["quality"]
    assert (key["metric"], key["arguments"], key["mustBe"]) == ("duplicateValues", {"properties": ["day"]}, 0)
    assert (rule["query"], rule["mustBe"]) == ("SELECT count(*) FROM {object} WHERE NOT (sold > 0)", 0)
    [latency] = said["slaProperties"]
    assert (latency["property"], latency["value"], latency["unit"]) == ("latency", 30, "h")
    assert contracts.own(said)["classification"] == "internal"


def test_a_source_owes_what_its_typed_table_reads_under_the_delivered_names() -> None:
    said = contracts.of_source(tickets, ticket_files)
    [schema] = said["schema"]
    assert {p["name"]: p["logicalType"] for p in schema["properties"]} == {
        "Ticket No": "integer",
        "price": "number",
        "buyer": "string",
    }
    number, price, buyer = schema["properties"]
    assert number["required"]
    assert contracts.own(price) == {"unit": "EUR", "absent": ["?"]}
    assert (buyer["classification"], contracts.own(buyer)) == ("restricted", {"personal": "person", "mayLack": True})
    assert contracts.own(said)["delivery"] == {"format": "csv", "path": "shop/*"}
    assert said["slaProperties"] == [{"property": "timeOfAvailability", "value": "02:00"}]


def test_a_contract_has_a_new_version_if_and_only_if_it_says_something_else() -> None:
    other = replace(takings, columns=(*takings.columns, Column("more", LongType())))
    assert contracts.of_table(takings)["version"] == contracts.of_table(replace(takings))["version"]
    assert contracts.of_table(takings)["version"] != contracts.of_table(other)["version"]


def test_export_writes_what_changed_and_removes_what_is_gone(tmp_path: Path) -> None:
    assert contracts.export([takings, ticket_files, tickets], tmp_path) == sorted(
        [takings.id, ticket_files.id, tickets.id]
    )
    assert contracts.export([takings, ticket_files, tickets], tmp_path) == []
    assert contracts.export([ticket_files, tickets], tmp_path) == [takings.id]
    assert sorted(contracts.there(tmp_path)) == sorted([ticket_files.id, tickets.id])


# ---- what changed


def changed(was: Table, now: Table | None) -> list[tuple[bool, str]]:
    def made(t: Table) -> contracts.Contract:
        return contracts.of_source(t, ticket_files) if t.is_source else contracts.of_table(t)

    found = contract_changes.between({was.id: contracts.text(made(was))}, {now.id: made(now)} if now else {}, {}, {})
    return [(c.breaking, c.what) for c in found.all]


def with_column(name: str, **other: Any) -> Table:
    """`takings` with one column declared otherwise."""
    return replace(takings, columns=tuple(replace(c, **other) if c.name == name else c for c in takings.columns))


def with_terms(**other: Any) -> Table:
    return replace(takings, own_terms=TERMS | other)


BREAKS, KEEPS = True, False


@pytest.mark.parametrize(
    ("now", "told"),
    [
        (replace(takings), []),
        (None, [(BREAKS, "is gone")]),
        (replace(takings, columns=takings.columns[:2]), [(BREAKS, "column takings is gone")]),
        (replace(takings, columns=(*takings.columns, Column("x", LongType()))), [(KEEPS, "column x is new")]),
        (with_column("sold", type=LongType()), [(KEEPS, "column sold is bigint, was int")]),
        (with_column("sold", type=StringType()), [(BREAKS, "column sold is string, was int")]),
        (with_column("takings", type=DecimalType(14, 3)),
         [(KEEPS, "column takings is decimal(14,3), was decimal(12,2)")]),
        (with_column("takings", type=DecimalType(12, 3)),
         [(BREAKS, "column takings is decimal(12,3), was decimal(12,2)")]),
        (with_column("sold", null=True), [(BREAKS, "column sold may be null")]),
        (with_column("takings", null=False), [(KEEPS, "column takings is never null")]),
        (with_column("takings", unit="USD"), [(BREAKS, "column takings is in USD, was in EUR")]),
        (with_column("sold", unit="piece"), [(KEEPS, "column sold is in piece, was in none")]),
        (with_column("sold", check=None), [(BREAKS, "rule is gone: sold > 0")]),
        (with_column("takings", check="takings > 0"), [(KEEPS, "rule is new: takings > 0")]),
        (with_column("sold", check="sold >= 0"),
         [(BREAKS, "rule is gone: sold > 0"), (KEEPS, "rule is new: sold >= 0")]),
        (with_column("sold", key=True), [(BREAKS, "has a row per day, sold, no more per day")]),
        (with_column("sold", doc="seats"), [(KEEPS, "column sold is described otherwise")]),
        (with_terms(fresh_hours=48), [(BREAKS, "is fresh within 48 h, was 30")]),
        (with_terms(fresh_hours=6), [(KEEPS, "is fresh within 6 h, was 30")]),
        (with_terms(classification="restricted"), [(BREAKS, "is restricted, was internal")]),
        (with_terms(classification="open"), [(KEEPS, "is open, was internal")]),
        (with_terms(owner="till owner"), [(KEEPS, "answers to till owner, for: sell")]),
        (replace(takings, inputs=(tickets,)),
         [(KEEPS, "reads tests.bronze.tickets, no more tests.silver.ticket_files")]),
    ],
)  # fmt: skip
def test_a_promise_to_readers_breaks_when_it_becomes_less(now: Table | None, told: list[tuple[bool, str]]) -> None:
    assert changed(takings, now) == told


def delivered(**other: Any) -> Table:
    usual = {"format": "csv", "path": "shop/*", "expected_by": "02:00"}
    return replace(tickets, delivery=Delivery(**(usual | other)))


@pytest.mark.parametrize(
    ("now", "told"),
    [
        (delivered(expected_by="01:00"), [(BREAKS, "is expected by 01:00, was 02:00")]),
        (delivered(expected_by="06:00"), [(KEEPS, "is expected by 06:00, was 02:00")]),
        (delivered(delimiter=";"), [(BREAKS, "is delivered with delimiter ';', was nothing")]),
        (delivered(required=False), [(KEEPS, "may be missing")]),
        (None, [(KEEPS, "is gone")]),
    ],
)
def test_what_is_asked_of_those_who_deliver_breaks_when_it_becomes_more(
    now: Table | None, told: list[tuple[bool, str]]
) -> None:
    assert changed(tickets, now) == told


@pytest.mark.parametrize(
    ("column", "told"),
    [
        (Column("seat", StringType()), (BREAKS, "column seat is new")),
        (Column("seat", StringType(), required=False), (KEEPS, "column seat is new")),
        (Column("price", DecimalType(9, 2), unit="EUR", check="price >= 0", absent=("?",), null=False),
         (BREAKS, "column price is never null")),
        (Column("price", DecimalType(9, 2), unit="EUR", check="price > 0", absent=("?",)),
         (BREAKS, "rule is new: price > 0")),
        (Column("buyer", StringType(), pii="person"), (BREAKS, "column buyer must not be lacking")),
    ],
)  # fmt: skip
def test_a_delivered_column_that_is_wanted_more_breaks_the_source(column: Column, told: tuple[bool, str]) -> None:
    columns = {c.name: c for c in ticket_files.columns} | {column.name: column}
    wanted = replace(ticket_files, columns=tuple(columns.values()))
    was = {tickets.id: contracts.text(contracts.of_source(tickets, ticket_files))}
    now = {tickets.id: contracts.of_source(tickets, wanted)}
    assert told in [(c.breaking, c.what) for c in contract_changes.between(was, now, {}, {}).all]


def test_below_a_breaking_change_stand_tables_models_and_reports() -> None:
    now = contracts.declared(TABLES)
    fct = gold.fct_order_line
    was = texts(TABLES) | {
        fct.id: contracts.text(contracts.of_table(replace(fct, columns=(*fct.columns, Column("x", LongType())))))
    }
    models = {m.id: [m.features.id, m.scores.id] for m in MODELS}
    reports = {r.title: [t.id for t in r.inputs] for r in REPORTS}
    changes = contract_changes.between(was, now, models, reports)
    assert [(c.contract, c.breaking, c.what) for c in changes.all] == [(fct.id, True, "column x is gone")]
    reach = changes.below[fct.id]
    assert {"supply.gold.supplier_month", "supply.gold.lead_time_features", "company.gold.stock_position"} <= set(
        reach["tables"]
    )
    assert reach["models"] == ["supply.lead_time"]
    assert "Supply" in reach["reports"]
    assert reach["ask"] == ["buyer", "data scientist", "planner"]


def test_what_stood_below_a_table_that_is_gone_is_still_named() -> None:
    was = {t.id: contracts.text(contracts.of_table(t)) for t in (ticket_files, takings)}
    changes = contract_changes.between(was, {}, {}, {"Shop": [takings.id]})
    assert changes.below[ticket_files.id]["tables"] == [takings.id]
    assert changes.below[ticket_files.id]["reports"] == ["Shop"]


# ---- against a commit


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A git repository that holds the contracts of today; the commit before had one column more, the first had none."""
    git = ["git", "-C", str(tmp_path), "-c", "user.name=x", "-c", "user.email=x@x"]
    subprocess.run([*git, "init", "-q"], check=True)
    subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "none yet"], check=True)
    contracts.export(TABLES, tmp_path)
    file = contracts.file_of(gold.fct_order_line.id, tmp_path)
    today = file.read_text(encoding="utf-8")
    spare = "  - name: spare\n    logicalType: integer\n    physicalType: bigint\n"
    file.write_text(today.replace("  properties:\n", f"  properties:\n{spare}", 1), encoding="utf-8")
    for message in ("one more", "today"):
        subprocess.run([*git, "add", "."], check=True)
        subprocess.run([*git, "commit", "-q", "-m", message], check=True)
        file.write_text(today, encoding="utf-8")
    return tmp_path


def lake(home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    program = "from lake.engine.cli import main; main()"
    environment = os.environ | {"ROBOLAKE_HOME": str(home), "PYTHONPATH": str(contracts.HOME)}
    return subprocess.run(
        [sys.executable, "-c", program, *words], env=environment, cwd=home, capture_output=True, text=True
    )


def test_diff_exits_3_on_a_breaking_change_and_0_without_one(home: Path) -> None:
    broken = lake(home, "contracts", "diff", "--base", "HEAD~1", "--json")
    assert broken.returncode == 3, broken.stderr
    said = json.loads(broken.stdout)
    assert said["changes"] == [{"contract": gold.fct_order_line.id, "breaking": True, "what": "column spare is gone"}]
    assert said["below"][gold.fct_order_line.id]["models"] == ["supply.lead_time"]
    fine = lake(home, "contracts", "diff", "--base", "HEAD")
    assert (fine.returncode, fine.stdout) == (0, "Everything is declared as at HEAD.\n")


def test_a_commit_without_contracts_makes_all_of_them_new_and_an_unknown_one_is_named(home: Path) -> None:
    assert contracts.committed("HEAD~2", home) == {}
    assert contracts.committed("HEAD", home) == texts(TABLES)
    with pytest.raises(WrongUse, match="git knows no 'nowhere'"):
        contracts.committed("nowhere", home)
