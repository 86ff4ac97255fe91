"""Fits of one frame onto another, and trends: numbers only, no Spark."""

import numpy as np
import pytest

from lake.robot.frames import moved, rigid_fit
from lake.robot.trends import trailing

TURN = np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
CLOUD = np.array([[n, (7 * n) % 5, (3 * n) % 4] for n in range(20)], dtype=float)


def test_a_cloud_that_was_turned_and_shifted_is_brought_back_exactly():
    seen = CLOUD @ TURN.T + np.array([100.0, -20.0, 3.0])
    rotation, shift = rigid_fit(seen, CLOUD)
    assert rotation == pytest.approx(TURN.T, abs=1e-9)
    assert moved(seen, (rotation, shift)) == pytest.approx(CLOUD, abs=1e-9)


def test_a_mirrored_cloud_is_not_brought_back_by_a_mirror():
    rotation, _ = rigid_fit(CLOUD * np.array([1.0, 1.0, -1.0]), CLOUD)
    assert np.linalg.det(rotation) == pytest.approx(1.0)


def test_the_order_of_the_points_does_not_matter():
    seen = CLOUD @ TURN.T + 0.1 * CLOUD[::-1]
    mixed = np.random.default_rng(5).permutation(len(CLOUD))
    for one, other in zip(rigid_fit(seen, CLOUD), rigid_fit(seen[mixed], CLOUD[mixed]), strict=True):
        assert (one == other).all()


@pytest.mark.parametrize("points", [CLOUD[:9], CLOUD * np.array([1.0, 0.0, 0.0])], ids=["few", "on one line"])
def test_points_that_do_not_tell_a_frame_give_none(points):
    assert np.isnan(moved(points, rigid_fit(points, points))).all()


def test_a_trend_is_that_of_the_last_rows_by_age():
    mean, slope = trailing(np.array([1, 2, 3, 5]), np.array([[1], [3], [5], [9]]), 3)
    assert mean.ravel() == pytest.approx([1, 2, 3, 17 / 3])
    assert np.isnan(slope[0, 0])
    assert slope[1:].ravel() == pytest.approx([2, 2, 2])
