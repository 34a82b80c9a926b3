"""The frames around one, at a small size and aligned with it: what is behind and beside objects."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from outtake.core.types import Frame
from outtake.masking.class_selection import BinaryMask, SelectedFrame
from outtake.motion.homography import Homography, invert_homography
from outtake.motion.optical_flow import reduced_size
from outtake.motion.tracking import CameraTracker

LONGEST_SIDE_PX = 320
REFERENCE_OFFSETS = (2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24)
REACH_FRAMES = REFERENCE_OFFSETS[-1]
_UNMASKED_ALPHA, _MIN_GREY = 250, 16.0


@dataclass(slots=True)
class ReducedFrame:
    """A frame of the window at reduced size.

    Attributes:
        selected: The frame and its mask; None once they were passed on, so that frames that are
            only compared with later ones take little memory.
        unmasked_rgba: uint8 (h, w, 4), RGB and 255 where neither an object nor its rim is.
        mask: uint8 (h, w), 1 where an object is.
        homography_cache: The homography to the previous frame, once it was computed; it is None
            after a cut.
    """

    selected: SelectedFrame | None
    unmasked_rgba: Frame
    mask: BinaryMask
    homography_cache: list[Homography | None] = field(default_factory=list)

    @property
    def image(self) -> Frame:
        """The picture, uint8 (h, w, 3)."""
        return self.unmasked_rgba[..., :3]


@dataclass(frozen=True, slots=True)
class ReferenceSamples:
    """What other frames show at some pixels of a frame, without their objects.

    Attributes:
        colours: uint8 (n, m, 4), of n frames at m pixels.
        light: The sum of each one's channels in ascending order, int16 (n, m); -1 where it is not
            valid.
        order: The frame whose sample is at each place of that order, (n, m).
        count: The number of valid ones at each pixel, (m,).
    """

    colours: NDArray[np.uint8]
    light: NDArray[np.int16]
    order: NDArray[np.intp]
    count: NDArray[np.intp]

    def at_rank(self, rank: NDArray[np.intp]) -> NDArray[np.uint8]:
        """Return one sample of each pixel, (m, 3), by its place in the order (m,)."""
        columns = np.arange(len(self.count))
        return self.colours[self.order[rank, columns], columns, :3]

    def without_other_colours(self, max_difference: float) -> ReferenceSamples:
        """Return the samples that are as lighter or darker versions of the median are.

        What is not masked and moves, such as people who stay in the picture, has other colours.
        Where the median has no majority with it, as before a mirror, all samples stay.

        Args:
            max_difference: How far the channels may differ in the share of their light, 0 to 1.
        """
        middle = len(self.light) - 1 - self.count // 2
        median = self.at_rank(np.clip(middle, 0, len(self.light) - 1)).astype(np.float32)
        ratio = self.colours[..., :3] / np.maximum(median, _MIN_GREY)
        low, high = ratio.min(axis=2), ratio.max(axis=2)
        alike = np.take_along_axis(high - low < max_difference * high, self.order, axis=0)
        alike &= self.light >= 0
        alike |= 2 * alike.sum(axis=0) < self.count
        light = np.where(alike, self.light, np.int16(-1))
        again = np.argsort(light, axis=0, kind="stable")
        return ReferenceSamples(
            self.colours,
            np.take_along_axis(light, again, axis=0),
            np.take_along_axis(self.order, again, axis=0),
            (light >= 0).sum(axis=0),
        )


def reduce_frame(selected: SelectedFrame) -> ReducedFrame:
    """Return a frame with a longest side of at most 320 pixels."""
    height, width = selected.mask.shape
    size = reduced_size(height, width, LONGEST_SIDE_PX)
    image = np.ascontiguousarray(selected.labelled.frame.image)
    small = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
    shares = cv2.resize(selected.mask * np.uint8(255), size, interpolation=cv2.INTER_AREA)
    mask = cv2.dilate((shares > 0).astype(np.uint8), np.ones((3, 3), np.uint8))
    unmasked = np.dstack((small, (1 - mask) * np.uint8(255)))
    return ReducedFrame(selected, unmasked, np.asarray(mask, np.uint8))


def sample_references(
    window: Sequence[ReducedFrame], index: int, zone: NDArray[np.bool_]
) -> ReferenceSamples | None:
    """Return what the frames around one show at the pixels of a zone, bool (h, w).

    Returns:
        The samples; None if no other frame can be aligned.
    """
    # Only the box around the zone is warped.
    left, top, width, height = cv2.boundingRect(zone.astype(np.uint8))
    inside = zone[top : top + height, left : left + width]
    from_box = np.array([[1.0, 0, left], [0, 1, top], [0, 0, 1]])
    how = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    samples = [
        cv2.warpPerspective(other.unmasked_rgba, homography @ from_box, (width, height), flags=how)[
            inside
        ]
        for other, homography in iterate_aligned(window, index, REACH_FRAMES, REFERENCE_OFFSETS)
        if inside.any()
    ]
    if not samples:
        return None
    colours = np.stack(samples)
    valid = colours[..., 3] > _UNMASKED_ALPHA
    light = colours[..., :3].sum(axis=2, dtype=np.int16)
    light = np.where(valid, light, np.int16(-1))
    order = np.argsort(light, axis=0)
    return ReferenceSamples(
        colours, np.take_along_axis(light, order, axis=0), order, valid.sum(axis=0)
    )


def iterate_aligned(
    window: Sequence[ReducedFrame], index: int, reach: int, offsets: Sequence[int]
) -> Iterator[tuple[ReducedFrame, Homography]]:
    """Yield frames before and after one, and the homography from its pixels to theirs.

    Args:
        window: Consecutive frames.
        index: The place of the frame among them.
        reach: How far to go.
        offsets: The distances of the frames that are yielded.
    """
    for direction in (-1, 1):
        chained: Homography = np.eye(3)
        for distance in range(1, reach + 1):
            place = index + direction * distance
            if not 0 <= place < len(window):
                break
            later = place if direction > 0 else place + 1
            step = _homography_to_previous(window[later - 1], window[later])
            if step is None:
                break
            chained = (step if direction < 0 else invert_homography(step)) @ chained
            if distance in offsets:
                yield window[place], chained


def _homography_to_previous(before: ReducedFrame, here: ReducedFrame) -> Homography | None:
    """Return the homography from a frame to the previous one; None after a cut."""
    if not here.homography_cache:
        camera = CameraTracker(LONGEST_SIDE_PX)
        there = camera.update(before.image, before.mask > 0)
        view = camera.update(here.image, here.mask > 0)
        here.homography_cache.append(view.homography_to(there) if view.shot == there.shot else None)
    return here.homography_cache[0]
