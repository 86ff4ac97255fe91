"""The public sets themselves, where they lie beside the project: every delivered line has one home."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from lake.core.table import Table
from lake.engine import conf, intake, records
from lake.engine.fingerprint import Cache
from lake.robot import public as robot
from lake.supply import gold as supply_gold
from lake.supply import public as supply
from lake.supply import silver as supply_silver
from lake.warehouse import public as warehouse


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

    def fates(self) -> dict[bool, int]:
        """How many records are good (True) and how many rejected."""
        return counted(self.typed, "_ok")


def counted(rows: DataFrame, by: str) -> dict[Any, int]:
    return {r[0]: r[1] for r in rows.groupBy(by).agg(F.count("*")).collect()}


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


def test_retail_sales_lines_have_numbers_of_their_own(retail):
    made = warehouse.retail_sales_lines.function(retail.rows)
    [row] = made.agg(F.count("*"), F.count_distinct("order_id", "line"), F.count_if(F.col("quantity") < 0)).collect()
    assert tuple(row) == (536_465, 536_465, 8_704)


def test_every_second_of_the_arm_is_accepted(ur3):
    assert (ur3.lines, ur3.records, ur3.unknown) == (7_410, 7_409, {})
    assert ur3.fates() == {True: 7_409}


def test_stops_and_grip_losses_of_the_arm_are_faults_by_run(ur3):
    assert counted(robot.ur3_faults.function(ur3.rows), "code") == {"PROTECTIVE_STOP": 108, "GRIP_LOST": 74}


def test_the_joints_of_the_arm_ran_one_day(ur3):
    days = robot.ur3_joint_day.function(ur3.rows)
    assert counted(days, "samples") == {7_363: 1, 7_355: 5}
