"""Purchase-order lines and receipts."""

from chispa import assert_df_equality

from lake.engine import conf
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
    kept = conf.load("test").at(silver.supplier_files)
    assert kept == conf.HOME / "var" / "test" / "lake" / "restricted" / "supply" / "silver" / "supplier_files"


def test_no_product_is_a_part_of_itself(broken):
    assert broken(
        silver.bom,
        "product_id revision part_id quantity valid_from",
        ("ARM-1", 1, "P-1", 2, "2026-01-05"),
        ("ARM-1", 0, "ARM-1", 0, "1926-01-05"),
    ) == [[], ["revision", "part_id", "quantity", "valid_from"]]


def test_a_rate_is_what_a_known_currency_is_worth_today(broken):
    assert broken(
        silver.exchange_rates,
        "currency day rate known_on",
        ("USD", "2026-01-05", "0.92", "2026-01-05"),
        ("usd", "2026-01-07", 0, "2026-01-05"),
    ) == [[], ["currency", "day", "rate"]]


def test_a_part_is_made_or_bought(broken):
    assert broken(silver.part_files, "part_id make_or_buy", ("P-1", "buy"), ("P-2", "rent")) == [[], ["make_or_buy"]]
