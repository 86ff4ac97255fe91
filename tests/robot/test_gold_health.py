"""What a joint's last two weeks say."""

from chispa import assert_df_equality

from lake.robot import gold, gold_health, silver


def test_a_joint_is_told_by_its_last_week_against_the_week_before(given, expected):
    joint = ("RB-1", "3")
    days = given(
        gold.joint_day,
        "serial joint day samples tracking_error_p95_rad current_p95_a temperature_max_c faults",
        (*joint, "2026-01-04", 9, "0.009", "9", "99", 5),  # 15 days before the last: out of reach
        (*joint, "2026-01-07", 9, "0.001", "2", "40", 1),
        (*joint, "2026-01-09", 0, None, None, None, 2),  # it only failed
        (*joint, "2026-01-14", 9, "0.002", "3", "45", 0),
        (*joint, "2026-01-19", 9, "0.004", "4", "50", 1),
    )
    stated = given(
        silver.robot_files, "serial commissioned_on known_on", ("RB-1", "2025-12-20", "2026-01-14")
    )  # no extract came on the 19th
    names = (
        "day age_days days_seen tracking_error_rad tracking_error_7_rad tracking_error_14_rad tracking_error_times"
        " current_7_a current_times temperature_max_7_c faults_7 faults_14"
    )
    made = gold_health.health_features(days, stated)
    assert [r["samples"] for r in days.where("day = '2026-01-09'").collect()] == [0]
    assert_df_equality(
        made.where("day >= '2026-01-09'").select(names.split()),
        expected(
            gold_health.health_features,
            names,
            ("2026-01-14", 25, 3, "0.002", "0.002", "0.004", "0.4", "3", "0.545", "45", 2, 8),
            ("2026-01-19", 30, 3, "0.004", "0.003", "0.002333", "3", "3.5", "1.75", "50", 1, 4),
        ),
        ignore_row_order=True,
        ignore_nullable=True,
    )
