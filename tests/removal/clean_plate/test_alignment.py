"""References are aligned in exposure too; geometry is tested with the remover."""

from __future__ import annotations

import numpy as np
import pytest

from outtake.removal.clean_plate.remover import CleanPlate
from tests.removal.clean_plate.clips import disc, images, psnr, remove, texture, view


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
