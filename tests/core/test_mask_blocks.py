import numpy as np
import pytest

from outtake.core.mask_blocks import enlarge_blocks, reduce_to_blocks, take_field_blocks


@pytest.mark.parametrize("shape", [(8, 12), (9, 13), (1, 1), (3, 30)])
def test_blocks_hold_every_pixel_of_a_mask_and_none_that_is_four_away(shape):
    mask = np.random.default_rng(0).random(shape) < 0.05
    mask[0, 0] = True
    blocks = reduce_to_blocks(mask)
    assert blocks.shape == tuple(-(-length // 4) for length in shape)
    covered = enlarge_blocks(blocks, shape)
    assert covered.shape == shape and covered[mask].all()
    for row, column in zip(*np.nonzero(covered), strict=True):
        top, left = row // 4 * 4, column // 4 * 4
        assert mask[top : top + 4, left : left + 4].any()


def test_the_blocks_of_a_field_are_those_of_two_rows_of_blocks():
    blocks = np.array([[1, 0, 0], [0, 0, 1], [0, 1, 0]], np.uint8)
    assert take_field_blocks(blocks).tolist() == [[1, 0, 1], [0, 1, 0]]
