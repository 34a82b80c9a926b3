import itertools

import numpy as np

from outtake.removal.exemplar.offset_labels import OffsetLabelling, add_covering_offsets


def make(values, hole, offsets):
    return OffsetLabelling(
        np.asarray(values, np.float32), hole, ~hole, np.asarray(offsets, np.int32)
    )


def hole_of(shape, rows, columns):
    hole = np.zeros(shape, bool)
    hole[rows, columns] = True
    return hole


def test_offsets_are_added_for_pixels_that_have_none():
    hole = hole_of((9, 20), slice(0, 9), slice(4, 16))
    given = np.array([(0, -12)], np.int32)  # serves the right third alone
    offsets = add_covering_offsets(hole, ~hole, given)
    assert 1 < len(offsets) <= 9 and offsets[0].tolist() == [0, -12]
    rows, columns = np.nonzero(hole)
    served = np.zeros(len(rows), bool)
    for down, across in offsets.tolist():
        row, column = rows + down, columns + across
        inside = (row >= 0) & (row < 9) & (column >= 0) & (column < 20)
        served[inside] |= ~hole[row[inside], column[inside]]
    assert served.all()
    assert add_covering_offsets(hole, ~hole, offsets) is offsets
    assert len(add_covering_offsets(hole, np.zeros_like(hole), given)) <= 9


def test_stripes_go_on_at_their_period():
    values = np.tile(np.arange(30) % 6 * 40.0, (20, 1))[..., None]
    hole = hole_of((20, 30), slice(5, 12), slice(12, 17))
    offsets = [(0, -7), (0, 6), (0, -6), (0, 8)]
    labels = make(values, hole, offsets).solve()
    assert set(labels.tolist()) <= {1, 2}
    rows, columns = np.nonzero(hole)
    shown = values[rows, columns + np.array(offsets)[labels, 1]]
    assert np.array_equal(shown, values[rows, columns])


def test_the_labels_of_a_small_hole_are_the_best_of_all():
    dice = np.random.default_rng(3)
    for _ in range(5):
        values = dice.uniform(0, 255, (14, 14, 2))
        hole = hole_of((14, 14), slice(6, 8), slice(6, 8))
        # With two labels one cut is enough for the least cost.
        labelling = make(values, hole, [(0, 4), (4, 0)])
        costs = {
            labels: labelling.cost(np.array(labels, np.int32))
            for labels in itertools.product(range(2), repeat=4)
        }
        assert labelling.cost(labelling.solve()) == min(costs.values())


def test_a_piece_comes_from_known_pixels_alone():
    values = np.random.default_rng(4).uniform(0, 255, (20, 20, 3))
    hole = hole_of((20, 20), slice(8, 12), slice(8, 12))
    offsets = [(0, 3), (0, 5), (2, 0), (0, -5)]
    labels = make(values, hole, offsets).solve()
    rows, columns = np.nonzero(hole)
    there = np.stack((rows, columns), axis=1) + np.array(offsets)[labels]
    assert not hole[there[:, 0], there[:, 1]].any()


def test_without_an_allowed_offset_there_is_no_labelling():
    values = np.zeros((10, 10, 3))
    hole = hole_of((10, 10), slice(3, 7), slice(3, 7))
    assert make(values, hole, [(0, 1), (1, 0)]).solve() is None
    assert make(values, hole, [(0, 50)]).solve() is None
