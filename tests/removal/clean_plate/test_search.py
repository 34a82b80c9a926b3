"""Keyframes from farther back than the reach fill what nothing nearer shows."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pytest

from outtake.core.frames import MaskedFrame
from outtake.removal.clean_plate.remover import CleanPlate
from tests.removal.clean_plate.clips import disc, hide, psnr, texture, view

OUTPUT = range(160, 164)


def truth(number: int) -> np.ndarray:
    return view(texture(2), 30 + np.sin(number / 7))


def paused(numbers: Iterable[int]) -> list[MaskedFrame]:
    """Something stands still from frame 64 on, and hides what could be seen before."""
    return [hide(truth(n), disc(50 if n >= 64 else 115), n, is_output=n in OUTPUT) for n in numbers]


@pytest.mark.parametrize("sparse", [True, False])
def test_something_that_pauses_for_long_is_filled_from_keyframes(sparse):
    far = range(0, 144, 16) if sparse else range(144)
    results = list(CleanPlate(reach_frames=12)(paused([*far, *range(144, 170)])))
    for filled in results:
        if filled.source.number in OUTPUT:
            expected = truth(filled.source.number)
            assert filled.statistics.observed > 0.95
            assert psnr([expected], [filled.frame.image], [disc(50)]) > 28


def test_keyframes_of_another_place_are_of_no_use():
    elsewhere = view(texture(9), 30)
    other = [hide(elsewhere, disc(115), number, is_output=False) for number in range(0, 64, 16)]
    items = other + paused([*range(64, 144, 16), *range(144, 170)])
    results = {filled.source.number: filled for filled in CleanPlate(reach_frames=12)(items)}
    assert all(results[number].statistics.observed < 0.05 for number in OUTPUT)
