"""References are aligned in light and colour too; geometry is tested with the remover."""

from __future__ import annotations

import numpy as np
import pytest

from outtake.removal.clean_plate.remover import CleanPlate
from tests.removal.clean_plate.clips import HEIGHT, WIDTH, disc, images, psnr, remove, texture, view


def brighter(image: np.ndarray, t: int) -> np.ndarray:
    return image * (1 + 0.15 * np.sin(t))


def more_contrast(image: np.ndarray, t: int) -> np.ndarray:
    return (image - 120.0) * (1 + 0.25 * np.sin(t)) + 120


@pytest.mark.parametrize("change", [brighter, more_contrast])
def test_a_change_of_exposure_is_compensated(change):
    world = texture(4)
    truths = [
        np.clip(change(view(world, 60 + 2 * t), t), 0, 255).astype(np.uint8) for t in range(14)
    ]
    masks = [disc(25 + 7 * t) for t in range(14)]
    assert psnr(truths, images(remove(CleanPlate(), truths, masks)), masks) > 33


def test_a_thing_beside_the_hole_that_is_as_bright_as_the_wall_does_not_tint_it():
    wall = texture(4) * 0.2 + 96
    dice = np.random.default_rng(0)
    truths = []
    for number in range(9):
        frame = wall[:, :WIDTH] + dice.normal(0, 4, (HEIGHT, WIDTH, 3))
        if number == 4:
            frame[40:60, 62:90] = (230, 75, 75)
        truths.append(np.clip(frame, 0, 255).astype(np.uint8))
    masks = [disc(50) if number == 4 else np.zeros((HEIGHT, WIDTH), bool) for number in range(9)]
    filled = images(remove(CleanPlate(), truths, masks))[4]
    tint = (filled[masks[4]] - wall[:, :WIDTH][masks[4]]).mean(axis=0)
    assert np.abs(tint).max() < 2
