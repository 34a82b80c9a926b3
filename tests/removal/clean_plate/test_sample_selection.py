from __future__ import annotations

import numpy as np
import pytest

from outtake.removal.clean_plate.sample_selection import (
    ReferenceFilter,
    masked_median,
    mean_deviation,
)


def test_the_masked_median_is_numpys_median():
    dice = np.random.default_rng(0)
    for mixed in (False, True):
        samples = dice.integers(0, 8000, (7, 20, 16, 3)).astype(np.int16)
        counts = dice.integers(1, 8, (20, 16) if mixed else (20, 1)) * np.ones((20, 16), int)
        beyond = np.arange(7)[:, None, None] >= counts
        samples[beyond] = 32767
        expected = np.nanmedian(np.where(beyond[..., None], np.nan, samples / 32), axis=0)
        assert np.allclose(masked_median(samples, counts, mixed), expected, atol=1e-3)


def test_no_more_references_are_selected_than_wanted_and_none_far_worse_than_the_best():
    scores = np.array([1, 1.1, 1.2, 5, 6], np.float32)
    whole = np.array([[1, 0], [1, 0], [1, 0], [1, 1], [1, 1]], bool)
    selected = ReferenceFilter(max_samples=2).select_for_tiles(whole, np.zeros_like(whole), scores)
    assert selected.T.tolist() == [
        [True, True, False, False, False],
        [False, False, False, True, True],
    ]


def test_a_reference_that_shows_a_tile_in_part_is_selected_in_addition():
    scores = np.array([1, 1.1, 1.2], np.float32)
    whole, partly = (np.array([row], bool).T for row in ([0, 1, 1], [1, 0, 0]))
    selected = ReferenceFilter(max_samples=5).select_for_tiles(whole, partly, scores)
    assert selected[:, 0].tolist() == [True, True, True]
    enough = ReferenceFilter(max_samples=1).select_for_tiles(whole, partly, scores)
    assert enough[:, 0].tolist() == [False, True, False]


def test_samples_that_disagree_have_a_spread_in_grey_levels():
    # Three samples of 10, 12 and 20 grey levels; two of 50 and 54; one.
    values = np.full((3, 3, 4, 3), 32767, np.int16)
    values[:, 0] = 32 * np.array([20, 10, 12])[:, None, None]
    values[:2, 1] = 32 * np.array([50, 54])[:, None, None]
    values[0, 2] = 32 * 99
    counts = np.repeat([[3], [2], [1]], 4, axis=1)
    median = masked_median(values, counts, False)
    spread = mean_deviation(values, median, counts)
    known = np.isfinite(spread)
    assert known[0].any() and known[1].any() and not known[2].any()
    assert spread[0][known[0]] == pytest.approx((8 + 2 + 0) / 3)
    assert spread[1][known[1]] == pytest.approx(2)
