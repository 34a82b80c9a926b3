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
    blend_gradients(picture, places, offsets)
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
    blend_gradients(picture, np.stack((rows, columns), axis=1).astype(np.int32), offsets)
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
    blend_gradients(picture, np.stack((rows, columns), axis=1).astype(np.int32), offsets)
    assert np.abs(np.diff(picture[8, 9:27, 0])).max() < 12


def test_a_large_hole_that_reaches_three_borders_is_solved_to_the_end():
    # Steps are found to be steps of a ramp, whose height the one rim that there is says.
    height, width, reach = 150, 420, 260
    ramp = np.tile(np.arange(width, dtype=np.float32)[None, :, None] * 0.4, (height, 1, 3))
    hole = np.zeros((height, width), bool)
    hole[:, :reach] = True
    rows, columns = np.nonzero(hole)
    picture, offsets = ramp.copy(), np.zeros((height, width, 2), np.int32)
    offsets[rows, columns, 1] = reach + 1 - 100 * (columns // 100)  # three pieces, side by side
    picture[rows, columns] = ramp[rows, columns + offsets[rows, columns, 1]] + 50
    blend_gradients(picture, np.stack((rows, columns), axis=1).astype(np.int32), offsets)
    assert picture == pytest.approx(ramp, abs=0.5)


def test_the_places_of_a_hole_may_be_far_apart():
    picture = np.full((40, 90, 3), 70, np.float32)
    offsets = np.zeros((40, 90, 2), np.int32)
    places = np.array([(0, 0), (39, 89), (20, 40), (20, 41)], np.int32)
    for row, column in places:
        picture[row, column] = 200
        offsets[row, column] = (10 if row < 30 else -10, 0)
    blend_gradients(picture, places, offsets)
    assert picture == pytest.approx(np.full((40, 90, 3), 70), abs=0.5)
    blend_gradients(picture, places[:0], offsets)


@pytest.mark.parametrize(("height", "width", "reach"), [(1, 2000, 1900), (12, 900, 800)])
def test_a_long_hole_is_solved_to_its_end(height, width, reach):
    # One step lies at the only rim that there is; the far end has to follow.
    ramp = np.tile(np.arange(width, dtype=np.float32)[None, :, None] * 0.1, (height, 1, 3))
    rows, columns = np.nonzero(np.arange(width)[None] < np.full((height, 1), reach))
    picture, offsets = ramp.copy(), np.zeros((height, width, 2), np.int32)
    offsets[rows, columns, 1] = width - 20 - columns
    picture[rows, columns] = ramp[rows, columns] + 50
    blend_gradients(picture, np.stack((rows, columns), axis=1).astype(np.int32), offsets)
    assert picture == pytest.approx(ramp, abs=0.5)
