"""What departments expect of their tables as a whole: each expectation holds where it should, and bites where not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import pytest

from lake.catalog import EXPECTATIONS
from lake.core.errors import LakeError
from lake.core.expect import expectation
from lake.engine.judge import Batch, judge
from lake.warehouse.public.retail import retail_lines

Rows = Mapping[str, Sequence[Any]]
DAY = pd.Timestamp("2026-03-05")
MONTH = pd.Timestamp("2026-03-01")

LINES = {"part_id": ["P-1", "P-2"], "is_open": [True, True], "source_system": ["erp", "erp"]}
DUE = {"promised_first": [DAY, DAY, DAY + pd.Timedelta(days=9)], "status": ["open", "cancelled", "open"]}
DEMAND = {"item_id": ["A"], "month": [MONTH], "demand": [7.0], "returned": [2.0]}
WANTED = {"item_id": ["A", "A"], "day": [DAY, MONTH]}
JOINT = {"temperature_mean_c": [41.0], "torque_p50_nm": [3.0]}
SAMPLED = {"serial": ["R-1"] * 2, "day": [DAY] * 2, "joint": ["a", "b"]}
STOCK = {"site": ["ULM", "ULM"], "currency": ["EUR", "EUR"]}
SAID = {"quoted_text": ["1/2/14"], "ordered_text": ["N/A"], "freight_text": ["7.5"], "weight_text": ["3"]}
SOLD = {"invoice_id": ["536365", "536365"], "stock_code": ["22423", "85123A"], "quantity": [1.0, 1.0]}
VALUED = STOCK | {"on_hand": [10.0, 1.0], "unit_cost": [2.0, 80.0]}

CASES: dict[str, tuple[list[Rows], list[Rows]]] = {
    "supply.open_order_lines_are_for_known_parts": (
        [LINES, {"part_id": ["P-1", "P-2"]}],
        [LINES, {"part_id": ["P-1"]}],
    ),
    "supply.due_lines_are_in_their_months": (
        [{"month": [MONTH], "lines_due": [1], "as_of": [DAY]}, DUE],
        [{"month": [MONTH], "lines_due": [2], "as_of": [DAY]}, DUE],
    ),
    "supply.hardly_any_line_is_delivered_twice": (
        [{"quantity_ordered": [10.0], "quantity_received": [11.0]}],
        [{"quantity_ordered": [10.0], "quantity_received": [20.0]}],
    ),
    "warehouse.the_demand_of_a_month_is_that_of_its_days": (
        [DEMAND, WANTED | {"demand": [4.0, 1.0]}],
        [DEMAND, WANTED | {"demand": [4.0, 4.0]}],
    ),
    "warehouse.hardly_any_shelf_is_overdrawn": ([{"closing": [0.0, 1.0]}], [{"closing": [-1.0, 1.0]}]),
    "warehouse.every_site_has_a_balance": (
        [{"site": ["ULM"], "month": [MONTH]}, {"site": ["ULM"]}],
        [{"site": ["ULM"], "month": [MONTH]}, {"site": ["ULM", "GRAZ"]}],
    ),
    "robot.joints_run_as_joints_do": ([JOINT | {"torque_p99_nm": [9.0]}], [JOINT | {"torque_p99_nm": [2.0]}]),
    "robot.the_joints_of_a_robot_are_sampled_alike": (
        [SAMPLED | {"samples": [100, 90]}],
        [SAMPLED | {"samples": [100, 9]}],
    ),
    "robot.faults_are_of_known_robots": (
        [{"serial": ["R-1"], "source_system": ["fleet"]}, {"serial": ["R-1"]}],
        [{"serial": ["R-9"], "source_system": ["fleet"]}, {"serial": ["R-1"]}],
    ),
    "supply.scms_deliveries_say_when_and_how_much": (
        [SAID],
        [SAID | {"freight_text": ["See ASN-29 (ID#:1)"]}],
    ),
    "warehouse.retail_lines_are_sales_told_once": ([SOLD], [SOLD | {"stock_code": ["22423", "22423"]}]),
    "warehouse.oil_demand_is_told_in_figures": (
        [{"quantity": [2.0, None], "source_system": ["oil_spare_parts", "raf_spare_parts"]}],
        [{"quantity": [2.0, None], "source_system": ["oil_spare_parts", "oil_spare_parts"]}],
    ),
    "company.stock_is_worth_its_cost": ([VALUED | {"value": [20.0, 80.0]}], [VALUED | {"value": [20.0, 8.0]}]),
    "company.positions_of_all_sites_are_there": (
        [{"site": ["ULM", "*"]}, {"site": ["ULM"]}],
        [{"site": ["ULM", "*"]}, {"site": ["ULM", "GRAZ"]}],
    ),
    "company.no_more_is_frozen_than_there_is": (
        [STOCK | {"value": [9.0, 1.0], "frozen_value": [9.0, 0.0]}],
        [STOCK | {"value": [9.0, 1.0], "frozen_value": [9.0, 2.0]}],
    ),
}


def test_every_expectation_has_a_case() -> None:
    assert {e.id for e in EXPECTATIONS} == set(CASES)


@pytest.mark.parametrize("asked", EXPECTATIONS, ids=lambda e: e.id)
def test_an_expectation_holds_and_bites(asked: Any) -> None:
    good, bad = (asked.frame(*[pd.DataFrame(dict(rows)) for rows in case]) for case in CASES[asked.id])
    judged = judge([Batch("good", good, asked.asks), Batch("bad", bad, asked.asks)])
    assert not [a.trouble for one in judged for a in one.answers if a.trouble]
    assert all(a.success for a in judged[0].answers)
    assert not all(a.success for a in judged[1].answers)


def test_an_expectation_reads_no_personal_column() -> None:
    with pytest.raises(LakeError, match="customer_id of warehouse.silver.retail_lines, which is personal"):
        expectation(reads={retail_lines: "invoice_id customer_id"})(lambda lines: lines)
