"""Which parts the orders of customers take."""

import pytest
from chispa import assert_df_equality

from lake.company.gold_demand import part_demand
from lake.supply import silver as supply_silver
from lake.warehouse import gold_demand as warehouse_demand


@pytest.fixture
def parts(given):
    """part_demand of these orders (item, day, demand) and component lines (product, revision, part, quantity, from)."""

    def of(*ordered, bom, told="2026-01-01"):
        days = given(warehouse_demand.demand_day, "item_id day demand", *ordered)
        months = given(
            warehouse_demand.demand_month,
            "item_id month demand",
            *[(i, f"{d[:8]}01", max(n, 0)) for i, d, n in ordered],
        )
        lines = [(*line, told) if len(line) == 5 else line for line in bom]
        names = "product_id revision part_id quantity valid_from known_on"
        return part_demand(days, months, given(supply_silver.bom, names, *lines))

    return of


def same(made, expected, *rows):
    names = "part_id month ordered built_in products"
    assert_df_equality(
        made.select(*names.split()), expected(part_demand, names, *rows), ignore_row_order=True, ignore_nullable=True
    )


def test_a_product_is_taken_apart_by_the_bill_of_the_day_it_was_ordered(parts, expected):
    made = parts(
        ("ARM-1", "2026-01-09", 2),
        ("ARM-1", "2026-01-10", 3),
        ("KIT-1", "2026-01-10", 1),
        ("P-1", "2026-01-20", 5),
        ("P-1", "2026-02-01", -1),  # taken back
        bom=[
            ("ARM-1", 1, "P-1", 1, "2025-01-01"),
            ("ARM-1", 1, "P-2", 4, "2025-01-01"),
            ("ARM-1", 2, "P-1", 10, "2026-01-10"),
            ("KIT-1", 1, "P-1", 100, "2025-01-01"),
        ],
    )
    same(made, expected, ("P-1", "2026-01-01", 5, 2 + 30 + 100, 2), ("P-2", "2026-01-01", 0, 8, 1))


def test_what_goes_into_a_part_of_a_product_is_needed_too(parts, expected):
    made = parts(
        ("ARM-1", "2026-01-09", 2),
        bom=[("ARM-1", 1, "HAND-1", 1, "2025-01-01"), ("HAND-1", 1, "P-1", 5, "2025-01-01")],
    )
    same(made, expected, ("HAND-1", "2026-01-01", 0, 2, 1), ("P-1", "2026-01-01", 0, 10, 1))


def test_of_a_part_of_a_product_the_bill_of_the_day_counts_too_and_so_do_parts_of_a_piece(parts, expected):
    made = parts(
        ("ARM-1", "2026-01-09", 4),
        ("ARM-1", "2026-01-10", 1000),
        bom=[
            ("ARM-1", 1, "HAND-1", 0.5, "2025-01-01"),
            ("HAND-1", 1, "FINGER", 0.001, "2025-01-01"),
            ("HAND-1", 2, "FINGER", 0.125, "2026-01-10"),
            ("FINGER", 1, "P-1", 2, "2025-06-01"),
            ("P-1", 1, "P-2", 1, "2025-01-01"),  # too deep
        ],
    )
    fingers = 4 * 0.0005 + 1000 * 0.0625
    hands = ("HAND-1", "2026-01-01", 0, 502, 1)
    same(made, expected, hands, ("FINGER", "2026-01-01", 0, fingers, 1), ("P-1", "2026-01-01", 0, 2 * fingers, 1))


def test_a_component_line_counts_as_it_was_last_told(parts, expected):
    made = parts(
        ("ARM-1", "2026-01-09", 1),
        bom=[
            ("ARM-1", 1, "P-1", 5, "2025-01-01", "2026-01-07"),
            ("ARM-1", 1, "P-1", 4, "2025-01-01", "2026-01-06"),
        ],
    )
    same(made, expected, ("P-1", "2026-01-01", 0, 5, 1))
