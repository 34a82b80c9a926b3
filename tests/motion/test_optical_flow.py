from __future__ import annotations

import cv2
import numpy as np
import pytest

from outtake.motion.optical_flow import (
    compute_flow,
    pixel_grid,
    reduce_to_grey,
    reduced_size,
    upsample_positions,
    warp_image,
)


def texture() -> np.ndarray:
    small = np.random.default_rng(0).integers(0, 255, (16, 24, 3), np.uint8)
    return cv2.resize(small, (192, 128), interpolation=cv2.INTER_CUBIC)


def test_the_flow_finds_a_shift_and_warps_it_back():
    image = texture()
    before, after = (
        reduce_to_grey(np.ascontiguousarray(image[:, x : x + 150]), 150) for x in (0, 4)
    )
    positions = compute_flow(after, before)
    inside = np.s_[20:-20, 20:-20]
    assert np.median((positions - pixel_grid(*after.shape))[inside][..., 0]) == pytest.approx(
        4, abs=0.2
    )
    error = np.abs(warp_image(before, positions).astype(int) - after)[inside]
    assert error.mean() < 3


@pytest.mark.parametrize("height", [12, 14, 24, 31, 32])
def test_the_flow_of_a_strip_is_found_too(height):
    # OpenCV ended the process, or gave what is no number.
    strip = reduce_to_grey(np.ascontiguousarray(texture()[:height]), 192)
    before, after = strip[:, :160], strip[:, 3:163]
    for turned in (False, True):
        one, other = (each.T.copy() if turned else each.copy() for each in (after, before))
        moved = compute_flow(one, other) - pixel_grid(*one.shape)
        assert np.median(moved[..., int(turned)]) == pytest.approx(3, abs=0.5)


def test_an_image_of_a_few_pixels_is_motionless():
    tiny = np.zeros((8, 30), np.uint8)
    assert np.array_equal(compute_flow(tiny, tiny + np.uint8(9)), pixel_grid(8, 30))


def test_sizes_are_reduced_and_never_enlarged():
    assert reduced_size(100, 400, 200) == (200, 50)
    assert reduced_size(100, 400, 1000) == (400, 100)
    assert reduced_size(1, 400, 4) == (4, 1)


def test_positions_are_upsampled_with_their_motion():
    moved = pixel_grid(20, 30) + np.float32(2)
    full = upsample_positions(moved, 40, 60)
    assert full - pixel_grid(40, 60) == pytest.approx(np.full((40, 60, 2), 4), abs=1e-4)
    assert upsample_positions(moved, 20, 30) is moved
