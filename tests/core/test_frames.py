from __future__ import annotations

from fractions import Fraction

import numpy as np

from outtake.core.frames import replace_image
from outtake.core.types import TimedFrame


def test_a_frame_with_its_own_picture_is_the_frame():
    image = np.zeros((4, 5, 3), np.uint8)
    frame = TimedFrame(image, 0, Fraction(1), np.full((4, 5, 3), 3, np.uint16))
    assert replace_image(frame, image) is frame
    same = replace_image(frame, image.copy()).image16
    assert np.array_equal(same, frame.image16) and not np.shares_memory(same, frame.image16)
    other = image.copy()
    other[1, 2] = 9
    fine = replace_image(frame, other).image16
    assert (fine[1, 2] == 9 * 257).all() and (fine[0] == 3).all()
