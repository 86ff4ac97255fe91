"""The public sets of robots: copies that nobody has seen yet are read alike, and what is broken says why."""

import pytest
from chispa import assert_df_equality
from pyspark.sql import functions as F

from lake.robot.public import ai4i, bts, cmapss, execution_failures, ipa
from tests.public_files import landed, looked_at

WHY = "transform(_errors, e -> concat_ws(' ', e.rule, e.column)) AS why"
SAMPLE = "\t-1\t0\t63\t-3\t-1\t0"
ENGINE = "0.0007 -0.0004 100.0 " + " ".join(["21.61"] * 21)


def event(kind: str, samples: int = 15, sample: str = SAMPLE) -> str:
    return "\n".join([kind, *[sample] * samples, "", ""])


def test_an_event_is_its_class_and_fifteen_samples(spark, tmp_path):
    made = landed(spark, tmp_path, execution_failures.execution_failures, lp1__data=event("fr_collision") + "\n\n")
    [row] = made.where("_ok").select("task", "class", F.size("samples"), "samples").collect()
    assert row[:3] == ("lp1", "fr_collision", 15)
    assert row["samples"][14].asDict() == {"fx": -1, "fy": 0, "fz": 63, "tx": -3, "ty": -1, "tz": 0}


def test_events_of_a_copy_with_other_line_ends_are_read_and_a_torn_one_says_why(spark, tmp_path):
    text = event("normal") + event("lost", 14) + event("moved", 15, "1\t2\t3\t4\t5") + event("ok", 15, "1 2 3 4 5 6")
    made = landed(spark, tmp_path, execution_failures.execution_failures, lp4__data=text.replace("\n", "\r\n"))
    assert {r["class"]: r["why"] for r in made.select("class", F.expr(WHY)).collect()} == {
        "normal": [],
        "lost": ["check samples"],
        "moved": ["check samples"],
        "ok": [],
    }


@pytest.mark.parametrize("separator", ["\t", ",", ";"])
def test_machine_cycles_are_read_whatever_separates_them(spark, tmp_path, expected, separator):
    names = ["UDI", "Product ID", "Type", "Air temperature [K]", "Process temperature [K]", "Rotational speed [rpm]"]
    names += ["Torque [Nm]", "Tool wear [min]", "Machine failure", "TWF"]
    values = ["1", "M14860", "M", "298.1", "308.6", "1551", "42.8", "0", "1", "0"]
    lines = "\r\n".join(separator.join(line) for line in (names, values))
    made = landed(spark, tmp_path, ai4i.ai4i_cycles, some__csv=lines)
    columns = "cycle quality air_temperature_k speed_rpm torque_nm failed twf rnf"
    assert_df_equality(
        made.where("_ok").select(columns.split()),
        expected(ai4i.ai4i_cycles, columns, (1, "M", "298.1", 1551, "42.8", True, False, None)),
        ignore_nullable=True,
    )


def test_a_grasp_lacking_an_electrode_is_rejected_and_the_file_says_how_the_hand_was_held(spark, tmp_path):
    names = ["object", "slipped", *[f"{finger}_biotac_{n}" for finger in bts.FINGERS for n in range(1, 25)]]
    rows = [names, ["cup", "0", *["3000"] * 72], ["cup", "1", *["3000"] * 71, ""]]
    text = "\n".join(",".join(row) for row in rows)
    made = landed(spark, tmp_path, bts.bts_grasps, bts3v2_palm_down__csv=text)
    found = (
        made.orderBy("slipped")
        .select("hand_orientation", "slipped", F.expr(WHY), F.col("th")["th_biotac_24"])
        .collect()
    )
    assert [tuple(r) for r in found] == [("down", False, [], 3000), ("down", True, ["check th"], None)]


def test_cycles_of_engines_need_no_header_and_a_short_line_is_rejected(spark, tmp_path):
    text = f"1 1 {ENGINE}  \n1 2 {ENGINE}  \n1 3 21.61\n"
    made = landed(spark, tmp_path, cmapss.cmapss_cycles, train_FD004__txt=text)
    found = made.orderBy("_ok", "cycle").select("fleet", "run", "unit", "cycle", "w32", F.expr(WHY)).collect()
    assert [(*r[:4], str(r["w32"]), r["why"]) for r in found[1:]] == [
        ("FD004", "train", 1, 1, "21.6100", []),
        ("FD004", "train", 1, 2, "21.6100", []),
    ]
    assert found[0]["why"] == ["record"]


def test_a_file_with_other_columns_than_an_engine_has_is_rejected_whole(tmp_path):
    landing = looked_at(tmp_path, cmapss.cmapss_cycles, test_FD001__txt="112\n98\n")
    assert list(landing.rejected.values()) == [
        "columns: its first line has 1, expected were 26; is it in the wrong folder?"
    ]


def test_what_engines_had_left_is_a_list_in_the_order_of_their_numbers(spark, tmp_path):
    made = landed(spark, tmp_path, cmapss.cmapss_lives, RUL_FD001__txt="112 \n98 \n69 \n", RUL_FD002__txt="1\n-2\n")
    found = made.orderBy("fleet").select("fleet", "cycles_left", F.expr(WHY)).collect()
    assert [tuple(r) for r in found] == [("FD001", [112, 98, 69], []), ("FD002", [1, -2], ["check cycles_left"])]


def test_a_pose_is_kept_in_the_units_it_was_delivered_in(spark, tmp_path, expected):
    names = ["Timestamp", *[f"Goal {a}" for a in ("x", "y", "z", "roll", "pitch", "yaw")]]
    names += [f"{joint}_joint" for joint in ipa.JOINTS]
    names += ["measurement_temperature", *[f"measurement_{a}" for a in ("x", "y", "z", "rx", "ry", "rz")]]
    values = ["20200714163904", "0,365141", *["0,1"] * 11, "23,68", "2361,9831", *["-1,5"] * 4, "-90,887438"]
    text = "\r\n".join(";".join(line) for line in (names, values))
    made = landed(spark, tmp_path, ipa.ipa_poses, series_b__csv=text)
    columns = "test_id at goal_x_m measured_x_mm measured_rz_deg temperature_c"
    assert_df_equality(
        made.where("_ok").select(columns.split()),
        expected(
            ipa.ipa_poses,
            columns,
            ("series_b", "2020-07-14T16:39:04", "0.365141", "2361.9831", "-90.887438", "23.68"),
        ),
        ignore_nullable=True,
    )


def test_poses_are_held_against_their_goals_once_the_frames_are_laid_over_each_other(given):
    rows = []
    for n in range(12):
        x, y, z = 100 * n, 40 * (n % 3), 25 * (n % 4)
        bump = 3 if n == 11 else 0
        # the tracker stands elsewhere, and is turned by a right angle
        rows.append((f"2020-07-14T16:39:{n:02}", x / 1000, y / 1000, z / 1000, -y + 500, x - 700, z + bump))
    poses = given(
        ipa.ipa_poses,
        "at goal_x_m goal_y_m goal_z_m measured_x_mm measured_y_mm measured_z_mm test_id",
        *[(*row, "t") for row in rows],
    )
    made = ipa.ipa_pose_error.function(poses)
    found = {r["pose_id"][-2:]: float(r["error_mm"]) for r in made.collect()}
    assert len(found) == 12
    assert max(found, key=lambda pose: found[pose]) == "11"
    assert 1.0 < found["11"] < 3.0
