"""Which part of which lot sits where in which robot, from the assembly line to its removal, and who changed it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from lake.simulate import robot as robots
from lake.simulate import supply
from lake.simulate.company import Company, Frame, canary, person
from lake.simulate.robot import BUILT_DAYS_BEFORE, JOINT_PARTS, JOINTS

PADS_LAST_DAYS = (50.0, 80.0)
"""Finger pads are replaced before they fail."""
_PLACES = [
    *[(str(joint), part) for joint in range(JOINTS) for part in JOINT_PARTS],
    ("base", "fpga_board"),
    ("hand", "finger_pad"),
    ("hand", "tendon"),
]
"""Position in the robot, and the category of the part there."""
_MINUTES = {"servo": 95, "harmonic_drive": 150, "encoder": 60, "finger_pad": 20}


@dataclass(frozen=True)
class Lots:
    """The lots of one part in order of arrival, without the bad one: from a day on, the newest of them is fitted."""

    part_id: str
    came: list[float]
    lots: list[tuple[str, str]]

    def at(self, number: float) -> tuple[str, str]:
        """Supplier and lot of what lies on the shelf on a day."""
        return self.lots[max(0, int(np.searchsorted(self.came, np.floor(number))) - 1)]


def lives(company: Company, received: Frame, last: int) -> Frame:
    """One row per part ever fitted until the end of day `last`, in order of robot and time.

    fitted, opened, closed are day numbers with fraction: when it was fitted, and when the work order that removed it
    was opened (for a failure, when it failed) and closed; empty while the part runs.
    """
    lots = {part: _lots(company, received, part) for part in sorted({p for _, p in _PLACES})}
    bad = supply.bad_lot(company, received)
    rows: list[dict[str, Any]] = []
    for robot in range(company.robot_count):
        rows += _lives_of(company, robot, lots, bad, last)
    return pd.DataFrame(rows)


def _lives_of(
    company: Company, robot: int, lots: dict[str, Lots], bad: tuple[int, int, str], last: int
) -> list[dict[str, Any]]:
    me, draw = robots.fleet(company).iloc[robot], company.rng("service", robot)
    built, suppliers = float(me["commissioned"] - BUILT_DAYS_BEFORE) + 0.4, company.suppliers["supplier_id"]
    if built >= last + 1:
        return []
    rows: list[dict[str, Any]] = []
    running: dict[tuple[str, str], dict[str, Any]] = {}

    def fit(place: tuple[str, str], at: float, by: str) -> None:
        position, part = place
        supplier, lot = lots[part].at(at)
        if by == "build" and part == "servo" and me["bad_lot"]:
            supplier, lot = suppliers.iat[bad[0]], bad[2]
        running[place] = {
            "robot": robot, "position": position, "part": part, "part_id": lots[part].part_id, "supplier_id": supplier,
            "lot": lot, "fitted": at, "fitted_by": by, "opened": np.nan, "closed": np.nan, "failed": False,
        }  # fmt: skip
        rows.append(running[place])

    for position, part in _PLACES:
        if part != "tendon" or me["end_effector"] == "hand":
            fit((position, part), built, "build")
    for at, place, failed in _removals(company, robot):
        opened, closed = at + draw.uniform(0.005, 0.05), at + draw.uniform(0.1, 2.5)
        if at >= min(last + 1, me["retired"]):
            break
        life = running[place]
        if at <= life["fitted"]:
            continue
        life |= {"opened": at if failed else opened, "told": opened, "closed": closed, "failed": failed}
        fit(place, closed, "service")
    return [r for r in rows if r["fitted"] < last + 1]


def _removals(company: Company, robot: int) -> list[tuple[float, tuple[str, str], bool]]:
    """When which part is removed, and whether because it failed, ten years ahead."""
    me, draw = robots.fleet(company).iloc[robot], company.rng("pads", robot)
    wears = robots.wears(company, robot)
    found = [(w.fails, (str(w.joint), w.part), True) for w in wears if w.fails > me["commissioned"]]
    pads = me["commissioned"] + np.cumsum(draw.uniform(*PADS_LAST_DAYS, 60))
    return sorted([*found, *((float(at), ("hand", "finger_pad"), False) for at in pads)])


def _lots(company: Company, received: Frame, part: str) -> Lots:
    item = supply.part_of(company, part)
    part_id = str(company.items["item_id"].iat[item])
    rows = received[received["item"] == item]
    bad = supply.bad_lot(company, received)
    if bad[1] == item:
        rows = rows[(rows["supplier"] != bad[0]) | (rows["lot"] != bad[2])]
    came = (rows["received_at"] - pd.Timestamp(company.start)) / pd.Timedelta(days=1)
    suppliers = company.suppliers["supplier_id"].to_numpy()[rows["supplier"].to_numpy(dtype=int)]
    lots = list(zip(suppliers.tolist(), rows["lot"].tolist(), strict=True))
    return Lots(part_id, came.tolist(), lots or [(company.suppliers["supplier_id"].iat[0], f"L0000-{part_id}-0")])


def build_records(company: Company, parts: Frame) -> Frame:
    """One row per part that the assembly line fitted; `built_at` is a timestamp."""
    rows = parts[parts["fitted_by"] == "build"].reset_index(drop=True)
    robot = rows["robot"].to_numpy()
    seq = rows.groupby("robot").cumcount() + 1
    arm = robots.fleet(company)["arm_variant"].to_numpy()[robot]
    arms = company.items["item_id"][company.items["kind"] == "arm"].to_numpy()
    serial = np.array([robots.serial_of(int(r)) for r in robot], dtype=object)
    return rows.assign(
        build_id="BR-" + pd.Series(serial).str[3:],
        seq=seq,
        serial=serial,
        product_id=[arms[robots.ARMS.index(a) % len(arms)] for a in arm],
        revision="A",
        site="leipzig",
        quantity=1,
        built_at=times(company, rows["fitted"]) + pd.to_timedelta(6 * seq, "m"),
        operator=[person(company.seed, "operator", int(r) % 12) for r in robot],
    )


def service_revisions(company: Company, parts: Frame) -> Frame:
    """One row per revision of a work order's line: opened, and closed with what was done; timestamps, not yet texts.

    A joint that got a new part is calibrated, too; that is a line of its own.
    """
    removed = parts[parts["closed"].notna()].sort_values(["robot", "opened", "position"], ignore_index=True)
    place = ["robot", "position", "part", "fitted"]
    installed = dict(zip(parts[place].itertuples(index=False, name=None), parts["lot"], strict=True))
    rows: list[dict[str, Any]] = []
    for life in removed.to_dict("records"):
        minute = round(1440 * (life["opened"] + 1000))
        draw = company.rng("work order", life["robot"], minute)
        order = f"WO-{life['robot'] + 1:04d}-{minute}-{life['position']}"
        minutes = round(_MINUTES[life["part"]] * draw.uniform(0.7, 1.5))
        price = company.items["standard_cost"].iat[supply.part_of(company, life["part"])]
        new = (life["robot"], life["position"], life["part"], life["closed"])
        is_joint = life["position"].isdigit()
        base = {
            "work_order_id": order, "serial": robots.serial_of(life["robot"]),
            "joint": life["position"] if is_joint else None, "component": "joint" if is_joint else life["position"],
            "opened": life["told"], "technician": person(company.seed, "technician", int(draw.integers(0, 9))),
        }  # fmt: skip
        down = round((life["closed"] - life["opened"]) * 1440) if life["failed"] else minutes
        cause = f"{life['part'].replace('_', ' ')} {'failed' if life['failed'] else 'worn'}"
        replaced = base | {
            "line": 1, "action": "replace", "is_failure": life["failed"], "part_id": life["part_id"],
            "cause": f"{cause}, told by {canary(company.seed, 'service', order)}",
        }  # fmt: skip
        done = {
            "closed": life["closed"], "quantity": 1, "lot_removed": life["lot"], "lot_installed": installed.get(new),
            "labour_minutes": minutes, "downtime_minutes": down, "cost": round(1.1 * minutes + price, 2),
        }  # fmt: skip
        rows += [replaced | {"revision": 1}, replaced | {"revision": 2} | done]
        if is_joint:
            after = {"labour_minutes": 30, "downtime_minutes": 30, "cost": 33.0, "closed": life["closed"]}
            calibrated = base | {"line": 2, "action": "calibrate", "is_failure": False, "cause": replaced["cause"]}
            rows.append(calibrated | {"revision": 1} | after)
    names = (
        "work_order_id line revision serial joint opened closed component action cause is_failure part_id quantity "
        "lot_removed lot_installed labour_minutes downtime_minutes cost technician"
    )
    told = pd.DataFrame(rows, columns=names.split())
    changed = np.where(told["closed"].isna(), told["opened"], told["closed"]).astype(float)
    told = told.assign(
        opened_at=times(company, told["opened"]),
        closed_at=times(company, told["closed"]),
        changed_at=times(company, pd.Series(changed)),
        currency="EUR",
    )
    return told.sort_values(["changed_at", "work_order_id", "line"], ignore_index=True, kind="stable")


def times(company: Company, numbers: Any) -> Any:
    """Day numbers with fraction as timestamps, to the second; nothing stays nothing."""
    spans = pd.to_timedelta((pd.Series(numbers, dtype=float) * 86400).round(), "s")
    return (pd.Timestamp(company.start) + spans).astype("datetime64[s]")
