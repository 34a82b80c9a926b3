from __future__ import annotations

import numpy as np
import pytest

from outtake.removal.clean_plate.ring_sampling import (
    masked_lower_median,
    trimmed_mean,
    weighted_mean,
)

DICE = np.random.default_rng(0)
VALUES = DICE.normal(0, 5, (6, 31)).astype(np.float32)
KNOWN = (DICE.random((6, 31)) < 0.6).astype(np.float32)
KNOWN[0] = 0
ROWS = [row[known > 0] for row, known in zip(VALUES[1:], KNOWN[1:], strict=True)]


def test_the_lower_median_is_that_of_the_known_values():
    expected = [np.sort(row)[(len(row) - 1) // 2] for row in ROWS]
    assert masked_lower_median(VALUES, KNOWN).tolist() == [0, *expected]


def test_the_trimmed_mean_is_that_of_the_smallest_known_values():
    expected = [np.sort(row)[: int(np.ceil(0.6 * len(row)))].mean() for row in ROWS]
    assert trimmed_mean(VALUES, KNOWN, 0.6) == pytest.approx(np.array([0, *expected]), abs=1e-5)


def test_the_weighted_mean_ignores_unknown_values():
    expected = [row.mean() for row in ROWS]
    assert weighted_mean(VALUES, KNOWN) == pytest.approx(np.array([0, *expected]), abs=1e-5)
