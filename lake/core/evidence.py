"""What numbers prove: a level that changed, a share or a rate that stands out, how long things last."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike

Z_90 = 1.6449
"""Standard normal quantile of a two-sided 90 % interval."""


@dataclass(frozen=True)
class Shift:
    """A series that changed its level, from its number `at` on.

    sigmas   how many standard deviations surely; negative is a fall
    """

    at: int
    sigmas: float


def shift(values: ArrayLike, known: ArrayLike | None = None, *, least: int) -> Shift | None:
    """Where a series splits best into two parts of at least `least` values each; None if it is shorter, or all equal.

    known   false for a value of which it is only known that it will be at least that

    Each value scores one for every other that is surely lower, and minus one for every other that is surely higher
    (Gehan, 1965; with all known it is the rank test of Mann and Whitney). The sum of the scores of every first part is
    held against what it would be in any other order. As many places are tried, the best one's sigmas ask for more than
    the usual two.
    """
    x = np.asarray(values, dtype=float)
    sure = np.ones(len(x), dtype=bool) if known is None else np.asarray(known, dtype=bool)
    n = len(x)
    if n < 2 * least:
        return None
    ended, lasting = np.sort(x[sure]), np.sort(x[~sure])
    lower = np.where(sure, np.searchsorted(ended, x, "left"), np.searchsorted(ended, x, "right"))
    higher = len(ended) - np.searchsorted(ended, x, "right") + len(lasting) - np.searchsorted(lasting, x, "left")
    score = (lower - np.where(sure, higher, 0)).astype(float)
    squares = float((score**2).sum())
    if squares == 0:
        return None
    first = np.arange(1, n)
    sigmas = -np.cumsum(score)[:-1] / np.sqrt(first * (n - first) / (n * (n - 1.0)) * squares)
    best = int(np.argmax(np.abs(sigmas[least - 1 : n - least]))) + least
    return Shift(best, float(sigmas[best - 1]))


def wilson(hits: float, trials: float, z: float = Z_90) -> tuple[float, float]:
    """Both ends of the score interval of a share (Wilson, 1927); 0 to 1 without trials."""
    if trials <= 0:
        return 0.0, 1.0
    p = hits / trials
    middle, scale = p + z * z / (2 * trials), 1 + z * z / trials
    half = z * math.sqrt(p * (1 - p) / trials + z * z / (4 * trials * trials))
    return max((middle - half) / scale, 0.0), min((middle + half) / scale, 1.0)


def chance_of_hits(hits: int, trials: int, others: int, elsewhere: int) -> float:
    """The chance of `hits` or more in `trials`, if they and `others` of `elsewhere` fell anywhere (Fisher, 1934)."""
    whole, total = trials + elsewhere, hits + others
    ways = sum(math.comb(trials, k) * math.comb(elsewhere, total - k) for k in range(hits, min(total, trials) + 1))
    return ways / math.comb(whole, total)


def chance_of_at_most(count: int, mean: float) -> float:
    """The chance that a Poisson count with this mean is `count` or less."""
    term = total = math.exp(-mean)
    for k in range(1, count + 1):
        term *= mean / k
        total += term
    return min(total, 1.0)


@dataclass(frozen=True)
class Survival:
    """The share that is still there from `at` on, and its 90 % interval; so many were at risk just before."""

    at: float
    share: float
    low: float
    high: float
    at_risk: int


def survival(lasted: ArrayLike, failed: ArrayLike) -> list[Survival]:
    """The product-limit estimate (Kaplan and Meier, 1958), a step at each failure, beginning with all at 0.

    `lasted`: until it failed, or was last seen whole. The intervals are from Greenwood's variance (1926), taken on the
    log of minus the log of the share, so that they stay between 0 and 1.
    """
    time, end = np.asarray(lasted, dtype=float), np.asarray(failed, dtype=bool)
    steps = [Survival(0.0, 1.0, 1.0, 1.0, len(time))]
    share, variance = 1.0, 0.0
    for at in np.unique(time[end]):
        at_risk, died = int((time >= at).sum()), int((time[end] == at).sum())
        share *= 1 - died / at_risk
        if share == 0.0:
            steps.append(Survival(float(at), 0.0, 0.0, steps[-1].high, at_risk))
            break
        variance += died / (at_risk * (at_risk - died))
        half = Z_90 * math.sqrt(variance) / abs(math.log(share))
        steps.append(Survival(float(at), share, share ** math.exp(half), share ** math.exp(-half), at_risk))
    return steps


def median(steps: Sequence[Survival]) -> float | None:
    """When half have ended; None if fewer have."""
    return next((s.at for s in steps if s.share <= 0.5), None)


MOST_SPLITS = 20_000
"""So many ways to choose a group are gone through one by one."""


def chance_of_rank(group: Sequence[float], others: Sequence[float]) -> float:
    """The chance that a group as large, drawn from all these values, ranks as high as this one (Wilcoxon, 1945).

    Exact where all ways to draw it can be gone through, else by the normal distribution.
    """
    n, m = len(group), len(others)
    if not n or not m:
        return 1.0
    counts = np.unique(np.asarray([*group, *others], dtype=float), return_inverse=True, return_counts=True)[1:]
    ranks = (np.cumsum(counts[1]) - (counts[1] - 1) / 2)[counts[0]]
    own = float(ranks[:n].sum())
    if math.comb(n + m, n) <= MOST_SPLITS:
        as_high = sum(float(sum(drawn)) >= own - 1e-9 for drawn in combinations(ranks.tolist(), n))
        return as_high / math.comb(n + m, n)
    sigma = math.sqrt(n * m / ((n + m) * (n + m - 1.0)) * float(((ranks - ranks.mean()) ** 2).sum()))
    return 0.5 * math.erfc((own - n * float(ranks.mean()) - 0.5) / sigma / math.sqrt(2)) if sigma else 1.0
