"""Faults and where robots stand."""

from chispa import assert_df_equality

from lake.robot import silver


def test_a_fault_is_known_by_its_code_and_not_by_its_message(given, expected):
    files = given(silver.fault_files, "fault_id serial code joint message", ("F-1", "RB-1", "JOINT_FAILURE", "3", None))
    faults = silver.faults(files)
    assert "message" not in faults.columns
    assert_df_equality(
        faults.select("fault_id", "code", "joint", "source_system"),
        expected(silver.faults, "fault_id code joint source_system", ("F-1", "JOINT_FAILURE", "3", "fleet")),
        ignore_nullable=True,
    )


def test_samples_are_stored_at_the_resolution_of_their_sensors():
    scales = {c.name: c.stored.simpleString() for c in silver.telemetry.columns if c.resolution}
    assert scales == {
        "position_cmd_rad": "decimal(18,6)",
        "position_rad": "decimal(18,6)",
        "velocity_rad_s": "decimal(18,4)",
        "current_a": "decimal(18,3)",
        "torque_nm": "decimal(18,3)",
        "temperature_c": "decimal(18,2)",
    }
