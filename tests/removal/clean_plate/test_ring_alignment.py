from __future__ import annotations

import numpy as np
import pytest

from outtake.removal.clean_plate.ring_alignment import (
    _find_inliers,
    _score_brightness,
    _trimmed_mean,
    project,
    shift_homography,
)

DICE = np.random.default_rng(0)


def test_the_median_is_the_lower_one_of_what_is_seen_and_outliers_are_far_from_it():
    for count in (1, 2, 7, 30):
        errors = DICE.integers(-255, 256, 40).astype(np.int16)
        seen = np.zeros(40, np.uint8)
        seen[:count] = 1
        ranked = np.sort(errors[:count])
        median = int(ranked[(count - 1) // 2])
        typical = int(np.sort(np.abs(ranked - median))[(count - 1) // 2])
        assert _find_inliers(errors, seen) == (count, median, 3 * typical + 1)
    assert _find_inliers(errors, np.zeros(40, np.uint8)) == (0, 0, 0)


def test_a_ring_that_is_hardly_seen_has_no_score():
    errors, seen = np.full(100, 3, np.int16), np.zeros(100, np.uint8)
    seen[:24] = 1
    assert _score_brightness(errors, seen) == np.inf
    seen[:25] = 1
    assert _score_brightness(errors, seen) == 0


def test_the_trimmed_mean_is_that_of_the_smallest():
    values = DICE.uniform(0, 40, 31).astype(np.float32)
    expected = np.sort(values)[: int(np.ceil(0.6 * 31))].mean()
    assert _trimmed_mean(values, 31) == pytest.approx(expected, abs=0.05)


def test_a_shift_moves_a_region_about_its_centre():
    centre = np.array([50, 40], np.float32)
    moved = shift_homography(np.eye(3), np.array([2.0, 1, 0, -1, 0, 3]), centre, 10.0)
    assert project(moved, 50.0, 40.0) == pytest.approx((52, 39))
    assert project(moved, 60.0, 50.0) == pytest.approx((63, 52))


def test_what_is_behind_the_camera_goes_far_away():
    turned = np.array([[1, 0, 0], [0, 1, 0], [0, -1, 1.0]])
    assert max(map(abs, project(turned, 5.0, 9.0))) > 1e4
