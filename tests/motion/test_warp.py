from __future__ import annotations

import cv2
import numpy as np
import pytest

from outtake.motion.warp import (
    as_remap_grid,
    project_points,
)

HOMOGRAPHY = np.array([[1.02, 0.03, 5], [-0.02, 0.98, -3], [1e-3, -5e-4, 1]])


def points(count: int) -> np.ndarray:
    return np.random.default_rng(0).uniform(0, 60, (count, 2)).astype(np.float32)


def test_points_are_projected_as_opencv_does_it():
    expected = cv2.perspectiveTransform(points(30)[:, None], HOMOGRAPHY)[:, 0]
    assert project_points(HOMOGRAPHY, points(30)) == pytest.approx(expected, abs=1e-3)


def test_points_behind_the_camera_land_outside_of_any_frame():
    behind = project_points(np.array([[1, 0, 0], [0, 1, 0], [-1, 0, 1.0]]), points(1) + 10)
    assert np.abs(behind).max() > 10000


def test_a_grid_holds_more_points_than_an_image_side_may():
    many = points(5000)
    grid, count = as_remap_grid(many)
    assert count == 5000 and max(grid.shape[:2]) < 32767
    assert np.array_equal(grid.reshape(-1, 2)[:count], many)
