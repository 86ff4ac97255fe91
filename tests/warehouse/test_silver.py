"""Movements and their signs, items, customers and sales lines."""

from chispa import assert_df_equality

from lake.warehouse import silver


def test_the_kind_gives_a_movement_its_sign(given, expected):
    files = given(
        silver.movement_files,
        "movement_id kind quantity reference_type",
        ("M-1", "receipt", 5, "receipt"),
        ("M-2", "ship", 2, "sales_line"),
        ("M-3", "adjust", 1, "count"),
        ("M-4", "block", 3, "inspection"),  # blocked goods are still there
        ("M-5", "release", 1, "inspection"),
        ("M-6", "scrap", 2, "inspection"),  # condemned goods leave from the blocked stock
        ("M-7", "scrap", 1, "count"),
    )
    moves = silver.movements(files).select("movement_id", "quantity_signed", "blocked_signed")
    assert_df_equality(
        moves,
        expected(
            silver.movements,
            "movement_id quantity_signed blocked_signed",
            ("M-1", 5, 0),
            ("M-2", -2, 0),
            ("M-3", 1, 0),
            ("M-4", 0, 3),
            ("M-5", 0, -1),
            ("M-6", -2, -2),
            ("M-7", -1, 0),
        ),
        ignore_row_order=True,
    )


def test_the_last_statement_about_an_item_counts(given, expected):
    files = given(
        silver.item_files,
        "item_id lifecycle known_on",
        ("P-1", "active", "2026-01-01"),
        ("P-1", "phase_out", "2026-01-03"),
        ("P-2", "active", "2026-01-02"),  # no longer in the extract of the 3rd
    )
    items = silver.items(files).select("item_id", "lifecycle")
    assert_df_equality(
        items,
        expected(silver.items, "item_id lifecycle", ("P-1", "phase_out"), ("P-2", "active")),
        ignore_row_order=True,
    )


def test_no_open_table_names_a_customer(given):
    files = given(silver.customer_files, "customer_id name email status", ("C-1", "5f0c", "a1b2", "active"))
    customers = silver.customers(files)
    assert {"phone", "address", "city"}.isdisjoint(customers.columns)
    assert silver.customer_files.restricted and not silver.customers.restricted


def test_the_last_revision_of_a_sales_line_wins(given, expected):
    changes = given(
        silver.sales_line_changes,
        "order_id line revision status shipped_at",
        ("SO-1", 1, 2, "shipped", "2026-01-08T15:00"),
        ("SO-1", 1, 1, "open", None),
    )
    lines = silver.sales_lines(changes).select("order_id", "status", "shipped_at")
    assert_df_equality(
        lines, expected(silver.sales_lines, "order_id status shipped_at", ("SO-1", "shipped", "2026-01-08T15:00"))
    )


def test_what_the_planner_last_set_counts(given, expected):
    files = given(
        silver.planning_parameter_files,
        "item_id site known_on reorder_point order_up_to",
        ("P-1", "leipzig", "2026-01-05", 10, 40),
        ("P-1", "leipzig", "2026-01-06", 5, 20),
        ("P-1", "austin", "2026-01-05", 1, 2),
    )
    assert_df_equality(
        silver.planning_parameters(files).select("site", "reorder_point", "order_up_to", "known_on"),
        expected(
            silver.planning_parameters,
            "site reorder_point order_up_to known_on",
            ("leipzig", 5, 20, "2026-01-06"),
            ("austin", 1, 2, "2026-01-05"),
        ),
        ignore_row_order=True,
        ignore_nullable=True,
    )


def test_a_plan_must_be_possible(broken):
    assert broken(
        silver.planning_parameter_files,
        "reorder_point order_up_to review_days service_target",
        (10, 40, 7, "0.97"),
        (None, 40, None, None),  # the planner need not set everything
        (-1, 40, 0, 1),
        (10, 9, 7, "0.97"),
    ) == [[], [], ["reorder_point", "review_days", "service_target"], ["order_up_to"]]


def test_an_answer_says_what_is_done(broken):
    assert broken(
        silver.decisions,
        "decided_at known_on role action quantity",
        ("2026-01-05T10:00", "2026-01-05", "planner", "changed", 5),
        ("2026-01-05T10:00", "2026-01-05", "buyer", "refused", None),
        ("2026-01-05T10:00", "2026-01-05", "visitor", "shrugged", -1),
        ("2026-01-07T10:00", "2026-01-05", "buyer", "refused", 5),
    ) == [[], [], ["role", "action", "quantity"], ["decided_at", "quantity"]]
