"""Work by day, and software against the software before it."""

from datetime import date, timedelta

import pytest
from chispa import assert_df_equality

from lake.robot import gold, gold_work, silver, silver_work

WORK = "serial day cycle_first cycle_last cycles logged protective_stops slips grip_losses operator_stops aborted"


@pytest.fixture
def scored(given):
    """software_scorecard of robots (serial, firmware before and after 2026-02-02, stops before and after).

    The update starts them a minute before midnight.
    Each works 1000 cycles a day for 14 days before and 7 (or as many as given) after; slips and grip losses stay at 40.
    """

    def of(*robots):
        work, boots, update = [], [], date(2026, 2, 2)
        for serial, old, new, before, after, *days in robots:
            for n in range(-14, *(days or [7])):
                day = update + timedelta(days=n)
                stops = before if n < 0 else after
                work.append((serial, str(day), 1, 1000, 1000, 50, stops, 40, 40, 0, 0))
            boots.append((serial, "B-1", "2026-01-01T00:00", old, "p1"))
            boots.append((serial, "B-2", "2026-02-01T23:59", new, "p1"))
        return gold_work.software_scorecard(
            given(gold_work.work_day, WORK, *work),
            given(silver.boots, "serial boot_id at firmware position_model", *boots),
            given(gold.accuracy_day, "serial on poses position_error_mean_mm", ("RB-1", "2026-02-03", 8, "0.12")),
            given(gold.dim_robot, "serial arm_variant is_current", *[(r[0], "A6", True) for r in robots]),
        )

    return of


def test_cycles_are_counted_from_the_last_one_logged_the_day_before(given, expected):
    cycles = given(
        silver_work.work_cycles,
        "serial cycle started_at result payload_kg",
        ("RB-1", 1000, "2026-01-05T09:00", "ok", "1.0"),
        ("RB-1", 1180, "2026-01-05T18:00", "slip", "2.0"),
        ("RB-1", 1400, "2026-01-06T09:00", "ok", "1.0"),
        ("RB-1", 9000, "2026-01-09T09:00", "protective_stop", "1.0"),  # two days nobody saw
        ("RB-1", 9050, "2026-01-09T10:00", "grip_lost", None),
        ("RB-1", 7, "2026-01-10T10:00", "aborted", None),  # a new controller counts anew
    )
    names = "day cycle_first cycle_last cycles logged protective_stops slips grip_losses aborted payload_mean_kg"
    assert_df_equality(
        gold_work.work_day(cycles).select(names.split()),
        expected(
            gold_work.work_day,
            names,
            ("2026-01-05", 1000, 1180, 181, 2, 0, 1, 0, 0, "1.5"),
            ("2026-01-06", 1400, 1400, 220, 1, 0, 0, 0, 0, "1"),
            ("2026-01-09", 9000, 9050, 51, 2, 1, 0, 1, 0, "1"),
            ("2026-01-10", 7, 7, 1, 1, 0, 0, 0, 1, None),
        ),
        ignore_row_order=True,
        ignore_nullable=True,
    )


def test_software_that_stops_robots_more_often_than_before_is_rolled_back(scored, expected):
    card = scored(("RB-1", "1.0", "2.0", 2, 6), ("RB-2", "1.0", "2.0", 2, 6))
    names = "firmware week robots cycles protective_stops protective_stops_per_1000 robots_compared verdict"
    assert_df_equality(
        card.select(names.split()),
        expected(
            gold_work.software_scorecard,
            names,
            ("1.0", "2026-01-19", 2, 14000, 28, "2", 0, None),
            ("1.0", "2026-01-26", 2, 14000, 28, "2", 0, None),
            ("2.0", "2026-02-02", 2, 14000, 84, "6", 2, "roll back"),
        ),
        ignore_row_order=True,
        ignore_nullable=True,
    )


def test_what_happened_four_times_is_too_little_to_roll_back_for(scored):
    for stops, verdict in ((4, "hold"), (5, "roll back")):
        card = scored(("RB-1", "1.0", "2.0", 0, 1, stops)).where("robots_compared > 0")
        [(times_low, said)] = card.select("protective_stops_times_low", "verdict").collect()
        assert (times_low > 1.25, said) == (True, verdict)


def test_software_is_kept_when_nothing_became_a_quarter_worse_and_held_while_that_is_open(scored, expected):
    few = ("RB-2", "3.0", "4.0", 1, 1)  # 7 stops after 14 in twice the time: nobody can say
    card = scored(("RB-1", "1.0", "2.0", 40, 38), few)
    names = "firmware protective_stops_times position_error_mean_mm verdict"
    assert_df_equality(
        card.where("verdict IS NOT NULL").select(names.split()),
        expected(gold_work.software_scorecard, names, ("2.0", "0.95", "0.12", "keep"), ("4.0", 1, None, "hold")),
        ignore_row_order=True,
        ignore_nullable=True,
    )
