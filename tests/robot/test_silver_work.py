"""Work cycles, work orders and campaigns: what a good record is, and which revision counts."""

import json
from datetime import date

import pytest
from chispa import assert_df_equality

from lake.engine import records
from lake.robot import silver_work as silver
from tests.conftest import local

CYCLE = {
    "serial": "RB-1", "boot_id": "B-1", "cycle": 7, "started_at": "2026-01-05T08:00:00Z",
    "ended_at": "2026-01-05T08:00:12Z", "task": "bin_pick", "object_class": "box", "hand_orientation": "down",
    "payload_kg": 1.25, "peak_force_n": 20.5, "tool_current_a": 0.9, "tactile": {"finger_1_n": 2.5}, "result": "ok",
}  # fmt: skip
SERVICE = {
    "work_order_id": "WO-1", "line": "1", "revision": "2", "serial": "RB-1", "joint": "3",
    "opened_at": "2026-01-05T08:00:00Z", "closed_at": "2026-01-06T08:00:00Z", "component": "joint",
    "action": "replace", "cause": "it broke", "is_failure": "true", "part_id": "P-1", "quantity": "1",
    "lot_removed": "L-1", "lot_installed": "L-2", "labour_minutes": "90", "downtime_minutes": "400", "cost": "99.50",
    "currency": "EUR", "technician": "somebody", "changed_at": "2026-01-06T08:00:00Z",
}  # fmt: skip
CAMPAIGN = {
    "experiment_id": "EX-1", "revision": "1", "serial": "RB-1", "question": "noise_at_speed", "arm_variant": "A6",
    "hand_variant": "H3", "end_effector": "hand", "transmission": "belt", "firmware": "4.1.0",
    "started_at": "2026-01-05T08:00:00Z", "ended_at": "", "outcome": "", "changed_at": "2026-01-05T08:00:00Z",
}  # fmt: skip


@pytest.fixture
def broken(spark):
    """What is wrong with records that are good but for some fields: column names, in the order of the records."""

    def of(table, good, *changes, csv=True):
        header = ",".join(good)
        said = [good | c for c in changes]
        lines = [",".join(r.values()) if csv else json.dumps(r) for r in said]
        rows = [(line, None, header if csv else "", "f", 1, date(2026, 1, 7)) for line in lines]
        typed = records.typed(table, local(spark, rows, records.TEXT), [header] if csv else [])
        found = {r["_raw"]: [e["column"] for e in r["_errors"]] for r in typed.where("NOT _ok").collect()}
        return [found.get(line, []) for line in lines]

    return of


def test_a_work_cycle_keeps_to_its_ranges_and_ends_in_a_known_way(broken):
    changes = [
        {}, {"cycle": -1}, {"ended_at": "2026-01-05T07:59:00Z"}, {"payload_kg": 101}, {"peak_force_n": -1},
        {"tool_current_a": 200}, {"result": "fine"}, {"started_at": "1999-12-31T00:00:00Z"}, {"serial": None},
    ]  # fmt: skip
    wrong = [[], *[[next(iter(c))] for c in changes[1:]]]
    assert broken(silver.work_cycles, CYCLE, *changes, csv=False) == wrong


def test_a_work_order_keeps_to_its_rules(broken):
    changes = [
        {}, {"line": "0"}, {"revision": "-1"}, {"closed_at": "2026-01-05T07:00:00Z"}, {"is_failure": "perhaps"},
        {"quantity": "0"}, {"labour_minutes": "-1"}, {"downtime_minutes": "-1"}, {"cost": "-1"}, {"currency": "euro"},
        {"opened_at": "1999-12-31T00:00:00Z"}, {"closed_at": ""},
    ]  # fmt: skip
    wrong = [[], *[[next(iter(c))] for c in changes[1:-1]], []]
    assert broken(silver.service_files, SERVICE, *changes) == wrong


def test_a_campaign_ends_after_it_began_and_in_a_known_way(broken):
    changes = [{}, {"revision": "-1"}, {"ended_at": "2026-01-04T08:00:00Z"}, {"outcome": "good"}]
    assert broken(silver.experiment_changes, CAMPAIGN, *changes) == [[], ["revision"], ["ended_at"], ["outcome"]]


def test_the_last_revision_of_a_work_order_and_of_a_campaign_counts(given, expected):
    files = given(
        silver.service_files,
        "work_order_id line revision lot_removed closed_at cause technician",
        ("WO-1", 1, 2, "L-1", "2026-01-06T08:00", None, "9f1a"),
        ("WO-1", 1, 1, None, None, None, "9f1a"),
        ("WO-1", 2, 1, None, "2026-01-06T08:00", None, "9f1a"),
    )
    lines = silver.service_lines(files)
    assert silver.service_files.restricted and not silver.service_lines.restricted
    assert_df_equality(
        lines.select("line", "lot_removed"),
        expected(silver.service_lines, "line lot_removed", (1, "L-1"), (2, None)),
        ignore_row_order=True,
    )
    changes = given(
        silver.experiment_changes,
        "experiment_id revision outcome",
        ("EX-1", 1, None),
        ("EX-1", 2, "confirmed"),
    )
    assert_df_equality(
        silver.experiments(changes).select("experiment_id", "outcome"),
        expected(silver.experiments, "experiment_id outcome", ("EX-1", "confirmed")),
    )
