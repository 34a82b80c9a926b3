"""Masks that were resized or smoothed: a few values that fill areas, and thin rims between them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

SoftEdges = Literal["error", "nearest", "unlabelled", "keep"]
SOFT_EDGES = ("error", "nearest", "unlabelled", "keep")
_MIN_FLAT = 0.25  # of a value's pixels have neighbours of the same value, where it fills areas
_MIN_RIM_VALUES = 3
_MAX_RIM_SHARE = 0.5
_MIN_BETWEEN = 0.8  # of the rim's pixels lie between the values around them
_MANY_VALUES = 32  # with more of them small areas of a value are steps of a gradient
_MIN_AREA_SHARE = 0.003
_NEAR_VALUE = 12
_REACH_PX = 7  # how far from a rim's pixel its class may be, for a width of twice that
_NEIGHBOURS = np.ones((3, 3), np.uint8)
_SURROUNDINGS = np.ones((5, 5), np.uint8)

Array = NDArray[Any]


@dataclass
class ValueCounts:
    """How the values of masks lie in them; a value is a number, or a colour as 0xRRGGBB.

    Attributes:
        pixels: The pixels of each value.
        flat: Those whose eight neighbours have the same value.
        between: Those whose value lies between others within two pixels.
    """

    pixels: Counter[int] = field(default_factory=Counter)
    flat: Counter[int] = field(default_factory=Counter)
    between: Counter[int] = field(default_factory=Counter)

    @classmethod
    def sum(cls, parts: Iterable[ValueCounts]) -> ValueCounts:
        """Return the counts over several masks."""
        total = cls()
        for part in parts:
            total.pixels.update(part.pixels)
            total.flat.update(part.flat)
            total.between.update(part.between)
        return total

    def rename(self, names: Mapping[int, int]) -> ValueCounts:
        """Return the counts under other values; two that get the same one are added."""
        renamed = ValueCounts()
        for part, other in ((self.pixels, renamed.pixels), (self.flat, renamed.flat),
                            (self.between, renamed.between)):  # fmt: skip
            for value, count in part.items():
                other[names[value]] += count
        return renamed


@dataclass(frozen=True)
class SoftMask:
    """What was recognised.

    Attributes:
        areas: The values that fill areas, in order.
        rims: How many other values there are.
        share: Their part of all pixels.
    """

    areas: tuple[int, ...]
    rims: int
    share: float


def count_values(samples: Array, codes: Array) -> ValueCounts:
    """Count the values of one mask.

    Args:
        samples: The stored samples, (H, W) or (H, W, 3).
        codes: One integer for each pixel, (H, W).
    """
    planes = samples if samples.dtype == np.uint8 else samples.astype(np.float32)
    planes = np.ascontiguousarray(planes)
    flat = _all_planes(cv2.erode(planes, _NEIGHBOURS) == cv2.dilate(planes, _NEIGHBOURS))
    edge, pixels = ~flat, _count(codes)
    counts = ValueCounts(pixels, pixels - _count(codes[edge]))
    if len(counts.pixels) > 2:
        low, high = cv2.erode(planes, _SURROUNDINGS), cv2.dilate(planes, _SURROUNDINGS)
        inside = (low < planes) & (planes < high)
        inside = inside.any(-1) if inside.ndim == 3 else inside
        counts.between = _count(codes[inside & edge])
    return counts


def find_soft_edges(counts: ValueCounts) -> SoftMask | None:
    """Return what masks with soft edges consist of; None if their edges are hard."""
    total = sum(counts.pixels.values())
    areas = [
        value
        for value, pixels in counts.pixels.most_common()
        if counts.flat[value] >= _MIN_FLAT * pixels
    ]
    if len(counts.pixels) > _MANY_VALUES:
        large = [value for value in areas if counts.pixels[value] >= _MIN_AREA_SHARE * total]
        areas = []
        for value in large:  # the largest first: its neighbours are steps of its own edge
            if all(_distance(value, other) > _NEAR_VALUE for other in areas):
                areas.append(value)
    rims = counts.pixels.keys() - set(areas)
    pixels = sum(counts.pixels[value] for value in rims)
    between = sum(counts.between[value] for value in rims)
    if len(areas) < 2 or len(rims) < _MIN_RIM_VALUES or pixels > _MAX_RIM_SHARE * total:
        return None
    if between < _MIN_BETWEEN * pixels:
        return None
    return SoftMask(tuple(sorted(areas)), len(rims), pixels / total)


def nearest_codes(
    codes: Array, rim: NDArray[np.bool_], areas: Sequence[int], *, colours: bool
) -> Array:
    """Replace the values of a rim by the most similar one of the areas beside it.

    Only areas within a few pixels count: between red and blue lies purple, which may be a class
    too. Where there are none, all do.

    Args:
        codes: One integer for each pixel, (H, W).
        rim: The pixels that are replaced, (H, W).
        areas: The values that stay.
        colours: Whether the values are colours, 0xRRGGBB.

    Returns:
        A new array of the same shape.
    """
    best = np.full(codes.shape, np.inf, np.float32)
    near_best = np.full(codes.shape, np.inf, np.float32)
    anywhere, beside = codes.copy(), codes.copy()
    reach = np.ones((2 * _REACH_PX + 1, 2 * _REACH_PX + 1), np.uint8)
    wide = codes.astype(np.int64)
    for area in areas:
        distance = _distances(wide, area, colours)
        closer = rim & (distance < best)
        best[closer], anywhere[closer] = distance[closer], area
        is_near = cv2.dilate((codes == area).astype(np.uint8), reach) > 0
        closer = rim & is_near & (distance < near_best)
        near_best[closer], beside[closer] = distance[closer], area
    return np.where(np.isfinite(near_best), beside, anywhere)


def _distances(codes: Array, area: int, colours: bool) -> NDArray[np.float32]:
    if not colours:
        return np.asarray(np.abs(codes - area), np.float32)
    parts = [((codes >> shift & 255) - (area >> shift & 255)) ** 2 for shift in (16, 8, 0)]
    return np.asarray(sum(parts), np.float32)


def _distance(first: int, second: int) -> int:
    if max(first, second) < 256:
        return abs(first - second)
    return max(abs((first >> shift & 255) - (second >> shift & 255)) for shift in (16, 8, 0))


def _all_planes(equal: NDArray[np.bool_]) -> NDArray[np.bool_]:
    return np.asarray(equal.all(-1) if equal.ndim == 3 else equal)


def _count(values: Array) -> Counter[int]:
    if values.dtype == np.uint8:
        found = np.bincount(values.ravel(), minlength=256)
        return Counter({int(value): int(found[value]) for value in np.flatnonzero(found)})
    distinct, counts = np.unique(values, return_counts=True)
    return Counter(dict(zip(distinct.tolist(), counts.tolist(), strict=True)))
