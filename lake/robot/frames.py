"""Frames of measured points: the rotation and the shift that lay one over another."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]
"""n × 3"""
Motion = tuple[NDArray[np.float64], NDArray[np.float64]]
"""A rotation (3 × 3) and the shift behind it."""

FEWEST = 10
"""Fewer points than this would be fitted, not measured."""


def rigid_fit(points: Points, onto: Points) -> Motion:
    """The motion that brings `points` nearest to `onto`, in the sum of squares (Kabsch 1976); NaN if it is not known.

    Sums are exact, so that the order of the points does not matter.
    """
    unknown = np.full((3, 3), np.nan), np.full(3, np.nan)
    if len(points) < FEWEST:
        return unknown
    middle, middle_onto = _mean(points), _mean(onto)
    a, b = points - middle, onto - middle_onto
    covariance = np.array([[math.fsum(a[:, i] * b[:, j]) for j in range(3)] for i in range(3)])
    u, size, v = np.linalg.svd(covariance)
    if size[1] <= 1e-9 * size[0]:  # all on one line: any turn around it would do
        return unknown
    mirrored = np.diag([1.0, 1.0, np.sign(np.linalg.det(v.T @ u.T))])
    rotation = v.T @ mirrored @ u.T
    return rotation, middle_onto - rotation @ middle


def moved(points: Points, motion: Motion) -> Points:
    """The points after the motion."""
    rotation, shift = motion
    return points @ rotation.T + shift


def _mean(points: Points) -> NDArray[np.float64]:
    return np.array([math.fsum(axis) / len(points) for axis in points.T])
