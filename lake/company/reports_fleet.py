"""The fleet engineer's page: what wears, what fails, and what new software did."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from lake.company.gold_parts import part_life, part_reliability
from lake.company.gold_variants import variant_scorecard
from lake.company.reports_software import (
    RULE,
    accuracy_lines,
    drift_stories,
    software_advice,
    software_list,
    software_stories,
    variant_drift,
)
from lake.company.reports_survival import by_lot, by_variant, lot_advice, lot_list, lot_stories
from lake.core.report import Facts, Page, part, report
from lake.robot import reports as robot_reports
from lake.robot.gold import accuracy_day, dim_robot, joint_day
from lake.robot.gold_work import software_scorecard, work_day
from lake.robot.silver import boots

if TYPE_CHECKING:
    import pandas as pd


@report(
    title="Robots",
    reader="fleet engineer",
    inputs=[
        part(
            joint_day,
            "serial joint day samples tracking_error_p95_rad current_p95_a temperature_mean_c faults",
            recent=("day", 180),
        ),
        part(accuracy_day, "serial on poses position_error_mean_mm first_error_mean_mm drift_mm"),
        part(
            dim_robot,
            "serial arm_variant hand_variant end_effector transmission",
            where=[("is_current", "=", True)],
        ),
        part(part_life, "serial part_id supplier_id lot failed cycles_at_risk"),
        part_reliability,
        software_scorecard,
        variant_scorecard,
        part(work_day, "serial day cycle_first cycle_last"),
        part(boots, "serial boot_id at firmware"),
    ],
)
def robots(
    joints: pd.DataFrame,
    accuracy: pd.DataFrame,
    fleet: pd.DataFrame,
    lives: pd.DataFrame,
    lots: pd.DataFrame,
    software: pd.DataFrame,
    variants: pd.DataFrame,
    work: pd.DataFrame,
    starts: pd.DataFrame,
    *,
    facts: Facts,
) -> Page:
    """Which joint, lot, variant or software wears out or harms the robots?"""
    page = robot_reports.condition(joints, accuracy, fleet)
    if not page.charts:
        return page
    drifting = drift_stories(accuracy, fleet)
    return replace(
        page,
        advice=(*lot_advice(lots), *software_advice(software), *page.advice)[:5],
        stories=(*lot_stories(lots), *software_stories(software), *drifting),
        notes=(*page.notes, *([RULE] if drifting else [])),
        charts=(
            software_list(software),
            by_variant(lives, fleet),
            by_lot(lives, lots),
            lot_list(lots),
            accuracy_lines(accuracy, work, starts),
            variant_drift(variants),
            *page.charts,
        ),
        filters=("arm", "hand"),
    )
