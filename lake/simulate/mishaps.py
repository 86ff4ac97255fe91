"""When something goes wrong with a delivery: a calendar, so that any span of days has the same mishaps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Expect = Literal["rejected", "duplicate", "conflict", "accepted", "warning"]


@dataclass(frozen=True)
class Mishap:
    """`kind` befalls `source` on day `first` and every `every` days from then; a lake must make `expect` of it."""

    kind: str
    source: str
    first: int
    every: int
    expect: Expect

    def on(self, number: int) -> bool:
        return number >= self.first and (number - self.first) % self.every == 0

    def occurrence(self, number: int) -> int:
        return (number - self.first) // self.every


CALENDAR = (
    Mishap("duplicate_in_file", "robot.telemetry", 1, 5, "duplicate"),
    Mishap("duplicate_in_file", "warehouse.movements", 2, 6, "duplicate"),
    Mishap("duplicate_in_file", "supply.receipts", 3, 9, "duplicate"),
    Mishap("duplicate_in_file", "supply.order_lines", 2, 8, "duplicate"),
    Mishap("duplicate_in_file", "warehouse.sales_lines", 4, 11, "duplicate"),
    Mishap("duplicate_in_file", "supply.exchange_rates", 3, 7, "duplicate"),
    Mishap("duplicate_in_file", "robot.accuracy_tests", 7, 14, "duplicate"),
    Mishap("duplicate_in_file", "robot.work_cycles", 2, 7, "duplicate"),
    Mishap("repeated_next_day", "warehouse.movements", 3, 7, "duplicate"),
    Mishap("repeated_next_day", "robot.telemetry", 4, 13, "duplicate"),
    Mishap("repeated_next_day", "supply.receipts", 5, 12, "duplicate"),
    Mishap("repeated_next_day", "supply.inspections", 8, 14, "duplicate"),
    Mishap("conflict", "supply.order_lines", 3, 10, "conflict"),
    Mishap("conflict", "warehouse.sales_lines", 5, 13, "conflict"),
    Mishap("conflict", "robot.telemetry", 6, 15, "conflict"),
    Mishap("redelivered_file", "supply.order_lines", 7, 21, "duplicate"),
    Mishap("late_file", "robot.telemetry", 1, 7, "accepted"),
    Mishap("late_file", "warehouse.movements", 2, 9, "accepted"),
    Mishap("broken_json", "robot.telemetry", 2, 4, "rejected"),
    Mishap("broken_json", "warehouse.movements", 5, 8, "rejected"),
    Mishap("broken_json", "supply.inspections", 6, 20, "rejected"),
    Mishap("broken_json", "warehouse.decisions", 1, 14, "rejected"),
    Mishap("broken_json", "robot.faults", 3, 17, "rejected"),
    Mishap("broken_json", "robot.work_cycles", 3, 11, "rejected"),
    Mishap("not_a_date", "robot.work_cycles", 4, 12, "rejected"),
    Mishap("not_a_number", "supply.order_lines", 4, 11, "rejected"),
    Mishap("not_a_number", "warehouse.movements", 1, 14, "rejected"),
    Mishap("not_a_number", "warehouse.planning_parameters", 3, 12, "rejected"),
    Mishap("not_a_date", "supply.receipts", 2, 10, "rejected"),
    Mishap("not_a_date", "robot.accuracy_tests", 8, 21, "rejected"),
    Mishap("too_few_fields", "warehouse.sales_lines", 6, 12, "rejected"),
    Mishap("missing_key", "warehouse.movements", 4, 15, "rejected"),
    Mishap("missing_key", "robot.telemetry", 5, 9, "rejected"),
    Mishap("nan", "robot.telemetry", 3, 8, "rejected"),
    Mishap("out_of_range", "robot.telemetry", 7, 10, "rejected"),
    Mishap("negative_quantity", "warehouse.movements", 8, 13, "rejected"),
    Mishap("negative_quantity", "supply.order_lines", 9, 16, "rejected"),
    Mishap("orphan", "supply.receipts", 1, 11, "accepted"),
    Mishap("extra_column", "supply.receipts", 6, 1, "accepted"),
    Mishap("extra_column", "supply.inspections", 8, 1, "accepted"),
    Mishap("reordered_header", "warehouse.sales_lines", 5, 4, "accepted"),
    Mishap("cut_extract", "warehouse.customers", 7, 28, "warning"),
    Mishap("cut_extract", "supply.parts", 9, 28, "warning"),
    Mishap("cut_extract", "warehouse.planning_parameters", 8, 28, "warning"),
    Mishap("clock_off", "robot.boots", 4, 12, "accepted"),
    Mishap("negative_stock", "warehouse.movements", 3, 14, "accepted"),
)
"""Ten days meet every kind at least once."""

LAGS = (1, 3, 6, 20, 2, 12)
"""By how many days late files are late, in turn."""


def happens(kind: str, source: str, number: int) -> bool:
    return mishap(kind, source).on(number)


def mishap(kind: str, source: str) -> Mishap:
    return next(m for m in CALENDAR if (m.kind, m.source) == (kind, source))


def lag(kind: str, source: str, number: int) -> int:
    """By how many days what this mishap holds back on a day is late; 0 where nothing is."""
    planned = mishap(kind, source)
    return LAGS[planned.occurrence(number) % len(LAGS)] if planned.on(number) else 0


def held_back_until(kind: str, source: str, number: int) -> list[int]:
    """The days whose held-back records are delivered on day `number`."""
    return [n for n in range(max(0, number - max(LAGS)), number) if n + lag(kind, source, n) == number != n]
