"""Cast shadows, which are removed together with the object that casts them."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from outtake.masking.aligned_window import ReducedFrame, sample_references
from outtake.masking.class_selection import BinaryMask, keep_connected
from outtake.motion.optical_flow import Floats

# How far from an object its shadow is searched: sideways, above and below, in object heights.
_ASIDE, _ABOVE, _BELOW = 0.9, -0.4, 0.5
# The share of the light that a shadow leaves, and how far the colours may differ in that share.
_MIN_LIGHT_RATIO, _SEED_LIGHT_RATIO, _EDGE_LIGHT_RATIO, _MAX_CHROMA_DIFFERENCE = (
    0.25,
    0.86,
    0.92,
    0.12,
)
# A point is lit in so many of its samples, at least: the brightest of them that agree. In others
# the shadow lies there as well; that of somebody who walks slowly does in most.
_LIT_SHARE, _LIT_TOLERANCE = 0.25, 0.07
_MIN_SAMPLES = 2
# Samples of other colours than their median show what moves and is not masked.
_MAX_SAMPLE_CHROMA_DIFFERENCE = 0.15
# Of the difference to the darkest neighbour, what a misaligned edge may explain.
_MISALIGNED_SHARE = 0.7
_BLUR_SIGMA_PX = 0.6
_MIN_GREY = 16.0


def detect_shadow(window: Sequence[ReducedFrame], index: int) -> BinaryMask:
    """Return where the shadows of masked objects fall, uint8 (h, w), 0 or 1.

    The background without shadow is what neighbouring frames show at the same place of the scene,
    when the object and its shadow are elsewhere. What is evenly darker than that, near an object,
    is shadow. An object that stands still against the background keeps its shadow.

    Args:
        window: Consecutive frames.
        index: The place of the frame among them.
    """
    here = window[index]
    lit, known = _estimate_lit(window, index, _search_zone(here.mask))
    image = _blur(here.image.astype(np.float32))
    lit = np.maximum(_blur(lit), _MIN_GREY)
    red, green, blue = cv2.split(image / lit)
    even = (
        cv2.max(cv2.max(red, green), blue) - cv2.min(cv2.min(red, green), blue)
        < _MAX_CHROMA_DIFFERENCE
    )
    # At an edge that is misaligned by a part of a pixel, the neighbour is as dark.
    lit_sum = _sum_channels(lit)
    darkest = cv2.erode(lit_sum, np.ones((3, 3), np.uint8))
    total = _sum_channels(image)
    mean = total / (lit_sum + _MISALIGNED_SHARE * (darkest - lit_sum))
    usable = known & even & (mean > _MIN_LIGHT_RATIO)
    edge = (usable & (mean < _EDGE_LIGHT_RATIO)).astype(np.uint8)
    # Lines on a road are thin, and the alignment may be off by their width.
    darkest = cv2.erode(darkest, np.ones((3, 3), np.uint8))
    dark = usable & (total < _SEED_LIGHT_RATIO * darkest)
    seed = cv2.erode(dark.astype(np.uint8), np.ones((3, 3), np.uint8))
    return keep_connected(edge, seed) if seed.any() else np.zeros_like(edge)


def _blur(image: Floats) -> Floats:
    return np.asarray(cv2.GaussianBlur(image, (3, 3), _BLUR_SIGMA_PX), np.float32)


def _sum_channels(image: Floats) -> Floats:
    return np.asarray(cv2.transform(image, np.ones((1, 3), np.float32)), np.float32)


def _search_zone(mask: BinaryMask) -> NDArray[np.bool_]:
    zone = np.zeros(mask.shape, bool)
    count, _, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    for x, y, width, height, _ in stats[1:count].tolist():
        sideways = round(_ASIDE * height) + 2
        top, bottom = y - round(_ABOVE * height), y + height + round(_BELOW * height) + 2
        zone[max(0, top) : bottom, max(0, x - sideways) : x + width + sideways] = True
    return np.asarray(zone & (mask == 0))


def _estimate_lit(
    window: Sequence[ReducedFrame], index: int, zone: NDArray[np.bool_]
) -> tuple[Floats, NDArray[np.bool_]]:
    """Return the frame without its shadows, and where that is known."""
    lit = window[index].image.astype(np.float32)
    known = np.zeros(zone.shape, bool)
    samples = sample_references(window, index, zone)
    if samples is None:
        return lit, known
    samples = samples.without_other_colours(_MAX_SAMPLE_CHROMA_DIFFERENCE)
    count, last = samples.count, len(samples.light) - 1
    lit_count = np.maximum(_MIN_SAMPLES, np.rint(_LIT_SHARE * count).astype(int))
    least = np.take_along_axis(samples.light, np.maximum(last + 1 - lit_count, 0)[None], axis=0)
    agrees = (samples.light >= (1 - _LIT_TOLERANCE) * least) & (samples.light >= 0)
    lit[zone] = samples.at_rank((agrees.argmax(axis=0) + last) // 2)
    known[zone] = count >= _MIN_SAMPLES
    return lit, known
