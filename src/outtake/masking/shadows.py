"""Cast shadows, which are removed together with the object that casts them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from outtake.core.types import Frame
from outtake.masking.class_selection import BinaryMask, SelectedFrame, keep_connected
from outtake.masking.frame_window import sliding_windows
from outtake.motion.homography import Homography, invert_homography
from outtake.motion.optical_flow import Floats, reduced_size
from outtake.motion.tracking import CameraTracker

_LONGEST_SIDE_PX = 320
_REFERENCE_OFFSETS = (4, 8, 12, 16, 20, 24)
# How far from an object its shadow is searched: sideways, above and below, in object heights.
_ASIDE, _ABOVE, _BELOW = 0.9, -0.4, 0.5
# The share of the light that a shadow leaves, and how far the colours may differ in that share.
_MIN_LIGHT_RATIO, _SEED_LIGHT_RATIO, _EDGE_LIGHT_RATIO, _MAX_CHROMA_DIFFERENCE = (
    0.25,
    0.86,
    0.93,
    0.12,
)
# A point that is lit in most frames is lit at this rank of its samples, sorted by brightness.
_LIT_RANK = 0.7
_MIN_SAMPLES = 2
_MIN_GREY, _UNMASKED_ALPHA = 16.0, 250


@dataclass(slots=True)
class _ReducedFrame:
    """A frame of the window at reduced size.

    Attributes:
        selected: The frame and its mask.
        unmasked_rgba: uint8 (h, w, 4), RGB and 255 where neither an object nor its rim is.
        mask: uint8 (h, w), 1 where an object is.
        homography_cache: The homography to the previous frame, once it was computed; it is None
            after a cut.
    """

    selected: SelectedFrame
    unmasked_rgba: Frame
    mask: BinaryMask
    homography_cache: list[Homography | None] = field(default_factory=list)


class ShadowDetector:
    """Finds the shadows of masked objects and adds them to the mask.

    The background without shadow is what neighbouring frames show at the same place of the scene,
    aligned by homographies of tracked points, when the object and its shadow are elsewhere. What
    is evenly darker than that, near an object, is shadow. An object that stands still against the
    background keeps its shadow.

    Attributes:
        context_frames: The number of frames before and after that are looked at.
    """

    context_frames = _REFERENCE_OFFSETS[-1]

    def __call__(self, clip: Iterable[SelectedFrame]) -> Iterator[SelectedFrame]:
        """Yield each frame with its shadows added to the mask."""
        for window, centre in sliding_windows(map(_reduce_frame, clip), self.context_frames):
            here = window[centre]
            if not here.mask.any():
                yield here.selected
                continue
            shadow = _detect_shadow(window, centre)
            mask = here.selected.mask
            if shadow.any():
                full = cv2.resize(
                    shadow * np.uint8(255), mask.shape[::-1], interpolation=cv2.INTER_LINEAR
                )
                mask = np.maximum(mask, (full > 127).astype(np.uint8))
            yield SelectedFrame(here.selected.labelled, mask)


def _reduce_frame(selected: SelectedFrame) -> _ReducedFrame:
    height, width = selected.mask.shape
    size = reduced_size(height, width, _LONGEST_SIDE_PX)
    image = np.ascontiguousarray(selected.labelled.frame.image)
    small = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
    shares = cv2.resize(selected.mask * np.uint8(255), size, interpolation=cv2.INTER_AREA)
    mask = cv2.dilate((shares > 0).astype(np.uint8), np.ones((3, 3), np.uint8))
    unmasked = np.dstack((small, (1 - mask) * np.uint8(255)))
    return _ReducedFrame(selected, unmasked, np.asarray(mask, np.uint8))


def _detect_shadow(window: Sequence[_ReducedFrame], centre: int) -> BinaryMask:
    """Return where shadows fall in the reduced frame, uint8 (h, w), 0 or 1."""
    here = window[centre]
    zone = _search_zone(here.mask)
    lit, known = _estimate_lit(window, centre, zone)
    image = cv2.blur(here.unmasked_rgba[..., :3].astype(np.float32), (3, 3))
    lit = np.maximum(cv2.blur(lit, (3, 3)), _MIN_GREY)
    ratio = image / lit
    red, green, blue = cv2.split(ratio)
    even = (
        cv2.max(cv2.max(red, green), blue) - cv2.min(cv2.min(red, green), blue)
        < _MAX_CHROMA_DIFFERENCE
    )
    # At an edge that is misaligned by a pixel, the neighbouring pixel is as dark.
    mean = _sum_channels(image) / cv2.erode(_sum_channels(lit), np.ones((3, 3), np.uint8))
    usable = known & even & (mean > _MIN_LIGHT_RATIO)
    edge = (usable & (mean < _EDGE_LIGHT_RATIO)).astype(np.uint8)
    seed = cv2.erode(
        (usable & (mean < _SEED_LIGHT_RATIO)).astype(np.uint8), np.ones((3, 3), np.uint8)
    )
    return keep_connected(edge, seed) if seed.any() else np.zeros_like(edge)


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
    window: Sequence[_ReducedFrame], centre: int, zone: NDArray[np.bool_]
) -> tuple[Floats, NDArray[np.bool_]]:
    """Return the frame without its shadows, and where that is known."""
    here = window[centre]
    size = (here.mask.shape[1], here.mask.shape[0])
    how = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    samples = [
        cv2.warpPerspective(other.unmasked_rgba, homography, size, flags=how)[zone]
        for other, homography in _iterate_references(window, centre)
    ]
    lit = here.unmasked_rgba[..., :3].astype(np.float32)
    known = np.zeros(zone.shape, bool)
    if not samples:
        return lit, known
    colours = np.stack(samples).astype(np.int16)
    valid = colours[..., 3] > _UNMASKED_ALPHA
    light = np.where(valid, colours[..., 0] + colours[..., 1] + colours[..., 2], np.int16(-1))
    order = np.argsort(light, axis=0)
    count = valid.sum(axis=0)
    # Invalid samples are sorted first.
    rank = len(samples) - count + (_LIT_RANK * np.maximum(count - 1, 0)).astype(int)
    rank = np.minimum(rank, len(samples) - 1)
    columns = np.arange(len(count))
    lit[zone] = colours[order[rank, columns], columns, :3]
    known[zone] = count >= _MIN_SAMPLES
    return lit, known


def _iterate_references(
    window: Sequence[_ReducedFrame], centre: int
) -> Iterator[tuple[_ReducedFrame, Homography]]:
    for direction in (-1, 1):
        chained: Homography = np.eye(3)
        for distance in range(1, _REFERENCE_OFFSETS[-1] + 1):
            index = centre + direction * distance
            if not 0 <= index < len(window):
                break
            later = index if direction > 0 else index + 1
            step = _homography_to_previous(window[later - 1], window[later])
            if step is None:
                break
            chained = (step if direction < 0 else invert_homography(step)) @ chained
            if distance in _REFERENCE_OFFSETS:
                yield window[index], chained


def _homography_to_previous(before: _ReducedFrame, here: _ReducedFrame) -> Homography | None:
    """Return the homography from a frame to the previous one; None after a cut."""
    if not here.homography_cache:
        camera = CameraTracker(_LONGEST_SIDE_PX)
        there = camera.update(before.unmasked_rgba[..., :3], before.mask > 0)
        view = camera.update(here.unmasked_rgba[..., :3], here.mask > 0)
        here.homography_cache.append(view.homography_to(there) if view.shot == there.shot else None)
    return here.homography_cache[0]
