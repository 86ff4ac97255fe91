"""Purchase-order lines and receipts."""

from chispa import assert_df_equality

from lake.supply import silver


def test_an_own_order_line_comes_directly_and_from_the_erp(given, expected):
    files = given(silver.order_line_files, "order_id line revision ordered_at", ("PO-1", 1, 1, "2026-01-05T08:00"))
    changes = silver.order_line_changes(files).select("order_id", "ordered_missing_reason", "route", "source_system")
    assert_df_equality(
        changes,
        expected(
            silver.order_line_changes,
            "order_id ordered_missing_reason route source_system",
            ("PO-1", None, "direct", "erp"),
        ),
        ignore_nullable=True,
    )


def test_the_last_revision_of_an_order_line_wins(given, expected):
    changes = given(
        silver.order_line_changes,
        "order_id line revision quantity",
        ("PO-1", 1, 9, 10),
        ("PO-1", 1, 10, 12),  # as text, "10" would sort before "9"
        ("PO-2", 1, 1, 5),
    )
    lines = silver.order_lines(changes).select("order_id", "quantity")
    assert_df_equality(
        lines, expected(silver.order_lines, "order_id quantity", ("PO-1", 12), ("PO-2", 5)), ignore_row_order=True
    )


def test_a_receipt_keeps_its_order_line(given, expected):
    files = given(silver.receipt_files, "receipt_id order_id line quantity", ("GR-1", "PO-1", 2, "4.5"))
    received = silver.receipts(files).select("receipt_id", "order_id", "line", "quantity", "source_system")
    assert_df_equality(
        received,
        expected(silver.receipts, "receipt_id order_id line quantity source_system", ("GR-1", "PO-1", 2, "4.5", "erp")),
        ignore_nullable=True,
    )


def test_contacts_of_suppliers_stay_in_the_restricted_zone():
    assert silver.supplier_files.restricted
    assert silver.supplier_files.path == "restricted/supply/silver/supplier_files"
