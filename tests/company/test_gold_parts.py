"""Lives of parts, and lots that fail."""

import pytest
from chispa import assert_df_equality

from lake.company import gold_parts as parts
from lake.robot import gold, gold_work, silver_work
from lake.supply import gold as supply_gold
from lake.supply import silver as supply_silver
from lake.warehouse import silver_builds

BUILD = "build_id seq serial position part_id supplier_id lot quantity built_at"
SERVICE = "work_order_id line serial joint component part_id lot_removed lot_installed is_failure opened_at closed_at"


@pytest.fixture
def lives(given):
    """part_life of work orders' lines; RB-1 has lot L-1 at joint 3 and works 1000 cycles a day since 1 January."""

    def of(*served, built=()):
        return parts.part_life(
            given(
                silver_builds.build_records,
                BUILD,
                ("B-1", 1, "RB-1", "3", "P-1", "S-1", "L-1", 1, "2025-12-20T09:00"),
                *built,
            ),
            given(silver_work.service_lines, SERVICE, *served),
            given(
                gold_work.work_day,
                "serial day cycle_last",
                ("RB-1", "2026-01-10", 10000),
                ("RB-1", "2026-01-31", 31000),
            ),
            given(gold.dim_robot, "serial commissioned_on is_current", ("RB-1", "2026-01-01", True)),
            given(
                supply_silver.receipts, "order_id line lot", ("PO-1", 1, "L-2"), ("PO-2", 1, "L-3"), ("PO-3", 1, "L-3")
            ),
            given(
                supply_gold.fct_order_line,
                "order_id line part_id supplier_id",
                ("PO-1", 1, "P-1", "S-2"),
                ("PO-2", 1, "P-1", "S-2"),
                ("PO-3", 1, "P-1", "S-9"),
            ),
        )

    return of


LIFE = "supplier_id lot fitted_on fitted_by removed_on ended_on failed is_running days_at_risk cycles_at_risk"


def test_a_part_is_at_risk_from_commissioning_to_its_failure_and_the_next_from_its_repair(lives, expected):
    made = lives(
        ("WO-1", 1, "RB-1", "3", "joint", "P-1", "L-1", "L-2", True, "2026-01-15T08:00", "2026-01-17T08:00"),
        ("WO-1", 2, "RB-1", "3", "joint", None, None, None, False, "2026-01-15T08:00", "2026-01-17T08:00"),
        ("WO-2", 1, "RB-1", "3", "joint", "P-1", None, None, True, "2026-01-30T08:00", None),  # still open
    )
    assert_df_equality(
        made.select(LIFE.split()),
        expected(
            parts.part_life,
            LIFE,
            ("S-1", "L-1", "2026-01-01", "build", "2026-01-17", "2026-01-15", True, False, 14, 15000),
            ("S-2", "L-2", "2026-01-17", "service", None, "2026-01-31", False, True, 14, 14000),
        ),
        ignore_row_order=True,
        ignore_nullable=True,
    )


def test_a_part_removed_before_it_fails_is_censored_and_a_lot_of_two_suppliers_is_nobodys(lives, expected):
    made = lives(("WO-1", 1, "RB-1", "3", "joint", "P-1", "L-1", "L-3", False, "2026-01-15T08:00", "2026-01-17T08:00"))
    assert_df_equality(
        made.select(LIFE.split()),
        expected(
            parts.part_life,
            LIFE,
            ("S-1", "L-1", "2026-01-01", "build", "2026-01-17", "2026-01-17", False, False, 16, 17000),
            ("unknown", "L-3", "2026-01-17", "service", None, "2026-01-31", False, True, 14, 14000),
        ),
        ignore_row_order=True,
        ignore_nullable=True,
    )


def test_places_and_parts_do_not_end_each_other(lives, expected):
    made = lives(
        ("WO-1", 1, "RB-1", None, "hand", "P-6", "L-6", None, False, "2026-01-15T08:00", "2026-01-15T09:00"),
        built=[
            ("B-1", 2, "RB-1", "3", "P-2", "S-1", "L-5", 1, "2025-12-20T09:00"),
            ("B-1", 3, "RB-1", "hand", "P-6", "S-1", "L-6", 2, "2025-12-20T09:00"),
            ("B-9", 1, "RB-9", "3", "P-1", "S-1", "L-1", 1, "2025-12-20T09:00"),  # nobody knows this robot yet
        ],
    )
    names = "serial position part_id quantity removed_on is_running"
    assert_df_equality(
        made.select(names.split()),
        expected(
            parts.part_life,
            names,
            ("RB-1", "3", "P-1", 1, None, True),
            ("RB-1", "3", "P-2", 1, None, True),
            ("RB-1", "hand", "P-6", 2, "2026-01-15", False),
        ),
        ignore_row_order=True,
        ignore_nullable=True,
    )


def test_a_lot_is_worse_when_its_interval_lies_above_that_of_all_others(given, expected):
    lives = given(
        parts.part_life,
        "part_id supplier_id lot serial failed is_running days_at_risk cycles_at_risk",
        *[("P-1", "S-1", "L-1", f"RB-{n}", True, False, 30, 200_000) for n in range(5)],
        ("P-1", "S-1", "L-1", "RB-5", False, True, 100, 1_000_000),
        ("P-1", "S-1", "L-2", "RB-6", True, False, 100, 4_000_000),
        ("P-1", "S-2", "L-2", "RB-7", False, True, 100, 6_000_000),
        ("P-2", "S-1", "L-9", "RB-7", False, True, 100, None),
    )
    names = (
        "part_id supplier_id lot parts robots_carrying failures failures_per_million failures_per_million_low"
        " failures_per_million_high others_per_million others_per_million_high standing"
    )
    assert_df_equality(
        parts.part_reliability(lives).select(names.split()),
        expected(
            parts.part_reliability,
            names,
            ("P-1", "S-1", "L-1", 6, 1, 5, "2.5", "0.985", "5.257", "0.1", "0.474", "worse"),
            ("P-1", "S-1", "L-2", 1, 0, 1, "0.25", "0.013", "1.186", "0.625", "1.314", "not worse"),
            ("P-1", "S-2", "L-2", 1, 1, 0, "0", "0", "0.499", "1", "1.974", "not worse"),
            ("P-2", "S-1", "L-9", 1, 1, 0, None, None, None, None, None, "too little"),
        ),
        ignore_row_order=True,
        ignore_nullable=True,
    )
