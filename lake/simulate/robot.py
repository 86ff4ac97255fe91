"""The fleet: which robot is what, how it wears, which software it runs, and the small records it writes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pandas as pd

from lake.simulate.company import Array, Company, Frame, canary
from lake.simulate.mishaps import happens, mishap

ARMS, HANDS = ("A6", "A7S", "A7L"), ("H3", "H5T", "H4")
TRANSMISSIONS = ("harmonic", "cycloidal", "belt")
JOINTS = 6
DRIFT_MM_PER_MILLION_CYCLES = {"H3": 0.01, "H4": 0.02, "H5T": 0.9}
BASE_ERROR_MM = {"H3": 0.06, "H4": 0.08, "H5T": 0.07}
HURTFUL_FIRMWARE, HURT_ARM = "4.2.0", "A7L"
STOP = "PROTECTIVE_STOP"
STOPS_A_DAY, STOPS_A_DAY_HURT = 0.15, 1.6
WRONG_CLOCK_MS = -2_700_000


JOINT_PARTS = ("servo", "harmonic_drive", "encoder")
BUILT_DAYS_BEFORE = 7
"""A robot is built so long before it starts to work."""


@dataclass(frozen=True)
class Wear:
    """A part of a joint wearing out: its signs grow from `begins` to `fails` (day numbers), then it is replaced."""

    robot: int
    joint: int
    begins: float
    fails: float
    part: str = "servo"
    bad_lot: bool = False


@dataclass(frozen=True)
class Fault:
    """A fault of a robot, in seconds of the day."""

    at: int
    code: str
    severity: str
    joint: int | None
    cleared_after: int


def serial_of(robot: int) -> str:
    return f"RB-{robot + 1:04d}"


@lru_cache(maxsize=8)
def fleet(company: Company) -> Frame:
    """One row per robot as built, with its true cycles a day. Shared: copy it before changing it.

    Some were built from the bad lot of drives a few weeks ago; of larger fleets a quarter comes within the first year.
    """
    i = np.arange(company.robot_count)
    draw = company.rng("fleet")
    gripper = i % 7 == 6
    age = draw.integers(60, 320, len(i))
    recent, later = draw.integers(5, 31, len(i)), 5 + i // 4 * 61 % 295
    is_later = (i >= 6) & (i % 4 == 3)
    carries = ((i % 5 == 1) | (i == 4)) & ~is_later
    commissioned = np.select([(i == 3) & (len(i) > 3), is_later, carries], [4, later, -recent], -age)
    return pd.DataFrame(
        {
            "serial": [serial_of(int(k)) for k in i],
            "arm_variant": np.array(ARMS)[i % 3],
            "hand_variant": np.where(gripper, None, np.array(HANDS)[(i + i // 3) % 3]),
            "end_effector": np.where(gripper, "gripper", "hand"),
            "transmission": np.array(TRANSMISSIONS)[(i // 2) % 3],
            "customer": draw.integers(0, len(company.customers), len(i)),
            "channel": np.where(i % 25 == 0, "lab", np.where(i % 6 == 2, "pilot", "field")),
            "commissioned": commissioned,
            "bad_lot": carries,
            "retired": np.where((i == 5), 45, 10**6),
            "cycles_a_day": draw.integers(5000, 8001, len(i)),
        }
    )


@lru_cache(maxsize=100_000)
def wears(company: Company, robot: int) -> list[Wear]:
    """The joints of one robot that wear out, ten years ahead; of drives from the bad lot, most do so within weeks."""
    draw = company.rng("wear", robot)
    commissioned = int(fleet(company)["commissioned"].iat[robot])
    at = float(max(commissioned, 0))
    early = {1: (at + 3.0, at + 31.0), 4: (at + 24.0, at + 54.0)}.get(robot % 5)
    found = [Wear(robot, int(draw.integers(0, JOINTS)), *early, _part(draw))] if early else []
    at += 60.0
    for _ in range(24):
        at += draw.uniform(60, 260)
        found.append(Wear(robot, int(draw.integers(0, JOINTS)), at, at + draw.uniform(20, 45), _part(draw)))
    if fleet(company)["bad_lot"].iat[robot]:
        soon, first = company.rng("bad lot", robot), robot % JOINTS
        for joint in range(JOINTS):
            lasts = soon.uniform(3.5, 5.0) if joint == first else soon.uniform(8, 80)
            fails, holds = commissioned + lasts, soon.random() < 0.25
            if joint == first or not holds:
                begins = max(commissioned + 0.5, fails - soon.uniform(6, 20))
                found.append(Wear(robot, joint, begins, fails, "servo", bad_lot=True))
    return found


def _part(draw: np.random.Generator) -> str:
    return JOINT_PARTS[int(draw.integers(0, len(JOINT_PARTS)))]


def worn(company: Company, robot: int, at: Array) -> Array:
    """How worn each joint is at some times (day numbers with fraction), as (times, joints): 0 new, 1 at the failure."""
    level = np.zeros((len(at), JOINTS))
    for wear in wears(company, robot):
        here = (at >= wear.begins) & (at < wear.fails)
        if here.any():
            level[here, wear.joint] = ((at[here] - wear.begins) / (wear.fails - wear.begins)) ** 2
    return level


def firmware(robot: int, number: int) -> str:
    """The hurtful release reaches the robots from day 10 on, and its repair from day 40 on."""
    return "4.1.0" if number < 10 + robot % 4 else HURTFUL_FIRMWARE if number < 40 + robot % 3 else "4.2.1"


def running(company: Company, number: int) -> list[int]:
    robots = fleet(company)
    return [int(i) for i in np.flatnonzero((robots["commissioned"] <= number) & (robots["retired"] > number))]


def robot_extract(company: Company, number: int) -> Frame:
    """The robots as they stand on a day: one changes hands on day 8, one comes on day 4, one goes on day 45."""
    robots = fleet(company).assign(changed=0)
    if number >= 8 and len(robots) > 1:
        robots.loc[1, "customer"] = (robots["customer"].iat[1] + 1) % len(company.customers)
        robots.loc[1, "changed"] = 8
    gone = (robots["retired"] <= number).to_numpy()
    robots = robots[robots["commissioned"] <= number]
    gone = gone[robots.index]
    changed = np.where(gone, robots["retired"], np.maximum(robots["changed"], robots["commissioned"]))
    return pd.DataFrame(
        {
            "serial": robots["serial"],
            "arm_variant": robots["arm_variant"],
            "hand_variant": robots["hand_variant"],
            "end_effector": robots["end_effector"],
            "transmission": robots["transmission"],
            "customer_id": company.customers["customer_id"].to_numpy()[robots["customer"]],
            "site": [f"Hall {k % 4 + 1}, {canary(company.seed, 'robot site', k)}" for k in robots.index],
            "channel": robots["channel"],
            "commissioned_on": [company.day(int(c)) for c in robots["commissioned"]],
            "retired_on": [company.day(int(r)) if g else None for r, g in zip(robots["retired"], gone, strict=True)],
            "status": np.where(gone, "retired", "active"),
            "updated_at": [f"{company.day(int(c))}T06:00:00Z" for c in changed],
        }
    )


@dataclass(frozen=True)
class Boot:
    """One run of a robot's controller, in ms of the day by the true clock."""

    boot_id: str
    begins: int
    ends: int
    clock_offset_ms: int


def boots(company: Company, robot: int, number: int) -> list[Boot]:
    """A robot starts at midnight; on some days it stops and starts again later, so there is a gap."""
    draw = company.rng("boots", number, robot)
    serial, day = serial_of(robot), company.day(number)
    offset = int(draw.integers(-200, 201))
    if happens("clock_off", "robot.boots", number) and robot == clock_off_robot(company, number):
        offset = WRONG_CLOCK_MS
    stop = int(draw.integers(4 * 3600, 20 * 3600)) * 1000
    pause = int(draw.integers(20 * 60, 90 * 60)) * 1000
    if draw.random() >= 0.15:
        return [Boot(f"{serial}-{day:%y%m%d}-1", 0, 86_400_000, offset)]
    return [
        Boot(f"{serial}-{day:%y%m%d}-1", 0, stop, offset),
        Boot(f"{serial}-{day:%y%m%d}-2", stop + pause, 86_400_000, offset),
    ]


def clock_off_robot(company: Company, number: int) -> int:
    return mishap("clock_off", "robot.boots").occurrence(number) % min(3, company.robot_count)


def boot_records(company: Company, number: int) -> Frame:
    rows = []
    for robot in running(company, number):
        for boot in boots(company, robot, number):
            at = np.datetime64(company.day(number), "ms") + np.timedelta64(boot.begins + boot.clock_offset_ms, "ms")
            rows.append(
                {
                    "serial": serial_of(robot),
                    "boot_id": boot.boot_id,
                    "at": f"{at}Z",
                    "firmware": firmware(robot, number),
                    "position_model": "pm-3",
                    "force_model": "fm-2",
                    "wear_model": "wm-1",
                    "calibration_id": f"CAL-{robot + 1:04d}-01",
                    "clock_offset_ms": boot.clock_offset_ms,
                }
            )
    return pd.DataFrame(rows)


def is_hurt(company: Company, robot: int, number: int) -> bool:
    """Whether a robot runs the hurtful firmware on the arm that it hurts."""
    arm = fleet(company)["arm_variant"].iat[robot]
    return firmware(robot, number) == HURTFUL_FIRMWARE and bool(arm == HURT_ARM)


@lru_cache(maxsize=5_000)
def faults(company: Company, robot: int, number: int) -> list[Fault]:
    """Protective stops (more with the hurtful firmware), warnings of worn joints, and their failures."""
    draw = company.rng("faults", number, robot)
    events: list[tuple[float, str, str, int | None]] = []
    for _ in range(draw.poisson(STOPS_A_DAY_HURT if is_hurt(company, robot, number) else STOPS_A_DAY)):
        events.append((draw.random(), STOP, "stop", None))
    for _ in range(draw.poisson(0.05)):
        events.append((draw.random(), "COMM_TIMEOUT", "warning", None))
    for wear in wears(company, robot):
        level = (number + 0.5 - wear.begins) / (wear.fails - wear.begins)
        if 0 < level < 1 and draw.random() < 0.8 * level**2:
            events.append((draw.random(), "TRACKING_ERROR", "warning", wear.joint))
        if int(np.floor(wear.fails)) == number:
            events.append((wear.fails - number, "JOINT_FAILURE", "failure", wear.joint))
    events.sort(key=lambda e: (e[0], e[1]))
    return [Fault(int(e[0] * 80000), *e[1:], int(draw.integers(60, 5000))) for e in events]


def fault_records(company: Company, number: int) -> Frame:
    """One row per fault of a day."""
    rows = []
    for robot in running(company, number):
        for k, fault in enumerate(faults(company, robot, number)):
            at = np.datetime64(company.day(number), "s") + np.timedelta64(fault.at, "s")
            fault_id = f"F-{company.day(number):%Y%m%d}-{robot + 1:04d}-{k + 1}"
            seen = f"{fault.code.lower().replace('_', ' ')}, seen by {canary(company.seed, 'fault', fault_id)}"
            rows.append(
                {
                    "fault_id": fault_id,
                    "serial": serial_of(robot),
                    "at": f"{at}Z",
                    "code": fault.code,
                    "severity": fault.severity,
                    "joint": fault.joint,
                    "message": seen,
                    "cleared_at": f"{at + np.timedelta64(fault.cleared_after, 's')}Z",
                }
            )
    return pd.DataFrame(rows)
