"""Where a frame shows something that moves by itself: it contradicts most other frames there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from outtake.core.compiled_loops import compile_loop
from outtake.core.types import Frame
from outtake.motion.optical_flow import DIS_SIDE_PX
from outtake.removal.clean_plate.small_frames import SmallFrame, homography_between

Labels = NDArray[np.uint16]
Flags = NDArray[np.uint8]

# Frames from which the still background is taken: far enough that what walks has left its place.
PLATE_DISTANCES = (5, 10, 14, 19, 25, 32)
_MIN_SAMPLES = 3
# A pixel moves if it differs from the still background by so many grey levels, and by this
# multiple of what the samples of that differ among themselves.
_MOVING_GREY, _SPREADS = 18, 1.0
_OPEN, _CLOSE = np.ones((3, 3), np.uint8), np.ones((5, 5), np.uint8)


@dataclass(frozen=True, slots=True, eq=False)
class MovingMask:
    """What moves by itself in a reduced frame.

    Attributes:
        labels: The number of the connected part that each pixel belongs to, uint16 (h, w); 0 where
            nothing moves, or nothing is known.
        parts: The number of parts, with the 0.
        velocity: The motion to the next frame, beyond that of the camera, in pixels,
            float16 (h, w, 2).
    """

    labels: Labels
    parts: int
    velocity: NDArray[np.float16]


def find_moving(
    frame: SmallFrame, frames: Mapping[int, SmallFrame], distances: Sequence[int]
) -> MovingMask:
    """Return what moves in a frame, as far as other frames show the background there.

    Args:
        frame: The frame.
        frames: The frames around it, by number.
        distances: How far off those are that are looked at, to both sides.
    """
    height, width = frame.known.shape
    numbers = (frame.number + sign * step for step in distances for sign in (-1, 1))
    others = [frames[number] for number in numbers if number in frames]
    images = np.zeros((len(others), height, width, 3), np.uint8)
    shown = np.zeros((len(others), height, width), np.uint8)
    for index, other in enumerate(others):
        there = homography_between(frame, other, frames)
        inverse = cv2.WARP_INVERSE_MAP
        cv2.warpPerspective(
            other.image, there, (width, height), images[index], cv2.INTER_LINEAR | inverse
        )
        cv2.warpPerspective(
            other.known, there, (width, height), shown[index], cv2.INTER_NEAREST | inverse
        )
    moving = np.zeros((height, width), np.uint8)
    _compare(frame.image, frame.known, images, shown, moving)
    moving = cv2.morphologyEx(moving, cv2.MORPH_OPEN, _OPEN)
    moving = cv2.morphologyEx(moving, cv2.MORPH_CLOSE, _CLOSE) & frame.known
    parts, labels = cv2.connectedComponents(moving, connectivity=8, ltype=cv2.CV_16U)
    velocity = _find_velocity(frame, frames)
    return MovingMask(np.asarray(labels, np.uint16), parts, velocity)


def _find_velocity(frame: SmallFrame, frames: Mapping[int, SmallFrame]) -> NDArray[np.float16]:
    """Return the motion of each pixel to the next frame, beyond that of the camera.

    DIS optical flow (Kroeger et al. 2016); of the last frame, from the one before it. Frames
    that are too small for it have none.
    """
    height, width = frame.known.shape
    for step in (1, -1):
        other = frames.get(frame.number + step)
        if other is None:
            continue
        there = homography_between(frame, other, frames)
        moved = cv2.warpPerspective(
            other.image, there, (width, height), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        )
        here, next_ = (cv2.cvtColor(one, cv2.COLOR_RGB2GRAY) for one in (frame.image, moved))
        if min(height, width) < DIS_SIDE_PX:
            break
        flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
        return np.asarray(step * flow.calc(here, next_, None), np.float16)
    return np.zeros((height, width, 2), np.float16)


@compile_loop
def _compare(
    image: Frame, known: Flags, images: NDArray[np.uint8], shown: Flags, moving: Flags
) -> None:
    """Write 1 where a frame differs from what most of the images (n, h, w, 3) show."""
    count, height, width = shown.shape
    values = np.zeros(max(1, count), np.int32)
    for y in range(height):
        for x in range(width):
            most = -1.0
            for c in range(3):
                found = 0
                for k in range(count):
                    if shown[k, y, x]:
                        value = np.int32(images[k, y, x, c])
                        place = found
                        while place > 0 and values[place - 1] > value:
                            values[place] = values[place - 1]
                            place -= 1
                        values[place] = value
                        found += 1
                if found < _MIN_SAMPLES:
                    continue
                # The narrowest interval that holds enough of the samples: what passes through many
                # of them disagrees with itself, and the still background does not.
                enough = max(2, (2 * found + 4) // 5)
                start, narrowest = 0, values[enough - 1] - values[0]
                for first in range(1, found - enough + 1):
                    width_here = values[first + enough - 1] - values[first]
                    if width_here < narrowest:
                        start, narrowest = first, width_here
                middle = values[start + enough // 2]
                excess = abs(np.int32(image[y, x, c]) - middle) - _SPREADS * narrowest
                most = max(most, excess)
            if known[y, x] and most > _MOVING_GREY:
                moving[y, x] = 1
