"""What customers wanted, by day and by month."""

from datetime import date

import pytest
from chispa import assert_df_equality

from lake.warehouse import gold, gold_demand, gold_dims, silver


@pytest.fixture
def demand(given):
    """demand_day of these sales (item, ordered_at, quantity, status) and changes."""

    def of(*rows, moved=(), last="2026-01-31"):
        sales = given(silver.sales_lines, "item_id ordered_at quantity status", *rows)
        names = "item_id site day quantity_in quantity_out blocked_net net shipped"
        changes = given(gold.stock_change_day, names, *[(*m, 0, m[3] - m[4], m[4]) for m in moved]).fillna(
            0, ["adjusted"]
        )
        months = gold.stock_month(
            changes,
            given(gold_dims.dim_item, "item_id"),
            previous=given(gold.stock_month, "item_id"),
            last=date.fromisoformat(last),
        )
        return gold_demand.demand_day(sales, changes, months)

    return of


def test_demand_is_what_was_ordered_and_not_cancelled(demand, expected):
    made = demand(
        ("P-1", "2026-01-05T08:00", 3, "shipped"),
        ("P-1", "2026-01-05T09:00", 2, "open"),
        ("P-1", "2026-01-05T10:00", 9, "cancelled"),
        ("P-2", "2026-01-06T10:00", 9, "cancelled"),
    )
    names = "item_id day demand shipped lines out_of_stock"
    assert_df_equality(
        made.select(*names.split()),
        expected(gold_demand.demand_day, names, ("P-1", "2026-01-05", 5, 0, 2, None)),  # no stock is kept of it
        ignore_nullable=True,
    )


def test_days_without_stock_anywhere_are_flagged(demand, expected):
    made = demand(
        ("P-1", "2026-01-13T08:00", 1, "open"),
        moved=[
            ("P-1", "leipzig", "2026-01-10", 5, 0),
            ("P-1", "leipzig", "2026-01-11", 0, 5),
            ("P-1", "austin", "2026-01-11", 0, 2),  # a negative shelf hides no other one
            ("P-1", "austin", "2026-01-14", 9, 0),
        ],
    )
    names = "day demand shipped lines out_of_stock"
    assert_df_equality(
        made.select(*names.split()),
        expected(
            gold_demand.demand_day,
            names,
            ("2026-01-11", 0, 7, 0, False),  # began with five on the shelf
            ("2026-01-12", 0, 0, 0, True),
            ("2026-01-13", 1, 0, 1, True),
        ),
        ignore_row_order=True,
        ignore_nullable=True,
    )


def test_empty_shelves_stay_empty_into_the_next_month(demand, expected):
    made = demand(
        ("P-2", "2026-02-02T08:00", 1, "open"),  # until this day February is known
        moved=[("P-1", "leipzig", "2026-01-30", 5, 0), ("P-1", "leipzig", "2026-01-31", 0, 5)],
        last="2026-02-02",
    )
    made = made.where("item_id = 'P-1'").select("day", "out_of_stock")
    assert_df_equality(
        made,
        expected(
            gold_demand.demand_day,
            "day out_of_stock",
            ("2026-01-31", False),
            ("2026-02-01", True),
            ("2026-02-02", True),
        ),
        ignore_row_order=True,
        ignore_nullable=True,
    )


def test_a_month_tells_what_was_wanted_what_came_back_and_when_there_was_none(given, expected):
    sales = given(
        silver.sales_lines,
        "item_id ordered_at quantity status source_system",
        ("P-1", "2026-01-31T23:00", 3, "shipped", "erp"),
        ("P-1", "2026-01-02T08:00", -1, "returned", "erp"),
        ("P-1", "2026-01-02T08:00", 9, "cancelled", "erp"),
        ("P-1", "2026-02-01T08:00", 2, "open", "erp"),
    )
    days = given(
        gold_demand.demand_day,
        "item_id day out_of_stock",
        ("P-1", "2026-01-02", False),
        ("P-1", "2026-01-31", True),
        ("P-1", "2026-02-01", None),  # nobody keeps its stock
        ("P-2", "2026-01-30", True),
        ("P-3", "2026-01-30", False),  # was only shipped
    )
    names = "item_id month demand returned lines days_out_of_stock source_system"
    assert_df_equality(
        gold_demand.demand_month(sales, days).select(*names.split()),
        expected(
            gold_demand.demand_month,
            names,
            ("P-1", "2026-01-01", 3, 1, 2, 1, "erp"),
            ("P-1", "2026-02-01", 2, 0, 1, None, "erp"),
            ("P-2", "2026-01-01", 0, 0, 0, 1, "wms"),
        ),
        ignore_row_order=True,
        ignore_nullable=True,
    )
