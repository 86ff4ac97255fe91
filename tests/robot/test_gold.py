"""Joints by day, accuracy by day, and versions of robots."""

import pytest
from chispa import assert_df_equality

from lake.robot import gold, silver


@pytest.fixture
def joint_days(given):
    """joint_day of samples (columns, rows) and faults (serial, at, joint)."""

    def of(columns, *rows, faults=()):
        samples = given(silver.telemetry, columns, *rows)
        return gold.joint_day(samples, given(silver.faults, "serial at joint", *faults))

    return of


@pytest.fixture
def accuracy(given):
    """accuracy_day of poses (serial, at, how far off in x, y and z)."""

    def of(*rows):
        zero = {f"target_{a}_mm": 0 for a in "xyz"}
        names = "serial at measured_x_mm measured_y_mm measured_z_mm"
        return gold.accuracy_day(gold.pose_error(given(silver.accuracy_tests, names, *rows).fillna(zero)))

    return of


def test_a_robot_that_changes_hands_gets_a_version(given, expected):
    files = given(
        silver.robot_files,
        "serial arm_variant customer_id site status updated_at known_on",
        ("RB-1", "A6", "C-1", "9f1a", "active", "2026-01-01T06:00", "2026-01-01"),
        ("RB-1", "A6", "C-1", "9f1a", "active", "2026-01-02T06:00", "2026-01-02"),  # only touched
        ("RB-1", "A6", "C-2", "77b0", "active", "2026-01-03T06:00", "2026-01-03"),
    )
    names = "customer_id site valid_from valid_to is_current"
    assert_df_equality(
        gold.dim_robot(files).select(*names.split()),
        expected(
            gold.dim_robot,
            names,
            ("C-1", "9f1a", "2026-01-01", "2026-01-03", False),
            ("C-2", "77b0", "2026-01-03", None, True),
        ),
        ignore_row_order=True,
        ignore_nullable=True,
    )


def test_a_joint_is_judged_by_absolute_deviation_torque_and_current(joint_days, expected):
    made = joint_days(
        "serial boot_id joint seq at position_cmd_rad position_rad torque_nm current_a temperature_c cycle",
        ("RB-1", "B-1", "0", 1, "2026-01-05T08:00:00", "1.0", "1.001", "-10", "2.0", "30.00", 7),
        ("RB-1", "B-1", "0", 2, "2026-01-05T08:00:01", "1.0", "0.997", "20", "4.0", "31.00", 7),
        ("RB-1", "B-1", "0", 3, "2026-01-05T08:00:02", "1.0", "1.002", "30", "6.0", "35.00", 8),
    )
    names = (
        "samples boots missing_samples cycles tracking_error_mean_rad tracking_error_p95_rad"
        " torque_p50_nm torque_p95_nm current_p50_a current_p99_a temperature_mean_c temperature_max_c faults"
    )
    assert_df_equality(
        made.select(*names.split()),
        expected(
            gold.joint_day,
            names,
            (3, 1, 0, 2, "0.002", "0.0029", 20, 29, 4, "5.96", "32.00", "35.00", 0),
        ),
        ignore_nullable=True,
    )


def test_samples_left_out_are_counted_within_a_boot_and_not_between_boots(joint_days, expected):
    made = joint_days(
        "serial boot_id joint seq at",
        ("RB-1", "B-1", "0", 1, "2026-01-05T08:00:00"),
        ("RB-1", "B-1", "0", 4, "2026-01-05T08:00:03"),
        ("RB-1", "B-2", "0", 9, "2026-01-05T09:00:00"),
    )
    assert_df_equality(
        made.select("samples", "boots", "missing_samples"),
        expected(gold.joint_day, "samples boots missing_samples", (3, 2, 2)),
        ignore_nullable=True,
    )


def test_joints_that_count_together_miss_only_their_own_samples(joint_days, expected):
    made = joint_days(
        "serial boot_id joint seq at",
        ("RB-1", "B-1", "0", 1, "2026-01-05T08:00:00"),
        ("RB-1", "B-1", "1", 2, "2026-01-05T08:00:00"),
        ("RB-1", "B-1", "0", 3, "2026-01-05T08:00:01"),  # number 4 of joint 1 is lost
        ("RB-1", "B-1", "0", 5, "2026-01-05T08:00:02"),
        ("RB-1", "B-1", "1", 6, "2026-01-05T08:00:02"),
    )
    assert_df_equality(
        made.select("joint", "samples", "missing_samples"),
        expected(gold.joint_day, "joint samples missing_samples", ("0", 3, 0), ("1", 2, 1)),
        ignore_row_order=True,
        ignore_nullable=True,
    )


def test_a_joint_that_only_fails_still_has_its_day(joint_days, expected):
    made = joint_days(
        "serial boot_id joint seq at",
        ("RB-1", "B-1", "0", 1, "2026-01-05T08:00:00"),
        faults=[
            ("RB-1", "2026-01-05T08:00:00", "0"),
            ("RB-1", "2026-01-05T09:00:00", "0"),
            ("RB-1", "2026-01-06T08:00:00", "0"),
            ("RB-1", "2026-01-05T08:00:00", None),  # the whole robot's
        ],
    )
    names = "day samples faults temperature_max_c"
    assert_df_equality(
        made.select(*names.split()),
        expected(gold.joint_day, names, ("2026-01-05", 1, 2, None), ("2026-01-06", 0, 1, None)),
        ignore_row_order=True,
        ignore_nullable=True,
    )


def test_the_position_error_is_the_distance_to_the_target(accuracy, expected):
    made = accuracy(
        ("RB-1", "2026-01-05T09:00", "0.3", "0.4", "0"),
        ("RB-1", "2026-01-05T09:01", "0", "0", "0.1"),
        ("RB-1", "2026-01-05T09:02", None, "0", "0.1"),  # not measured
    )
    names = "on poses position_error_mean_mm position_error_p95_mm drift_mm"
    assert_df_equality(
        made.select(*names.split()),
        expected(gold.accuracy_day, names, ("2026-01-05", 2, "0.3", "0.48", 0)),
        ignore_nullable=True,
    )


def test_drift_is_held_against_the_first_week_of_tests(accuracy, expected):
    made = accuracy(
        ("RB-1", "2026-01-05T09:00", "0.1", "0", "0"),
        ("RB-1", "2026-01-06T09:00", "0.3", "0", "0"),
        ("RB-1", "2026-01-12T09:00", "0.2", "0", "0"),
        ("RB-1", "2026-01-26T09:00", "0.7", "0", "0"),
    )
    assert_df_equality(
        made.select("on", "first_error_mean_mm", "drift_mm"),
        expected(
            gold.accuracy_day,
            "on first_error_mean_mm drift_mm",
            ("2026-01-05", "0.2", "-0.1"),
            ("2026-01-06", "0.2", "0.1"),
            ("2026-01-12", "0.2", "0"),
            ("2026-01-26", "0.2", "0.5"),
        ),
        ignore_row_order=True,
        ignore_nullable=True,
    )
