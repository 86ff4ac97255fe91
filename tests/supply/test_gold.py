"""What suppliers promised, and what they did."""

from datetime import date

import pytest
from chispa import assert_df_equality

from lake.supply import gold, silver

AS_OF = date(2026, 3, 31)


@pytest.fixture
def facts(given):
    """fct_order_line from revisions, receipts and inspections, each as rows of the columns that matter here."""

    def of(changes, receipts=(), inspections=()):
        return gold.fct_order_line(
            given(silver.order_line_changes, "order_id line revision quantity promised_on status ordered_at", *changes),
            given(silver.receipts, "receipt_id order_id line received_at quantity", *receipts),
            given(silver.inspections, "receipt_id quantity_accepted quantity_rejected", *inspections),
        )

    return of


@pytest.fixture
def months(given):
    """supplier_month as of AS_OF from order lines of one supplier."""

    def of(columns, *rows):
        lines = given(gold.fct_order_line, "supplier_id currency " + columns, *[("S-1", "EUR", *r) for r in rows])
        zero = dict.fromkeys(("quantity_received", "quantity_accepted", "quantity_rejected"), 0)
        return gold.supplier_month(lines.fillna(zero).fillna({"status": "open", "is_open": True}), as_of=AS_OF)

    return of


def test_a_supplier_has_a_version_for_each_change(given, expected):
    files = given(
        gold.silver.supplier_files,
        "supplier_id name payment_terms_days status known_on",
        ("S-1", "Gears", 30, "active", "2026-01-01"),
        ("S-1", "Gears", 30, "active", "2026-01-02"),  # says nothing new
        ("S-1", "Gears", 60, "active", "2026-01-03"),
    )
    versions = gold.dim_supplier(files).select("payment_terms_days", "valid_from", "valid_to", "is_current")
    assert_df_equality(
        versions,
        expected(
            gold.dim_supplier,
            "payment_terms_days valid_from valid_to is_current",
            (30, "2026-01-01", "2026-01-03", False),
            (60, "2026-01-03", None, True),
        ),
        ignore_row_order=True,
        ignore_nullable=True,
    )


def test_a_supplier_missing_from_an_extract_keeps_its_version(given, expected):
    files = given(
        silver.supplier_files,
        "supplier_id status known_on",
        ("S-1", "active", "2026-01-01"),
        ("S-2", "active", "2026-01-02"),  # the extract of the 2nd lacks S-1
        ("S-1", "active", "2026-01-03"),
    )
    versions = gold.dim_supplier(files).select("supplier_id", "valid_from", "valid_to", "is_current")
    assert_df_equality(
        versions,
        expected(
            gold.dim_supplier,
            "supplier_id valid_from valid_to is_current",
            ("S-1", "2026-01-01", None, True),
            ("S-2", "2026-01-02", None, True),
        ),
        ignore_row_order=True,
        ignore_nullable=True,
    )


def test_a_line_received_in_parts_is_complete_at_95_percent(facts, expected):
    lines = facts(
        [("PO-1", 1, 1, 100, "2026-01-20", "open", "2026-01-05T08:00")],
        [("GR-1", "PO-1", 1, "2026-01-15T10:00", 60), ("GR-2", "PO-1", 1, "2026-01-25T10:00", 35)],
    )
    names = "first_received_on completed_on quantity_received quantity_open lead_time_days late_days_first is_open"
    assert_df_equality(
        lines.select(*names.split()),
        expected(gold.fct_order_line, names, ("2026-01-15", "2026-01-25", 95, 0, 10, 5, False)),
        ignore_nullable=True,
    )


def test_an_over_delivered_line_is_owed_nothing(facts, expected):
    lines = facts(
        [("PO-1", 1, 1, 10, "2026-01-20", "open", "2026-01-05T08:00")],
        [("GR-1", "PO-1", 1, "2026-01-15T10:00", 12)],
    )
    names = "quantity_received quantity_open is_open late_days_last"
    assert_df_equality(
        lines.select(*names.split()), expected(gold.fct_order_line, names, (12, 0, False, -5)), ignore_nullable=True
    )


def test_a_line_without_receipts_is_open_and_has_no_lead_time(facts, expected):
    lines = facts([("PO-1", 1, 1, 10, "2026-01-20", "open", "2026-01-05T08:00")])
    names = "quantity_received quantity_open is_open lead_time_days lead_time_missing_reason late_days_first"
    assert_df_equality(
        lines.select(*names.split()),
        expected(gold.fct_order_line, names, (0, 10, True, None, "not_received", None)),
        ignore_nullable=True,
    )


def test_a_cancelled_line_is_not_waited_for(facts, expected):
    lines = facts(
        [
            ("PO-1", 1, 1, 10, "2026-01-20", "open", "2026-01-05T08:00"),
            ("PO-1", 1, 2, 10, "2026-01-20", "cancelled", "2026-01-05T08:00"),
        ]
    )
    names = "status quantity_open is_open lead_time_missing_reason"
    assert_df_equality(
        lines.select(*names.split()),
        expected(gold.fct_order_line, names, ("cancelled", 0, False, "cancelled")),
        ignore_nullable=True,
    )


def test_the_first_and_the_last_promise_are_kept_apart(facts, expected):
    lines = facts(
        [
            ("PO-1", 1, 10, 10, "2026-02-10", "open", "2026-01-05T08:00"),
            ("PO-1", 1, 9, 10, "2026-01-20", "open", "2026-01-05T08:00"),
        ],
        [("GR-1", "PO-1", 1, "2026-02-08T10:00", 10)],
    )
    names = "promised_first promised_last late_days_first late_days_last revisions"
    assert_df_equality(
        lines.select(*names.split()),
        expected(gold.fct_order_line, names, ("2026-01-20", "2026-02-10", 19, -2, 2)),
        ignore_nullable=True,
    )


def test_an_inspection_counts_for_the_line_of_its_receipt(facts, expected):
    lines = facts(
        [("PO-1", 1, 1, 10, "2026-01-20", "open", "2026-01-05T08:00")],
        [("GR-1", "PO-1", 1, "2026-01-15T10:00", 6), ("GR-2", "PO-1", 1, "2026-01-16T10:00", 4)],
        [("GR-1", 5, 1), ("GR-2", 4, 0), ("GR-9", 7, 7)],  # nobody knows GR-9
    )
    names = "quantity_received quantity_accepted quantity_rejected"
    assert_df_equality(
        lines.select(*names.split()), expected(gold.fct_order_line, names, (10, 9, 1)), ignore_nullable=True
    )


def test_a_line_whose_order_date_was_never_recorded_says_so(given, expected):
    changes = given(
        silver.order_line_changes,
        "order_id line revision quantity promised_on status ordered_missing_reason",
        ("PO-1", 1, 1, 10, "2026-01-20", "closed", "from_stock"),
    )
    received = given(
        silver.receipts, "receipt_id order_id line received_at quantity", ("GR-1", "PO-1", 1, "2026-01-15T10:00", 10)
    )
    lines = gold.fct_order_line(changes, received, given(silver.inspections, "receipt_id"))
    names = "first_received_on lead_time_days lead_time_missing_reason"
    assert_df_equality(
        lines.select(*names.split()),
        expected(gold.fct_order_line, names, ("2026-01-15", None, "from_stock")),
        ignore_nullable=True,
    )


def test_an_overdue_open_line_counts_as_late(months, expected):
    month = months(
        "order_id line promised_first promised_last completed_on is_open",
        ("PO-1", 1, "2026-03-10", "2026-03-10", "2026-03-10", False),
        ("PO-2", 1, "2026-03-12", "2026-03-12", "2026-03-15", False),
        ("PO-3", 1, "2026-03-20", "2026-04-20", None, True),
        ("PO-4", 1, "2026-04-02", "2026-04-02", None, True),  # not due yet
    )
    names = "month lines_due lines_on_time_in_full lines_open_late on_time_in_full_share lines_slipped slip_days_mean"
    assert_df_equality(
        month.select(*names.split()),
        expected(gold.supplier_month, names, ("2026-03-01", 3, 1, 1, "0.3333", 1, "10.33")),
        ignore_nullable=True,
    )


def test_an_open_line_is_at_risk_until_today_and_never_a_short_lead_time(months, expected):
    columns = "order_id line promised_first promised_last ordered_at first_received_on lead_time_days is_open"
    month = months(
        columns,
        ("PO-1", 1, "2026-03-10", "2026-03-10", "2026-03-01T08:00", "2026-03-11", 10, False),
        ("PO-2", 1, "2026-03-12", "2026-03-12", "2026-03-01T08:00", "2026-03-21", 20, False),
        ("PO-3", 1, "2026-03-12", "2026-03-12", "2026-03-16T08:00", None, None, True),  # open for 15 days
    )
    # 3 at risk at 10 days: 2/3 left; 1 at risk at 20 days: nothing left. Without PO-3 the median would be 10.
    names = "lead_time_p50_days lead_time_p90_days"
    assert_df_equality(
        month.select(*names.split()), expected(gold.supplier_month, names, (20, 20)), ignore_nullable=True
    )


def test_a_quantile_that_open_lines_hide_is_null(months, expected):
    columns = "order_id line promised_first promised_last ordered_at first_received_on lead_time_days is_open"
    month = months(
        columns,
        ("PO-1", 1, "2026-03-10", "2026-03-10", "2026-03-01T08:00", "2026-03-11", 10, False),
        ("PO-2", 1, "2026-03-12", "2026-03-12", "2026-03-01T08:00", None, None, True),
    )
    names = "lead_time_p50_days lead_time_p90_days"
    assert_df_equality(
        month.select(*names.split()), expected(gold.supplier_month, names, (10, None)), ignore_nullable=True
    )


def test_defects_are_per_million_inspected_with_their_interval(months, expected):
    month = months(
        "order_id line promised_first promised_last quantity_accepted quantity_rejected",
        ("PO-1", 1, "2026-03-10", "2026-03-10", 90, 10),
    )
    names = "quantity_inspected defects_per_million defects_per_million_low defects_per_million_high"
    assert_df_equality(
        month.select(*names.split()),
        expected(gold.supplier_month, names, (100, "100000.0", "60718.7", "160355.5")),
        ignore_nullable=True,
    )


def test_spend_keeps_currencies_apart(given, expected):
    lines = given(
        gold.fct_order_line,
        "supplier_id order_id line promised_first promised_last status is_open quantity_received unit_price currency"
        " quantity_accepted quantity_rejected",
        ("S-1", "PO-1", 1, "2026-03-10", "2026-03-10", "open", False, 3, "2.50", "USD", 0, 0),
        ("S-1", "PO-2", 1, "2026-03-11", "2026-03-11", "open", False, 2, "1.25", "EUR", 0, 0),
        ("S-1", "PO-3", 1, "2026-03-12", "2026-03-12", "open", False, 1, "1.00", "EUR", 0, 0),
    )
    month = gold.supplier_month(lines, as_of=AS_OF)
    assert_df_equality(
        month.select("spend"),
        expected(gold.supplier_month, "spend", ([("EUR", "3.50"), ("USD", "7.50")],)),
        ignore_nullable=True,
    )
