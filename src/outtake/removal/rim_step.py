"""The step across the rim of a fill: a hard edge that the picture itself does not have there."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from outtake.core.types import Frame, Mask

_CROSS = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
# Pixels on each side of the edge, which have two steps of their own.
_PIXELS = 3
# So many places along the edge are enough for a mean.
_MAX_PLACES = 1500


def measure_rim_step(image: Frame, mask: Mask) -> float | None:
    """Return how much harder the edge of a fill is than the picture beside it, in grey levels.

    Along x or y, the step from the last pixel of the fill to the first of the picture is compared
    with the mean of the two steps before it, in the fill, and of the two after it, in the picture.
    The result is the mean of the excess: about 0 where the fill continues the picture.

    Args:
        image: The filled picture, uint8 (H, W, C).
        mask: What was filled, bool (H, W).

    Returns:
        The excess; None where the mask has no edge inside the picture.
    """
    x, y, width, height = cv2.boundingRect(mask.view(np.uint8))
    top, left = max(0, y - _PIXELS), max(0, x - _PIXELS)
    crop = (slice(top, y + height + _PIXELS), slice(left, x + width + _PIXELS))
    # Beyond the picture all is masked, and so not compared.
    hole = _add_border(mask[crop].view(np.uint8), 1)
    edge = cv2.subtract(hole, cv2.erode(hole, _CROSS))
    inside = np.zeros_like(edge)
    inside[_PIXELS:-_PIXELS, _PIXELS:-_PIXELS] = edge[_PIXELS:-_PIXELS, _PIXELS:-_PIXELS]
    places = np.flatnonzero(inside)
    places = places[:: max(1, -(-len(places) // _MAX_PLACES))]
    levels = _add_border(cv2.extractChannel(image[crop], 1), 0).reshape(-1)
    masked = hole.reshape(-1)
    total, count = 0, 0
    for step in (1, -1, hole.shape[1], -hole.shape[1]):
        free = (masked[places + step] | masked[places + 2 * step] | masked[places + 3 * step]) == 0
        line = places[free] + step * np.arange(1 - _PIXELS, 1 + _PIXELS)[:, None]
        rises = np.abs(np.diff(levels[line].astype(np.int16), axis=0))
        sums = rises.sum(axis=1, dtype=np.int64).tolist()
        total += 4 * sums[2] - (sums[0] + sums[1] + sums[3] + sums[4])
        count += 4 * line.shape[1]
    return total / count if count else None


def _add_border(picture: NDArray[np.uint8], value: int) -> NDArray[np.uint8]:
    sides = (_PIXELS,) * 4
    found = cv2.copyMakeBorder(picture, *sides, cv2.BORDER_CONSTANT, value=(value,))
    return np.asarray(found, np.uint8)
