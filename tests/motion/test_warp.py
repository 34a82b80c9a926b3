from __future__ import annotations

import cv2
import numpy as np
import pytest

from outtake.motion.warp import (
    as_remap_grid,
    known_at_points,
    project_points,
    project_with_jacobians,
    sample_points,
)

HOMOGRAPHY = np.array([[1.02, 0.03, 5], [-0.02, 0.98, -3], [1e-3, -5e-4, 1]])


def points(count: int) -> np.ndarray:
    return np.random.default_rng(0).uniform(0, 60, (count, 2)).astype(np.float32)


def test_points_are_projected_as_opencv_does_it():
    expected = cv2.perspectiveTransform(points(30)[:, None], HOMOGRAPHY)[:, 0]
    assert project_points(HOMOGRAPHY, points(30)) == pytest.approx(expected, abs=1e-3)


def test_the_jacobians_are_the_derivatives():
    moved, jacobians = project_with_jacobians(HOMOGRAPHY, points(30))
    assert np.array_equal(moved, project_points(HOMOGRAPHY, points(30)))
    for axis in range(2):
        step = np.float32(0.5) * np.eye(2, dtype=np.float32)[axis]
        after = project_points(HOMOGRAPHY, points(30) + step)
        before = project_points(HOMOGRAPHY, points(30) - step)
        assert jacobians[..., axis] == pytest.approx(after - before, abs=2e-3)


def test_points_behind_the_camera_land_outside_of_any_frame():
    behind = project_points(np.array([[1, 0, 0], [0, 1, 0], [-1, 0, 1.0]]), points(1) + 10)
    assert np.abs(behind).max() > 10000


def test_a_grid_holds_more_points_than_an_image_side_may():
    many = points(5000)
    grid, count = as_remap_grid(many)
    assert count == 5000 and max(grid.shape[:2]) < 32767
    assert np.array_equal(grid.reshape(-1, 2)[:count], many)


def test_an_image_is_sampled_where_it_is_known():
    image = np.random.default_rng(1).integers(0, 255, (40, 60, 3), np.uint8)
    known = np.ones((40, 60), np.uint8)
    known[:, 30:] = 0
    at = np.array([[3, 4], [29, 39], [31, 4], [-5, 4], [3, 41]], np.float32)
    colours, visible = sample_points(image, known, at)
    assert visible.tolist() == [True, True, False, False, False]
    assert np.array_equal(colours[:2], image[[4, 39], [3, 29]])
    assert known_at_points(known, at).tolist() == visible.tolist()
