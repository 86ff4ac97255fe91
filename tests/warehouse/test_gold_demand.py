"""What was wanted, month by month."""

from chispa import assert_df_equality

from lake.warehouse import gold, gold_demand, silver


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
        gold.demand_day,
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
