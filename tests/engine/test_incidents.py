"""Thirty good nights of the simulated company give no alert; ten incidents on the next one give one each."""

from __future__ import annotations

import csv
import io
import json
import shutil
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from lake.catalog import WATCHES
from lake.engine import door, preflight
from lake.simulate import dirt, simulate
from tests.engine.told_nights import SOURCES, TYPED, Nights

FIRST = date(2026, 1, 5)
BEFORE, GOOD = 29, 30
LAST = FIRST + timedelta(BEFORE + GOOD - 1)
NIGHT = LAST + timedelta(1)
HOLIDAY, MONTH_END = date(2026, 2, 23), date(2026, 2, 27)
BUSINESS = ("supply/order_lines", "supply/receipts", "warehouse/sales_lines", "warehouse/movements")
Record = dict[str, Any]


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The company's days with their everyday dirt, but no extract that is cut: that is an incident itself."""
    out = tmp_path_factory.mktemp("simulated")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dirt, "CALENDAR", tuple(m for m in dirt.CALENDAR if m.kind != "cut_extract"))
        simulate(out, days=BEFORE + GOOD + 1, items=80, hz=0.0003, start=FIRST)
    return out / "raw"


@pytest.fixture(scope="module")
def good(simulated: Path, tmp_path_factory: pytest.TempPathFactory) -> Nights:
    """A lake that was told of thirty nights; one of them like a Sunday, one with twice the business."""
    nights = Nights.begun(tmp_path_factory.mktemp("good"), holidays=(HOLIDAY.isoformat(),))
    shutil.copytree(simulated, nights.conf.raw, ignore=shutil.ignore_patterns(f"dt={NIGHT}"))
    for source in BUSINESS:
        rewrite(nights, source, HOLIDAY, lambda records: records[::7])
        rewrite(nights, source, MONTH_END, lambda records: records + renamed(records, "M"))
    nights.load(LAST)
    return nights


@pytest.fixture(scope="module")
def heard(good: Nights) -> list[str]:
    """What was told in thirty nights."""
    return [line for n in range(GOOD) for line in good.tell(LAST - timedelta(GOOD - 1 - n))]


# --- what goes wrong --------------------------------------------------------------------------------------------------


def rewrite(nights: Nights, source: str, day: date, change: Callable[[list[Record]], list[Record]]) -> None:
    """Deliver a day of a source otherwise than the simulator did."""
    for path in (nights.conf.raw / source / f"dt={day}").iterdir():
        if path.name == "_done":
            continue
        text = path.read_text(encoding="utf-8")
        path.unlink()
        if path.suffix == ".csv":
            made = io.StringIO()
            rows = csv.DictReader(io.StringIO(text))
            writer = csv.DictWriter(made, list(rows.fieldnames or []), lineterminator="\n", extrasaction="ignore")
            writer.writeheader()
            writer.writerows(change([r for r in rows if None not in r.values()]))
            path.write_text(made.getvalue(), encoding="utf-8")
        else:
            records = change([json.loads(line) for line in text.splitlines() if line.endswith("}")])
            path.write_text("".join(json.dumps(r) + "\n" for r in records), encoding="utf-8")


def renamed(records: list[Record], by: str) -> list[Record]:
    """The same once more, as other orders, receipts or movements."""
    key = next(k for k in ("receipt_id", "movement_id", "order_id") if k in records[0])
    return [r | {key: f"{r[key]}-{by}"} for r in records]


def each(change: Callable[[Record], Record]) -> Callable[[list[Record]], list[Record]]:
    return lambda records: [change(r) for r in records]


def missing_source(nights: Nights) -> None:
    shutil.rmtree(nights.conf.raw / f"warehouse/movements/dt={NIGHT}")


def half_an_extract(nights: Nights) -> None:
    rewrite(nights, "warehouse/customers", NIGHT, lambda records: records[: len(records) // 2])


def half_the_volume(nights: Nights) -> None:
    rewrite(nights, "robot/telemetry", NIGHT, lambda records: records[::2])


def three_times_the_volume(nights: Nights) -> None:
    rewrite(nights, "robot/work_cycles", NIGHT, lambda records: records * 3)


def another_unit(nights: Nights) -> None:
    rewrite(nights, "robot/telemetry", NIGHT, each(lambda r: r | {"torque_nm": round(r["torque_nm"] * 8.85, 2)}))


def stuck_sensor(nights: Nights) -> None:
    stuck = {"temperature_c": 36.5}
    is_it = lambda r: (r.get("serial"), r["joint"]) == ("RB-0003", 2)  # noqa: E731
    rewrite(nights, "robot/telemetry", NIGHT, each(lambda r: r | stuck if is_it(r) else r))


def silent_robot(nights: Nights) -> None:
    for source in ("telemetry", "boots", "work_cycles", "faults"):
        rewrite(nights, f"robot/{source}", NIGHT, lambda rs: [r for r in rs if r.get("serial") != "RB-0002"])


def clock_off_by_a_day(nights: Nights) -> None:
    tomorrow = (NIGHT + timedelta(1)).isoformat()
    for source in ("telemetry", "boots"):
        off = lambda r: r | {"at": tomorrow + r["at"][10:]} if r.get("serial") == "RB-0001" else r  # noqa: E731
        rewrite(nights, f"robot/{source}", NIGHT, each(off))


def flood_of_late_promises(nights: Nights) -> None:
    first = nights.conf.raw / f"supply/order_lines/dt={FIRST}/order_lines.csv"
    known = list(csv.DictReader(io.StringIO(first.read_text(encoding="utf-8"))))[-80:]
    told = {"promised_on": "2026-12-01", "changed_at": f"{NIGHT}T09:00:00Z"}
    late = [r | told | {"revision": str(int(r["revision"]) + 50)} for r in known]
    rewrite(nights, "supply/order_lines", NIGHT, lambda records: records + late)


def price_times_100(nights: Nights) -> None:
    dear = each(lambda r: r | {"unit_price": f"{float(r['unit_price']) * 100:.2f}"})
    rewrite(nights, "supply/order_lines", NIGHT, dear)


INCIDENTS = {
    missing_source: ("warehouse.movements/missing", "warehouse"),
    half_an_extract: ("warehouse.customers/rows", "warehouse"),
    half_the_volume: ("robot.telemetry/rows", "robot"),
    three_times_the_volume: ("robot.work_cycles/rows", "robot"),
    another_unit: ("robot.telemetry/values", "robot"),
    stuck_sensor: ("robot.stuck_sensors", "robot"),
    silent_robot: ("robot.silent_robots", "robot"),
    clock_off_by_a_day: ("robot.clocks_off", "robot"),
    flood_of_late_promises: ("supply.late_promises", "supply"),
    price_times_100: ("supply.prices_far_off", "supply"),
}


def delivered(simulated: Path, good: Nights, home: Path) -> Nights:
    """The thirty nights once more, with the next one's delivery."""
    nights = good.copied(home)
    for folder in simulated.glob(f"*/*/dt={NIGHT}"):
        shutil.copytree(folder, nights.conf.raw / folder.relative_to(simulated))
    return nights


def test_thirty_good_nights_with_a_month_end_and_a_holiday_give_no_alert(heard: list[str]) -> None:
    assert heard == []


@pytest.mark.parametrize("incident", INCIDENTS, ids=lambda f: f.__name__)
def test_an_incident_gives_one_alert_to_whom_it_concerns(
    incident: Callable[[Nights], None], good: Nights, heard: list[str], simulated: Path, tmp_path: Path
) -> None:
    nights = delivered(simulated, good, tmp_path / "nights")
    incident(nights)
    nights.load(NIGHT)
    said = nights.tell(NIGHT)
    alert, owner = INCIDENTS[incident]
    assert len(said) == 3, said
    assert said[1].startswith(f"OPENED {alert} ({owner} data owner): ")
    seen = f"stay at release 1, as of {LAST}" if incident is missing_source else f"see release 2, as of {NIGHT}"
    assert said[0] == f"robolake told, night of {NIGHT}: readers {seen}"
    assert said[2].startswith("  → lake ")
    assert nights.tell(NIGHT) == []


def test_a_night_that_has_nothing_to_do_tells_for_what_it_waits(
    good: Nights, heard: list[str], simulated: Path, tmp_path: Path
) -> None:
    nights = delivered(simulated, good, tmp_path / "nights")
    missing_source(nights)
    env = tmp_path / "told.toml"
    env.write_text(f'[lake]\nroot = "{nights.conf.root}"\nraw = "{nights.conf.raw}"\n', encoding="utf-8")
    tables = [*SOURCES, *TYPED.values()]
    assert preflight.ready(door.options("nightly", ["--env", str(env)]), tables, (), WATCHES) == door.NOTHING_TO_DO
    [alert] = nights.alerts.open()
    assert alert.id == "warehouse.movements/missing"
