"""Stock positions and frozen money."""

from datetime import date

import pytest
from chispa import assert_df_equality

from lake.company import gold, gold_holding
from lake.supply import gold as supply_gold
from lake.supply import silver as supply_silver
from lake.warehouse import gold as warehouse_gold
from lake.warehouse import gold_demand
from lake.warehouse import silver as warehouse_silver

AS_OF = date(2026, 3, 31)


@pytest.fixture
def positions(given):
    """stock_position as of AS_OF.

    stock (item, site, closing, since), issued and sent (item, site, day, quantity), built (item, site, day),
    sold (item, site, ordered_at, quantity, shipped_at), months (item, month, demand, source_system),
    items (item, lifecycle, standard_cost[, currency]), planned (item, site, order_up_to),
    orders (part, site, promised_last, quantity_open), received (receipt, at, quantity) of P-1 at leipzig,
    inspected (receipt, at), quoted (part, supplier, days), moved (item, site, kind, reference, quantity),
    bom (product, part, quantity), rates (currency, day, rate).
    """

    def of(
        stock, *, issued=(), sent=(), built=(), sold=(), months=(), items=(), planned=(), orders=(), received=(),
        inspected=(), quoted=(), moved=(), bom=(), rates=(), blocked=0,
    ):  # fmt: skip
        days = given(
            warehouse_gold.stock_day,
            "item_id site closing since day blocked",
            *[(*row, "2026-03-31", blocked) for row in stock],
        )
        changes = given(
            warehouse_gold.stock_change_day,
            "item_id site day issued transferred_out built",
            *[(*row, 0, 0) for row in issued],
            *[(*row[:3], 0, row[3], 0) for row in sent],
            *[(*row, 0, 0, 1) for row in built],
        )
        sales = given(
            warehouse_silver.sales_lines,
            "item_id ship_from_site ordered_at quantity shipped_at status",
            *[(*row, "shipped" if row[4] else "open") for row in sold],
        )
        lines = [("PO-0", 1, "P-1", "leipzig", None, 0, False)] if received else []
        facts = given(
            supply_gold.fct_order_line,
            "order_id line part_id ship_to_site promised_last quantity_open is_open",
            *lines,
            *[(f"PO-{n}", 1, *row, True) for n, row in enumerate(orders, 1)],
        )
        holding = gold_holding.stock_holding(
            days,
            changes,
            given(warehouse_silver.movements, "item_id site kind reference_id quantity", *moved),
            sales,
            given(warehouse_silver.planning_parameters, "item_id site order_up_to", *planned),
            facts,
            given(
                supply_silver.receipts,
                "receipt_id received_at quantity order_id line site",
                *[(*row, "PO-0", 1, "leipzig") for row in received],
            ),
            given(supply_silver.inspections, "receipt_id inspected_at", *inspected),
            as_of=AS_OF,
        )
        return gold.stock_position(
            holding,
            changes,
            sales,
            given(gold_demand.demand_month, "item_id month demand source_system", *months),
            given(
                warehouse_silver.items, "item_id lifecycle standard_cost currency", *[(*i, "EUR")[:4] for i in items]
            ),
            facts,
            given(
                supply_silver.supplier_parts,
                "part_id supplier_id quoted_lead_time_days status known_on",
                *[(*row, "active", "2026-03-01") for row in quoted],
            ),
            given(
                supply_silver.bom,
                "product_id part_id quantity revision valid_from known_on",
                *[(*row, 1, "2025-01-01", "2025-01-01") for row in bom],
            ),
            given(supply_silver.exchange_rates, "currency day rate", *rates),
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


def test_goods_are_not_available_until_they_are_judged_or_three_days_old(positions, expected):
    made = positions(
        [("P-1", "leipzig", 100, "2025-01-01")],
        received=[
            ("GR-1", "2026-03-28T12:00", 1),  # let through
            ("GR-2", "2026-03-29T12:00", 10),
            ("GR-3", "2026-03-31T12:00", 20),  # judged
        ],
        inspected=[("GR-3", "2026-03-31T15:00")],
    )
    same(made, expected, "site in_inspection available", ("leipzig", 10, 90), ("*", 10, 90))


def test_what_was_sent_and_has_not_arrived_is_in_transfer(positions, expected):
    made = positions(
        [("P-1", "leipzig", 9, "2025-01-01"), ("P-1", "austin", 1, "2025-01-01")],
        moved=[
            ("P-1", "leipzig", "transfer_out", "TR-1", 4),
            ("P-1", "austin", "transfer_in", "TR-1", 4),
            ("P-1", "leipzig", "transfer_out", "TR-2", 5),
            ("P-1", "austin", "transfer_in", "TR-9", 7),  # its sending is not known yet
        ],
    )
    same(made, expected, "site in_transfer", ("leipzig", 5), ("austin", 0), ("*", 5))


def test_parts_are_reserved_where_what_customers_wait_for_is_built_and_wait_for_the_scarcest(positions, expected):
    made = positions(
        [
            ("ARM-1", "austin", 1, "2026-03-30"),
            ("P-1", "leipzig", 20, "2026-03-30"),
            ("P-2", "leipzig", 3, "2026-03-30"),
            ("P-3", "leipzig", 9, "2026-03-30"),
        ],
        built=[("ARM-1", "austin", "2026-01-01"), ("ARM-1", "leipzig", "2026-03-01")],
        sold=[("ARM-1", "austin", "2026-03-20T08:00", 6, None)],
        bom=[("ARM-1", "P-1", 2), ("ARM-1", "P-2", 1), ("ARM-1", "P-3", 1)],
        items=[("P-1", "active", "2.00")],
    )
    # five are to be built, three can be: of P-1 ten are reserved and four wait, of P-3 five and two
    same(
        made.where("site = 'leipzig'"),
        expected,
        "item_id reserved reserved_for_builds available waiting waiting_for frozen_class frozen_quantity frozen_value",
        ("P-1", 10, 10, 10, 4, "P-2", "waiting", 4, "8.00"),
        ("P-2", 5, 5, -2, 0, None, "none", 0, None),
        ("P-3", 5, 5, 4, 2, "P-2", "waiting", 2, None),
    )


def test_what_the_planner_wants_at_most_says_what_is_excess(positions, expected):
    made = positions(
        [("P-1", "leipzig", 30, "2026-03-30"), ("P-1", "austin", 5, "2026-03-30"), ("P-2", "austin", 5, "2026-03-30")],
        planned=[("P-1", "leipzig", 12), ("P-1", "austin", 9)],
        issued=[("P-1", "leipzig", "2026-03-30", 1), ("P-2", "austin", "2026-03-30", 1)],
    )
    same(
        made,
        expected,
        "item_id site order_up_to excess frozen_class",
        ("P-1", "leipzig", 12, 18, "excess"),
        ("P-1", "austin", 9, 0, "none"),
        ("P-1", "*", 21, 14, "excess"),
        ("P-2", "austin", None, 0, "none"),  # too young to say
        ("P-2", "*", None, 0, "none"),
    )


def test_money_is_told_in_euro_at_the_last_rate_known_or_as_it_is(positions, expected):
    made = positions(
        [("P-1", "leipzig", 10, "2026-03-30"), ("P-2", "leipzig", 10, "2026-03-30")],
        items=[("P-1", "active", "2.00", "USD"), ("P-2", "active", "2.00", "XAU")],
        rates=[("USD", "2026-03-27", "0.90"), ("USD", "2026-03-20", "0.95"), ("USD", "2026-04-01", "0.10")],
    )
    same(
        made.where("site = '*'"),
        expected,
        "item_id unit_cost currency value",
        ("P-1", "1.80", "EUR", "18.00"),
        ("P-2", "2.00", "XAU", "20.00"),
    )


def test_demand_known_by_the_month_counts_from_the_last_month_its_system_knows(positions, expected):
    made = positions(
        [("M-1", "depot", 9, "2001-08-31"), ("M-2", "depot", 9, "2001-08-31"), ("M-3", "depot", 9, "2001-08-31")],
        months=[
            ("M-1", "2000-09-01", 3, "oil"),  # eleven months before the end
            ("M-2", "2000-08-01", 3, "oil"),  # twelve
            ("M-9", "2001-08-01", 1, "oil"),
            ("M-9", "2020-08-01", 1, "other"),
        ],
        planned=[("M-1", "depot", 5)],
    )
    same(
        made.where("site = '*'"),
        expected,
        "item_id last_demand_on demand_90_days frozen_class frozen_quantity",
        ("M-1", "2000-09-30", 0, "excess", 4),
        ("M-2", "2000-08-31", 0, "obsolete", 9),
        ("M-3", None, 0, "obsolete", 9),
    )


def test_months_without_demand_are_history_and_one_that_nobody_trusts_was_demand(positions, expected):
    made = positions(
        [("M-1", "depot", 9, "2026-03-31"), ("M-2", "depot", 9, "2026-03-31")],
        months=[
            ("M-1", "2000-08-01", 0, "oil"),
            ("M-1", "2001-08-01", 0, "oil"),
            ("M-2", "2000-08-01", 0, "oil"),
            ("M-2", "2001-07-01", None, "oil"),
        ],
        planned=[("M-1", "depot", 5), ("M-2", "depot", 5)],
    )
    same(
        made.where("site = '*'"),
        expected,
        "item_id last_demand_on frozen_class frozen_quantity",
        ("M-1", None, "obsolete", 9),
        ("M-2", "2001-07-31", "excess", 4),
    )
