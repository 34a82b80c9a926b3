import numpy as np
import pytest

from outtake.removal.rim_step import measure_rim_step
from tests.removal.frames import picture

HOLE = np.zeros((60, 80), bool)
HOLE[20:40, 30:60] = True


def test_a_fill_that_continues_the_picture_has_no_step():
    assert abs(measure_rim_step(picture(60, 80), HOLE)) < 0.5


@pytest.mark.parametrize("hole", [HOLE, HOLE.T.copy()])
def test_a_hard_edge_is_measured_in_grey_levels(hole):
    image = np.full((*hole.shape, 3), 90, np.uint8)
    image[hole] = 102
    assert measure_rim_step(image, hole) == 12
    # The picture has edges of its own just outside.
    stripes = np.zeros_like(image)
    stripes[::2] = 30
    assert measure_rim_step(stripes, hole) <= 0


def test_only_edges_inside_the_picture_count():
    assert measure_rim_step(picture(60, 80), np.ones((60, 80), bool)) is None
    assert measure_rim_step(picture(60, 80), np.zeros((60, 80), bool)) is None
    left = np.zeros((60, 80), bool)
    left[:, :30] = True
    image = np.full((60, 80, 3), 50, np.uint8)
    image[left] = 60
    assert measure_rim_step(image, left) == 10
