"""Which days the company works."""

from chispa import assert_df_equality

from lake.company.gold_calendar import dim_calendar
from lake.warehouse import gold as warehouse_gold


def test_a_site_rests_at_weekends_and_on_the_holidays_of_its_country(given, expected):
    months = given(
        warehouse_gold.stock_month,
        "item_id site month",
        ("P-1", "leipzig", "2026-01-01"),
        ("P-1", "austin", "2026-11-01"),
        ("P-1", "depot", "2026-05-01"),
    )
    made = dim_calendar(months)
    names = "site day country weekday is_holiday is_working_day week month quarter"
    shown = made.where("day IN (DATE'2025-01-01', DATE'2026-05-01', DATE'2026-05-03', DATE'2027-12-31')")
    assert_df_equality(
        shown.where("site <> 'austin' OR day = DATE'2026-05-01'").select(*names.split()),
        expected(
            dim_calendar,
            names,
            ("leipzig", "2025-01-01", "DE", 3, True, False, "2024-12-30", "2025-01-01", "2025-01-01"),
            ("leipzig", "2026-05-01", "DE", 5, True, False, "2026-04-27", "2026-05-01", "2026-04-01"),
            ("leipzig", "2026-05-03", "DE", 7, False, False, "2026-04-27", "2026-05-01", "2026-04-01"),
            ("leipzig", "2027-12-31", "DE", 5, False, True, "2027-12-27", "2027-12-01", "2027-10-01"),
            ("austin", "2026-05-01", "US", 5, False, True, "2026-04-27", "2026-05-01", "2026-04-01"),
            ("depot", "2025-01-01", None, 3, False, True, "2024-12-30", "2025-01-01", "2025-01-01"),
            ("depot", "2026-05-01", None, 5, False, True, "2026-04-27", "2026-05-01", "2026-04-01"),
            ("depot", "2026-05-03", None, 7, False, False, "2026-04-27", "2026-05-01", "2026-04-01"),
            ("depot", "2027-12-31", None, 5, False, True, "2027-12-27", "2027-12-01", "2027-10-01"),
        ),
        ignore_row_order=True,
        ignore_nullable=True,
    )
