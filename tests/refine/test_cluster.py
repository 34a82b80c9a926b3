from __future__ import annotations

import numpy as np
import pytest

from outtake.core.errors import ConfigError
from outtake.refine.cluster import cluster
from outtake.refine.join_regions import number_pieces
from outtake.refine.region_map import RegionMap
from outtake.refine.superpixels import watershed
from tests.refine.test_superpixels import quarters


def test_four_quarters_are_found_without_a_network() -> None:
    image, labels = quarters(96)
    found = cluster(image, watershed(image, 200), 4)
    assert found.count == 4
    assert (found.majority(labels) == labels).mean() > 0.98
    assert found.ids[0, 0] == 0 and found.ids[0, -1] == 1 and found.ids[-1, -1] == 3


@pytest.mark.parametrize("groups", [1, 2, 7, 30])
def test_there_are_as_many_groups_as_are_asked_for_each_of_one_piece(groups: int) -> None:
    image = np.random.default_rng(0).integers(0, 256, (40, 50, 3), np.uint8)
    superpixels = watershed(image, 60)
    found = cluster(image, superpixels, groups)
    assert found.count == groups and number_pieces(found.ids).count == groups
    # No superpixel is divided.
    pairs = np.stack([superpixels.ids.ravel(), found.ids.ravel()])
    assert len(np.unique(pairs, axis=1).T) == superpixels.count


def test_the_cheapest_join_is_the_first() -> None:
    image = np.array([[10, 20, 200, 205]], np.uint8)[..., None]
    regions = RegionMap(np.arange(4, dtype=np.int32)[None], 4)
    assert cluster(image, regions, 3).ids.tolist() == [[0, 1, 2, 2]]
    assert cluster(image, regions, 2).ids.tolist() == [[0, 0, 1, 1]]
    assert cluster(image, regions, 9).count == 4
    with pytest.raises(ConfigError, match="groups=0"):
        cluster(image, regions, 0)
