from types import SimpleNamespace

import numpy as np
import pytest

from outtake.motion.homography import TrackedView
from outtake.removal.clean_plate.parallax import ParallaxEstimator

REGION = SimpleNamespace(centre=np.array([60, 40], np.float32), radius_px=20.0)


def reference(points, moved):
    ids = np.arange(len(points))
    views = [TrackedView(0, ids, each.astype(np.float32), np.eye(3)) for each in (points, moved)]
    source, frame = (SimpleNamespace(view=view) for view in views)
    return SimpleNamespace(source=source, frame=frame, homography=np.eye(3))


def test_the_shift_of_the_points_near_a_region_is_found():
    dice = np.random.default_rng(0)
    points = dice.uniform((0, 0), (200, 100), (300, 2))
    local = (points - REGION.centre) / REGION.radius_px
    near = np.abs(local).max(axis=1) < 2.5
    shift = np.array([[3.0, 0.5, 0], [-2.0, 0, 0.4]])
    moved = points + np.where(near[:, None], shift[:, 0] + local @ shift[:, 1:].T, 0)
    # Some are tracked wrongly.
    moved[::9] += dice.uniform(-15, 15, moved[::9].shape)
    still = reference(points, points + 0.1)
    far = np.abs(local).max(axis=1) > 5
    few = reference(points[far], points[far] + 5)
    found = ParallaxEstimator([reference(points, moved), still, few]).estimate_shifts(REGION)
    assert found[0] == pytest.approx(shift.ravel(), abs=0.25)
    assert not found[1].any() and not found[2].any()


def test_without_points_there_is_no_shift():
    nothing = np.empty((0, 2))
    assert not ParallaxEstimator([reference(nothing, nothing)]).estimate_shifts(REGION).any()
