from __future__ import annotations

import numpy as np
import pytest

from outtake.removal.clean_plate.read_pixels import project
from outtake.removal.clean_plate.ring_alignment import shift_homography


def test_a_shift_moves_a_region_about_its_centre():
    centre = np.array([50, 40], np.float32)
    moved = shift_homography(np.eye(3), np.array([2.0, 1, 0, -1, 0, 3]), centre, 10.0)
    assert project(moved, 50.0, 40.0) == pytest.approx((52, 39))
    assert project(moved, 60.0, 50.0) == pytest.approx((63, 52))
