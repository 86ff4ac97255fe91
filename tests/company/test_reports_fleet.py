"""The fleet engineer's page: what it names, and that it names nothing without need."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pandas as pd

from lake.company import reports_software, reports_survival
from lake.company.gold_parts import part_life, part_reliability
from lake.company.gold_variants import ANY, VARIANT, variant_scorecard
from lake.core.report import Number, Said
from lake.core.table import Table
from lake.robot.gold import accuracy_day, dim_robot
from lake.robot.gold_work import software_scorecard, work_day
from lake.robot.silver import boots

TODAY = date(2026, 3, 7)


def rows(table: Table, *given: dict[str, Any]) -> pd.DataFrame:
    return pd.DataFrame(
        [{c.name: row.get(c.name) for c in table.columns} for row in given], columns=[c.name for c in table.columns]
    )


def text(said: Said) -> str:
    return "".join(part.text if isinstance(part, Number) else part for part in said)


def drawn(spec: Mapping[str, Any]) -> list[dict[str, Any]]:
    """All rows that a chart draws."""
    return [row for rows in spec["datasets"].values() for row in rows]


def lot(name: str, standing: str, low: str, **more: Any) -> dict[str, Any]:
    rates = {"failures_per_million": "3.9", "failures_per_million_high": "6.3", "others_per_million": "0.4"}
    rates |= {"failures_per_million_low": low, "others_per_million_high": "0.6"}
    usual = {"part_id": "P-1", "supplier_id": "S-2", "lot": name, "standing": standing, "failures": 12, "parts": 30}
    return usual | {k: Decimal(v) for k, v in rates.items()} | {"robots_carrying": 5} | more


def test_a_lot_that_is_surely_worse_is_named_with_the_robots_that_carry_it():
    lots = rows(part_reliability, lot("L-1", "not worse", "0.5"), lot("L-2", "worse", "2.2"))
    [story] = reports_survival.lot_stories(lots)
    assert text(story) == (
        "Lot L-2 of P-1 from S-2 fails in the field: 12 failures, 3.9 in a million cycles (2.2 to 6.3), against 0.4 "
        "(at most 0.6) of the part's other lots; 5 robots still carry it."
    )
    assert [r["lot"] for r in reports_survival.lot_list(lots).rows] == ["L-2", "L-1"]
    assert [a.text for a in reports_survival.lot_advice(lots)] == ["Replace P-1 of lot L-2 (S-2) in 5 robots"]


def life(serial: str, lot: str, cycles: int, failed: bool) -> dict[str, Any]:
    return {
        "serial": serial,
        "part_id": "P-1",
        "supplier_id": "S-2",
        "lot": lot,
        "failed": failed,
        "cycles_at_risk": cycles,
    }


def test_survival_of_a_lot_is_drawn_against_all_other_lots_of_its_part():
    lives = rows(
        part_life,
        life("RB-1", "L-2", 1_000_000, failed=True),
        life("RB-2", "L-2", 2_000_000, failed=False),
        life("RB-3", "L-9", 3_000_000, failed=False),
    )
    chart = reports_survival.by_lot(lives, rows(part_reliability, lot("L-2", "worse", "2.2")))
    assert [caption for caption, _ in chart.specs] == ["P-1: S-2 L-2"]
    assert [(r["group"], r["parts"], r["failures"], r["survive"]) for r in chart.rows] == [
        ("P-1 S-2 L-2", 2, 1, "50.0%"),
        ("P-1 all other lots", 1, 0, "100.0%"),
    ]


def test_survival_by_variant_has_a_panel_for_each_way_in_which_robots_differ():
    fleet = [{"serial": f"RB-{n}", "arm_variant": "A6", "hand_variant": hand} for n, hand in ((1, "H3"), (2, "H4"))]
    lives = [life("RB-1", "L-1", 1_000_000, failed=True), life("RB-2", "L-1", 2_000_000, failed=False)]
    chart = reports_survival.by_variant(rows(part_life, *lives), rows(dim_robot, *fleet))
    assert [caption for caption, _ in chart.specs] == ["by hand"]
    assert {(r["hand"], r["at"], r["share"]) for r in drawn(chart.specs[0][1])} == {
        ("H3", 0.0, 1.0), ("H3", 1.0, 1.0), ("H3", 1.0, 0.0), ("H4", 0.0, 1.0), ("H4", 2.0, 1.0),
    }  # fmt: skip


def week(firmware: str, arm: str, day: date, verdict: str | None, **more: Any) -> dict[str, Any]:
    row = {"firmware": firmware, "models": "pm-3", "arm_variant": arm, "week": day, "verdict": verdict, "robots": 6}
    row |= {"cycles": 9000, "robots_compared": 5}
    for name in reports_software.JUDGED:
        row |= {f"{name}_per_1000": Decimal("1.5"), f"{name}_times": Decimal("1.1")}
        row |= {f"{name}_times_low": Decimal("0.8"), f"{name}_times_high": Decimal("1.4")}
    return row | more


def test_firmware_that_does_harm_is_named_by_its_last_week_and_by_what_it_harms():
    much = {"protective_stops_times": Decimal(9), "protective_stops_times_low": Decimal(6)}
    much |= {"protective_stops_times_high": Decimal(14)}
    card = rows(
        software_scorecard,
        week("4.2.0", "A7L", date(2026, 2, 2), "hold"),
        week("4.2.0", "A7L", date(2026, 2, 9), "roll back", **much),
        week("4.2.1", "A6", date(2026, 2, 2), "roll back"),
        week("4.2.1", "A6", date(2026, 2, 9), "keep"),
    )
    [story] = reports_software.software_stories(card)
    assert text(story) == (
        "Firmware 4.2.0 harms arm A7L: protective stops are 9.0 times as frequent as on the same 5 robots before "
        "(6.0 to 14.0), in the weeks until that of 9 Feb 2026: roll back."
    )
    assert [a.text for a in reports_software.software_advice(card)] == ["Roll back firmware 4.2.0 on arm A7L"]
    listed = reports_software.software_list(card).rows
    assert [(r["firmware"], r["arm"], r["verdict"]) for r in listed] == [
        ("4.2.0", "A7L", "roll back"),
        ("4.2.1", "A6", "keep"),
    ]
    assert listed[0]["protective stops in 1,000 cycles"] == "1.50 (× 9.0: 6.0 to 14.0)"


def seen(serial: str, hand: str, drift: float) -> tuple[dict[str, Any], dict[str, Any]]:
    test = {"serial": serial, "on": TODAY, "poses": 8, "drift_mm": Decimal(str(drift))}
    test |= {"position_error_mean_mm": Decimal(str(0.1 + drift)), "first_error_mean_mm": Decimal("0.1")}
    return test, {"serial": serial, "hand_variant": hand, "arm_variant": "A6", "transmission": "belt"}


def test_the_hand_whose_robots_drift_is_named():
    pairs = [seen("RB-1", "H5", 1.6), seen("RB-2", "H5", 0.4)]
    pairs += [seen(f"RB-{n}", hand, 0.02) for n, hand in ((3, "H3"), (4, "H3"), (5, "H4"), (6, "H4"))]
    accuracy, fleet = rows(accuracy_day, *(t for t, _ in pairs)), rows(dim_robot, *(r for _, r in pairs))
    [story] = reports_software.drift_stories(accuracy, fleet)
    assert text(story) == (
        "Robots with hand H5 lose their accuracy: 1.00 mm since their first tests (median of 2), against 0.02 mm of "
        "all others; by chance once in 15 times."
    )
    steady = rows(accuracy_day, *(t | {"drift_mm": Decimal("0.02")} for t, _ in pairs))
    assert reports_software.drift_stories(steady, fleet) == []


def test_a_robots_accuracy_is_drawn_over_its_cycles_with_every_update():
    tests = [seen("RB-1", "H5", 0.0)[0] | {"on": TODAY - timedelta(30)}, seen("RB-1", "H5", 0.2)[0]]
    work = [
        {"serial": "RB-1", "day": TODAY - timedelta(ago), "cycle_first": first, "cycle_last": last}
        for ago, first, last in ((31, 1, 900_000), (20, 900_001, 1_400_000), (1, 1_400_001, 2_000_000))
    ]
    starts = [
        {"serial": "RB-1", "boot_id": f"B{n}", "at": datetime(2026, 2, n, tzinfo=UTC), "firmware": firmware}
        for n, firmware in ((1, "4.1.0"), (10, "4.1.0"), (20, "4.2.0"))
    ]
    chart = reports_software.accuracy_lines(rows(accuracy_day, *tests), rows(work_day, *work), rows(boots, *starts))
    [robot] = chart.choices
    assert [(r["at"], r["error"]) for r in robot.rows if r["error"]] == [(0.9, 0.1), (2.0, 0.3)]
    assert [(r["at"], r["firmware"]) for r in robot.rows if r["firmware"]] == [(0.9, "4.1.0"), (1.4, "4.2.0")]
    assert robot.said == "0.100 mm at first, 0.300 mm at last; 4.1.0 from 1 Feb 2026, 4.2.0 from 20 Feb 2026"


def test_accuracy_without_a_counter_of_cycles_is_drawn_by_day():
    chart = reports_software.accuracy_lines(
        rows(accuracy_day, seen("IPA-1", "H5", 0.0)[0]), rows(work_day), rows(boots)
    )
    assert chart.choices[0].rows[0]["at"] is None
    assert "By day" in chart.said


def test_the_drift_of_a_hand_is_that_of_all_its_robots_whatever_else_they_are():
    whole = dict.fromkeys(VARIANT, ANY) | {"month": TODAY.replace(day=1), "robots_tested": 3}
    drift = {f"drift_mm{end}": Decimal("0.1") for end in ("", "_low", "_high")}
    card = rows(
        variant_scorecard,
        whole | drift | {"hand_variant": "H5"},
        whole | drift | {"hand_variant": "H5", "arm_variant": "A6"},
        whole | drift,
        whole | {"hand_variant": "H3"},
    )
    chart = reports_software.variant_drift(card)
    assert [r["hand"] for r in chart.rows] == ["H5"]
