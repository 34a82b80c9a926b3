from __future__ import annotations

import numpy as np

from outtake.removal.clean_plate.seam import seam_correction
from outtake.removal.clean_plate.tiles import cover_with_tiles


def test_the_seam_is_corrected_near_the_rim_only():
    hole = np.ones((24, 64), bool)
    tiles, _ = cover_with_tiles(hole, 10, 20, 96)
    rim = np.stack((np.full(24, 9.0), np.arange(20, 44)), axis=1).astype(np.float32)
    errors = np.full((24, 3), 6, np.float32)
    which, correction = seam_correction(tiles, rim, errors, 4.0)
    assert tiles.centres[which, 0].max() < 30
    assert 2 < correction.max() <= 6


def test_a_large_error_at_the_rim_is_no_shade_of_the_fill():
    tiles, _ = cover_with_tiles(np.ones((8, 8), bool), 10, 20, 96)
    rim = np.array([[9, 24]], np.float32)
    few, many = (
        np.abs(seam_correction(tiles, rim, np.full((1, 3), error, np.float32), 4.0)[1]).max()
        for error in (8, 80)
    )
    assert few == many
