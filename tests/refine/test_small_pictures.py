"""Pictures of any size are refined and divided, down to one pixel."""

import numpy as np
import pytest

from outtake.refine.cluster import cluster
from outtake.refine.contours import draw_contours, find_contours
from outtake.refine.edges import edge_strength, find_outline
from outtake.refine.refiner import Unrefined
from outtake.refine.region_vote import RegionVote
from outtake.refine.smoother import Smooth
from outtake.refine.superpixels import METHODS, find_superpixels

SIZES = [(1, 1), (1, 7), (7, 1), (2, 2), (1, 500), (3, 500), (500, 3)]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("refiner", [Smooth(), RegionVote(), Unrefined()])
def test_refined_probabilities_are_some_at_any_size(size, refiner):
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 256, (*size, 3)).astype(np.uint8)
    given = rng.dirichlet([1, 1, 1], size).transpose(2, 0, 1).astype(np.float32)
    found = refiner.refine(picture, given.copy())
    assert found.shape == given.shape and (found >= 0).all()
    assert np.allclose(found.sum(axis=0), 1, atol=1e-4)


def test_one_row_is_smoothed_as_one_column_is():
    rng = np.random.default_rng(1)
    row = rng.integers(0, 256, (1, 40, 3)).astype(np.uint8)
    given = rng.dirichlet([1, 1], (1, 40)).transpose(2, 0, 1).astype(np.float32)
    of_row = Smooth().refine(row, given.copy())
    turned = np.ascontiguousarray(given.transpose(0, 2, 1))
    of_column = Smooth().refine(np.ascontiguousarray(row.transpose(1, 0, 2)), turned)
    assert np.allclose(of_row, of_column.transpose(0, 2, 1), atol=1e-5)
    assert not np.allclose(of_row, given, atol=1e-2)


@pytest.mark.parametrize("size", SIZES)
def test_regions_edges_and_contours_exist_at_any_size(size):
    rng = np.random.default_rng(2)
    picture = rng.integers(0, 256, (*size, 3)).astype(np.uint8)
    labels = rng.integers(0, 4, size).astype(np.uint8)
    for method in METHODS:
        regions = find_superpixels(picture, method, 10)
        assert regions.ids.shape == cluster(picture, regions, 3).ids.shape == size
    assert edge_strength(picture).shape == find_outline(labels).shape == size
    assert np.array_equal(draw_contours(find_contours(labels), size), labels)
