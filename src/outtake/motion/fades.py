"""Follow a picture through a fade: the camera goes on while the light comes or goes."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

# A fade brings each picture nearer to black or to white...
_FADE_COLOURS_GREY = (0.0, 255.0)
# ...by its light, in grey levels, as far as by its contrast; a dissolve goes to another picture.
_LIGHT_TOLERANCE_GREY, _LIGHT_TOLERANCE_OF_STEP = 1.0, 10.0
# A smaller change of contrast is none.
_LEAST_STEP = 0.02
# Averaged over cells, what both show is the same then, but for noise and things that move.
CELLS, _FADE_CORRELATION = (32, 18), 0.9
# Some frames apart coding has changed more; it hides the picture itself below this contrast.
_SAME_CORRELATION, _CLEAR_SPREAD_GREY = 0.9, 3.0
# Both are stretched to this contrast at least; of less than the second one, nothing can be seen.
_LEAST_SPREAD_GREY, _NO_SPREAD_GREY = 24.0, 0.4
# The steps of whole grey levels, which stretching enlarges, are smoothed in darker pictures.
_COARSE_SPREAD_GREY = 6.0
# What a fade begins with or ends in: so near to one of its colours, and hardly any contrast.
_BLANK_DISTANCE_GREY, _BLANK_SPREAD_GREY = 16.0, 1.0


class MatchedPair(NamedTuple):
    """Two pictures with the same mean and contrast, and what was done to them.

    Attributes:
        before: The first picture, uint8 (h, w).
        after: The second one, uint8 (h, w).
        faded: The first one with the mean and the contrast of the second one, uint8 (h, w).
    """

    before: NDArray[np.uint8]
    after: NDArray[np.uint8]
    faded: NDArray[np.uint8]


def match_exposure(
    before: NDArray[np.uint8], after: NDArray[np.uint8], known: NDArray[np.uint8]
) -> MatchedPair | None:
    """Give two pictures the same mean and contrast.

    None if one of them shows nothing, or if they have the same contrast.

    Args:
        before: The brightness of the first, uint8 (h, w).
        after: The brightness of the second, uint8 (h, w).
        known: 1 where both may be used, uint8 (h, w).
    """
    if not known.any():
        return None
    (mean, spread), (mean_after, spread_after) = (_measure(each, known) for each in (before, after))
    if min(spread, spread_after) < _NO_SPREAD_GREY:
        return None
    if abs(1 - spread_after / spread) < _LEAST_STEP / 2:
        return None
    target = max(spread, spread_after, _LEAST_SPREAD_GREY)
    return MatchedPair(
        _stretch(before, known, mean, spread, target),
        _stretch(after, known, mean_after, spread_after, target),
        _clip((before - mean) * (spread_after / spread) + mean_after),
    )


def is_fade(moved: NDArray[np.uint8], after: NDArray[np.uint8], known: NDArray[np.uint8]) -> bool:
    """Return True if a picture is another one, nearer to black or white or farther from it.

    Args:
        moved: The brightness of the other, as the camera of the picture sees it, uint8 (h, w).
        after: The brightness of the picture, uint8 (h, w).
        known: 1 where both may be used, uint8 (h, w).
    """
    one, other = average_cells(moved, after, known=known)
    if len(one) < CELLS[0] or min(float(one.std()), float(other.std())) < _NO_SPREAD_GREY:
        return False
    if float(np.corrcoef(one, other)[0, 1]) < _FADE_CORRELATION:
        return False
    gain = float(other.std() / one.std())
    light = float(other.mean()) - gain * float(one.mean())
    apart = min(abs(light - (1 - gain) * colour) for colour in _FADE_COLOURS_GREY)
    step = abs(1 - gain)
    tolerance = _LIGHT_TOLERANCE_GREY * max(gain, 1) + _LIGHT_TOLERANCE_OF_STEP * step
    return step > _LEAST_STEP and apart < tolerance


def shows_same_picture(
    moved: NDArray[np.uint8], after: NDArray[np.uint8], known: NDArray[np.uint8]
) -> bool:
    """Return False if two pictures in any light are different ones; dark ones may be the same.

    Args:
        moved: The brightness of one, as the camera of the other sees it, uint8 (h, w).
        after: The brightness of the other, uint8 (h, w).
        known: 1 where both may be used, uint8 (h, w).
    """
    one, other = average_cells(moved, after, known=known)
    if len(one) < CELLS[0] or min(float(one.std()), float(other.std())) < _CLEAR_SPREAD_GREY:
        return True
    return float(np.corrcoef(one, other)[0, 1]) > _SAME_CORRELATION


def is_blank(grey: NDArray[np.uint8], known: NDArray[np.uint8]) -> bool:
    """Return True if a picture is black or white all over, as a fade begins or ends.

    Args:
        grey: Its brightness, uint8 (h, w).
        known: 1 where it may be used, uint8 (h, w).
    """
    (cells,) = average_cells(grey, known=known)
    if len(cells) < CELLS[0] or float(cells.std()) > _BLANK_SPREAD_GREY:
        return False
    return (
        min(abs(float(cells.mean()) - each) for each in _FADE_COLOURS_GREY) < _BLANK_DISTANCE_GREY
    )


def average_cells(*greys: NDArray[np.uint8], known: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
    """Return the brightness of pictures in the cells that are known as a whole, float32 (n,)."""
    # What is unknown is painted, so a cell may hold none of it.
    seen = cv2.resize(known * np.uint8(255), CELLS, interpolation=cv2.INTER_AREA) == 255
    return [
        # Dark pictures differ by less than the grey levels that whole numbers can tell.
        cv2.resize(each.astype(np.float32), CELLS, interpolation=cv2.INTER_AREA)[seen]
        for each in greys
    ]


def _measure(grey: NDArray[np.uint8], known: NDArray[np.uint8]) -> tuple[float, float]:
    mean, spread = cv2.meanStdDev(grey, mask=known)
    return float(mean[0, 0]), float(spread[0, 0])


def _stretch(
    grey: NDArray[np.uint8],
    known: NDArray[np.uint8],
    mean: float,
    spread: float,
    target: float,
) -> NDArray[np.uint8]:
    # What is unknown is painted in a grey that a dark picture does not have.
    apart = np.where(known, grey - np.float32(mean), np.float32(0))
    if spread < _COARSE_SPREAD_GREY:
        apart = cv2.GaussianBlur(apart, (0, 0), 1)
    return _clip(128 + apart * np.float32(target / spread))


def _clip(values: NDArray[np.float32]) -> NDArray[np.uint8]:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)
