"""The UR3 set, as joint days and faults."""

from chispa import assert_df_equality
from pyspark.sql import functions as F

from lake.engine import conf, intake, records
from lake.engine.fingerprint import Cache
from lake.robot import gold, silver
from lake.robot.public import ur3 as public

HEADER = (
    "Num;Timestamp;Current_J0;Temperature_T0;Current_J1;Temperature_J1;Speed_J0;Tool_current;"
    "cycle ;Robot_ProtectiveStop;grip_lost;;;"
)


def test_decimal_commas_quotes_and_silent_sensors_are_read(spark, tmp_path, expected):
    (tmp_path / "ur3_cobotops").mkdir()
    lines = [
        HEADER,
        "1;2022-10-26T08:17:21.847Z;0,109627604;27,875;-2,024668694;29,375;-7,39E-05;0,082731843;1;False;True;;;",
        '2;"""2022-10-26T08:17:22.852Z""";-2,2;27,875;;29,3125;-7,39E-30;0,505894959;1;1,0;False;;;',
        "3;2022-10-26T08:17:23.850Z;;;;;;;31;;False;;;",
    ]
    (tmp_path / "ur3_cobotops" / "some.csv").write_text("\n".join(lines), encoding="utf-8")
    real = conf.load("real")
    here = real.model_copy(update={"lake": real.lake.model_copy(update={"public": str(tmp_path)})})
    table, until = public.ur3_seconds, conf.day("2026-12-31")
    found = intake.look(public.ur3, table, {}, here, Cache.at(tmp_path), until=until)
    rows = records.bronze(spark, public.ur3, found.add, here.public, 1)
    typed = records.typed(public.ur3_seconds, rows, [f.print.header_text for f in found.add])
    names = "sample at current_j0_a temperature_j0_c speed_j0_rad_s cycle protective_stop grip_lost"
    assert_df_equality(
        typed.persist().where("_ok").select(names.split()),
        expected(
            public.ur3_seconds,
            names,
            (1, "2022-10-26T08:17:21.847", "0.109628", "27.875", "-0.000074", 1, False, True),
            (2, "2022-10-26T08:17:22.852", "-2.2", "27.875", "0", 1, True, False),
            (3, "2022-10-26T08:17:23.850", None, None, None, 31, None, False),
        ),
        ignore_nullable=True,
    )


def test_a_joint_day_counts_silent_seconds_as_missing(given, expected):
    seconds = given(
        public.ur3_seconds,
        "sample at current_j0_a temperature_j0_c cycle",
        (1, "2022-10-26T08:17:21", "-0.5", "27.8750", 1),
        (2, "2022-10-26T08:17:22", "0.3", None, 2),
        (3, "2022-10-26T08:17:23", None, None, 3),
    )
    names = "joint day samples missing_samples cycles current_p50_a temperature_mean_c tracking_error_mean_rad faults"
    assert_df_equality(
        public.ur3_joint_day.function(seconds).select(names.split()),
        expected(gold.joint_day, names, ("0", "2022-10-26", 2, 1, 2, "0.4", "27.88", None, 0)),
        ignore_nullable=True,
    )


def test_a_fault_is_a_run_of_seconds_and_silence_does_not_end_it(given, expected):
    seconds = given(
        public.ur3_seconds,
        "sample at protective_stop grip_lost",
        (1, "2022-10-26T08:00:01", True, False),
        (2, "2022-10-26T08:00:02", None, False),
        (3, "2022-10-26T08:00:03", True, True),
        (4, "2022-10-26T08:00:04", False, True),
    )
    names = "at code severity joint cleared_at known_on"
    made = public.ur3_faults.function(seconds)
    assert_df_equality(
        made.select(names.split()),
        expected(
            silver.faults,
            names,
            ("2022-10-26T08:00:01", "PROTECTIVE_STOP", "stop", None, "2022-10-26T08:00:04", "2022-10-26"),
            ("2022-10-26T08:00:03", "GRIP_LOST", "warning", None, None, "2022-10-26"),
        ),
        ignore_nullable=True,
        ignore_row_order=True,
    )
    assert [r[0] for r in made.agg(F.count_distinct("fault_id")).collect()] == [2]
