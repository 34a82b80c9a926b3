from __future__ import annotations

import cv2
import numpy as np
import pytest

from outtake.removal.clean_plate.read_pixels import is_known, project, read_brightness, read_colour
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
