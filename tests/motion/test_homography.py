from __future__ import annotations

import numpy as np
import pytest

from outtake.motion.homography import TrackedView, fit_homography, invert_homography, scale_points
from outtake.motion.warp import project_points

TRUE = np.array([[1.02, 0.03, 5], [-0.02, 0.98, -3], [1e-4, -5e-5, 1]])


def points(count: int) -> np.ndarray:
    return np.random.default_rng(0).uniform(0, 200, (count, 2)).astype(np.float32)


def view(ids: range, shift: float = 0.0) -> TrackedView:
    to_first_frame = np.array([[1, 0, shift], [0, 1, 0], [0, 0, 1]], np.float64)
    return TrackedView(
        0, np.array(ids), points(60)[ids.start : ids.stop] - (shift, 0), to_first_frame
    )


def test_a_homography_is_fitted_in_spite_of_outliers():
    source = points(60)
    target = project_points(TRUE, source)
    target[::6] += 40
    fitted = fit_homography(source, target)
    assert fitted is not None
    assert fitted / fitted[2, 2] == pytest.approx(TRUE, abs=1e-3)


def test_too_few_points_give_no_homography():
    source = points(11)
    assert fit_homography(source, source + 1) is None
    assert fit_homography(source, source + 1, min_inliers=8) is not None


def test_a_singular_homography_is_inverted_to_the_identity():
    singular = np.zeros((3, 3))
    both = invert_homography(np.stack([singular, TRUE]))
    assert np.array_equal(both[0], np.eye(3))
    assert both[1] @ TRUE == pytest.approx(np.eye(3), abs=1e-9)


def test_pixel_centres_stay_pixel_centres_at_another_scale():
    assert scale_points(np.array([[0.5, 2.5]], np.float32), 0.5).tolist() == [[0, 1]]
    assert scale_points(scale_points(points(5), 0.25), 4) == pytest.approx(points(5), abs=1e-4)


def test_views_share_the_points_that_both_track():
    here, there = view(range(0, 40)).shared_points(view(range(25, 60), shift=7))
    assert len(here) == len(there) == 15
    assert here - there == pytest.approx(np.tile((7, 0), (15, 1)), abs=1e-4)
    nothing, _ = view(range(0, 40)).shared_points(view(range(0, 0)))
    assert len(nothing) == 0


def test_the_homography_to_a_view_without_shared_points_is_chained():
    expected = np.array([[1, 0, -7], [0, 1, 0], [0, 0, 1]])
    for other in (range(0, 40), range(50, 60)):
        found = view(range(0, 40)).homography_to(view(other, shift=7))
        assert found / found[2, 2] == pytest.approx(expected, abs=1e-3)
