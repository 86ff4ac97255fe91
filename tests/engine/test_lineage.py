"""Every column is followed from its plan to what was delivered."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pandas as pd
import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import LongType, StringType

from lake.catalog import TABLES
from lake.core.refresh import full
from lake.core.table import Column, Table
from lake.engine import lineage, provenance
from lake.engine.conf import Conf
from lake.engine.lineage import DAY, FILE, Graph, Origin, raw_name
from tests.engine import five_tables

pytestmark = pytest.mark.timeout(600)


class Known:
    """The lineage of the whole catalog, and an environment whose lake keeps it."""

    def __init__(self, spark: SparkSession, home: Path) -> None:
        self.conf = Conf(env="known", lake={"root": str(home / "lake"), "raw": str(home / "raw")})
        (self.conf.root / "_control").mkdir(parents=True)
        self.graph = lineage.graph(self.conf, TABLES, TABLES, lambda: spark)
        self.env = str(home / "known.toml")
        Path(self.env).write_text(f'[lake]\nroot = "{self.conf.root}"\nraw = "{self.conf.raw}"\n', encoding="utf-8")

    def raw(self, column: str) -> set[str]:
        table, _, name = column.rpartition(".")
        return {".".join(r) for r in self.graph.raw((table, name))}


@pytest.fixture(scope="module")
def known(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Known:
    return Known(spark, tmp_path_factory.mktemp("lineage"))


def delivered(tables: list[Table]) -> set[tuple[str, str]]:
    """Every column that a typed table takes from its source, as it is delivered, with the file and the day."""
    typed = [t for t in tables if t.is_typed]
    names = {(t.inputs[0].id, raw_name(c, t.inputs[0])) for t in typed for c in t.columns if c.parse != DAY}
    return names | {(t.inputs[0].id, name) for t in typed for name in (DAY, FILE)}


def test_every_gold_column_comes_from_delivered_columns(known: Known) -> None:
    gold = [(t.id, c.name) for t in TABLES if t.layer == "gold" for c in t.columns]
    raw = {ref: known.graph.raw(ref) for ref in gold}
    assert [ref for ref, found in raw.items() if not found] == []
    assert {r for found in raw.values() for r in found} - delivered(TABLES) == set()
    assert len(gold) > 200


@pytest.mark.parametrize(
    ("column", "raw"),
    [
        # computed from two sources of our own and a mapped public set
        (
            "supply.gold.fct_order_line.lead_time_days",
            "supply.bronze.order_lines.ordered_at supply.bronze.receipts.received_at",
        ),
        ("supply.gold.dim_supplier.name", "supply.bronze.suppliers.name"),
        ("supply.gold.dim_supplier.valid_from", "supply.bronze.suppliers._dt"),  # added by the refresh
        (
            "warehouse.gold.stock_month.closing",
            "warehouse.bronze.movements.quantity warehouse.bronze.movements.kind warehouse.bronze.oil_materials.Stock",
        ),
        ("warehouse.silver.movements.operator", "warehouse.bronze.movements.operator"),  # a pseudonym
    ],
)
def test_a_column_comes_from_what_its_plan_says(known: Known, column: str, raw: str) -> None:
    assert set(raw.split()) <= known.raw(column)
    own = {r for r in known.raw(column) if not r.startswith(("supply.bronze.scms", "warehouse.bronze.online"))}
    assert own - set(raw.split()) == set()


def test_a_count_comes_from_what_it_is_counted_by(known: Known) -> None:
    assert known.graph.above(("warehouse.gold.stock_change_day", "movements")) == {
        ("warehouse.silver.movements", name) for name in ("item_id", "site", "at")
    }


def test_a_constant_comes_from_the_rows_it_stands_in(known: Known) -> None:
    assert ("supply.silver.order_line_files", "order_id") in known.graph.above(
        ("supply.silver.order_line_changes", "source_system")
    )


def test_a_parsed_column_comes_from_the_delivered_names(known: Known) -> None:
    typed = next(t for t in TABLES if t.id == "supply.silver.scms_deliveries")
    found = {c.name: known.raw(f"{typed.id}.{c.name}") for c in typed.columns if c.raw and not c.parse}
    assert found == {c.name: {f"{typed.inputs[0].id}.{c.raw}"} for c in typed.columns if c.raw and not c.parse}


@pytest.fixture(scope="module")
def five(spark: SparkSession) -> Graph:
    tables = five_tables.TABLES
    return Graph(tables, {t.id: lineage.worked_out(spark, t) for t in tables if not t.is_source})


def of(five: Graph, column: str) -> Origin:
    table, name = column.split(".")
    return five.of[named(table).id].columns[name]


def named(name: str) -> Table:
    return next(t for t in five_tables.TABLES if t.name == name)


def movement(*names: str) -> set[tuple[str, str]]:
    return {(five_tables.movements.id, name) for name in names}


def test_a_key_that_passes_unchanged_is_the_same_column(five: Graph) -> None:
    assert of(five, "last_seen.thing").same == movement("thing")
    assert of(five, "daily.thing").same == movement("thing")
    assert of(five, "daily.on") == Origin(frozenset(movement("at")))


def test_a_column_is_the_same_as_those_it_was_joined_with(five: Graph) -> None:
    assert {table for table, _ in of(five, "facts.thing").same} == {
        five_tables.movements.id, five_tables.colours.id, five_tables.last_seen.id,
    }  # fmt: skip
    assert of(five, "facts.colour").same == {(five_tables.colours.id, "colour")}


def test_a_balance_comes_from_its_input_and_from_its_own_earlier_rows(five: Graph) -> None:
    closing = of(five, "balance.closing")
    assert (five_tables.balance.id, "closing") in closing.of
    raw = five.raw((five_tables.balance.id, "closing"))
    assert (five_tables.deliveries.id, "quantity") in raw
    assert {table for table, _ in raw} == {five_tables.deliveries.id}


def test_what_a_window_is_ordered_by_decides_the_rows_but_is_not_the_value(five: Graph) -> None:
    assert of(five, "last_seen.quantity").of == movement("quantity")
    assert movement("thing", "at") <= five.of[five_tables.last_seen.id].rows


def by_hand(rows: DataFrame) -> DataFrame:
    def largest(group: pd.DataFrame) -> pd.DataFrame:
        return group.head(1)[["thing"]].assign(n=len(group))

    return rows.select("thing", "quantity").groupBy("thing").applyInPandas(largest, "thing string, n long")


def nested(rows: DataFrame) -> DataFrame:
    pairs = rows.select("thing", F.explode(F.array(F.struct("id", "at"))).alias("pair"))
    return pairs.select(F.col("pair.id").alias("thing"), F.lit(1).cast("long").alias("n"))


@pytest.mark.parametrize(
    ("function", "thing"),
    [(by_hand, movement("thing", "quantity")), (nested, movement("id", "at"))],
)
def test_what_cannot_be_told_apart_comes_from_all_it_was_given(spark: SparkSession, function, thing) -> None:
    table = Table(
        "five", "gold", "n", "One row per thing.", (Column("thing", StringType(), key=True), Column("n", LongType())),
        (five_tables.movements,), full(), function=function,
    )  # fmt: skip
    assert lineage.worked_out(spark, table).columns["thing"].of == thing


def test_what_is_known_needs_no_spark_until_a_definition_changes(known: Known) -> None:
    def never() -> SparkSession:
        raise AssertionError("Spark was started")

    again = lineage.graph(known.conf, TABLES, TABLES, never)
    assert again.of == known.graph.of
    changed = Table(**vars(TABLES[-1]) | {"columns": TABLES[-1].columns[:1]})
    with pytest.raises(AssertionError, match="Spark was started"):
        lineage.graph(known.conf, TABLES, [changed], never)


def test_the_verb_says_where_a_column_comes_from(known: Known, capsys: pytest.CaptureFixture[str]) -> None:
    provenance.lineage("dim_supplier.valid_from", env=known.env)
    assert capsys.readouterr().out.splitlines() == [
        "supply.gold.dim_supplier.valid_from   date",
        "└─ supply.silver.supplier_files.known_on",
        "   └─ supply.bronze.suppliers._dt",
        "delivered as: supply.bronze.suppliers._dt",
    ]


def test_the_verb_answers_programs(known: Known, capsys: pytest.CaptureFixture[str]) -> None:
    provenance.lineage("supply.gold.dim_supplier", env=known.env, as_json=True)
    said = json.loads(capsys.readouterr().out)
    assert (said["table"], said["refresh"], said["inputs"]) == (
        "supply.gold.dim_supplier", "history", ["supply.silver.supplier_files"],
    )  # fmt: skip
    assert {c["column"] for c in said["columns"]} == {c.name for c in known.graph.tables[said["table"]].columns}
    assert all(c["raw"] for c in said["columns"])


@pytest.mark.parametrize("words", ["company.gold.stock_position", "fct_order_line.lead_time_days"])
def test_a_drawing_holds_every_table_and_asks_for_nothing(known: Known, tmp_path: Path, words: str) -> None:
    file = tmp_path / "drawing.svg"
    provenance.lineage(words, svg=file, env=known.env)
    root = ElementTree.parse(file).getroot()
    texts = {e.text for e in root.iter("{http://www.w3.org/2000/svg}text")}
    assert {"supply.silver.receipts", "supply.bronze.receipts"} <= texts
    assert "href" not in file.read_text(encoding="utf-8")
