from __future__ import annotations

import numpy as np
import pytest

from outtake.removal.clean_plate.previous_fill import blend_previous, sample_previous


def test_the_previous_fill_is_blended_in_where_both_agree():
    new = np.full((2, 4, 3), 100, np.float32)
    previous = new + np.float32([0, 2, 20, 2])[None, :, None]
    known, visible = np.array([[True, True, True, False]] * 2), np.array([True, False])
    blend_previous(new, previous, known, visible, 0.35)
    assert new[0, :, 0].tolist() == pytest.approx([100, 100.7, 100, 100])
    assert (new[1] == 100).all()


def test_drift_is_that_of_each_pixel():
    side = 8
    image, origin = np.full((20, 24, 3), 90, np.uint8), np.zeros((20, 24), np.uint8)
    drift = np.arange(20 * 24, dtype=np.float32).reshape(20, 24)
    # A tile whose pixels lie in rows 4 to 11 and columns 6 to 13, and one that is turned over.
    places = np.float32([[9.5, 7.5, 1, 0, 0, 1], [9.5, 7.5, -1, 0, 0, -1]])
    colours = np.empty((2, side * side, 3), np.float32)
    visible, drifts = np.empty(2, bool), np.empty((2, side * side), np.float32)
    invented = np.empty((2, side * side), bool)
    sample_previous(
        image, origin, drift, places, side, np.ones(3, np.float32), np.zeros(3, np.float32),
        colours, visible, drifts, invented,
    )  # fmt: skip
    assert visible.all()
    assert np.array_equal(drifts[0].reshape(side, side), drift[4:12, 6:14])
    assert np.array_equal(drifts[1].reshape(side, side), drift[4:12, 6:14][::-1, ::-1])
