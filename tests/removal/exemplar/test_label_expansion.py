import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import breadth_first_order, maximum_flow

from outtake.removal.exemplar.label_expansion import cut_network


def make_grid(rows, columns):
    """Return the numbers of the neighbours right, below, left and above, (m, 4)."""
    numbers = np.pad(np.arange(rows * columns).reshape(rows, columns), 1, constant_values=-1)
    steps = ((0, 1), (1, 0), (0, -1), (-1, 0))
    sides = [numbers[1 + y : rows + 1 + y, 1 + x : columns + 1 + x].ravel() for y, x in steps]
    return np.stack(sides, axis=1).astype(np.int32)


def cut_by_library(supply, room, neighbours):
    count = len(supply)
    tails, sides = np.nonzero((neighbours >= 0) & (room > 0))
    up, down = np.flatnonzero(supply > 0), np.flatnonzero(supply < 0)
    graph = coo_array(
        (
            np.concatenate((room[tails, sides], supply[up], -supply[down])).astype(np.int32),
            (
                np.concatenate((tails, np.full(len(up), count), down)),
                np.concatenate((neighbours[tails, sides], up, np.full(len(down), count + 1))),
            ),
        ),
        shape=(count + 2, count + 2),
    ).tocsr()
    rest = graph - maximum_flow(graph, count, count + 1).flow
    rest.data = np.maximum(rest.data, 0)
    rest.eliminate_zeros()
    reached = np.zeros(count + 2, bool)
    reached[breadth_first_order(rest, count, return_predecessors=False)] = True
    return reached[:count]


def test_the_cut_is_that_of_a_library():
    dice = np.random.default_rng(0)
    neighbours, sizes = make_grid(9, 11), []
    for _ in range(20):
        supply = dice.integers(-40, 41, 99)
        room = np.where(neighbours >= 0, dice.integers(0, 25, (99, 4)), 0)
        expected = cut_by_library(supply, room, neighbours)
        found = cut_network(supply.copy(), room.copy(), neighbours)
        assert np.array_equal(found, expected)
        sizes.append(expected.mean())
    assert min(sizes) > 0.1 and max(sizes) < 0.9


def test_without_supply_nothing_is_reached():
    neighbours = make_grid(2, 2)
    room = np.full((4, 4), 5)
    assert not cut_network(np.full(4, -3), room.copy(), neighbours).any()
    assert cut_network(np.full(4, 3), room.copy(), neighbours).all()
