"""What numbers prove: checked against figures worked out by hand or printed in the papers."""

from __future__ import annotations

import pytest

from lake.core.evidence import chance_of_at_most, chance_of_hits, chance_of_rank, median, shift, survival, wilson


def test_a_series_that_doubles_is_split_where_it_does():
    found = shift([10, 12, 11, 13, 12, 11, 22, 24, 23, 25, 22, 21], least=3)
    assert found is not None
    assert found.at == 6
    assert found.sigmas == pytest.approx(2.89, abs=0.02)


def test_a_series_that_only_wavers_is_not_surely_split():
    found = shift([10, 12, 11, 13] * 12, least=5)
    assert found is not None
    assert abs(found.sigmas) < 2


def test_orders_still_open_count_as_long_as_they_have_waited_and_not_as_short():
    arrived = [10, 11, 12, 10, 11, 12, 10, 11]
    waiting = [5, 4, 3, 2]
    found = shift(arrived + waiting, [True] * 8 + [False] * 4, least=4)
    assert found is not None
    assert abs(found.sigmas) < 1
    assert abs(shift(arrived + waiting, least=4).sigmas) > 2.5


def test_too_short_a_series_and_one_of_equal_values_say_nothing():
    assert shift([1, 2, 3], least=2) is None
    assert shift([7] * 20, least=5) is None


def test_a_share_of_none_of_ten_may_still_be_a_fifth():
    low, high = wilson(0, 10)
    assert (low, round(high, 3)) == (0.0, 0.213)
    assert wilson(0, 0) == (0.0, 1.0)
    assert wilson(5, 10, 2.5758)[1] > wilson(5, 10)[1]


def test_nothing_in_a_quarter_that_usually_has_nine_is_chance_once_in_eight_thousand():
    assert chance_of_at_most(0, 9.0) == pytest.approx(0.000123, abs=1e-6)
    assert chance_of_at_most(9, 9.0) == pytest.approx(0.5874, abs=1e-4)


FREIREICH = [6, 6, 6, 7, 10, 13, 16, 22, 23, 6, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35]
"""Weeks of remission under 6-MP (Freireich and others, 1963), the first nine seen to end; in every textbook."""


def test_survival_is_that_of_the_textbook():
    steps = survival(FREIREICH, [True] * 9 + [False] * 12)
    assert [s.at for s in steps] == [0, 6, 7, 10, 13, 16, 22, 23]
    assert [round(s.share, 4) for s in steps[1:]] == [0.8571, 0.8067, 0.7529, 0.6902, 0.6275, 0.5378, 0.4482]
    assert [s.at_risk for s in steps[1:]] == [21, 17, 15, 12, 11, 7, 6]
    assert median(steps) == 23


def test_the_interval_of_survival_holds_its_share_and_stays_between_none_and_all():
    for step in survival(FREIREICH, [True] * 9 + [False] * 12)[1:]:
        assert 0 < step.low < step.share < step.high < 1
    assert survival([3, 5], [True, True])[-1].share == 0


def test_what_never_failed_survives_whole():
    assert [(s.at, s.share) for s in survival([5, 6], [False, False])] == [(0.0, 1.0)]
    assert median(survival([5, 6], [False, False])) is None


def test_the_two_highest_of_six_are_so_by_chance_once_in_fifteen_times():
    assert chance_of_rank([1.6, 0.3], [0.1, 0.06, 0.0, 0.02]) == pytest.approx(1 / 15)
    assert chance_of_rank([0.0, 0.01], [0.1, 0.06, 0.02]) == 1.0
    assert chance_of_rank([1.0], []) == 1.0


def test_a_large_group_that_ranks_high_is_hardly_chance_and_one_in_the_middle_is():
    assert chance_of_rank([n + 100.0 for n in range(40)], [float(n) for n in range(40)]) < 1e-12
    assert chance_of_rank([2.0 * n for n in range(40)], [2.0 * n + 1 for n in range(40)]) == pytest.approx(
        0.58, abs=0.03
    )


def test_the_lady_who_tells_three_of_four_cups_may_have_guessed_and_one_who_tells_all_hardly():
    assert chance_of_hits(3, 4, 1, 4) == pytest.approx(17 / 70)
    assert chance_of_hits(4, 4, 0, 4) == pytest.approx(1 / 70)
