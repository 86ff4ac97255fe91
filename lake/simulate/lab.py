"""The lab: campaigns with its own robots, and the accuracy tests of all of them."""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd

from lake.simulate.company import Company, Frame
from lake.simulate.robot import (
    BASE_ERROR_MM,
    DRIFT_MM_PER_MILLION_CYCLES,
    JOINTS,
    firmware,
    fleet,
    running,
    serial_of,
)

CAMPAIGN_EVERY_DAYS, CAMPAIGN_DAYS = 14, 8
_QUESTIONS = ("accuracy_after_warm_up", "grip_at_low_force", "payload_at_full_reach", "noise_at_speed")


def campaigns(company: Company, robot: int, last: int) -> list[int]:
    """The days on which a campaign of the lab begins with this robot; there are none elsewhere."""
    fleet_ = fleet(company).iloc[robot]
    first = int(np.ceil((fleet_["commissioned"] - 2) / CAMPAIGN_EVERY_DAYS))
    ends = int(min(last, fleet_["retired"] - 1))
    days = range(first * CAMPAIGN_EVERY_DAYS + 2, ends + 1, CAMPAIGN_EVERY_DAYS)
    return list(days) if fleet_["channel"] == "lab" else []


def campaign_at(company: Company, robot: int, number: int) -> str | None:
    """The experiment that a robot takes part in on a day."""
    begun = [day for day in campaigns(company, robot, number) if number < day + CAMPAIGN_DAYS]
    return _experiment(company, robot, begun[-1]) if begun else None


def _experiment(company: Company, robot: int, begins: int) -> str:
    return f"EX-{company.day(begins):%Y%m%d}-{robot + 1:04d}"


def experiment_records(company: Company, number: int) -> Frame:
    """A campaign is told when it begins, and with its outcome when it has ended; the first day brings all before it."""
    robots, rows = fleet(company), []
    for robot in range(len(robots)):
        for begins in campaigns(company, robot, number):
            for revision, told in ((1, begins), (2, begins + CAMPAIGN_DAYS)):
                if told != number and not (number == 0 and told < 0):
                    continue
                draw, ended = company.rng("experiment", robot, begins + 1000), revision == 2
                started_at = f"{company.day(begins)}T08:00:00Z"
                ended_at = f"{company.day(begins + CAMPAIGN_DAYS)}T17:00:00Z" if ended else None
                outcome = ("confirmed", "rejected", "inconclusive")[int(draw.integers(0, 3))]
                rows.append(
                    {
                        "experiment_id": _experiment(company, robot, begins),
                        "revision": revision,
                        "serial": serial_of(robot),
                        "question": _QUESTIONS[begins // CAMPAIGN_EVERY_DAYS % len(_QUESTIONS)],
                        **robots.iloc[robot][["arm_variant", "hand_variant", "end_effector", "transmission"]],
                        "firmware": firmware(robot, begins),
                        "started_at": started_at,
                        "ended_at": ended_at,
                        "outcome": outcome if ended else None,
                        "changed_at": ended_at or started_at,
                    }
                )
    return pd.DataFrame(rows)


_POSE = [f"joint_{j}_rad" for j in range(JOINTS)]
_AXES = ["x_mm", "y_mm", "z_mm", "rx_rad", "ry_rad", "rz_rad"]


def accuracy_records(company: Company, number: int) -> Frame:
    """Eight poses a robot, once a week; the first delivery brings the tests from when each robot was commissioned."""
    robots, parts = fleet(company), []
    if number == 0:
        parts += [
            _tested(company, robots, int(i), int(robots["commissioned"].iat[i]))
            for i in np.flatnonzero(robots["commissioned"] < 0)
        ]
    for robot in running(company, number):
        if (number + robot) % 7 == 0 or number == robots["commissioned"].iat[robot]:
            parts.append(_tested(company, robots, robot, number))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def _tested(company: Company, robots: Frame, robot: int, number: int) -> Frame:
    day: date = company.day(number)
    draw = company.rng("accuracy", robot, number + 1000)
    hand = robots["hand_variant"].iat[robot] or "H3"
    cycles = (number - robots["commissioned"].iat[robot]) * robots["cycles_a_day"].iat[robot]
    n = 8
    error = BASE_ERROR_MM[hand] + DRIFT_MM_PER_MILLION_CYCLES[hand] * cycles / 1e6
    way = draw.standard_normal((n, 3))
    off = way / np.linalg.norm(way, axis=1, keepdims=True) * (error * draw.lognormal(0, 0.2, n))[:, None]
    target = np.hstack(
        [draw.uniform(-600, 600, (n, 2)), draw.uniform(100, 900, (n, 1)), draw.uniform(-3.1, 3.1, (n, 3))]
    )
    measured = target + np.hstack([off, draw.normal(0, 0.0004, (n, 3))])
    at = np.datetime64(day, "s") + np.timedelta64(9, "h") + (60 * np.arange(n)).astype("timedelta64[s]")
    frame = pd.DataFrame(
        {
            "test_id": [f"AT-{day:%Y%m%d}-{robot + 1:04d}-{k + 1}" for k in range(n)],
            "serial": robots["serial"].iat[robot],
            "experiment_id": campaign_at(company, robot, number),
            "at": [f"{t}Z" for t in at],
            "pose_id": [f"P{k + 1:02d}" for k in range(n)],
            "frame": "base",
        }
    )
    for names, values in ((_POSE, draw.uniform(-3, 3, (n, JOINTS))), ([f"target_{a}" for a in _AXES], target),
                          ([f"measured_{a}" for a in _AXES], measured)):  # fmt: skip
        frame[names] = np.round(values, 5)
    return frame.assign(
        payload_kg=np.round(draw.uniform(0, 5, n), 2),
        temperature_c=np.round(draw.normal(22, 0.5, n), 2),
        instrument="LT-960",
        calibration_id=f"CAL-{robot + 1:04d}-01",
    )
