from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np

from outtake.core.frames import fill_hole, replace_image
from outtake.core.types import TimedFrame


def test_a_hole_keeps_no_bits_of_what_was_there():
    image = np.zeros((4, 5, 3), np.uint8)
    frame = TimedFrame(image, 0, Fraction(1), np.full((4, 5, 3), 3, np.uint16))
    other = image.copy()
    other[1, 2] = 9
    hole = np.zeros((4, 5), bool)
    hole[1] = True
    deep = fill_hole(frame, other, hole).image16
    assert (deep[~hole] == 3).all(), "outside the hole the bits stay"
    assert (deep[1, 2] == 9 * 257).all()
    assert (deep[1, :2] == 0).all(), "what has the same 8 bits as before keeps none of the others"
    assert (frame.image16 == 3).all()
    assert fill_hole(replace(frame, image16=None), other, hole).image16 is None


def test_a_picture_made_whole_keeps_no_bits_of_the_frame():
    image = np.zeros((4, 5, 3), np.uint8)
    frame = TimedFrame(image, 7, Fraction(1), np.full((4, 5, 3), 90, np.uint16))
    wider = np.pad(image, ((0, 0), (0, 5), (0, 0)), constant_values=8)
    for made in (image, image.copy(), wider):
        other = replace_image(frame, made)
        assert np.array_equal(other.image16, made * np.uint16(257)) and other.pts == 7
    assert replace_image(replace(frame, image16=None), wider).image16 is None
