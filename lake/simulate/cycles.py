"""What the robots did, cycle by cycle: all that went wrong, and a sample of what went well."""

from __future__ import annotations

import numpy as np
import pandas as pd

from lake.simulate import robot as robots
from lake.simulate.company import Array, Company, Frame

ONE_IN = 200
"""A controller logs every cycle that did not end well, and of the others each one whose number this divides."""
SLIPS_PER_1000 = {"H3": 0.30, "H4": 0.40, "H5T": 0.25, "gripper": 0.50}
GRIP_LOSSES_PER_1000 = {"H3": 0.05, "H4": 0.08, "H5T": 0.04, "gripper": 0.10}
OPERATOR_STOPS_A_DAY, ABORTS_A_DAY = 0.3, 0.1
PAYLOAD_KG = {"A6": (0.2, 3.0), "A7S": (0.5, 5.0), "A7L": (1.0, 9.0)}
_FINGERS = {"H3": 3, "H4": 4, "H5T": 5, "gripper": 2}
_TASKS = np.array(["bin_pick", "palletise", "assemble"])
_OBJECTS = np.array(["box", "bottle", "bag", "machined_part"])
_ORIENTATIONS = np.array(["down", "side", "tilted"])
_DAY_MS = 86_400_000


def hands(company: Company) -> Array:
    """What each robot grips with."""
    return np.asarray(robots.fleet(company)["hand_variant"].fillna("gripper").to_numpy())


def work_cycle_records(company: Company, number: int) -> Frame:
    """One row per logged cycle of a day, in order of robot and cycle; `cycle` counts all of them."""
    running = np.array(robots.running(company, number))
    fleet = robots.fleet(company).iloc[running]
    pace = fleet["cycles_a_day"].to_numpy()
    so_far = (number - fleet["commissioned"].to_numpy()) * pace
    told = _noteworthy(company, number, running, pace)
    told["cycle"] = so_far[told["place"]] + told["ms"] * pace[told["place"]] // _DAY_MS
    first = -(-so_far // ONE_IN)
    count = -(-(so_far + pace) // ONE_IN) - first
    place = np.repeat(np.arange(len(running)), count)
    nth = np.arange(len(place)) - np.repeat(np.cumsum(count) - count, count)
    fine = pd.DataFrame({"place": place, "cycle": (first[place] + nth) * ONE_IN, "result": "ok", "rank": 9})
    rows = pd.concat([told, fine], ignore_index=True).sort_values(["place", "cycle", "rank"], kind="stable")
    rows = rows.drop_duplicates(["place", "cycle"]).reset_index(drop=True)
    place, cycle = rows["place"].to_numpy(), rows["cycle"].to_numpy().astype(np.int64)
    lasts = _DAY_MS / pace[place]
    begins = (cycle - so_far[place]) * lasts
    rows = _within_boots(company, number, running, rows.assign(begins=begins, lasts=lasts))
    return _told(company, number, running, rows)


def _noteworthy(company: Company, number: int, running: Array, pace: Array) -> Frame:
    """The cycles that did not end well: stops are those of the fault log, the rest is drawn for the day."""
    draw, grips = company.rng("work", number), hands(company)[running]
    expected = {
        "grip_lost": pace * np.array([GRIP_LOSSES_PER_1000[h] for h in grips]) / 1000,
        "slip": pace * np.array([SLIPS_PER_1000[h] for h in grips]) / 1000,
        "operator_stop": np.full(len(running), OPERATOR_STOPS_A_DAY),
        "aborted": np.full(len(running), ABORTS_A_DAY),
    }
    stops = [
        (place, fault.at * 1000)
        for place, robot in enumerate(running)
        for fault in robots.faults(company, int(robot), number)
        if fault.code == robots.STOP
    ]
    parts = [pd.DataFrame(stops, columns=["place", "ms"]).astype(int).assign(result="protective_stop", rank=0)]
    for rank, (result, mean) in enumerate(expected.items(), 1):
        place = np.repeat(np.arange(len(running)), draw.poisson(mean))
        ms = draw.integers(0, _DAY_MS, len(place))
        parts.append(pd.DataFrame({"place": place, "ms": ms, "result": result, "rank": rank}))
    return pd.concat(parts, ignore_index=True)


def _within_boots(company: Company, number: int, running: Array, rows: Frame) -> Frame:
    """The cycles with the boot they ran in; while a controller is off, only the stops before it are left."""
    boots = [
        (place, boot.boot_id, boot.begins, boot.ends, boot.clock_offset_ms)
        for place, robot in enumerate(running)
        for boot in robots.boots(company, int(robot), number)
    ]
    table = pd.DataFrame(boots, columns=["place", "boot_id", "from", "to", "offset"])
    key = table["place"].to_numpy() * _DAY_MS * 2 + table["from"].to_numpy()
    at = np.searchsorted(key, rows["place"].to_numpy() * _DAY_MS * 2 + rows["begins"].to_numpy(), side="right") - 1
    found = table.iloc[at].reset_index(drop=True)
    rows = rows.assign(boot_id=found["boot_id"], offset=found["offset"])
    on = (rows["begins"] < found["to"]) | (rows["result"] == "protective_stop")
    return rows[on].reset_index(drop=True)


def _told(company: Company, number: int, running: Array, rows: Frame) -> Frame:
    """The rows as the controllers write them, by their own clocks."""
    draw, n = company.rng("work values", number), len(rows)
    robot = running[rows["place"].to_numpy()]
    fleet, grips = robots.fleet(company).iloc[robot], hands(company)[robot]
    low, high = np.array([PAYLOAD_KG[a] for a in fleet["arm_variant"]]).reshape(n, 2).T
    payload = np.round(draw.uniform(low, high), 2)
    slipped = rows["result"].isin(["slip", "grip_lost"]).to_numpy()
    force = np.round((12 + 6 * payload) * np.where(slipped, 0.8, 1.0) * draw.uniform(0.9, 1.1, n), 1)
    current = np.round(0.4 + 0.05 * force + draw.normal(0, 0.05, n), 2)
    touch = np.round(force[:, None] * draw.dirichlet(np.full(5, 20.0), n) * np.where(slipped, 0.7, 1.0)[:, None], 2)
    began = np.datetime64(company.day(number), "ms") + (rows["begins"] + rows["offset"]).astype("timedelta64[ms]")
    ended = began + (rows["lasts"] * draw.uniform(0.8, 0.98, n)).astype("timedelta64[ms]")
    return pd.DataFrame(
        {
            "serial": [robots.serial_of(int(r)) for r in robot],
            "boot_id": rows["boot_id"],
            "cycle": rows["cycle"].astype(int),
            "started_at": _iso(began),
            "ended_at": _iso(ended),
            "task": _TASKS[robot % len(_TASKS)],
            "object_class": _OBJECTS[draw.integers(0, len(_OBJECTS), n)],
            "hand_orientation": _ORIENTATIONS[draw.integers(0, len(_ORIENTATIONS), n)],
            "payload_kg": payload,
            "peak_force_n": force,
            "tool_current_a": current,
            "tactile": [
                {f"finger_{k + 1}_n": float(v) for k, v in enumerate(values[: _FINGERS[h]])}
                for h, values in zip(grips, touch, strict=True)
            ],
            "result": rows["result"],
        }
    )


def _iso(times: Array) -> Array:
    return np.char.add(np.datetime_as_string(np.asarray(times, dtype="datetime64[ms]"), unit="ms"), "Z")
