"""The part of a clip that is held in memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from outtake.removal.plate.camera import Camera, View
from outtake.removal.stages import MaskedFrame, with_image
from outtake.types import Frame, Mask, TimedFrame

# Bicubic sampling looks up to two pixels away.
_SUPPORT = np.ones((5, 5), np.uint8)


@dataclass(frozen=True, slots=True)
class Held:
    """A frame, and what others can take from it.

    Attributes:
        number: of the frame in the clip, from 0.
        frame: its time and its picture, contiguous; not to be written to.
        mask: its mask, contiguous.
        known: uint8 (H, W), 1 where bicubic sampling does not meet the mask.
        view: its camera.
    """

    number: int
    frame: TimedFrame
    mask: Mask
    known: NDArray[np.uint8]
    view: View

    @property
    def image(self) -> Frame:
        """The picture, uint8 (H, W, 3)."""
        return self.frame.image


def windows(
    clip: Iterable[MaskedFrame], camera: Camera, reach: int, max_bytes: int
) -> Iterator[tuple[Held, dict[int, Held]]]:
    """Yield each frame with its neighbours, by their distance in frames (negative: before it).

    Neighbours are at most ``reach`` away and of the same shot. At most ``max_bytes`` of pictures
    are held, or three frames.
    """
    held: deque[Held] = deque()
    frames = enumerate(clip)
    current, ahead = 0, reach
    ended = False
    while True:
        while not ended and len(held) - current <= ahead:
            following = next(frames, None)
            if following is None:
                ended = True
                break
            held.append(_held(*following, camera))
            newest = held[-1]
            bytes_each = newest.image.nbytes + newest.mask.nbytes + newest.known.nbytes
            ahead = max(1, min(reach, (max_bytes // bytes_each - 1) // 2))
        if current == len(held):
            return
        centre = held[current]
        yield (
            centre,
            {
                index - current: other
                for index, other in enumerate(held)
                if index != current and other.view.shot == centre.view.shot
            },
        )
        current += 1
        while current > ahead:
            held.popleft()
            current -= 1


def _held(number: int, item: MaskedFrame, camera: Camera) -> Held:
    image, mask = np.ascontiguousarray(item.frame.image), np.ascontiguousarray(item.mask)
    unmasked = np.where(mask, np.uint8(0), np.uint8(1))
    known = cv2.erode(unmasked, _SUPPORT, borderType=cv2.BORDER_REPLICATE)
    # The labels that came along stay behind: a window of them would take more than the pictures.
    return Held(number, with_image(item.frame, image), mask, known, camera.see(image, mask))
