"""Stock by day and month, and what it is worth."""

from datetime import date

import pytest
from chispa import assert_df_equality

from lake.warehouse import gold, gold_dims, laws, silver

AMOUNTS = [c.name for c in gold.stock_change_day.columns if not c.null and c.name != "movements"]


@pytest.fixture
def changes(given):
    """stock_change_day from (item, site, day, in, out) and, if given, what was blocked."""

    def of(*rows):
        names = "item_id site day quantity_in quantity_out blocked_net net shipped"
        filled = [(*r[:5], r[5] if len(r) > 5 else 0, r[3] - r[4], r[4]) for r in rows]
        return given(gold.stock_change_day, names, *filled).fillna(0, AMOUNTS)

    return of


@pytest.fixture
def versions(given):
    """dim_item of (item, standard_cost, currency, valid_from, valid_to)."""
    return lambda *rows: given(gold_dims.dim_item, "item_id standard_cost currency valid_from valid_to", *rows)


@pytest.fixture
def months(given, changes, versions):
    """stock_month of these changes until `last`, from scratch unless rows of the month before are given."""

    def of(*rows, last, previous=(), costs=()):
        names = "item_id site month closing blocked_closing since"
        return gold.stock_month(
            changes(*rows),
            versions(*costs),
            previous=given(gold.stock_month, names, *previous),
            last=date.fromisoformat(last),
        )

    return of


@pytest.fixture
def days(given, changes, versions):
    """stock_day of these changes and counts (item, site, at, quantity), from scratch unless rows of a day are given."""

    def of(*rows, counts=(), costs=(), previous=(), last=None):
        names = "item_id site day closing blocked since"
        return gold.stock_day(
            changes(*rows),
            given(silver.counts, "item_id site counted_at quantity", *counts),
            versions(*costs),
            previous=given(gold.stock_day, names, *previous),
            last=date.fromisoformat(last or max(r[2] for r in rows)),
        )

    return of


def test_a_day_adds_up_by_kind(given, expected, versions):
    moves = given(
        silver.movements,
        "item_id site at kind quantity quantity_signed blocked_signed",
        ("P-1", "leipzig", "2026-01-05T08:00", "receipt", 10, 10, 0),
        ("P-1", "leipzig", "2026-01-05T09:00", "issue", 4, -4, 0),
        ("P-1", "leipzig", "2026-01-05T20:00", "adjust", 1, 1, 0),
        ("P-1", "leipzig", "2026-01-05T21:00", "block", 2, 0, 2),
    )
    names = "received issued blocked quantity_in quantity_out adjusted net blocked_net movements"
    assert_df_equality(
        gold.stock_change_day(moves, versions()).select(*names.split()),
        expected(gold.stock_change_day, names, (10, 4, 2, 10, 4, 1, 7, 2, 4)),
        ignore_nullable=True,
    )


def test_a_month_without_movements_leaves_no_gap(months, expected):
    made = months(("P-1", "leipzig", "2026-01-20", 5, 0), ("P-1", "leipzig", "2026-04-06", 0, 2), last="2026-04-06")
    names = "month opening change closing since"
    assert_df_equality(
        made.select(*names.split()),
        expected(
            gold.stock_month,
            names,
            ("2026-01-01", 0, 5, 5, "2026-01-20"),
            ("2026-02-01", 5, 0, 5, "2026-01-20"),
            ("2026-03-01", 5, 0, 5, "2026-01-20"),
            ("2026-04-01", 5, -2, 3, "2026-01-20"),
        ),
        ignore_row_order=True,
        ignore_nullable=True,
    )


def test_months_go_on_from_the_closing_of_the_month_before(months, expected):
    made = months(
        ("P-2", "leipzig", "2026-03-02", 7, 0),
        last="2026-03-02",
        previous=[("P-1", "leipzig", "2026-01-01", 5, 1, "2026-01-20")],
    )
    names = "item_id month opening closing blocked_closing since"
    assert_df_equality(
        made.select(*names.split()),
        expected(
            gold.stock_month,
            names,
            ("P-1", "2026-02-01", 5, 5, 1, "2026-01-20"),
            ("P-1", "2026-03-01", 5, 5, 1, "2026-01-20"),
            ("P-2", "2026-03-01", 0, 7, 0, "2026-03-02"),
        ),
        ignore_row_order=True,
        ignore_nullable=True,
    )


def test_going_on_equals_starting_over(months):
    january, march = ("P-1", "leipzig", "2026-01-20", 5, 0, 2), ("P-1", "leipzig", "2026-03-02", 0, 1, -2)
    whole = months(january, march, last="2026-04-10")
    rest = months(march, last="2026-04-10", previous=[("P-1", "leipzig", "2026-01-01", 5, 2, "2026-01-20")])
    assert_df_equality(whole.where("month > '2026-01-01'"), rest, ignore_row_order=True, ignore_nullable=True)


def test_a_late_movement_moves_every_later_month(months, expected):
    on_time = [("P-1", "leipzig", "2026-01-20", 5, 0), ("P-1", "leipzig", "2026-03-02", 1, 0)]
    made = months(*on_time, ("P-1", "leipzig", "2026-01-05", 0, 2), last="2026-03-02")
    names = "month closing since"
    assert_df_equality(
        made.select(*names.split()),
        expected(
            gold.stock_month,
            names,
            ("2026-01-01", 3, "2026-01-05"),
            ("2026-02-01", 3, "2026-01-05"),
            ("2026-03-01", 4, "2026-01-05"),
        ),
        ignore_row_order=True,
        ignore_nullable=True,
    )


def test_a_day_without_movements_carries_the_balance(days, expected):
    made = days(("P-1", "leipzig", "2026-01-30", 5, 0, 2), ("P-1", "leipzig", "2026-02-01", 0, 5))
    names = "day opening quantity_in quantity_out closing blocked zero_stock"
    assert_df_equality(
        made.select(*names.split()),
        expected(
            gold.stock_day,
            names,
            ("2026-01-30", 0, 5, 0, 5, 2, False),
            ("2026-01-31", 5, 0, 0, 5, 2, False),
            ("2026-02-01", 5, 0, 5, 0, 2, True),
        ),
        ignore_row_order=True,
        ignore_nullable=True,
    )


def test_B52_stock_that_never_was_is_seen_as_negative(days, expected):
    made = days(("P-1", "austin", "2026-01-30", 0, 5)).select("closing", "zero_stock")
    assert_df_equality(made, expected(gold.stock_day, "closing zero_stock", (-5, True)), ignore_nullable=True)


def test_days_go_on_from_the_closing_of_the_day_before(days):
    monday, friday = ("P-1", "leipzig", "2026-01-05", 5, 0, 2), ("P-1", "leipzig", "2026-01-09", 0, 1, -2)
    counts = [("P-1", "leipzig", "2026-01-08T20:00", 9), ("P-9", "leipzig", "2026-01-07T20:00", 3)]
    whole = days(monday, friday, counts=counts, last="2026-01-10")
    rest = days(
        friday,
        counts=counts[:1],
        previous=[("P-1", "leipzig", "2026-01-07", 5, 2, "2026-01-05"), ("P-9", "leipzig", "2026-01-07", 0, 0, None)],
        last="2026-01-10",
    )
    assert_df_equality(whole.where("day > '2026-01-07'"), rest, ignore_row_order=True, ignore_nullable=True)


def test_days_that_do_not_begin_at_nothing_or_leave_a_gap_break_the_law(given):
    whole = [
        ("P-1", "leipzig", "2026-01-05", 0, 5, 0, 0, 5, "2026-01-05"),
        ("P-1", "leipzig", "2026-01-06", 5, 0, 1, 0, 4, "2026-01-05"),
        ("P-1", "leipzig", "2026-01-07", 4, 0, 0, 0, 4, "2026-01-05"),
        ("P-9", "leipzig", "2026-01-07", 0, 0, 0, 0, 0, None),
    ]

    def broken(*rows):
        names = "item_id site day opening quantity_in quantity_out adjusted closing since"
        days = given(gold.stock_day, names, *rows)
        return [str(r.day) for r in laws.a_day_opens_as_the_last_one_closed.broken(days).collect()]

    assert broken(*whole) == []
    assert broken(*whole[1:]) == ["2026-01-06"]
    assert broken(whole[0], whole[2]) == ["2026-01-07"]


def test_a_count_shows_its_difference(days, expected):
    made = days(
        ("P-1", "leipzig", "2026-01-29", 5, 0),
        ("P-1", "leipzig", "2026-01-30", 2, 0),
        counts=[
            ("P-1", "leipzig", "2026-01-30T18:00", 9),
            ("P-1", "leipzig", "2026-01-30T20:00", 6),  # counted again: the later one counts
            ("P-9", "leipzig", "2026-01-29T20:00", 3),  # on the shelf, and never booked
        ],
    )
    names = "item_id day closing counted count_difference"
    assert_df_equality(
        made.select(*names.split()),
        expected(
            gold.stock_day,
            names,
            ("P-1", "2026-01-29", 5, None, None),
            ("P-1", "2026-01-30", 7, 6, -1),
            ("P-9", "2026-01-29", 0, 3, 3),
        ),
        ignore_row_order=True,
        ignore_nullable=True,
    )


def test_what_moves_is_worth_what_it_cost_that_day(given, expected, versions, days, months):
    costs = [
        ("P-1", "2.00", "EUR", "2026-01-07", "2026-02-02"),  # before, nobody had said otherwise
        ("P-1", "3.00", "USD", "2026-02-02", None),
    ]
    moves = given(
        silver.movements,
        "item_id site at kind quantity quantity_signed blocked_signed",
        ("P-1", "leipzig", "2026-01-05T08:00", "receipt", 10, 10, 0),
        ("P-1", "leipzig", "2026-02-02T08:00", "issue", 4, -4, 0),
        ("P-2", "leipzig", "2026-02-02T08:00", "receipt", 1, 1, 0),
    )
    assert_df_equality(
        gold.stock_change_day(moves, versions(*costs)).select("item_id", "day", "value_moved", "currency"),
        expected(
            gold.stock_change_day,
            "item_id day value_moved currency",
            ("P-1", "2026-01-05", "20.00", "EUR"),
            ("P-1", "2026-02-02", "-12.00", "USD"),
            ("P-2", "2026-02-02", None, None),
        ),
        ignore_row_order=True,
        ignore_nullable=True,
    )
    moved = [("P-1", "leipzig", "2026-02-01", 10, 0), ("P-1", "leipzig", "2026-02-02", 0, 4)]
    assert_df_equality(
        days(*moved, costs=costs).select("day", "closing", "value", "currency"),
        expected(
            gold.stock_day,
            "day closing value currency",
            ("2026-02-01", 10, "20.00", "EUR"),
            ("2026-02-02", 6, "18.00", "USD"),
        ),
        ignore_row_order=True,
        ignore_nullable=True,
    )
    assert_df_equality(
        months(*moved, last="2026-02-02", costs=costs).select("month", "value", "currency"),
        expected(gold.stock_month, "month value currency", ("2026-02-01", "18.00", "USD")),
        ignore_nullable=True,
    )
