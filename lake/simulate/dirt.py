"""What goes wrong with the files of a day, and the honest list of it."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from lake.simulate import robot, telemetry
from lake.simulate.books import COLUMNS, JSON_LINES, LATE_FROM_HOUR, Books, File, csv_line, json_line
from lake.simulate.mishaps import CALENDAR, Mishap, held_back_until

KEYS = {
    "supply.parts": ("part_id",),
    "supply.exchange_rates": ("on", "currency"),
    "supply.order_lines": ("order_id", "line", "revision"),
    "supply.receipts": ("receipt_id",),
    "supply.inspections": ("inspection_id",),
    "warehouse.planning_parameters": ("item_id", "site"),
    "warehouse.movements": ("movement_id",),
    "warehouse.decisions": ("recommendation_id", "decided_at"),
    "warehouse.sales_lines": ("order_id", "line", "revision"),
    "warehouse.customers": ("customer_id",),
    "robot.telemetry": ("serial", "boot_id", "seq"),
    "robot.faults": ("fault_id",),
    "robot.work_cycles": ("serial", "boot_id", "cycle"),
    "robot.accuracy_tests": ("test_id",),
}


@dataclass(frozen=True)
class Plant:
    """One piece of dirt: `records` lines of `file` that must come out as `expect`."""

    kind: str
    source: str
    expect: str
    file: str
    key: dict[str, Any]
    records: int
    days: list[str]
    note: str


@dataclass
class Day:
    """The files of one source on one day, while things go wrong with them; `clean` are good lines to work with."""

    books: Books
    source: str
    number: int
    files: list[File]
    plants: list[Plant]
    clean: list[bytes]

    @property
    def main(self) -> File:
        return self.files[0]

    def pick(self, concern: str, n: int) -> list[int]:
        """Up to three places among n, drawn for this day."""
        draw = self.books.company.rng(f"dirt:{concern}:{self.source}", self.number)
        return sorted(int(i) for i in draw.choice(n, min(3, n), replace=False))

    def note(
        self, mishap: Mishap, records: int, *, file: File | None = None, key: Any = None, note: str = "", **more: Any
    ) -> None:
        domain, name = self.source.split(".")
        day = self.books.company.day(self.number)
        path = f"raw/{domain}/{name}/dt={day}/{(file or self.main).name}"
        days = more.get("days", [str(day)])
        self.plants.append(
            Plant(mishap.kind, self.source, more.get("expect", mishap.expect), path, key or {}, records, days, note)
        )


def deliver(books: Books, source: str, number: int) -> tuple[list[File], list[Plant]]:
    """The files of a source as they really arrive on a day, and what is wrong with them."""
    main = books.file(source, number)
    day = Day(books, source, number, [main], [], list(sample(main)))
    for mishap in CALENDAR:
        if mishap.source == source and mishap.kind in _ADDS and mishap.on(number):
            _ADDS[mishap.kind](day, mishap)
    for mishap in CALENDAR:
        if mishap.source == source and mishap.kind == "late_file":
            for origin in held_back_until("late_file", source, number):
                _late_file(day, mishap, origin)
    for mishap in CALENDAR:
        if mishap.source == source and mishap.kind in _RESHAPES and mishap.on(number):
            _RESHAPES[mishap.kind](day, mishap)
    return day.files, day.plants


def sample(file: File) -> list[bytes]:
    """Single lines of a file to work with; of telemetry the first thousand or so."""
    if file.source != "robot.telemetry":
        return file.parts
    return file.parts[0][: 300 * 1000].splitlines(keepends=True)[:-1] if file.parts else []


def parse(source: str, line: bytes) -> dict[str, Any]:
    names = COLUMNS[source].split()
    if source in JSON_LINES:
        return dict(json.loads(line))
    return dict(zip(names, next(csv.reader(io.StringIO(line.decode()))), strict=True))


def render(source: str, record: dict[str, Any]) -> bytes:
    return json_line(record) if source in JSON_LINES else csv_line(record.values())


def key_of(source: str, record: dict[str, Any]) -> dict[str, Any]:
    return {k: record.get(k) for k in KEYS[source]}


def _duplicate_in_file(day: Day, mishap: Mishap) -> None:
    lines = day.clean
    for i in day.pick(mishap.kind, len(lines)):
        day.main.parts.append(lines[i])
        day.note(mishap, 1, key=key_of(day.source, parse(day.source, lines[i])), note="the same line twice in one file")


def _repeated_next_day(day: Day, mishap: Mishap) -> None:
    yesterday = sample(day.books.file(day.source, day.number - 1))
    for i in day.pick(mishap.kind, len(yesterday)):
        day.main.parts.append(yesterday[i])
        key, days = key_of(day.source, parse(day.source, yesterday[i])), [str(day.books.company.day(day.number - 1))]
        day.note(mishap, 1, key=key, days=days, note="a line of the day before, again")


def _conflict(day: Day, mishap: Mishap) -> None:
    """The same key with other content; where there is a changed_at, the new one is a minute later and wins."""
    lines = day.clean
    for i in day.pick(mishap.kind, len(lines))[:1]:
        record = parse(day.source, lines[i])
        key = key_of(day.source, record)
        if day.source == "robot.telemetry":
            record["temperature_c"] = round(record["temperature_c"] + 1.5, 2)
            note = "the same sample with another temperature; nothing says which is newer"
        else:
            record = dearer(record)
            note = "the same revision with another unit_price, changed_at one minute later: that one wins"
        day.main.parts.append(render(day.source, record))
        day.note(mishap, 1, key=key, note=note)


def dearer(record: dict[str, Any]) -> dict[str, Any]:
    """The same revision, told a minute later with a higher price."""
    told = np.datetime64(record["changed_at"].rstrip("Z"), "s")
    later = min(told + np.timedelta64(60, "s"), told.astype("datetime64[D]") + np.timedelta64(86399, "s"))
    return {**record, "unit_price": f"{float(record['unit_price']) * 1.1 + 0.01:.2f}", "changed_at": f"{later}Z"}


def _redelivered_file(day: Day, mishap: Mishap) -> None:
    """The file of two days before comes again under a new name, one line corrected."""
    before = day.books.file(day.source, day.number - 2)
    if not before.parts:
        return
    first = parse(day.source, before.parts[0])
    lines = [render(day.source, dearer(first)), *before.parts[1:]]
    again = replace(before, name=before.name.replace(".", "_redelivered."), parts=lines)
    day.files.append(again)
    days = [str(day.books.company.day(day.number - 2))]
    day.note(mishap, len(lines) - 1, file=again, days=days, note="the unchanged lines of a file delivered again")
    day.note(mishap, 1, file=again, days=days, expect="conflict", key=key_of(day.source, first),
             note="its corrected line: another unit_price, changed_at one minute later: that one wins")  # fmt: skip


def _late_file(day: Day, mishap: Mishap, origin: int) -> None:
    since = day.books.company.day(origin)
    if day.source == "warehouse.movements":
        file = day.books.late_movements(day.number, origin)
        where, records = f"from {LATE_FROM_HOUR}:00 on", len(file.parts)
    else:
        block = telemetry.late_block(day.books.company, origin)
        file = File(day.source, f"telemetry_late_{since:%Y%m%d}.jsonl", b"", [block])
        where, records = f"RB-{telemetry.held_robot(day.books.company, origin) + 1:04d}", block.count(b"\n")
    if records:
        day.files.append(file)
        day.note(
            mishap, records, file=file, key={"of": where}, days=[str(since)], note="delivered later than it happened"
        )


def _spoil(change: Callable[[dict[str, Any], str], bytes], note: str) -> Callable[[Day, Mishap], None]:
    """A mishap that adds a copy of a line under a fresh key, spoilt by `change` (which renders it)."""

    def spoil(day: Day, mishap: Mishap) -> None:
        model = day.clean or sample(day.books.file(day.source, 0))
        for i in day.pick(mishap.kind, len(model))[:1]:
            record = parse(day.source, model[i])
            first = KEYS[day.source][-1 if day.source == "robot.telemetry" else 0]
            fresh: Any = 900_000_000 + CALENDAR.index(mishap) if first == "seq" else f"{record[first]}-{mishap.kind}"
            record[first] = fresh
            key = key_of(day.source, record)
            line = change(record, day.source)
            day.main.parts.insert(min(i, len(day.main.parts)), line)
            day.note(mishap, 1, key=key, note=note)

    return spoil


def _cut(record: dict[str, Any], source: str) -> bytes:
    line = render(source, record)
    return line[: len(line) * 3 // 5].decode(errors="ignore").encode() + b"\n"


def _with(**values: Any) -> Callable[[dict[str, Any], str], bytes]:
    return lambda record, source: render(source, {**record, **{k: v for k, v in values.items() if k in record}})


def _without_key(record: dict[str, Any], source: str) -> bytes:
    gone = "item_id" if source == "warehouse.movements" else "serial"
    return render(source, {k: v for k, v in record.items() if k != gone})


def _few_fields(record: dict[str, Any], source: str) -> bytes:
    return csv_line(list(record.values())[:6])


def _extra_column(day: Day, mishap: Mishap) -> None:
    for file in day.files:
        if day.source in JSON_LINES:
            file.parts = [p.rstrip(b"\n")[:-1] + b',"station":"Q7"}\n' if p.endswith(b"}\n") else p for p in file.parts]
        else:
            file.header = file.header.rstrip(b"\n") + b",dock\n"
            file.parts = [p.rstrip(b"\n") + b",D4\n" for p in file.parts]
    if mishap.first == day.number:
        day.note(mishap, len(day.main.parts), note="from this day on there is a column nobody announced")


def _reordered_header(day: Day, mishap: Mishap) -> None:
    names = COLUMNS[day.source].split()
    order = [*range(3, len(names)), 0, 1, 2]
    whole = [next(csv.reader(io.StringIO(p.decode()))) for p in day.main.parts]
    day.main.header = csv_line([names[i] for i in order])
    day.main.parts = [csv_line([w[i] for i in order] if len(w) == len(names) else w) for w in whole]
    day.note(mishap, len(whole), note="the same columns in another order")


def _cut_extract(day: Day, mishap: Mishap) -> None:
    kept = len(day.main.parts) - round(0.3 * len(day.main.parts))
    gone = [key_of(day.source, parse(day.source, line)) for line in day.main.parts[kept:]]
    keys = {column: [key[column] for key in gone] for column in KEYS[day.source]}
    day.note(mishap, len(gone), key=keys, note="the last 30 % of the keys are missing")
    day.main.parts = day.main.parts[:kept]


def _clock_off(day: Day, mishap: Mishap) -> None:
    serial = f"RB-{robot.clock_off_robot(day.books.company, day.number) + 1:04d}"
    boots = sum(f'"{serial}"'.encode() in p for p in day.main.parts)
    note = f"its clock, and the at of its telemetry, is off by {robot.WRONG_CLOCK_MS} ms; received_at is right"
    if boots:
        day.note(mishap, boots, key={"serial": serial}, note=note)


def _negative_stock(day: Day, mishap: Mishap) -> None:
    rows = day.books.movements
    rows = rows[(rows["number"] == day.number) & (rows["reference_type"] == "overdraw")]
    late = rows["told"] != day.number
    for movement, is_late in zip(rows["movement_id"], late, strict=True):
        if not is_late:
            day.note(
                mishap,
                1,
                key={"movement_id": movement},
                note="more booked out than was there: true, and the balance is negative",
            )


_ADDS: dict[str, Callable[[Day, Mishap], None]] = {
    "negative_stock": _negative_stock,
    "duplicate_in_file": _duplicate_in_file,
    "repeated_next_day": _repeated_next_day,
    "conflict": _conflict,
    "redelivered_file": _redelivered_file,
    "broken_json": _spoil(_cut, "the line breaks off"),
    "not_a_number": _spoil(_with(quantity="12O", order_up_to="12O"), "a quantity is not a number"),
    "not_a_date": _spoil(
        _with(received_at="2026-02-30T10:00:00Z", at="2026-02-30T10:00:00Z", started_at="2026-02-30T10:00:00Z"),
        "30 February",
    ),
    "too_few_fields": _spoil(_few_fields, "fields are missing at the end of the line"),
    "missing_key": _spoil(_without_key, "item_id (movements) or serial (telemetry) is missing"),
    "nan": _spoil(_with(temperature_c=float("nan")), "temperature_c is NaN"),
    "out_of_range": _spoil(_with(temperature_c=-400.0), "temperature_c below absolute zero"),
    "negative_quantity": _spoil(_with(quantity=-5), "quantity is negative"),
    "orphan": _spoil(_with(order_id="PO-19990101-001"), "the order does not exist"),
    "clock_off": _clock_off,
}
_RESHAPES: dict[str, Callable[[Day, Mishap], None]] = {
    "extra_column": _extra_column,
    "reordered_header": _reordered_header,
    "cut_extract": _cut_extract,
}
