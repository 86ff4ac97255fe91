"""Sheets of months, planners' lists and backorders: copies nobody has seen yet are read alike."""

import re

import pytest
from chispa import assert_df_equality
from pyspark.sql import functions as F

from lake.warehouse import features, monthly, silver
from lake.warehouse.gold_demand import demand_month
from lake.warehouse.public import backorders, carparts, oil, raf
from tests.public_files import landed, looked_at

WHY = "transform(_errors, e -> concat_ws(' ', e.rule, e.column)) AS why"
MATERIALS = "material reorder_point order_up_to stock price in_high in_medium in_low units known_on"


@pytest.fixture
def materials(given):
    return given(
        oil.oil_materials,
        MATERIALS,
        ("7500", 1, 2, 5, "22.58", None, 2, 1, {"1997-11": 9, "1997-12": -1, "2001-08": 0, "1999-01": 0}, "2026-01-01"),
        ("7501", 0, 0, 0, "10", 1, None, None, {"1997-01": None, "1997-11": 4}, "2026-01-01"),
    )


@pytest.mark.parametrize("heading", ["Jan-98", "JAN96", "2001-08", "1998M11", "July 2000", "sep/99"])
def test_a_month_may_be_headed_in_any_of_these_ways(heading):
    assert re.fullmatch(monthly.MONTH, heading)


@pytest.mark.parametrize("heading", ["Max", "Mar", "Total", "2001-22-01", "Lead Time (months)", "12", "PRICE (£)"])
def test_what_is_no_month_is_taken_for_none(heading):
    assert not re.fullmatch(monthly.MONTH, heading)


def test_a_heading_names_the_last_such_month_before_the_sheet_came(spark):
    told = {
        "Jan-98": "1998-01-01", "DEC02": "2002-12-01", "Mar-26": "2026-03-01", "Mar-27": "1927-03-01",
        "1997-11": "1997-11-01", "1998M11": "1998-11-01", "July 2000": "2000-07-01",
    }  # fmt: skip
    headings = spark.createDataFrame([(h,) for h in told], "heading string")
    named = monthly.month_of(F.col("heading"), F.lit("2026-01-01").cast("date")).cast("string")
    assert dict(headings.select("heading", named).collect()) == told


def test_a_sheet_says_what_was_wanted_and_where_it_begins_and_ends(given):
    parts = given(
        carparts.car_parts,
        "part units known_on",
        ("1", {"Jan-98": None, "Feb-98": 0, "Mar-98": 0, "Apr-98": 2, "May-98": 0, "Jun-98": 0}, "2026-01-01"),
    )
    made = carparts.carparts_demand.function(parts).orderBy("month").collect()
    assert [(r["item_id"], str(r["month"]), int(r["quantity"])) for r in made] == [
        ("CAR-1", "1998-02-01", 0),
        ("CAR-1", "1998-04-01", 2),
        ("CAR-1", "1998-06-01", 0),
    ]


def test_the_bad_month_of_the_refinery_says_that_there_was_demand_but_not_how_much(materials, expected):
    made = oil.oil_demand.function(materials)
    names = "item_id month quantity source_system"
    assert_df_equality(
        made.select(names.split()),
        expected(
            monthly.monthly_demand,
            names,
            ("OIL-7500", "1997-11-01", None, "oil_spare_parts"),
            ("OIL-7500", "1997-12-01", -1, "oil_spare_parts"),
            ("OIL-7500", "2001-08-01", 0, "oil_spare_parts"),
            ("OIL-7501", "1997-11-01", None, "oil_spare_parts"),
        ),
        ignore_row_order=True,
        ignore_nullable=True,
    )


def test_what_was_taken_back_is_no_demand_and_of_a_figure_nobody_trusts_only_that_there_was_some(given, expected):
    sheet = given(
        monthly.monthly_demand,
        "item_id month quantity source_system",
        ("A", "1997-11-01", None, "oil"),
        ("A", "1997-12-01", -1, "oil"),
        ("A", "1998-01-01", 7, "oil"),
    )
    names = "item_id month demand returned lines days_out_of_stock source_system"
    assert_df_equality(
        monthly.monthly_as_demand.function(sheet),
        expected(
            demand_month,
            names,
            ("A", "1997-11-01", None, 0, None, None, "oil"),
            ("A", "1997-12-01", 0, 1, None, None, "oil"),
            ("A", "1998-01-01", 7, 0, None, None, "oil"),
        ),
        ignore_row_order=True,
        ignore_nullable=True,
    )


def test_a_material_is_an_item_a_plan_and_what_lay_there(materials, expected):
    names = "item_id kind standard_cost currency criticality known_on"
    assert_df_equality(
        oil.oil_items.function(materials).select(names.split()),
        expected(
            silver.items,
            names,
            ("OIL-7500", "spare", "22.58", "XXX", "M", "2026-01-01"),
            ("OIL-7501", "spare", "10", "XXX", "H", "2026-01-01"),
        ),
        ignore_nullable=True,
    )
    names = "item_id site reorder_point order_up_to"
    assert_df_equality(
        oil.oil_planning.function(materials).select(names.split()),
        expected(silver.planning_parameters, names, ("OIL-7500", "refinery", 1, 2), ("OIL-7501", "refinery", 0, 0)),
        ignore_nullable=True,
    )
    names = "movement_id at kind quantity quantity_signed known_on"
    assert_df_equality(
        oil.oil_openings.function(materials).select(names.split()),
        expected(silver.movements, names, ("OIL-7500-opening", "2026-01-01", "opening", 5, 5, "2026-01-01")),
        ignore_nullable=True,
    )


def test_a_list_of_materials_is_read_with_what_months_it_has_and_a_bad_plan_is_rejected(spark, tmp_path):
    text = "Material;Del. time;Min;Max;Stock;Price;H;1996-12;2001-09\n1;44;1;2;3;22.58;;-2;\n2;44;3;2;0;1;1;x;0\n"
    made = landed(spark, tmp_path, oil.oil_materials, other__csv=text).orderBy("material")
    good, bad = made.select("_ok", "units", "in_high", "in_all", F.expr(WHY)).collect()
    assert (good["_ok"], good["in_high"], good["in_all"]) == (True, None, None)
    assert {month: n and int(n) for month, n in good["units"].items()} == {"1996-12": -2, "2001-09": None}
    assert bad["why"] == ["type units", "check order_up_to"]


def test_a_list_without_any_month_is_rejected_whole(tmp_path):
    landing = looked_at(tmp_path, raf.raf_parts, raf__csv="Item Ref no,DESCRIPTION,PRICE (£)\n1,GOUGE,6.75\n")
    assert list(landing.rejected.values()) == [f"header: has no column like {monthly.MONTH}"]


def test_a_part_of_the_air_force_has_its_months_price_and_lead_time(spark, tmp_path):
    text = "Item Ref no,DESCRIPTION,Lead Time (months),PRICE (£),JAN96,FEB96\n1,GOUGE FIRMER,11,6.75,6,0\n"
    [row] = landed(spark, tmp_path, raf.raf_parts, raf__csv=text).where("_ok").collect()
    assert (row["part"], row["lead_time_months"], float(row["price_gbp"])) == ("1", 11, 6.75)
    assert {month: int(n) for month, n in row["units"].items()} == {"JAN96": 6, "FEB96": 0}


def test_what_nobody_knows_of_an_item_is_null_and_no_number(spark, tmp_path):
    names = ["sku", "national_inv", "lead_time", *backorders.AMOUNTS.values(), "perf_6_month_avg", "perf_12_month_avg"]
    names += [*backorders.FLAGS, "went_on_backorder"]
    known = ["1888279", "-3", "8", *["5"] * 11, "0.99", "0.5", *["No"] * 6, "Yes"]
    unknown = ["1870557", "117", "NA", *["0"] * 11, "-99", "-99.0", *["No"] * 6, "No"]
    footer = ["(2 rows)", *[""] * 22]
    text = "\r\n".join(",".join(row) for row in (names, known, unknown, footer))
    made = landed(spark, tmp_path, backorders.backorder_items, some__csv=text)
    columns = ("on_hand", "lead_time", "supplier_6_months", "supplier_12_months", "went_on_backorder")
    found = {r[0]: tuple(r)[1:] for r in made.where("_ok").select("item_id", *columns).collect()}
    assert {item: [v if v is None else float(v) for v in row] for item, row in found.items()} == {
        "1888279": [-3, 8, 0.99, 0.5, 1],
        "1870557": [117, None, None, None, 0],
    }
    assert [r["why"] for r in made.where("NOT _ok").select(F.expr(WHY)).collect()] == [
        ["check item_id", "null went_on_backorder"]
    ]


def test_a_forecast_is_short_by_what_neither_stock_nor_transit_covers(given, expected):
    items = given(
        backorders.backorder_items,
        "item_id snapshot on_hand in_transit forecast_3_months sold_3_months went_on_backorder",
        ("1", "2026-01-01", 4, 1, 9, 6, True),
        ("2", "2026-01-01", 4, 1, 3, 0, False),
    )
    names = "item_id short_of_forecast forecast_over_sales supplier_6_months went_on_backorder"
    assert_df_equality(
        features.stockout_features(items).select(names.split()),
        expected(features.stockout_features, names, ("1", 4, "1.5", None, True), ("2", 0, None, None, False)),
        ignore_nullable=True,
    )
