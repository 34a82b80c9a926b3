"""Find the moving layers behind the hole of each frame, from the frames of a window alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from threading import Lock

import cv2
import numpy as np
from numpy.typing import NDArray

from outtake.core.types import Mask
from outtake.removal.clean_plate.frame_buffer import (
    BufferedFrame,
    ReferenceWindow,
)
from outtake.removal.clean_plate.moving_layers import MovingThings, find_moving_things
from outtake.removal.clean_plate.moving_mask import PLATE_DISTANCES, MovingMask, find_moving
from outtake.removal.clean_plate.small_frames import SmallFrame, SmallFrames
from outtake.removal.clean_plate.tiles import compute_clearance

_TRACK_FRAMES = 32
# With fewer, too few frames show the still background, or a layer.
MIN_REACH_FRAMES = 20


class MovingBackground:
    """Finds what moves by itself behind the hole.

    What is found for a frame depends on the frames within reach and on nothing else, so that a
    segment of a clip has the same layers as the whole of it.

    Args:
        reach_frames: How far to look from a frame, to both sides.
    """

    def __init__(self, reach_frames: int) -> None:
        self._distances = [step for step in PLATE_DISTANCES if step <= reach_frames // 2]
        plate = max(self._distances, default=0)
        self._track_frames = min(_TRACK_FRAMES, reach_frames - plate)
        self._small = SmallFrames(reach_frames)
        self._masks: dict[int, MovingMask] = {}
        self._hidden: dict[int, tuple[frozenset[int], BufferedFrame]] = {}
        self._lock = Lock()

    def reduce(self, window: ReferenceWindow) -> Mapping[int, SmallFrame]:
        """Return the reduced frames of a window; it is called for each window in order."""
        return self._small.around(window)

    def find(
        self, window: ReferenceWindow, frames: Mapping[int, SmallFrame]
    ) -> tuple[MovingThings, dict[int, BufferedFrame]]:
        """Return what moves near the hole of a window's frame.

        It may be called from several threads.

        Returns:
            The things, and the neighbours that show them, with those places hidden, by number.
        """
        centre = window.centre
        number = centre.number
        if not window.needs_fill or not centre.mask.any():
            return MovingThings(), {}
        usable = {number + offset for offset in window.neighbours}
        with self._lock:
            oldest = number - self._track_frames - 8
            self._masks = {n: mask for n, mask in self._masks.items() if n >= oldest}
            # A frame that the buffer has dropped must not be held here.
            self._hidden = {n: one for n, one in self._hidden.items() if n in usable}

            def moving_in(other: int) -> MovingMask:
                if other not in self._masks:
                    self._masks[other] = find_moving(frames[other], frames, self._distances)
                return self._masks[other]

            things = find_moving_things(
                frames[number], frames, moving_in, self._track_frames, usable
            )
            hidden = {
                one.number: self._hide(one, things.parts[one.number])
                for offset, one in window.neighbours.items()
                if one.number in things.parts
            }
        return things, hidden

    def _hide(self, frame: BufferedFrame, parts: frozenset[int]) -> BufferedFrame:
        """Return a frame that is not sampled where it shows some parts of its moving mask."""
        before = self._hidden.get(frame.number)
        if before is not None and before[0] == parts:
            return before[1]
        there = self._masks[frame.number]
        own = np.zeros(there.parts, np.uint8)
        own[list(parts)] = 1
        moving = enlarge_mask(own[there.labels], frame.mask.shape)
        hidden = hide_in_frame(frame, moving)
        self._hidden[frame.number] = parts, hidden
        return hidden


def enlarge_mask(small: NDArray[np.uint8], shape: tuple[int, ...]) -> Mask:
    """Return a mask of a reduced frame at the full size, a little grown."""
    grown = cv2.dilate(small, np.ones((5, 5), np.uint8))
    size = (shape[1], shape[0])
    return np.asarray(cv2.resize(grown, size, interpolation=cv2.INTER_NEAREST) > 0)


def hide_in_frame(frame: BufferedFrame, where: Mask) -> BufferedFrame:
    """Return a frame that is not sampled at some more places."""
    known = np.asarray(~where, np.uint8)
    brightness = frame.brightness & (known | np.uint8(254))
    clearance = np.minimum(frame.clearance, compute_clearance(where))
    return replace(frame, foreground=None, brightness=brightness, clearance=clearance)
