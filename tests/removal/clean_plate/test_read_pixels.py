from __future__ import annotations

import cv2
import numpy as np
import pytest

from outtake.removal.clean_plate.read_pixels import (
    choose_block,
    is_known,
    project,
    read_brightness,
    read_colour,
    read_tile,
)
from tests.removal.clean_plate.clips import texture

IMAGE = texture(3, width=60)[:50]
IMAGE.flags.writeable = False


@pytest.mark.parametrize("reach", [(10.0, 40.0), (-4.0, 64.0)], ids=["inside", "over the border"])
def test_colours_are_those_of_opencv(reach):
    at = np.random.default_rng(0).uniform(*reach, (400, 2)).astype(np.float32)
    expected = cv2.remap(IMAGE, at[None], None, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)[0]
    found = np.array([read_colour(IMAGE, *each) for each in at])
    # Positions are rounded to 1/256 of a pixel.
    assert np.abs(found - expected.astype(int)).max() <= 2
    assert np.abs(found - expected.astype(int)).mean() < 0.2
    green = np.ascontiguousarray(IMAGE[..., 1])
    assert [read_brightness(green, *each) for each in at] == found[:, 1].tolist()


def read_pixel_by_pixel(place, side):
    steps = np.arange(side) - (side - 1) / 2
    down, across = np.meshgrid(steps, steps, indexing="ij")
    x = place[0] + place[2] * across + place[3] * down
    y = place[1] + place[4] * across + place[5] * down
    found = [read_colour(IMAGE, *each) for each in zip(x.ravel(), y.ravel(), strict=True)]
    return np.array(found).reshape(side, 3 * side)


def read_blocks(place, side):
    place = np.array(place, np.float32)
    block, found = choose_block(place, side), np.empty((side, 3 * side), np.int16)
    rows = IMAGE.reshape(len(IMAGE), -1)
    read_tile(IMAGE, rows, place, side, block, np.empty((side + 3, 3 * side), np.int32), found)
    return block, found


@pytest.mark.parametrize("middle", [(30.3, 20.7), (1.25, 48.5)], ids=["inside", "at the border"])
@pytest.mark.parametrize("side", [4, 8])
def test_a_tile_that_is_only_shifted_is_read_as_its_pixels_are(side, middle):
    place = (*middle, 1, 0, 0, 1)
    block, found = read_blocks(place, side)
    assert block == side and np.array_equal(found, read_pixel_by_pixel(place, side))


def test_the_more_a_tile_is_stretched_and_turned_the_smaller_are_its_blocks():
    blocks = []
    for stretch in (0, 0.005, 0.01, 0.04, 0.2):
        place = (30.3, 20.7, 1 + stretch, 0.2 * stretch, -0.2 * stretch, 1 - stretch)
        block, found = read_blocks(place, 8)
        blocks.append(block)
        # Pixels are off by 0.03 of a pixel at most: so much of the steepest slope, and rounding.
        steepest = np.abs(np.diff(IMAGE.astype(int), axis=1)).max()
        off = np.abs(found - read_pixel_by_pixel(place, 8))
        assert off.max() <= 2 * 0.03 * steepest + 2
    assert blocks == [8, 8, 4, 2, 1]


def test_at_whole_pixels_nothing_changes():
    assert read_colour(IMAGE, 20.0, 30.0) == tuple(IMAGE[30, 20].tolist())


def test_the_lowest_bit_tells_what_is_known():
    brightness = np.full((4, 5), 80, np.uint8)
    brightness[2, 3] = 81
    assert is_known(brightness, 3.4, 1.6) and not is_known(brightness, 3.6, 2.0)
    assert not is_known(brightness | 1, 4.6, 2.0) and not is_known(brightness | 1, -0.6, 2.0)


def test_what_is_behind_the_camera_goes_far_away():
    turned = np.array([[1, 0, 0], [0, 1, 0], [0, -1, 1.0]])
    assert max(map(abs, project(turned, 5.0, 9.0))) > 1e4
