"""Clips of textured worlds in which a hole moves and the truth behind it is known."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import cv2
import numpy as np

from outtake.core.frames import FilledFrame, MaskedFrame
from outtake.core.types import Frame, Mask, TimedFrame
from outtake.removal.clean_plate.remover import CleanPlate

HEIGHT, WIDTH = 96, 144


def texture(seed: int, height: int = HEIGHT, width: int = 3 * WIDTH) -> Frame:
    dice = np.random.default_rng(seed)
    total = np.full((height, width, 3), 120.0)
    for step in (3, 8, 30):
        small = dice.normal(0, 18, (height // step + 2, width // step + 2, 3))
        total += cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.clip(total, 0, 255).astype(np.uint8)


def view(world: Frame, x: float, y: float = 0.0, zoom: float = 1.0) -> Frame:
    map_ = np.array([[1 / zoom, 0, x], [0, 1 / zoom, y]], np.float32)
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    size = (WIDTH, HEIGHT)
    moved = cv2.warpAffine(world, map_, size, flags=flags, borderMode=cv2.BORDER_REFLECT)
    return np.asarray(moved, np.uint8)


def disc(x: float, y: float = 50, radius: int = 13) -> Mask:
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    return np.asarray(cv2.circle(mask, (round(x), round(y)), radius, 1, cv2.FILLED) > 0)


def hide(
    truth: Frame, mask: Mask, number: int | None = None, *, is_output: bool = True, pts: int = 0
) -> MaskedFrame:
    image = truth.copy()
    image[mask] = (255, 0, 255)
    return MaskedFrame(TimedFrame(image, pts, Fraction(1, 25)), mask, None, number, is_output)


def remove(plate: CleanPlate, truths: Sequence[Frame], masks: Sequence[Mask]) -> list[FilledFrame]:
    pairs = enumerate(zip(truths, masks, strict=True))
    return list(plate(hide(truth, mask, pts=pts) for pts, (truth, mask) in pairs))


def images(filled: Sequence[FilledFrame]) -> list[Frame]:
    return [one.frame.image for one in filled]


def psnr(truths: Sequence[Frame], results: Sequence[Frame], masks: Sequence[Mask]) -> float:
    values = []
    for truth, result, mask in zip(truths, results, masks, strict=True):
        error = np.square(truth[mask].astype(float) - result[mask]).mean()
        values.append(10 * np.log10(255**2 / max(error, 1e-3)))
    return float(np.mean(values))


def two_layers(number: int) -> Frame:
    """A sign that passes before a wall, at three times its speed: two layers at two depths."""
    wall, sign = texture(3), texture(5, 40, 30)
    sign[8:32:6] = 250
    picture = view(wall, 30 + number)
    left = 140 - 5 * number
    part = picture[28:68, max(left, 0) : max(left + 30, 0)]
    part[:] = sign[:, max(-left, 0) : max(-left, 0) + part.shape[1]]
    return picture
