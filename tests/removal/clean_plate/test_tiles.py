from __future__ import annotations

import numpy as np

from outtake.removal.clean_plate.tiles import (
    cover_with_tiles,
)
from tests.removal.clean_plate.clips import HEIGHT, disc


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
