from __future__ import annotations

import numpy as np

from outtake.removal.clean_plate.frame_buffer import BufferedFrame, FrameBuffer
from outtake.removal.clean_plate.hole_regions import find_hole_regions
from tests.removal.clean_plate.clips import HEIGHT, WIDTH, disc, hide, texture

MASK = disc(40) | disc(110, 80, 20)


def buffered(mask: np.ndarray) -> BufferedFrame:
    (window,) = FrameBuffer(1, 1 << 30)([hide(texture(1, width=WIDTH), mask)])
    return window.centre


def test_regions_cover_the_hole_and_know_what_surrounds_it():
    frame, covered = buffered(MASK), np.zeros(MASK.shape, int)
    regions = find_hole_regions(frame, 4)
    assert len(regions) == 2
    for region in regions:
        inside, part = region.frame_slices(HEIGHT, WIDTH)
        covered[inside] += region.hole[part]
        rim = region.rim[part]
        assert rim.any() and not MASK[inside][rim].any()
        assert np.array_equal(region.image[part][rim], frame.image[inside][rim])
        x, y = region.ring_points.astype(int).T
        assert not MASK[y, x].any()
        assert np.array_equal(region.ring_colours, frame.image[y, x])
    assert np.array_equal(covered, MASK)


def test_a_frame_without_a_hole_has_no_regions():
    assert find_hole_regions(buffered(np.zeros_like(MASK)), 4) == []
