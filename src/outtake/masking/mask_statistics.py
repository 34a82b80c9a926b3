"""What masks look like, in numbers: what they were made of, and how far they jump."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from outtake.core.frames import LabelledFrame, MaskedFrame, MaskStatistics
from outtake.core.types import Mask

# Masks depend on so many frames before them when they are measured, beside what they are made of.
CONTEXT_FRAMES = 1
_LONGEST_SIDE_PX = 160
# A block of the reduced mask counts if this share of it is masked, of 255.
_BLOCK_SHARE = 64
# What lies this near to the other mask is no jump: outlines tremble, and things move. A fraction
# of the height.
_TOLERANCE = 0.035
# Counting every fourth pixel along x and y is exact enough to say what a picture holds.
COUNT_STEP = 4
_LISTED_VALUES = 256


def measure_masks(clip: Iterable[MaskedFrame]) -> Iterator[MaskedFrame]:
    """Yield each frame with the statistics of its mask.

    They depend on the frame itself and on the mask before it, if there is one.
    """
    before: NDArray[np.uint8] | None = None
    for item in clip:
        small = reduce_mask(item.mask)
        jump = None if before is None else mask_jump(before, small)
        before = small
        known = item.statistics or MaskStatistics()
        if item.labelled is not None:
            known = replace(
                known,
                uncertain_share=item.labelled.uncertain_share,
                contents=count_classes(item.labelled),
            )
        yield replace(item, statistics=replace(known, jump=jump))


def reduce_mask(mask: Mask) -> NDArray[np.uint8]:
    """Return a mask with a longest side of at most 160 pixels, uint8 (h, w), 0 or 1."""
    height, width = mask.shape
    scale = min(1.0, _LONGEST_SIDE_PX / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    full = np.ascontiguousarray(mask).view(np.uint8) * np.uint8(255)
    small = cv2.resize(full, size, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.threshold(small, _BLOCK_SHARE, 1, cv2.THRESH_BINARY)[1], np.uint8)


def mask_jump(before: NDArray[np.uint8], mask: NDArray[np.uint8]) -> float | None:
    """Return the share of two consecutive masks that lies in one of them alone, 0 to 1.

    What lies within a small distance of the other mask is in both, and so is what a shift of the
    whole mask explains: things move, and so does the camera. 0 is smooth, 1 has nothing in common.

    Args:
        before: The mask before, as :func:`reduce_mask` returns it.
        mask: The mask.

    Returns:
        The share; None if both are empty, or of different sizes.
    """
    if before.shape != mask.shape or not (before.any() or mask.any()):
        return None
    shifts = {(0, 0), _centroid_shift(before, mask)}
    return min(_share_in_one_alone(_shift_mask(before, *shift), mask) for shift in shifts)


def _centroid_shift(before: NDArray[np.uint8], mask: NDArray[np.uint8]) -> tuple[int, int]:
    first, second = (cv2.moments(one, binaryImage=True) for one in (before, mask))
    if not first["m00"] or not second["m00"]:
        return 0, 0
    dx, dy = (second[key] / second["m00"] - first[key] / first["m00"] for key in ("m10", "m01"))
    return round(dx), round(dy)


def _shift_mask(mask: NDArray[np.uint8], dx: int, dy: int) -> NDArray[np.uint8]:
    if not dx and not dy:
        return mask
    to = np.array([[1, 0, dx], [0, 1, dy]], np.float32)
    size = (mask.shape[1], mask.shape[0])
    return np.asarray(cv2.warpAffine(mask, to, size, flags=cv2.INTER_NEAREST), np.uint8)


def _share_in_one_alone(before: NDArray[np.uint8], mask: NDArray[np.uint8]) -> float:
    radius = max(1, round(_TOLERANCE * mask.shape[0]))
    kernel = np.ones((2 * radius + 1,) * 2, np.uint8)
    alone = sum(
        cv2.countNonZero(cv2.subtract(one, cv2.dilate(other, kernel)))
        for one, other in ((before, mask), (mask, before))
    )
    return alone / max(cv2.countNonZero(cv2.max(before, mask)), 1)


def count_classes(labelled: LabelledFrame) -> dict[str, int]:
    """Return how many of some evenly spaced pixels have each class, by its name."""
    counts = _histogram(labelled.labels)
    names = labelled.label_space.names
    found = {name: count for name, count in zip(names, counts, strict=False) if count}
    unlabelled = sum(counts) - sum(found.values())
    return {**found, **({"unlabelled": unlabelled} if unlabelled else {})}


def count_values(values: NDArray[Any], step: int = COUNT_STEP) -> dict[str, int]:
    """Return how many of some evenly spaced pixels have each value, of the most frequent ones.

    Args:
        values: (H, W), of any type.
        step: One pixel of this many is counted along x and along y.
    """
    some = values[::step, ::step]
    if some.dtype == np.uint8:
        histogram = np.bincount(some.ravel())
        found = np.flatnonzero(histogram)
        counts = histogram[found]
    else:
        found, counts = np.unique(some, return_counts=True)
    most = np.argsort(-counts, kind="stable")[:_LISTED_VALUES]
    return {f"{found[place]:g}": int(counts[place]) for place in sorted(most)}


def _histogram(values: NDArray[np.uint8], step: int = COUNT_STEP) -> list[int]:
    counts: list[int] = np.bincount(values[::step, ::step].ravel(), minlength=256).tolist()
    return counts
