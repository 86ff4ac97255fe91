"""What an item and a customer were, when."""

from chispa import assert_df_equality

from lake.warehouse import gold_dims, silver


def test_an_item_has_a_version_for_each_lifecycle(given, expected):
    files = given(
        silver.item_files,
        "item_id lifecycle updated_at known_on",
        ("SP-1", "development", "2026-01-01T06:00", "2026-01-05"),
        ("SP-1", "development", "2026-01-02T06:00", "2026-01-06"),  # says nothing new
        ("SP-1", "active", "2026-01-08T06:00", "2026-01-08"),
    )
    names = "item_id lifecycle valid_from valid_to is_current"
    assert_df_equality(
        gold_dims.dim_item(files).select(*names.split()),
        expected(
            gold_dims.dim_item,
            names,
            ("SP-1", "development", "2026-01-05", "2026-01-08", False),
            ("SP-1", "active", "2026-01-08", None, True),
        ),
        ignore_row_order=True,
        ignore_nullable=True,
    )


def test_a_customer_who_moves_has_a_new_version(given, expected):
    files = given(
        silver.customer_files,
        "customer_id name address country status known_on",
        ("C-1", "a", "x", "DE", "active", "2026-01-05"),
        ("C-1", "a", "y", "CZ", "active", "2026-01-06"),
    )
    names = "customer_id address country valid_from valid_to"
    assert_df_equality(
        gold_dims.dim_customer(files).select(*names.split()),
        expected(
            gold_dims.dim_customer,
            names,
            ("C-1", "x", "DE", "2026-01-05", "2026-01-06"),
            ("C-1", "y", "CZ", "2026-01-06", None),
        ),
        ignore_row_order=True,
        ignore_nullable=True,
    )
