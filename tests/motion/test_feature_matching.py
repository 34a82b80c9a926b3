from __future__ import annotations

import cv2
import numpy as np
import pytest

from outtake.motion.feature_matching import FrameFeatures, show_same_place


def texture(seed: int) -> np.ndarray:
    dice = np.random.default_rng(seed)
    total = np.full((160, 400, 3), 120.0)
    for step in (5, 12, 40):
        small = dice.normal(0, 25, (160 // step + 2, 400 // step + 2, 3))
        total += cv2.resize(small, (400, 160), interpolation=cv2.INTER_CUBIC)
    return np.clip(total, 0, 255).astype(np.uint8)


def features(seed: int, x: int, mask: np.ndarray | None = None) -> FrameFeatures:
    image = np.ascontiguousarray(texture(seed)[:, x : x + 240])
    return FrameFeatures(image, np.zeros(image.shape[:2], bool) if mask is None else mask)


def test_a_place_is_recognised_after_a_large_shift():
    homography = features(1, 20).homography_to(7, features(1, 90))
    assert homography is not None
    assert homography / homography[2, 2] == pytest.approx(
        np.array([[1, 0, -70], [0, 1, 0], [0, 0, 1]]), abs=1
    )
    assert show_same_place(features(1, 20), features(1, 90))


def test_another_place_is_not_recognised():
    assert not show_same_place(features(1, 20), features(2, 20))


def test_masked_pixels_are_never_used():
    everything = np.ones((160, 240), bool)
    positions, descriptors = features(1, 20, everything).detect()
    assert len(positions) == len(descriptors) == 0
    assert not show_same_place(features(1, 20, everything), features(1, 20))
