from __future__ import annotations

import numpy as np
import pytest

from outtake.motion.homography import TrackedView
from outtake.removal.clean_plate.moving_mask import PLATE_DISTANCES, find_moving
from outtake.removal.clean_plate.small_frames import SmallFrame

STILL = TrackedView(0, np.empty(0, np.int64), np.empty((0, 2), np.float32), np.eye(3))


@pytest.mark.parametrize("size", [(1, 1), (5, 7), (11, 11), (8, 64), (24, 100), (100, 7)])
def test_frames_that_are_too_small_for_flow_have_no_motion(size: tuple[int, int]) -> None:
    dice = np.random.default_rng(0)
    images = dice.integers(0, 255, (2, *size, 3), np.uint8)
    known = np.ones(size, np.uint8)
    frames = {
        number: SmallFrame(number, image, known, STILL, {}, np.eye(3))
        for number, image in enumerate(images)
    }
    for frame in frames.values():
        velocity = find_moving(frame, frames, PLATE_DISTANCES).velocity
        assert velocity.shape == (*size, 2) and not velocity.any()
