"""What a part was, when."""

from chispa import assert_df_equality

from lake.supply import gold_dims, silver


def test_a_part_that_is_missing_on_a_day_keeps_its_version(given, expected):
    files = given(
        silver.part_files,
        "part_id status known_on",
        ("P-1", "active", "2026-01-05"),
        ("P-1", "active", "2026-01-07"),
        ("P-1", "discontinued", "2026-01-09"),
    )
    names = "part_id status valid_from valid_to is_current"
    assert_df_equality(
        gold_dims.dim_part(files).select(*names.split()),
        expected(
            gold_dims.dim_part,
            names,
            ("P-1", "active", "2026-01-05", "2026-01-09", False),
            ("P-1", "discontinued", "2026-01-09", None, True),
        ),
        ignore_row_order=True,
        ignore_nullable=True,
    )
