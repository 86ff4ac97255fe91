"""How sure a rate, a ratio or a mean is: 90 % intervals, row by row, from exact counts and sums."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F

if TYPE_CHECKING:
    from pyspark.sql import Column

Z_90 = 1.6448536269514722
"""Standard normal quantile of a two-sided 90 % interval."""
TAIL = 0.05
_STEPS = 12


def wilson(hits: Column, trials: Column) -> tuple[Column, Column]:
    """Both ends of the score interval of a share (Wilson, 1927); null without trials."""
    n, z = trials.cast("double"), F.lit(Z_90)
    p = F.try_divide(hits.cast("double"), n)
    middle = p + F.try_divide(z * z, 2 * n)
    half = z * F.sqrt(F.try_divide(p * (1 - p), n) + F.try_divide(z * z, 4 * n * n))
    scale = 1 + F.try_divide(z * z, n)
    low, high = F.greatest((middle - half) / scale, F.lit(0.0)), F.least((middle + half) / scale, F.lit(1.0))
    return F.when(n > 0, low), F.when(n > 0, high)


def rate_ratio(hits: Column, exposure: Column, hits_before: Column, exposure_before: Column) -> tuple[Column, Column]:
    """Both ends of the ratio of two Poisson rates.

    Given both counts together, the later one is binomial with the odds ratio × exposure / exposure_before (Przyborowski
    and Wilenski, 1940); the share's interval is Wilson's. Null where nothing was counted; the upper end is null, too,
    where nothing was counted before.
    """
    low, high = wilson(hits, hits + hits_before)
    scale = F.try_divide(exposure_before.cast("double"), exposure.cast("double"))
    upper = F.when(hits_before > 0, F.try_divide(high, 1 - high) * scale)
    return F.try_divide(low, 1 - low) * scale, upper


def poisson(count: Column) -> tuple[Column, Column]:
    """Both ends of the exact interval of a Poisson mean (Garwood, 1936) of which `count` events were seen.

    The lower end is the mean at which `count` or more events have a chance of 5 % (0 for no event), the upper end that
    at which `count` or fewer have. Newton's method finds them, from the chi-square approximation of Wilson and
    Hilferty (1931); beyond 500 events that approximation (good to 0.01 %) stands.
    """
    n = count.cast("int")
    lower = F.when(n == 0, F.lit(0.0)).otherwise(_mean(n - 1, n.cast("double"), 1 - TAIL, -Z_90))
    return lower, _mean(n, (n + 1).cast("double"), TAIL, Z_90)


def _mean(at_most: Column, half_degrees: Column, chance: float, z: float) -> Column:
    """The Poisson mean at which `at_most` or fewer events have a chance of `chance`."""
    ninth = 1 / (9 * half_degrees)
    start = F.greatest(half_degrees * F.pow(1 - ninth + z * F.sqrt(ninth), F.lit(3.0)), F.lit(1e-3))

    def newton(mean: Column, _: Column) -> Column:
        term = F.exp(-mean)
        begin = F.struct(term.alias("term"), term.alias("total"))

        def add(so_far: Column, k: Column) -> Column:
            term = so_far["term"] * mean / k
            return F.struct(term.alias("term"), (so_far["total"] + term).alias("total"))

        events = F.when(at_most > 0, F.sequence(F.lit(1), at_most)).otherwise(F.array().cast("array<int>"))
        found = F.aggregate(events, begin, add, lambda end: (end["total"] - chance) / end["term"])
        return F.greatest(mean + found, mean / 2)

    refined = F.aggregate(F.sequence(F.lit(1), F.lit(_STEPS)), start, newton)
    return F.when(at_most <= 500, refined).otherwise(start)


def ratio(n: Column, y: Column, x: Column, yy: Column, xy: Column, xx: Column) -> tuple[Column, Column]:
    """Both ends of sum(y) / sum(x) over `n` units that vary, from the sums of y, x, y·y, x·y and x·x over them.

    The ratio estimator's error (Cochran, 1977, 2.11) with Student's quantile of n - 1 degrees of freedom. Null for
    fewer than two units.
    """
    n, y, x, yy, xy, xx = (c.cast("double") for c in (n, y, x, yy, xy, xx))
    r = F.try_divide(y, x)
    squares = F.greatest(yy - 2 * r * xy + r * r * xx, F.lit(0.0))
    error = F.try_divide(F.sqrt(F.try_divide(n * squares, n - 1)), x)
    half = student(n - 1) * error
    return r - half, r + half


def student(degrees: Column) -> Column:
    """Student's 95 % quantile (Cornish and Fisher; Abramowitz and Stegun 26.7.5), within 0.5 % from 3 degrees on."""
    z = Z_90
    v = degrees
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    found = F.lit(z)
    for power, term in enumerate(terms, 1):
        found = found + F.try_divide(F.lit(term), F.pow(v, F.lit(float(power))))
    return found
