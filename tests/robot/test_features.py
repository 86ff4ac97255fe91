"""What models of robots look at: known at the time, and the outcome apart."""

from chispa import assert_df_equality

from lake.robot import features
from lake.robot.public import ai4i, bts, cmapss, ur3

MODES = {"twf", "hdf", "pwf", "osf", "rnf"}


def test_how_a_machine_failed_is_no_feature(given, expected):
    cycles = given(
        ai4i.ai4i_cycles,
        "cycle quality air_temperature_k process_temperature_k speed_rpm torque_nm tool_wear_min failed hdf known_on",
        (1, "L", "298.1", "308.6", 1500, "40", 10, True, True, "2026-01-01"),
    )
    names = "cycle temperature_difference_k power_w strain_min_nm failed"
    assert_df_equality(
        features.machine_cycle_features(cycles).select(names.split()),
        expected(features.machine_cycle_features, names, (1, "10.5", "6283.19", "400", True)),
        ignore_nullable=True,
    )
    assert not MODES & {c.name for c in features.machine_cycle_features.columns}


def test_grasps_are_numbered_by_content_and_electrodes_are_shares_of_their_finger(given):
    def felt(finger, first):
        return {f"{finger}_biotac_{n}": first if n == 1 else 1000 for n in range(1, 25)}

    def grasp(thing, slipped, first):
        return (thing, "down", slipped, *[felt(finger, first) for finger in bts.FINGERS], "2026-01-01")

    grasps = given(
        bts.bts_grasps,
        "object hand_orientation slipped ff mf th known_on",
        grasp("cup", True, 1000),
        grasp("can", False, 2000),
    )
    made = features.grasp_features(grasps).orderBy("grasp").collect()
    assert [(r["grasp"], r["object"], r["slipped"], str(r["ff_mean"]), str(r["th_1_share"])) for r in made] == [
        (1, "can", False, "1041.6667", "0.080000"),
        (2, "cup", True, "1000.0000", "0.041667"),
    ]


def test_a_second_knows_its_past_and_no_second_of_the_future(given, expected):
    names = "sample at cycle tool_current_a protective_stop grip_lost"
    rows = [
        (1, "2022-10-26T08:00:00", 7, "1", False, False),
        (2, "2022-10-26T08:00:01", 7, "3", False, True),
        (3, "2022-10-26T08:00:02", 7, "9", None, None),  # nobody says how it was
        (4, "2022-10-26T08:00:15", 8, "-5", True, False),
    ]
    told = "sample since_last_s in_cycle_s tool_current_a_mean_10s tool_current_step_a stopped lost_grip"
    until_then = features.second_features(given(ur3.ur3_seconds, names, *rows[:2])).select(told.split())
    made = features.second_features(given(ur3.ur3_seconds, names, *rows)).select(told.split())
    assert_df_equality(
        made.orderBy("sample"),
        expected(
            features.second_features,
            told,
            (1, None, 0, "1", None, False, False),
            (2, 1, 1, "2", "2", False, True),
            (4, 14, 0, "5", "-8", True, False),
        ),
        ignore_nullable=True,
    )
    assert_df_equality(made.where("sample < 4"), until_then, ignore_row_order=True, ignore_nullable=True)


def test_an_engine_has_left_what_it_ran_on_or_what_the_list_says(given):
    sensors = dict.fromkeys(cmapss.SENSORS, "1.5")
    cycles = given(
        cmapss.cmapss_cycles,
        " ".join(["run", "unit", "cycle", "fleet", "known_on", *sensors]),
        *[
            (run, 1, cycle, "FD001", "2026-01-01", *(sensors | {"t24": str(600 + cycle)}).values())
            for run, cycles in (("train", 3), ("test", 2))
            for cycle in range(1, cycles + 1)
        ],
    )
    lives = given(cmapss.cmapss_lives, "fleet cycles_left", ("FD001", [112, 98]))
    made = features.health_features(cycles, lives).orderBy("serial", "age").collect()
    assert [(r["serial"], r["age"], r["life_left"]) for r in made] == [
        ("CMAPSS-FD001-test-1", 1, 113),
        ("CMAPSS-FD001-test-1", 2, 112),
        ("CMAPSS-FD001-train-1", 1, 2),
        ("CMAPSS-FD001-train-1", 2, 1),
        ("CMAPSS-FD001-train-1", 3, 0),
    ]
    assert [made[-1]["features"][f"t24{part}"] for part in ("", "_mean", "_slope")] == [603, 602, 1]
    assert made[0]["features"]["t24_slope"] is None
