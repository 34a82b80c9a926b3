"""A region is filled by the search; what it does by itself is tested here."""

from __future__ import annotations

import numpy as np

from outtake.core.frames import UNTOUCHED
from outtake.removal.clean_plate.frame_buffer import FrameBuffer
from outtake.removal.clean_plate.hole_regions import find_hole_regions
from outtake.removal.clean_plate.region_fill import RegionFill
from tests.removal.clean_plate.clips import WIDTH, disc, hide, texture


def empty_fill() -> RegionFill:
    (window,) = FrameBuffer(1, 1 << 30)([hide(texture(1, width=WIDTH), disc(40))])
    return RegionFill(find_hole_regions(window.centre, 4)[0])


def test_a_region_without_references_is_unfilled_everywhere():
    fill = empty_fill()
    assert not fill.is_complete() and np.isinf(fill.residual)
    x, y = fill.unfilled_points().astype(int).T
    assert len(x) == disc(40).sum() and disc(40)[y, x].all()
    assert fill.flicker_sum() == (0.0, 0)


def test_nothing_outside_the_hole_is_written():
    fill, image = empty_fill(), texture(2, width=WIDTH)
    fill.colours[:] = 7
    fill.filled |= fill.hole
    written, drift = image.copy(), np.zeros(image.shape[:2], np.float32)
    origin, vague = np.zeros(image.shape[:2], np.uint8), np.zeros(image.shape[:2], bool)
    fill.vague[:] = True
    fill.write_to(written, drift, origin, vague)
    assert fill.is_complete() and np.array_equal(vague, disc(40))
    assert (written[disc(40)] == 7).all() and (origin[disc(40)] != UNTOUCHED).all()
    assert np.array_equal(written[~disc(40)], image[~disc(40)]) and not origin[~disc(40)].any()
