"""Variants of robots, month by month."""

import pytest
from chispa import assert_df_equality

from lake.company import gold_variants as variants
from lake.robot import gold, gold_work, silver_work

KIND = "arm_variant hand_variant end_effector transmission channel"
ROBOT = f"serial {KIND} valid_from"


@pytest.fixture
def card(given):
    """variant_scorecard of versions of robots, each with 100,000 cycles in January 2026, and their service."""

    def of(robots, *, served=(), tests=()):
        serials = sorted({r[0] for r in robots})
        return variants.variant_scorecard(
            given(
                gold_work.work_day,
                "serial day cycles logged payload_mean_kg",
                *[(s, d, 50_000, 100, "1.5") for s in serials for d in ("2026-01-10", "2026-01-20")],
            ),
            given(gold.accuracy_day, "serial on poses position_error_mean_mm drift_mm", *tests),
            given(
                silver_work.service_lines, "serial is_failure cost currency downtime_minutes opened_at", *served
            ),
            given(gold.dim_robot, ROBOT, *[(s, arm, hand, "hand", "belt", channel, since)
                                           for s, arm, hand, channel, since in robots]),
        )  # fmt: skip

    return of


def test_rates_come_with_intervals_and_fewer_than_five_robots_have_no_rank(card, expected):
    robots = [(f"RB-{n}", "A6", "H3", "field", "2026-01-01") for n in range(5)]
    robots += [("RB-5", "A7", "H3", "field", "2026-01-01")]
    made = card(
        robots,
        served=[
            *[(f"RB-{n}", n < 2, c, "EUR", 60, "2026-01-15T08:00") for n, c in enumerate((30, 10, 20, 20, 20))],
            ("RB-5", True, 500, "EUR", 60, "2026-01-15T08:00"),
            ("RB-5", True, 500, "EUR", 60, "2026-02-15T08:00"),  # no cycle is known of February
        ],
    ).where("hand_variant = '*' AND end_effector = '*' AND transmission = '*' AND channel = '*' AND arm_variant <> '*'")
    names = (
        "arm_variant robots cycles payload_band failures failures_per_million failures_per_million_low currency"
        " service_cost_per_1000 service_cost_per_1000_low service_cost_per_1000_high downtime_per_1000"
        " failure_rank remark"
    )
    assert_df_equality(
        made.select(names.split()),
        expected(
            variants.variant_scorecard,
            names,
            # costs of 5 robots: mean 20, standard error 3.162, Student 2.132
            ("A6", 5, 500_000, "up to 2 kg", 2, 4, "0.711", "EUR", "0.2", "0.133", "0.267", "0.6", 1, None),
            ("A7", 1, 100_000, "up to 2 kg", 1, 10, "0.513", "EUR", 5, None, None, "0.6", None, "too few"),
        ),
        ignore_row_order=True,
        ignore_nullable=True,
    )


def test_a_robot_counts_as_what_it_was_at_the_end_of_the_month(card):
    robots = [
        ("RB-1", "A6", "H3", "lab", "2025-12-01"),
        ("RB-1", "A6", "H3", "field", "2026-01-25"),
        ("RB-1", "A6", "H3", "pilot", "2026-02-01"),
        ("RB-2", "A6", None, "pilot", "2026-03-01"),  # nobody told of it earlier
    ]
    made = card(robots).where("arm_variant = 'A6' AND hand_variant <> '*'").select("hand_variant", "channel", "robots")
    assert sorted(tuple(r) for r in made.collect()) == [("H3", "field", 1), ("none", "pilot", 1)]


def test_accuracy_is_the_mean_over_the_robots_tested(card, expected):
    made = card(
        [(f"RB-{n}", "A6", "H3", "field", "2026-01-01") for n in range(3)],
        tests=[
            ("RB-0", "2026-01-05", 8, "0.10", "0.00"),
            ("RB-0", "2026-01-12", 24, "0.20", "0.10"),
            ("RB-1", "2026-01-12", 8, "0.225", "0.125"),
        ],
    ).where("arm_variant = '*' AND hand_variant = '*' AND channel = '*' AND end_effector = '*' AND transmission = '*'")
    names = "robots robots_tested position_error_mm drift_mm remark"
    assert_df_equality(
        made.select(names.split()),
        expected(variants.variant_scorecard, names, (3, 2, "0.2", "0.1", "too few")),
        ignore_nullable=True,
    )
