from __future__ import annotations

import cv2
import numpy as np
import pytest

from outtake.core.errors import ConfigError
from outtake.refine.join_regions import join_small, number_pieces
from outtake.refine.region_map import RegionMap
from outtake.refine.superpixels import METHODS, felzenszwalb, find_superpixels, slic, watershed


def quarters(size: int = 48) -> tuple[np.ndarray, np.ndarray]:
    """A picture of four colours with a little noise, and which quarter is which."""
    truth = (np.indices((size, size)) >= size // 2).astype(np.uint8)
    labels = 2 * truth[0] + truth[1]
    colours = np.array([(200, 60, 60), (60, 180, 60), (60, 60, 220), (220, 210, 60)], np.uint8)
    image = colours[labels] + np.random.default_rng(0).integers(0, 6, (size, size, 3), np.uint8)
    return image.astype(np.uint8), labels.astype(np.uint8)


@pytest.mark.parametrize("method", METHODS)
def test_regions_lie_within_things_and_are_of_one_piece(method: str) -> None:
    image, labels = quarters()
    found = find_superpixels(image, method, 40)
    wrong = (found.majority(labels) != labels).mean()
    assert wrong < 0.02
    assert found.sizes.min() > 0 and found.sizes.sum() == labels.size
    assert number_pieces(found.ids).count == found.count
    again = find_superpixels(image, method, 40)
    assert np.array_equal(found.ids, again.ids)


def test_a_watershed_has_nearly_as_many_regions_as_are_asked_for() -> None:
    image, _ = quarters(96)
    for asked in (1, 10, 100, 1000):
        assert 0.8 * asked <= watershed(image, asked).count <= 1.1 * asked + 1


def test_more_regions_than_pixels_are_one_for_each() -> None:
    image, _ = quarters(8)
    assert watershed(image, 10_000).count == 64
    assert slic(image, 10_000).count <= 64


def test_felzenszwalb_finds_four_quarters_and_nothing_else() -> None:
    image, labels = quarters(96)
    found = felzenszwalb(image, scale=300, least=400)
    assert found.count == 4
    assert (found.majority(labels) == labels).mean() > 0.98


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("shape", [(1, 9, 3), (9, 1, 3), (1, 1, 1), (5, 7, 1), (6, 6, 6)])
def test_any_size_and_any_number_of_channels(method: str, shape: tuple[int, ...]) -> None:
    image = np.random.default_rng(1).integers(0, 256, shape, np.uint8)
    found = find_superpixels(image, method, 4, least=2)
    assert found.ids.shape == shape[:2] and 1 <= found.count <= shape[0] * shape[1]
    flat = find_superpixels(np.zeros(shape, np.uint8), method, 1)
    assert flat.count == 1


def test_the_bits_are_those_of_any_number_of_threads() -> None:
    image, _ = quarters(64)
    threads = cv2.getNumThreads()
    found = []
    try:
        for count in (1, 4):
            cv2.setNumThreads(count)
            found.append([find_superpixels(image, method, 50).ids for method in METHODS])
    finally:
        cv2.setNumThreads(threads)
    assert all(np.array_equal(*pair) for pair in zip(*found, strict=True))


def test_regions_know_their_neighbours() -> None:
    ids = np.array([[0, 0, 1], [0, 2, 2]], np.int32)
    image = np.repeat(np.array([[[10], [10], [40]], [[10], [30], [30]]], np.uint8), 1, axis=2)
    borders = RegionMap(ids, 3).borders(image)
    assert borders.pairs.tolist() == [[0, 1], [0, 2], [1, 2]]
    assert borders.length.tolist() == [1, 2, 1]
    assert np.allclose(borders.contrast, [30, 20, 10])


def test_means_and_votes_are_those_of_each_region() -> None:
    ids = np.array([[0, 0, 1], [0, 2, 2]], np.int32)
    planes = np.arange(12, dtype=np.float32).reshape(2, 2, 3)
    found = RegionMap(ids, 3)
    assert np.allclose(found.means(planes), [[4 / 3, 2, 4.5], [22 / 3, 8, 10.5]])
    assert np.allclose(found.vote(planes)[0], [[4 / 3, 4 / 3, 2], [4 / 3, 4.5, 4.5]])
    labels = np.array([[7, 7, 255], [3, 3, 7]], np.uint8)
    assert found.majority(labels).tolist() == [[7, 7, 255], [7, 3, 3]]


def test_small_regions_join_the_neighbour_that_is_most_alike() -> None:
    ids = np.array([[0, 0, 0, 1, 2, 2, 2]], np.int32)
    image = np.array([[10, 10, 10, 80, 100, 100, 100]], np.uint8)[..., None]
    joined = join_small(RegionMap(ids, 3), image, 2)
    assert joined.count == 2 and joined.ids.tolist() == [[0, 0, 0, 1, 1, 1, 1]]


@pytest.mark.parametrize("options", [{"method": "seeds"}, {"regions": 0}, {"regions": 2.5}])
def test_what_cannot_work_is_one_line(options: dict) -> None:
    with pytest.raises(ConfigError, match=next(iter(options))):
        find_superpixels(np.zeros((4, 4, 3), np.uint8), **options)
