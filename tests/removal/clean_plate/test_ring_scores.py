from __future__ import annotations

import numpy as np
import pytest

from outtake.removal.clean_plate.ring_scores import (
    _find_inliers,
    _trimmed_mean,
    score_brightness,
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
    assert score_brightness(errors, seen) == np.inf
    seen[:25] = 1
    assert score_brightness(errors, seen) == 0


def test_the_trimmed_mean_is_that_of_the_smallest():
    values = DICE.uniform(0, 40, 31).astype(np.float32)
    expected = np.sort(values)[: int(np.ceil(0.6 * 31))].mean()
    assert _trimmed_mean(values, 31) == pytest.approx(expected, abs=0.05)
