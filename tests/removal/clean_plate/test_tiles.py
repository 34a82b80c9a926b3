from __future__ import annotations

import cv2
import numpy as np

from outtake.motion.warp import project_with_jacobians
from outtake.removal.clean_plate.tiles import (
    compute_clearance,
    cover_with_tiles,
    known_in_tiles,
    sample_tiles,
    tile_visibility,
)
from tests.removal.clean_plate.clips import HEIGHT, WIDTH, disc, texture

SHIFT = np.array([[1, 0, 7], [0, 1, -3], [0, 0, 1.0]])


def test_tiles_cover_the_mask_and_give_back_what_they_take():
    mask = disc(70)[30:70, 50:93]
    tiles, padded = cover_with_tiles(mask, 50, 30, HEIGHT)
    image = np.random.default_rng(0).integers(0, 255, (*padded.shape, 3), np.uint8)
    restored = np.zeros_like(image)
    tiles.scatter(tiles.gather(image), restored)
    assert np.array_equal(padded[:40, :43], mask) and padded.sum() == mask.sum()
    assert np.array_equal(restored[padded], image[padded])
    assert len(tiles.gather(padded)) == len(tiles.centres)
    assert tiles.gather(padded).any(axis=1).all()


def test_tiles_are_larger_on_large_images():
    mask = np.ones((16, 16), bool)
    assert [cover_with_tiles(mask, 0, 0, height)[0].side for height in (400, 401)] == [4, 8]


def test_tiles_are_sampled_where_a_homography_sends_them():
    image = texture(1, width=WIDTH)
    tiles, _ = cover_with_tiles(np.ones((12, 16), bool), 40, 30, HEIGHT)
    centres, jacobians = project_with_jacobians(SHIFT, tiles.centres)
    found = np.zeros((12, 16, 3), np.uint8)
    tiles.scatter(sample_tiles(image, centres, jacobians, tiles.side), found)
    assert np.array_equal(found, image[27:39, 47:63])


def test_a_tile_that_counts_as_visible_as_a_whole_is_visible_in_every_pixel():
    hidden = disc(60) | disc(100, 30)
    known = cv2.erode((~hidden).astype(np.uint8), np.ones((5, 5)), borderType=cv2.BORDER_REPLICATE)
    tiles, _ = cover_with_tiles(np.ones((HEIGHT, WIDTH), bool), 0, 0, HEIGHT)
    centres, jacobians = project_with_jacobians(SHIFT[None], tiles.centres)
    (whole,), (partly,) = tile_visibility([compute_clearance(hidden)], centres, jacobians, 4)
    pixels = known_in_tiles(known, centres[0], jacobians[0], 4)
    assert pixels[whole].all() and whole.mean() > 0.4
    assert partly.any() and not (whole & partly).any()
