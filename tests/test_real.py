"""The public sets themselves, where they lie beside the project: every delivered line has one home."""

from __future__ import annotations

import csv
import io
import zipfile
from datetime import date
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from lake.company import gold as company_gold
from lake.company import gold_holding as company_holding
from lake.core.expect import Expectation
from lake.core.table import Table
from lake.engine import conf, intake, records
from lake.engine.figures import floats
from lake.engine.fingerprint import Cache
from lake.engine.judge import Batch, judge
from lake.robot import features
from lake.robot import gold as robot_gold
from lake.robot.public import ai4i, bts, cmapss, execution_failures, ipa
from lake.robot.public import ur3 as robot
from lake.supply import gold as supply_gold
from lake.supply import silver as supply_silver
from lake.supply.public import scms as supply
from lake.warehouse.monthly import monthly_as_demand
from lake.warehouse.public import backorders, carparts, oil, raf
from lake.warehouse.public import retail as warehouse
from tests import public_files


class Landed:
    """A public set as a night reads it: what its files hold, and their records typed."""

    def __init__(self, spark: SparkSession, table: Table, cache: Cache) -> None:
        real = conf.load("real")
        [source] = table.inputs
        landing = intake.look(source, table, {}, real, cache, until=date.today())
        if not landing.add:
            pytest.skip(f"{source.id}: no file {source.delivery.path} under {real.public}")
        assert not landing.rejected
        prints = [file.print for file in landing.add]
        self.lines = sum(p.lines for p in prints)
        self.records = sum(p.records for p in prints)
        self.unknown = landing.unknown
        # half a million rows are worth compiling for, unlike those of the other tests
        session = spark.newSession()
        bronze = records.bronze(session, source, landing.add, real.public, 1)
        typed = records.typed(table, bronze, sorted({p.header_text for p in prints if p.header_text}))
        self.typed = typed.persist()
        self.rows = self.typed.where("_ok").select([c.name for c in table.columns])

    def told(self, asked: Expectation) -> list[int]:
        """What an expectation of this table alone finds: the figure of each of its asks."""
        [(_, columns)] = asked.reads
        [judged] = judge(
            [Batch(asked.id, asked.frame(floats(self.rows.select(*columns).toArrow()).to_pandas()), asked.asks)]
        )
        assert not [a.trouble for a in judged.answers if a.trouble]
        return [int(a.observed or 0) for a in judged.answers]

    def fates(self) -> dict[bool, int]:
        """How many records are good (True) and how many rejected."""
        return counted(self.typed, "_ok")


def counted(rows: DataFrame, *by: str) -> dict[Any, int]:
    """How many rows there are of each value (or pair of values)."""
    return {r[0] if len(by) == 1 else tuple(r[:-1]): r[-1] for r in rows.groupBy(*by).agg(F.count("*")).collect()}


def cells(units: str, condition: str) -> Any:
    """How many cells of a map of months satisfy a condition on `n`."""
    return F.sum(F.expr(f"size(filter(map_values({units}), n -> {condition}))"))


def cells_of(book: Path) -> list[list[str]]:
    """The rows of a workbook's only sheet, as a copy of it with commas in its numbers would tell them."""
    space = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
    with zipfile.ZipFile(book) as parts:
        strings, sheet = (ElementTree.parse(parts.open(f"xl/{p}.xml")) for p in ("sharedStrings", "worksheets/sheet1"))
    texts = ["".join(one.itertext()) for one in strings.iter(f"{space}si")]
    found = []
    for row in sheet.iter(f"{space}row"):
        cells = {}
        for cell in row.iter(f"{space}c"):
            said, kind = cell.findtext(f"{space}v") or "", cell.get("t", "n")
            column = cell.get("r", "").rstrip("0123456789")
            cells[column] = texts[int(said)] if kind == "s" else said.replace(".", ",")
        found.append(cells)
    return [[cells.get(column, "") for column in found[0]] for cells in found]


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Cache:
    return Cache.at(tmp_path_factory.mktemp("lake"))


@pytest.fixture(scope="module")
def scms(spark: SparkSession, cache: Cache) -> Landed:
    return Landed(spark, supply.scms_deliveries, cache)


@pytest.fixture(scope="module")
def retail(spark: SparkSession, cache: Cache) -> Landed:
    return Landed(spark, warehouse.retail_lines, cache)


@pytest.fixture(scope="module")
def ur3(spark: SparkSession, cache: Cache) -> Landed:
    return Landed(spark, robot.ur3_seconds, cache)


def test_every_delivery_of_the_scms_is_accepted(scms):
    assert (scms.lines, scms.records, scms.unknown) == (10_325, 10_324, {})
    assert scms.fates() == {True: 10_324}


def test_the_words_of_the_scms_instead_of_days_and_amounts_are_counted(scms):
    assert scms.told(supply.scms_deliveries_say_when_and_how_much) == [
        *(205, 2_476, 328, 5_404),
        *(1_442, 239, 1_937, 508),
        *(1_507, 1_937, 508),
    ]


def test_an_scms_order_line_has_a_lead_time_or_the_reason_why_not(scms):
    changes = supply.scms_order_lines.function(scms.rows)
    assert counted(changes, "ordered_missing_reason") == {None: 4_592, "from_stock": 5_404, "not_captured": 328}
    session = scms.rows.sparkSession
    inspections = session.createDataFrame([], supply_silver.inspections.schema)
    lines = supply_gold.fct_order_line(changes, supply.scms_receipts.function(scms.rows), inspections).persist()
    assert counted(lines, "lead_time_missing_reason") == {None: 4_592, "from_stock": 5_404, "not_captured": 328}
    assert counted(lines, "is_open") == {False: 10_324}
    [took] = lines.agg(
        F.percentile("lead_time_days", 0.5), F.min("lead_time_days"), F.count_if(F.col("lead_time_days") < 0)
    ).collect()
    assert tuple(took) == (92, -292, 5)


def test_a_freight_cost_that_is_another_records_names_it(scms):
    of = counted(
        scms.rows.withColumn(
            "_is",
            F.when(F.col("freight_usd").isNotNull(), "number")
            .when(F.col("freight_record_id").isNotNull(), "reference")
            .otherwise(F.col("freight_text")),
        ),
        "_is",
    )
    assert of == {
        "number": 6_198,
        "reference": 2_445,
        "Freight Included in Commodity Cost": 1_442,
        "Invoiced Separately": 239,
    }


def test_every_retail_line_is_a_sales_line_or_says_why_not(retail):
    assert retail.lines == 541_909
    assert retail.fates() == {True: 541_909}
    assert counted(retail.rows, "excluded") == {None: 536_465, "not a product": 2_946, "no price": 2_498}


def test_what_the_retailer_took_back_adjusted_and_told_twice_is_counted(retail):
    assert retail.told(warehouse.retail_lines_are_sales_told_once) == [9_288, 3, 5_268]


def test_retail_sales_lines_have_numbers_of_their_own(retail):
    made = warehouse.retail_sales_lines.function(retail.rows)
    [row] = made.agg(F.count("*"), F.count_distinct("order_id", "line"), F.count_if(F.col("quantity") < 0)).collect()
    assert tuple(row) == (536_465, 536_465, 8_704)


def test_every_second_of_the_arm_is_accepted(ur3):
    assert (ur3.lines, ur3.records, ur3.unknown) == (7_410, 7_409, {})
    assert ur3.fates() == {True: 7_409}
    assert counted(ur3.rows, "is_quoted") == {False: 7_409}


def test_the_timestamps_that_its_sheet_has_in_quotes_are_counted(spark, tmp_path, ur3):
    [sheet] = (Path(str(conf.load("real").public)) / "ur3_cobotops").glob("*.xlsx")
    copy = io.StringIO()
    csv.writer(copy, delimiter=";").writerows(cells_of(sheet))
    rows = public_files.landed(spark, tmp_path, robot.ur3_seconds, sheet__csv=copy.getvalue())
    assert counted(rows, "_ok", "is_quoted") == {(True, True): 863, (True, False): 6_546}
    assert rows.select("sample", "at").exceptAll(ur3.rows.select("sample", "at")).isEmpty()


def test_stops_and_grip_losses_of_the_arm_are_faults_by_run(ur3):
    assert counted(robot.ur3_faults.function(ur3.rows), "code") == {"PROTECTIVE_STOP": 108, "GRIP_LOST": 74}


def test_the_joints_of_the_arm_ran_one_day(ur3):
    days = robot.ur3_joint_day.function(ur3.rows)
    assert counted(days, "samples") == {7_363: 1, 7_355: 5}


def test_every_material_of_the_refinery_is_accepted_with_all_its_months(spark, cache):
    landed = Landed(spark, oil.oil_materials, cache)
    assert (landed.lines, landed.records, landed.unknown) == (7_025, 7_024, {})
    assert landed.fates() == {True: 7_024}
    over = "greatest(stock - order_up_to, 0)"
    [row] = landed.rows.agg(
        cells("units", "n IS NULL"),
        cells("units", "n < 0"),
        cells("units", "n = 0"),
        F.count_if(F.expr("units['1997-11'] IS NOT NULL")),
        F.expr("sum(stock * price)"),
        F.expr(f"sum({over} * price)"),
        F.expr("count_if(stock > order_up_to)"),
        F.expr("count_if(stock < reorder_point)"),
        *[F.count_if(F.col(f"in_{level}").isNull()) for level in ("high", "medium", "low", "all")],
    ).collect()
    assert tuple(map(float, row)) == (
        *(201_456, 2_032, 167_453, 3_740, 5_335_936.32, 446_188.26, 1_112, 716),
        *(5_738, 2_532, 4_939, 1_668),
    )


def test_the_bad_month_of_the_refinery_is_no_demand_but_its_materials_are_no_dead_stock(spark, cache):
    landed = Landed(spark, oil.oil_materials, cache)
    months = monthly_as_demand.function(oil.oil_demand.function(landed.rows)).persist()
    [row] = months.agg(
        *[F.count_if(F.expr(said)) for said in ("demand > 0", "returned > 0", "demand IS NULL")],
        F.count_if(F.expr("month = DATE'1997-11-01' AND demand > 0")),
        *[end("month").cast("string") for end in (F.min, F.max)],
    ).collect()
    assert tuple(row) == (20_932, 2_032, 1_471, 0, "1997-01-01", "2001-08-01")
    consumed = months.where("demand > 0 OR demand IS NULL").select("item_id").distinct()
    stock = landed.rows.selectExpr("'OIL-' || material AS item_id", "stock * price AS value")
    [[dead]] = stock.join(consumed, on="item_id", how="left_anti").agg(F.sum("value")).collect()
    assert float(dead) == 201_880.31


def test_the_refinery_has_money_frozen_above_its_maxima_and_in_what_nobody_ever_wanted(spark, cache):
    landed = Landed(spark, oil.oil_materials, cache)

    def nothing(table: Table) -> DataFrame:
        return spark.createDataFrame([], table.schema)

    known = {
        "closing": F.col("quantity"), "day": F.to_date("at"), "since": F.to_date("at"), "blocked": F.lit(0),
    }  # fmt: skip
    lying = oil.oil_openings.function(landed.rows).select("item_id", "site", *[v.alias(c) for c, v in known.items()])
    told = {
        "stock_day": lying,
        "demand_month": monthly_as_demand.function(oil.oil_demand.function(landed.rows)),
        "items": oil.oil_items.function(landed.rows),
        "planning_parameters": oil.oil_planning.function(landed.rows),
    }
    for made in (company_holding.stock_holding, company_gold.stock_position):
        frames = [told[i.name] if i.name in told else nothing(i) for i in made.inputs]
        told[made.name] = made(*frames, as_of=date(2026, 1, 1))
    position = told["stock_position"].where("site = '*'")
    [row] = position.agg(
        F.sum("value"),
        F.expr("sum(greatest(on_hand - order_up_to, 0) * unit_cost)"),
        F.expr("sum(value) FILTER (WHERE last_demand_on IS NULL)"),
        F.expr("sum(obsolete * unit_cost)"),
        F.expr("sum(excess * unit_cost)"),
    ).collect()
    in_all, above, unwanted, obsolete, excess = map(float, row)
    assert (in_all, above, unwanted) == (5_335_936.32, 446_188.26, 201_880.31)
    # each piece in one class: what lies above a maximum and was not wanted for a year is obsolete, and no excess
    assert (obsolete, excess) == (3_146_850.42, 177_395.11)


def test_every_part_of_the_air_force_is_accepted(spark, cache):
    landed = Landed(spark, raf.raf_parts, cache)
    assert (landed.lines, landed.records, landed.unknown) == (5_001, 5_000, {})
    assert landed.fates() == {True: 5_000}
    demand = monthly_as_demand.function(raf.raf_demand.function(landed.rows))
    [row] = demand.agg(F.count_if(F.expr("demand > 0")), F.sum("demand"), F.count_if(F.expr("returned > 0"))).collect()
    assert tuple(map(int, row)) == (42_695, 605_764, 0)
    [row] = landed.rows.agg(
        cells("units", "n = 0"), F.count_if(F.expr("lead_time_months = 0")), F.count_if(F.expr("price_gbp = 0"))
    ).collect()
    assert tuple(row) == (377_305, 627, 1)


def test_every_car_part_is_accepted_and_what_nobody_wrote_down_is_no_zero(spark, cache):
    landed = Landed(spark, carparts.car_parts, cache)
    assert (landed.lines, landed.records, landed.unknown) == (2_675, 2_674, {})
    assert landed.fates() == {True: 2_674}
    [row] = landed.rows.agg(
        cells("units", "n IS NULL"),
        cells("units", "n = 0"),
        F.count_if(F.expr("exists(map_values(units), n -> n IS NULL)")),
    ).collect()
    assert tuple(row) == (6_122, 97_398, 165)
    demand = monthly_as_demand.function(carparts.carparts_demand.function(landed.rows))
    [row] = demand.agg(
        F.count_if(F.expr("demand > 0")), F.sum("demand").cast("int"), F.count_distinct("item_id"),
        F.min("month").cast("string"), F.max("month").cast("string"),
    ).collect()  # fmt: skip
    assert tuple(row) == (32_854, 66_194, 2_674, "1998-01-01", "2002-03-01")


def test_what_nobody_knew_of_backordered_items_is_null(spark, cache):
    landed = Landed(spark, backorders.backorder_items, cache)
    assert (landed.lines, landed.records, landed.unknown) == (10_001, 10_000, {})
    assert landed.fates() == {True: 10_000}
    [row] = landed.rows.agg(
        F.count_if(F.expr("lead_time IS NULL")),
        F.count_if(F.expr("supplier_6_months IS NULL")),
        F.count_if(F.expr("on_hand < 0")),
        F.min("on_hand").cast("int"),
        F.count_if("went_on_backorder"),
    ).collect()
    assert tuple(row) == (567, 707, 188, -2_999, 1_855)


def test_every_pose_of_the_arm_is_accepted_and_off_by_two_millimetres_once_the_frames_fit(spark, cache):
    landed = Landed(spark, ipa.ipa_poses, cache)
    assert (landed.lines, landed.records, landed.unknown) == (11_912, 11_911, {})
    assert landed.fates() == {True: 11_911}
    errors = ipa.ipa_pose_error.function(landed.rows).persist()
    [row] = errors.agg(
        F.count("error_mm"), F.avg("error_mm").cast("decimal(9,3)"),
        F.percentile("error_mm", 0.95).cast("decimal(9,3)"),
        *[end("temperature_c").cast("decimal(9,1)") for end in (F.min, F.max)],
    ).collect()  # fmt: skip
    assert [str(v) for v in row] == ["11911", "2.205", "7.576", "22.9", "23.7"]
    assert sum(counted(robot_gold.accuracy_day(errors), "poses")) == 11_911


def test_every_grasp_is_accepted_under_its_orientation_of_the_hand(spark, cache):
    landed = Landed(spark, bts.bts_grasps, cache)
    assert (landed.lines, landed.records, landed.unknown) == (4_685, 4_682, {})
    assert landed.fates() == {True: 4_682}
    assert counted(landed.rows, "hand_orientation", "slipped") == {
        ("down", False): 667, ("down", True): 609,
        ("side", False): 603, ("side", True): 670,
        ("45", False): 1_058, ("45", True): 1_075,
    }  # fmt: skip
    assert [r[0] for r in landed.rows.agg(F.count_distinct("object")).collect()] == [41]


def test_every_execution_failure_is_accepted_in_its_class(spark, cache):
    landed = Landed(spark, execution_failures.execution_failures, cache)
    assert (landed.lines, landed.records) == (182, 182)
    assert landed.fates() == {True: 182}
    assert counted(landed.rows, "task", "class") == {
        ("lp1", "obstruction"): 34, ("lp1", "normal"): 21, ("lp1", "collision"): 17, ("lp1", "fr_collision"): 16,
        ("lp2", "normal"): 20, ("lp2", "left_col"): 9, ("lp2", "back_col"): 7, ("lp2", "front_col"): 6,
        ("lp2", "right_col"): 5,
        ("lp3", "ok"): 20, ("lp3", "moved"): 15, ("lp3", "slightly_moved"): 9, ("lp3", "lost"): 3,
    }  # fmt: skip


def test_every_cycle_of_the_engines_is_accepted_and_idle_sensors_say_nothing(spark, cache):
    landed = Landed(spark, cmapss.cmapss_cycles, cache)
    assert (landed.lines, landed.records) == (33_727, 33_727)
    assert landed.fates() == {True: 33_727}
    engines = landed.rows.select("run", "unit").distinct()
    assert counted(engines, "run") == {"train": 100, "test": 100}
    assert counted(landed.rows, "run") == {"train": 20_631, "test": 13_096}
    names = [*cmapss.SETTINGS, *cmapss.SENSORS]
    [row] = landed.rows.where("run = 'train'").agg(*[(F.min(n) == F.max(n)).alias(n) for n in names]).collect()
    still = ["setting_3", "t2", "p2", "epr", "farb", "nf_dmd", "pcnfr_dmd"]
    assert [name for name in names if row[name]] == still
    lives = Landed(spark, cmapss.cmapss_lives, cache)
    assert (lives.lines, lives.fates()) == (1, {True: 1})
    some = landed.rows.where("unit <= 3")
    made = features.health_features(some, lives.rows).where("life_left <= 200").groupBy("serial")
    left = made.agg(F.min("life_left"), F.max("life_left"), F.count("*")).collect()
    assert {r[0].removeprefix("CMAPSS-FD001-"): r[1] for r in left} == {
        "train-1": 0, "train-2": 0, "train-3": 0, "test-1": 112, "test-2": 98, "test-3": 69
    }  # fmt: skip


def test_every_machine_cycle_is_accepted_from_a_file_that_only_looks_comma_separated(spark, cache):
    landed = Landed(spark, ai4i.ai4i_cycles, cache)
    assert (landed.lines, landed.records, landed.unknown) == (10_001, 10_000, {})
    assert landed.fates() == {True: 10_000}
    assert counted(landed.rows, "quality") == {"L": 6_000, "M": 2_997, "H": 1_003}
    [row] = landed.rows.agg(*[F.count_if(mode) for mode in ("failed", *ai4i.MODES)]).collect()
    assert tuple(row) == (339, 46, 115, 95, 98, 19)
