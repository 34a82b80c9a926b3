import numpy as np
import pytest

from outtake.annotations.annotated_shapes import Shape, box_ring, turn_ring
from outtake.annotations.raster import draw_shape

SQUARE = Shape(rings=(box_ring(2, 3, 6, 7),))


def drawn(shape, rule, size=(10, 12)):
    canvas = np.zeros(size, np.uint8)
    draw_shape(canvas, shape, 5, rule)
    return canvas


def test_neighbours_share_no_pixel_and_leave_no_gap():
    left, right = (Shape(rings=(box_ring(*box),)) for box in ((0, 0, 4.5, 10), (4.5, 0, 12, 10)))
    both = [drawn(each, "centres") > 0 for each in (left, right)]
    assert (both[0] ^ both[1]).all()


def test_what_is_removed_has_every_pixel_that_is_touched():
    inside, touched = (drawn(SQUARE, rule) > 0 for rule in ("centres", "touched"))
    assert inside.sum() == 16 and inside[3:7, 2:6].all()
    assert touched[inside].all() and touched.sum() > inside.sum()
    assert not touched[:2].any() and not touched[:, 8:].any()


@pytest.mark.parametrize("rule", ["centres", "touched"])
def test_what_lies_beyond_the_picture_is_cut(rule):
    far = Shape(rings=(box_ring(-1e6, -1e6, 1e6, 1e6),))
    assert (drawn(far, rule) == 5).all()
    part = Shape(bitmap=np.ones((4, 4), bool), left=-2, top=8)
    assert np.flatnonzero(drawn(part, rule)).tolist() == [96, 97, 108, 109]
    assert not drawn(Shape(bitmap=np.ones((2, 2), bool), left=50, top=-9), rule).any()


def test_fractions_become_pixels():
    assert np.array_equal(
        drawn(Shape(rings=(box_ring(0.25, 0.3, 0.5, 0.7),)).scale((10, 12)), "centres"),
        drawn(Shape(rings=(box_ring(3, 3, 6, 7),)), "centres"),
    )


def test_a_ring_is_turned_clockwise_as_it_is_seen():
    turned = turn_ring(box_ring(0, 0, 4, 2), 2, 1, 90)
    assert np.allclose(turned, [[3, -1], [3, 3], [1, 3], [1, -1]])
