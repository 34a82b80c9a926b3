import numpy as np
import pytest

from outtake.removal.exemplar.gradient_blend import blend_gradients


def test_a_piece_of_another_brightness_takes_the_colours_of_the_rim():
    # Two halves with the same texture, the right one brighter by 60.
    texture = np.random.default_rng(1).normal(0, 8, (24, 20, 3))
    dark = 80 + texture
    truth = np.concatenate((dark, dark + 60), axis=1).astype(np.float32)
    hole = np.zeros((24, 40), bool)
    hole[8:16, 6:14] = True
    picture, offsets = truth.copy(), np.zeros((24, 40, 2), np.int32)
    offsets[hole] = (0, 20)
    rows, columns = np.nonzero(hole)
    picture[rows, columns] = truth[rows, columns + 20]
    places = np.stack((rows, columns), axis=1).astype(np.int32)
    blend_gradients(picture, places, offsets, 8)
    assert picture[hole] == pytest.approx(truth[hole], abs=1.0)
    assert np.array_equal(picture[~hole], truth[~hole])


def test_a_hole_at_the_border_of_the_picture():
    ramp = np.tile(np.arange(30, dtype=np.float32)[:, None, None] * 4, (1, 30, 3))
    hole = np.zeros((30, 30), bool)
    hole[:, :6] = True
    picture, offsets = ramp.copy(), np.zeros((30, 30, 2), np.int32)
    offsets[hole] = (0, 10)
    rows, columns = np.nonzero(hole)
    picture[hole] = 0
    blend_gradients(picture, np.stack((rows, columns), axis=1).astype(np.int32), offsets, 30)
    assert picture == pytest.approx(ramp, abs=1.0)


def test_a_seam_between_two_pieces_is_spread():
    base = np.full((16, 60, 3), 100, np.float32)
    base[:, 40:] = 160
    hole = np.zeros((16, 60), bool)
    hole[4:12, 10:26] = True
    offsets = np.zeros((16, 60, 2), np.int32)
    offsets[4:12, 10:18], offsets[4:12, 18:26] = (0, 19), (0, 30)
    picture = base.copy()
    rows, columns = np.nonzero(hole)
    there = columns + offsets[rows, columns, 1]
    picture[rows, columns] = base[rows, there]
    assert np.ptp(picture[8, 9:27, 0]) == 60
    blend_gradients(picture, np.stack((rows, columns), axis=1).astype(np.int32), offsets, 16)
    assert np.abs(np.diff(picture[8, 9:27, 0])).max() < 12
