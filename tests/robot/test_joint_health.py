"""What a joint's last two weeks say."""

from lake.robot import gold, joint_health, silver


def test_a_joint_is_told_by_its_last_week_against_the_week_before(given):
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
        silver.robot_files,
        "serial arm_variant commissioned_on known_on",
        ("RB-1", "A7L", "2025-12-20", "2026-01-14"),  # no extract came on the 19th
    )
    made = joint_health.joint_health.function(days, stated).orderBy("age").collect()
    assert [(r["age"], str(r["on"]), r["fleet"]) for r in made] == [
        (25, "2026-01-14", "A7L"),
        (30, "2026-01-19", "A7L"),
    ]
    names = [
        "days_seen",
        "tracking_error_rad",
        "tracking_error_7_rad",
        "tracking_error_14_rad",
        "tracking_error_times",
        "current_7_a",
        "current_times",
        "temperature_max_7_c",
        "faults_7",
        "faults_14",
    ]
    found = [[round(float(r["features"][n]), 6) for n in names] for r in made]
    assert found == [
        [3, 0.002, 0.002, 0.004, 0.4, 3, 0.545455, 45, 2, 8],
        [3, 0.004, 0.003, 0.002333, 3, 3.5, 1.75, 50, 1, 4],
    ]
