"""Stock positions and frozen money."""

from datetime import date

import pytest
from chispa import assert_df_equality

from lake.company import gold
from lake.supply import gold as supply_gold
from lake.supply import silver as supply_silver
from lake.warehouse import gold as warehouse_gold
from lake.warehouse import silver as warehouse_silver

AS_OF = date(2026, 3, 31)


@pytest.fixture
def positions(given):
    """stock_position as of AS_OF.

    stock (item, site, closing, since), issued and sent (item, site, day, quantity),
    sold (item, site, ordered_at, quantity, shipped_at), items (item, lifecycle, standard_cost),
    orders (part, site, promised_last, quantity_open), quoted (part, supplier, days).
    """

    def of(stock, *, issued=(), sent=(), sold=(), items=(), orders=(), quoted=(), blocked=0):
        days = given(
            warehouse_gold.stock_day,
            "item_id site closing since day blocked",
            *[(*row, "2026-03-31", blocked) for row in stock],
        )
        moves = given(
            warehouse_gold.stock_change_day,
            "item_id site day issued transferred_out",
            *[(*row, 0) for row in issued],
            *[(*row[:3], 0, row[3]) for row in sent],
        )
        sales = given(
            warehouse_silver.sales_lines,
            "item_id ship_from_site ordered_at quantity shipped_at status",
            *[(*row, "shipped" if row[4] else "open") for row in sold],
        )
        return gold.stock_position(
            days,
            moves,
            sales,
            given(warehouse_silver.items, "item_id lifecycle standard_cost currency", *[(*i, "EUR") for i in items]),
            given(
                supply_gold.fct_order_line,
                "part_id ship_to_site promised_last quantity_open is_open",
                *[(*row, True) for row in orders],
            ),
            given(
                supply_silver.supplier_parts,
                "part_id supplier_id quoted_lead_time_days status known_on",
                *[(*row, "active", "2026-03-01") for row in quoted],
            ),
            as_of=AS_OF,
        )

    return of


def same(made, expected, names, *rows):
    assert_df_equality(
        made.select(*names.split()),
        expected(gold.stock_position, names, *rows),
        ignore_row_order=True,
        ignore_nullable=True,
    )


def test_the_company_has_what_its_sites_have(positions, expected):
    made = positions(
        [("P-1", "leipzig", 10, "2025-01-01"), ("P-1", "austin", -2, "2026-03-30")],
        items=[("P-1", "active", "2.50")],
    )
    same(
        made,
        expected,
        "site on_hand value currency since through",
        ("leipzig", 10, "25.00", "EUR", "2025-01-01", "2026-03-31"),
        ("austin", -2, "-5.00", "EUR", "2026-03-30", "2026-03-31"),
        ("*", 8, "20.00", "EUR", "2025-01-01", "2026-03-31"),
    )


def test_available_is_what_is_neither_blocked_nor_reserved(positions, expected):
    made = positions(
        [("P-1", "leipzig", 10, "2025-01-01")],
        sold=[
            ("P-1", "leipzig", "2026-03-20T08:00", 3, None),
            ("P-1", "leipzig", "2026-03-21T08:00", 4, "2026-03-22T15:00"),
        ],
        blocked=2,
    )
    same(made.where("site = '*'"), expected, "on_hand blocked reserved available", (10, 2, 3, 5))


def test_what_suppliers_owe_is_overdue_after_its_last_promise(positions, expected):
    made = positions(
        [("P-1", "leipzig", 10, "2025-01-01")],
        orders=[("P-1", "leipzig", "2026-03-30", 4), ("P-1", "leipzig", "2026-03-31", 5)],
    )
    same(made.where("site = '*'"), expected, "on_order overdue", (9, 4))


def test_days_of_cover_follow_the_demand_of_90_days(positions, expected):
    made = positions(
        [("P-1", "leipzig", 10, "2025-01-01"), ("P-2", "leipzig", 10, "2025-01-01")],
        issued=[("P-1", "leipzig", "2026-01-01", 45), ("P-1", "leipzig", "2025-12-31", 99)],
    )
    same(
        made.where("site = '*'"),
        expected,
        "item_id demand_90_days demand_per_day days_of_cover",
        ("P-1", 45, "0.5", "20.0"),
        ("P-2", 0, 0, None),
    )


def test_goods_sent_to_another_site_are_demand_on_the_sender_only(positions, expected):
    made = positions([("P-1", "leipzig", 10, "2025-01-01")], sent=[("P-1", "leipzig", "2026-03-01", 9)])
    same(made, expected, "site demand_90_days", ("leipzig", 9), ("*", 0))


def test_demand_is_summed_over_windows_of_the_protection_interval(positions, expected):
    # 7 days of lead time and 7 of review; 28 days seen: the windows end 0, 7 and 14 days ago
    made = positions(
        [("P-1", "leipzig", 10, "2026-03-04")],
        issued=[("P-1", "leipzig", "2026-03-31", 1), ("P-1", "leipzig", "2026-03-20", 10)],
        quoted=[("P-1", "S-1", 7), ("P-1", "S-2", 5)],
    )
    # the sums are 11 (from the 18th), 10 (from the 11th to the 24th) and 0
    same(
        made.where("site = '*'"),
        expected,
        "lead_time_days protection_days demand_p50 demand_p90",
        (7, 14, 10, "10.8"),
    )


def test_stock_beyond_the_demand_it_protects_against_is_excess(positions, expected):
    weekly = [("P-1", "leipzig", f"2026-{month:02d}-{day:02d}", 5) for month in (1, 2, 3) for day in range(1, 29)]
    made = positions(
        [("P-1", "leipzig", 100, "2026-01-01")],
        issued=weekly,
        items=[("P-1", "active", "12.00")],
        quoted=[("P-1", "S-1", 1)],
    )
    # eight days need 40 at most; 60 are too many: 720 EUR, of which 18 % a year are 10.80 a month
    same(
        made.where("site = '*'"),
        expected,
        "frozen_class frozen_quantity frozen_value carrying_cost_month",
        ("excess", 60, "720.00", "10.80"),
    )


def test_what_nobody_wanted_for_a_year_is_obsolete(positions, expected):
    made = positions(
        [
            ("P-1", "leipzig", 4, "2024-01-01"),
            ("P-2", "leipzig", 4, "2024-01-01"),
            ("P-3", "leipzig", 4, "2026-02-01"),
            ("P-4", "leipzig", 4, "2026-02-01"),
        ],
        issued=[("P-1", "leipzig", "2025-03-31", 1), ("P-2", "leipzig", "2025-04-01", 1)],
        items=[(f"P-{n}", "obsolete" if n == 4 else "active", "1.00") for n in (1, 2, 3, 4)],
    )
    same(
        made.where("site = '*'"),
        expected,
        "item_id frozen_class frozen_quantity",
        ("P-1", "obsolete", 4),
        ("P-2", "excess", 4),  # wanted within the year, but hardly
        ("P-3", "none", 0),  # too young to say
        ("P-4", "obsolete", 4),  # its lifecycle says so
    )


def test_stock_is_as_old_as_the_last_day_that_moved(positions):
    made = positions([("P-1", "leipzig", 10, "2025-01-01")])
    assert [r["through"] for r in made.where("site = '*'").collect()] == [AS_OF]
