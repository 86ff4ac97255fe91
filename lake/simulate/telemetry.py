"""The big log: one line per robot, joint and tick, made as whole columns and never line by line."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lake.simulate import robot as robots
from lake.simulate.company import Array, Company
from lake.simulate.mishaps import lag
from lake.simulate.robot import JOINTS

TICKS_A_BLOCK = 50_000
HELD_FROM_MS, HELD_TO_MS = 8 * 3_600_000, 11 * 3_600_000
_CYCLE_S = 12.0
_AMPLITUDE = np.array([1.2, 0.9, 1.4, 1.8, 1.1, 2.4])
_LOAD_NM = np.array([42.0, 88.0, 51.0, 14.0, 9.0, 4.0])
_FIELDS = {  # name: lowest, highest, decimals
    "position_cmd_rad": (-3.2, 3.2, 4),
    "position_rad": (-3.2, 3.2, 4),
    "velocity_rad_s": (-4.0, 4.0, 3),
    "current_a": (0.0, 40.0, 3),
    "torque_nm": (-300.0, 300.0, 2),
    "temperature_c": (-20.0, 160.0, 2),
}


def day_blocks(company: Company, number: int) -> Iterator[bytes]:
    """The lines of a day in order of robot and time, without what is held back to be late."""
    for robot in robots.running(company, number):
        for block in robot_blocks(company, robot, number, held=False):
            if block:
                yield block


def late_block(company: Company, number: int) -> bytes:
    """The lines of day `number` that are delivered late."""
    return b"".join(robot_blocks(company, held_robot(company, number), number, held=True))


def held_robot(company: Company, number: int) -> int:
    """The robot whose morning goes missing on the days that have a late file."""
    running = robots.running(company, number)
    return running[number % len(running)]


def robot_blocks(company: Company, robot: int, number: int, *, held: bool) -> Iterator[bytes]:
    """The lines of one robot's day: those held back, or all others."""
    is_short = lag("late_file", "robot.telemetry", number) > 0 and robot == held_robot(company, number)
    if held and not is_short:
        return
    step = 1000.0 / company.hz
    for part, boot in enumerate(robots.boots(company, robot, number)):
        phase = company.rng("phase", number, robot, part).random() * step
        count = int(max(0.0, np.ceil((boot.ends - boot.begins - phase) / step)))
        for block, first in enumerate(range(0, count, TICKS_A_BLOCK)):
            tick = np.arange(first, min(count, first + TICKS_A_BLOCK))
            ms = (boot.begins + phase + tick * step).astype(np.int64)
            keep = np.ones(len(ms), dtype=bool)
            if is_short:
                keep = ((ms >= HELD_FROM_MS) & (ms < HELD_TO_MS)) == held
            seed = company.rng("telemetry", number, robot, part, block)
            yield _lines(company, robot, number, boot, tick, ms, keep, seed)


def _lines(
    company: Company,
    robot: int,
    number: int,
    boot: robots.Boot,
    tick: Array,
    ms: Array,
    keep: Array,
    draw: np.random.Generator,
) -> bytes:
    values = _physics(company, robot, number, ms, draw)
    latency = draw.integers(200, 4000, len(ms))
    if not keep.all():
        values = {name: v[keep] for name, v in values.items()}
        tick, ms, latency = tick[keep], ms[keep], latency[keep]
    if len(ms) == 0:
        return b""
    midnight = np.datetime64(company.day(number), "ms")
    fleet = robots.fleet(company)
    so_far = (number - int(fleet["commissioned"].iat[robot])) * int(fleet["cycles_a_day"].iat[robot])
    cycle = so_far + ms * int(fleet["cycles_a_day"].iat[robot]) // 86_400_000
    seq = (tick[:, None] * JOINTS + np.arange(1, JOINTS + 1)).ravel()
    per_tick = np.repeat(np.arange(len(ms)), JOINTS)
    times = pc.binary_join_element_wise(
        ',"at":"', _iso(midnight + (ms + boot.clock_offset_ms).astype("timedelta64[ms]")),
        '","received_at":"', _iso(midnight + (ms + latency).astype("timedelta64[ms]")), '"', "",
    )  # fmt: skip
    cycles = pc.binary_join_element_wise(',"cycle":', pc.cast(pa.array(cycle), pa.string()), "}\n", "")
    serial = f'{{"serial":"RB-{robot + 1:04d}","boot_id":"{boot.boot_id}","seq":'
    columns = [
        pc.cast(pa.array(seq), pa.string()),
        times.take(pa.array(per_tick)),
        pa.array([f',"joint":{j}' for j in range(JOINTS)]).take(pa.array(np.tile(np.arange(JOINTS), len(ms)))),
        *(_texts(name).take(pa.array(_places(name, values[name].ravel()))) for name in _FIELDS),
        cycles.take(pa.array(per_tick)),
    ]
    lines = pc.binary_join_element_wise(serial, *columns, "")
    offsets = np.frombuffer(lines.buffers()[1], dtype=np.int32, count=len(lines) + 1, offset=4 * lines.offset)
    return bytes(memoryview(lines.buffers()[2])[offsets[0] : offsets[-1]])


def _physics(company: Company, robot: int, number: int, ms: Array, draw: np.random.Generator) -> dict[str, Array]:
    """What the joints do; wear shows in tracking error, current and temperature. Arrays of (ticks, joints)."""
    shape = (len(ms), JOINTS)
    wear = robots.worn(company, robot, number + ms / 86_400_000)
    angle = (2 * np.pi / _CYCLE_S) * (ms / 1000.0)[:, None] + np.arange(JOINTS) * 1.1 + robot
    command = _AMPLITUDE * np.sin(angle)
    velocity = _AMPLITUDE * (2 * np.pi / _CYCLE_S) * np.cos(angle)
    noise = draw.standard_normal((4, *shape), dtype=np.float32)
    torque = _LOAD_NM * (0.6 * np.cos(command) + 0.08 * noise[0])
    warm = 9 * np.sin(np.pi * ms / 86_400_000)[:, None]
    return {
        "position_cmd_rad": command,
        "position_rad": command + (0.0012 + 0.006 * wear) * noise[1] + 0.004 * wear,
        "velocity_rad_s": velocity + 0.01 * noise[2],
        "current_a": 0.6 + np.abs(torque) * 0.055 * (1 + 0.7 * wear) + 0.05 * np.abs(noise[3]),
        "torque_nm": torque,
        "temperature_c": 33 + warm + np.arange(JOINTS) + 17 * wear + 0.4 * noise[2],
    }


@cache
def _texts(name: str) -> pa.Array:
    """`,"name":value` for every value on the grid of a field's resolution."""
    low, high, decimals = _FIELDS[name]
    scale = 10**decimals
    grid = range(round(low * scale), round(high * scale) + 1)
    return pa.array([f',"{name}":{v / scale:.{decimals}f}' for v in grid])


def _places(name: str, values: Array) -> Array:
    """Where each value stands in `_texts`; what lies outside the range is held at its end."""
    low, high, decimals = _FIELDS[name]
    scale = 10**decimals
    places = np.rint(values * scale).astype(np.int32) - np.int32(round(low * scale))
    return np.asarray(places.clip(0, round(high * scale) - round(low * scale)))


def _iso(times: Array) -> pa.Array:
    return pa.array(np.char.add(np.datetime_as_string(times, unit="ms"), "Z"))
