from __future__ import annotations

import numpy as np
import pytest

from outtake.motion.tracking import CameraTracker
from tests.removal.clean_plate.clips import HEIGHT, WIDTH, disc, texture, view

NOTHING = np.zeros((HEIGHT, WIDTH), bool)


def test_the_motion_of_the_camera_is_tracked():
    world, tracker = texture(1), CameraTracker()
    first, *_, last = (tracker.update(view(world, 20 + 3 * t), NOTHING) for t in range(8))
    for homography in (last.homography_to(first), last.to_first_frame):
        expected = np.array([[1, 0, 21], [0, 1, 0], [0, 0, 1]])
        assert homography / homography[2, 2] == pytest.approx(expected, abs=0.5)


def test_masked_pixels_are_not_tracked():
    world, tracker = texture(1), CameraTracker()
    for t in range(6):
        mask = disc(40 + 3 * t, radius=20)
        tracked = tracker.update(view(world, 20 + 3 * t), mask)
        x, y = np.rint(tracked.points).astype(int).T
        assert len(x) > 50 and not mask[y, x].any()


def test_a_frame_that_is_not_consecutive_begins_a_shot():
    image, tracker = view(texture(1), 20), CameraTracker()
    shots = [tracker.update(image, NOTHING, is_consecutive=t != 2).shot for t in range(4)]
    assert shots == [0, 0, 1, 1]
