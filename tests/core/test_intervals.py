"""Intervals against published tables: exact ones to the last digit given, Student's to half a percent."""

import pytest
from pyspark.sql import functions as F

from lake.core import intervals


def test_the_ends_of_a_poisson_mean_are_those_of_garwoods_table(spark):
    rows = spark.createDataFrame([(n,) for n in (0, 1, 3, 10, 100, 1000)], "n bigint")
    low, high = intervals.poisson(F.col("n"))
    found = {r["n"]: (r["low"], r["high"]) for r in rows.select("n", low.alias("low"), high.alias("high")).collect()}
    assert found[0] == (0, pytest.approx(2.9957, abs=5e-5))
    assert found[1] == pytest.approx((0.0513, 4.7439), abs=5e-5)
    assert found[3] == pytest.approx((0.8177, 7.7537), abs=5e-5)
    assert found[10] == pytest.approx((5.4254, 16.9622), abs=5e-5)
    assert found[100] == pytest.approx((84.1393, 118.0793), abs=5e-5)
    assert found[1000] == pytest.approx((948.5598, 1053.6031), abs=0.1)


def test_the_other_ends_are_textbook_ones_and_null_where_nothing_was_seen(spark):
    ratio = intervals.ratio(*[F.lit(v) for v in (5, 20, 50, 114, 210, 510)])  # y 3 0 5 4 8, x 10 9 12 8 11
    times = intervals.rate_ratio(*[F.lit(v) for v in (22, 90000, 3, 280000)])
    none = intervals.rate_ratio(F.lit(0), F.lit(1), F.lit(0), F.lit(1))
    new = intervals.rate_ratio(F.lit(4), F.lit(1), F.lit(0), F.lit(1))
    student = [intervals.student(F.lit(float(v))) for v in (4, 30)]
    columns = [c.alias(str(n)) for n, c in enumerate([*ratio, *times, *none, *new, *student])]
    row = spark.range(1).select(columns).first()
    assert row[0:2] == pytest.approx((0.1496, 0.6504), abs=2e-4)
    assert row[2:4] == pytest.approx((8.619, 60.392), abs=1e-3)
    assert row[4:6] == (None, None)
    assert (row[6] > 0, row[7]) == (True, None)
    assert row[8:10] == pytest.approx((2.1318, 1.6973), rel=5e-3)
