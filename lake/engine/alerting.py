"""Whether a number is out of the ordinary, against those of comparable nights. Pure: no files, no clock.

Medians and absolute deviations from them: one bad night among the earlier ones does not move what is usual. Each test
returns by which factor the number differs, or None where it is as it may be.
"""

from __future__ import annotations

import calendar
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from statistics import median

from lake.engine.conf import AlertsSection

Odd = float | None
Judge = Callable[[float, Sequence[float], AlertsSection], Odd]

LEVEL_SPREAD = 0.08
"""So much (as a logarithm) typical values differ anyway."""
BEYOND = 2
"""Twice as many as on any night but one are odd, however much the nights differ."""
WEEKLY = 1.5
"""Roots of arrivals that differ by less are about as many."""
SPARSE = 0.2
"""Sources that are empty on more nights than this may be empty on any night."""


def arrivals(x: float, before: Sequence[float], limits: AlertsSection) -> Odd:
    """Rows that arrive by themselves: orders, samples, faults. Their square root spreads evenly, about 0.5."""
    usual = [b for b in before if b > 0]
    if len(usual) < (1 - SPARSE) * len(before):
        if x == 0 or len(usual) < len(before) / 4:
            return None
    else:
        usual = list(before)
    middle, (lowest, highest) = median(usual), _ends(usual)
    far = abs(_root(x) - _root(middle)) > limits.deviations * max(1.0, spread([_root(b) for b in usual]))
    if far and x < min(limits.fewer * middle, lowest):
        return x / middle
    beyond = x > BEYOND * highest and _root(x) - _root(highest) > limits.deviations
    if (far or beyond) and x > max(limits.more * middle, highest):
        return x / middle if middle else math.inf
    return None


def extract(x: float, before: Sequence[float], limits: AlertsSection) -> Odd:
    """Rows of a daily extract of all there is: nearly as many as the day before."""
    middle = median(before)
    far = abs(x - middle) > max(1.0, limits.deviations * spread(before))
    return x / middle if far and middle and not limits.extract_fewer * middle <= x <= limits.more * middle else None


def level(
    x: float, before: Sequence[float], limits: AlertsSection, *, low: float | None = None, high: float | None = None
) -> Odd:
    """A typical value that a unit, a currency or a decimal point decides.

    low, high   between what it surely lies: where what is usual does, too, it is not odd
    """
    if min(before) <= 0 or x <= 0:
        return None
    logs, here, middle = [math.log(b) for b in before], math.log(x), median(before)
    off, (lowest, highest) = here - math.log(middle), _ends(logs)
    far = abs(off) > max(math.log(limits.level), limits.deviations * max(LEVEL_SPREAD, spread(logs)))
    is_sure = not (x if low is None else low) <= middle <= (x if high is None else high)
    return math.exp(off) if far and is_sure and not lowest <= here <= highest else None


def delay(x: float, before: Sequence[float], limits: AlertsSection) -> Odd:
    """The days between what happened and its delivery: a clock or a calendar that is off moves them."""
    off, (lowest, highest) = x - median(before), _ends(before)
    return (
        off
        if abs(off) > max(limits.delay_days, limits.deviations * spread(before)) and not lowest <= x <= highest
        else None
    )


def absent(x: float, before: Sequence[float], limits: AlertsSection) -> Odd:
    """A delivery (1: there, 0: none) that nearly every night has."""
    return 0.0 if not x and sum(before) >= 0.9 * len(before) else None


def never(x: float, before: Sequence[float], limits: AlertsSection) -> Odd:
    """What should not be there at all, or no more of it than nearly every night has."""
    most = sorted(before)[int(0.9 * (len(before) - 1))]
    return x / most if x > most > 0 else math.inf if x > most else None


def flood(x: float, before: Sequence[float], limits: AlertsSection) -> Odd:
    """What is there on many nights, and too much of it on this one."""
    middle, roots = median(before), [_root(b) for b in before]
    far = _root(x) - _root(middle) > limits.deviations * max(1.0, spread(roots))
    return (x / middle if middle else math.inf) if far and x > limits.more * _ends(before)[1] else None


def _root(x: float) -> float:
    return 2 * math.sqrt(max(0.0, x) + 3 / 8)


def spread(values: Sequence[float]) -> float:
    """The standard deviation that the absolute deviations from the median stand for."""
    middle = median(values)
    return 1.4826 * median(abs(v - middle) for v in values)


def _ends(values: Sequence[float]) -> tuple[float, float]:
    """The lowest and the highest but one: a single bad night does not widen what is usual."""
    ordered = sorted(values)
    return (ordered[1], ordered[-2]) if len(ordered) > 2 else (ordered[0], ordered[-1])


# --- which nights are comparable --------------------------------------------------------------------------------------


@cache
def kind_of(day: str, holidays: tuple[str, ...]) -> str:
    """working, weekend, holiday, or month end: the last working day of a month.

    holidays    as MM-DD, or YYYY-MM-DD
    """
    this = date.fromisoformat(day)
    if this.weekday() >= 5:
        return "weekend"
    if _is_holiday(this, holidays):
        return "holiday"
    last = calendar.monthrange(this.year, this.month)[1]
    later = (this.replace(day=n) for n in range(this.day + 1, last + 1))
    return "working" if any(d.weekday() < 5 and not _is_holiday(d, holidays) for d in later) else "month end"


def _is_holiday(day: date, holidays: Collection[str]) -> bool:
    return day.isoformat() in holidays or f"{day:%m-%d}" in holidays


COMPARED = {
    "working": (("working",),),
    "month end": (("working", "month end"),),
    "weekend": (("weekend", "holiday"),),
    "holiday": (("working",), ("weekend", "holiday")),
}
"""With which nights each kind is compared; with several kinds, a night has to be odd against each: some holidays are
worked."""


@dataclass(frozen=True)
class Judged:
    """What became of a number: by which factor it is out of the ordinary, or that it is as usual (None)."""

    odd: Odd


def _is_weekly(day: str, series: Mapping[str, float]) -> bool:
    """Whether about as many came on two of the last four such days of the week: tests on Tuesdays, bills on Fridays."""
    weeks = (str(date.fromisoformat(day) - timedelta(weeks=n)) for n in (1, 2, 3, 4))
    alike = [d for d in weeks if d in series and abs(_root(series[d]) - _root(series[day])) <= WEEKLY]
    return len(alike) >= 2


def judged(
    judge: Judge, day: str, series: Mapping[str, float], limits: AlertsSection, bad: Collection[str] = ()
) -> Judged | None:
    """Judge a series' number of `day` by the last comparable nights; None if there are too few of them.

    bad     earlier days on which it was odd: not comparable, unless that is how most of the nights were by now
    """
    kind = kind_of(day, limits.holidays)
    found: list[Odd] = []
    for kinds in COMPARED[kind]:
        days = [d for d in sorted(series) if d < day and kind_of(d, limits.holidays) in kinds]
        days = days[-limits.nights :]
        good = [d for d in days if d not in bad]
        before = [series[d] for d in (good if 2 * len(good) > len(days) else days)]
        if len(before) < limits.least_nights:
            continue
        odd = judge(series[day], before, limits)
        if odd is not None and kind == "month end" and judge in (arrivals, flood):
            odd = odd if judge(series[day] / limits.month_end, before, limits) is not None else None
        found.append(odd)
    if not found:
        return None
    if judge is arrivals and _is_weekly(day, series):
        return Judged(None)
    return Judged(None if None in found else found[0])
