from __future__ import annotations

import numpy as np
import pytest

from outtake.motion.tracking import CameraTracker
from tests.removal.clean_plate.clips import HEIGHT, WIDTH, texture, view


def shots(frames: list[np.ndarray]) -> list[int]:
    tracker, nothing = CameraTracker(), np.zeros((HEIGHT, WIDTH), bool)
    return [tracker.update(frame, nothing).shot for frame in frames]


@pytest.mark.parametrize("seed", range(4))
def test_a_cut_between_similar_pictures_is_detected_and_a_fast_pan_is_none(seed):
    first, second = texture(2 * seed), texture(2 * seed + 1)
    frames = [view(first, 12 * t) for t in range(8)] + [view(second, 12 * t) for t in range(8)]
    assert shots(frames) == [0] * 8 + [1] * 8


@pytest.mark.parametrize("frames", [8, 24])
def test_a_fade_is_no_series_of_cuts(frames):
    first, second = texture(4), texture(5)
    dice = np.random.default_rng(0)
    down = [view(first, 20 + t) * (1 - min(1, max(0, (t - 5) / frames))) for t in range(frames + 8)]
    up = [view(second, 20 + t) * min(1, t / frames) for t in range(frames + 8)]
    noisy = [
        np.clip(image + dice.normal(0, 1, image.shape), 0, 255).astype(np.uint8)
        for image in down + up
    ]
    found = shots(noisy)
    assert found[0] != found[-1]
    assert len(set(found)) <= 5
