"""Reduced copies of the frames around the current one, in which moving layers are found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from outtake.core.types import Frame
from outtake.motion.homography import (
    Homography,
    TrackedView,
    invert_homography,
    resize_homography,
)
from outtake.removal.clean_plate.frame_buffer import (
    REFERENCE_DISTANCES,
    BufferedFrame,
    ReferenceWindow,
)

# Larger frames are reduced to at least this height.
_HEIGHT_PX = 200


@dataclass(frozen=True, slots=True, eq=False)
class SmallFrame:
    """A reduced frame, and its camera.

    Attributes:
        number: The number of the frame in the clip.
        image: The reduced image, uint8 (h, w, 3).
        known: 1 where it shows nothing of what is removed, uint8 (h, w).
        view: The camera, of the frame at its full size.
        homographies_back: Homographies to earlier frames, by frame number, at the full size.
        to_full: The map from pixels of the reduced frame to those of the whole one, (3, 3).
    """

    number: int
    image: Frame
    known: NDArray[np.uint8]
    view: TrackedView
    homographies_back: Mapping[int, Homography]
    to_full: Homography


class SmallFrames:
    """Reduces frames when they come, and forgets them when they are out of reach.

    Args:
        reach_frames: How far from the current frame they are held, to both sides.
    """

    def __init__(self, reach_frames: int) -> None:
        self._reach_frames = reach_frames
        self._held: dict[int, SmallFrame] = {}

    def around(self, window: ReferenceWindow) -> Mapping[int, SmallFrame]:
        """Return the reduced frames of the shot within reach, by number."""
        centre = window.centre
        coming = {0: centre, **window.neighbours}
        for offset, frame in coming.items():
            if abs(offset) <= self._reach_frames and frame.number not in self._held:
                self._held[frame.number] = reduce_frame(frame)
        self._held = {
            number: small
            for number, small in self._held.items()
            if number >= centre.number - self._reach_frames
        }
        return {
            number: small
            for number, small in self._held.items()
            if small.view.shot == centre.view.shot
            and abs(number - centre.number) <= self._reach_frames
        }


def reduce_frame(frame: BufferedFrame) -> SmallFrame:
    """Return a frame at a reduced size; a frame that is small enough shares its image."""
    height, width = frame.mask.shape
    size = reduced_shape((height, width))[::-1]
    if size == (width, height):
        image, hidden = frame.image, frame.mask.view(np.uint8)
    else:
        image = np.asarray(cv2.resize(frame.image, size, interpolation=cv2.INTER_AREA), np.uint8)
        grown = frame.mask.view(np.uint8) * np.uint8(255)
        hidden = (cv2.resize(grown, size, interpolation=cv2.INTER_AREA) > 0).view(np.uint8)
    known = np.asarray(1 - hidden, np.uint8)
    to_full = enlarge_homography((height, width))
    return SmallFrame(frame.number, image, known, frame.view, frame.homographies_back, to_full)


def enlarge_homography(shape: tuple[int, ...]) -> Homography:
    """Return the map from pixels of a reduced frame to those of the whole one, (H, W)."""
    rows, columns = reduced_shape(shape)
    return resize_homography(shape[1] / columns, shape[0] / rows)


def reduced_shape(shape: tuple[int, ...]) -> tuple[int, int]:
    """Return the height and width of a frame (H, W) when it is reduced."""
    factor = max(1, shape[0] // _HEIGHT_PX)
    return max(1, shape[0] // factor), max(1, shape[1] // factor)


def homography_between(
    source: SmallFrame, target: SmallFrame, frames: Mapping[int, SmallFrame]
) -> Homography:
    """Return the homography between two reduced frames of a shot, by few steps over others."""
    if source.number < target.number:
        return invert_homography(homography_between(target, source, frames))
    chain = np.eye(3)
    here = source
    while here.number > target.number:
        there = _farthest_step(here, target, frames)
        if there is None:
            last = invert_homography(target.view.to_first_frame) @ here.view.to_first_frame
            chain = last @ chain
            break
        chain = here.homographies_back[there.number] @ chain
        here = there
    small = invert_homography(target.to_full) @ chain @ source.to_full
    return np.asarray(small / small[2, 2], np.float64)


def _farthest_step(
    here: SmallFrame, target: SmallFrame, frames: Mapping[int, SmallFrame]
) -> SmallFrame | None:
    for distance in reversed(REFERENCE_DISTANCES):
        number = here.number - distance
        if number >= target.number and number in frames and number in here.homographies_back:
            return frames[number]
    return None
