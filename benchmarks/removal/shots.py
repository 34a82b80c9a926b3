"""A frame with a hole, and the shapes of holes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

import cv2
import numpy as np

from outtake.core.frames import MaskedFrame
from outtake.core.mask_blocks import reduce_to_blocks
from outtake.core.types import Frame, Mask, TimedFrame
from outtake.masking.morphology import dilate_mask

SIZE = (240, 432)
HIDDEN = (255, 0, 255)
# By how much of the height masks grow (mask.dilate).
_GROWN = 0.017


@dataclass(frozen=True)
class Shot:
    """One frame of a benchmark.

    Attributes:
        truth: The result of a perfect removal.
        shown: The frame as the camera saw it.
        hole: The pixels that are removed and scored.
        own: The pixels that are removed too, but never scored.
        moving: Where, in the truth, something moves by itself; None if that is unknown.
        still: Where, in the truth, there is the still background; None if that is everywhere. A
            shadow that moves is neither.
    """

    truth: Frame
    shown: Frame
    hole: Mask
    own: Mask
    moving: Mask | None = None
    still: Mask | None = None

    def masked(self, index: int, *, tell_foreground: bool = False) -> MaskedFrame:
        """Return the frame with its hole, and with what moves beside it, as input of a remover."""
        mask = self.hole | self.own
        image = self.shown.copy()
        image[mask] = HIDDEN
        foreground = None
        if tell_foreground and self.moving is not None:
            grown = dilate_mask(self.moving.astype(np.uint8), round(_GROWN * len(mask)))
            foreground = reduce_to_blocks(np.asarray(grown > 0) & ~mask)
        timed = TimedFrame(image, index, Fraction(1, 25))
        return MaskedFrame(timed, mask, number=index, foreground=foreground)

    def scored(self) -> Mask:
        """Return the hidden pixels of the still background, which count."""
        grown = cv2.dilate(self.own.astype(np.uint8), np.ones((5, 5), np.uint8))
        hidden = self.hole & (grown == 0)
        return hidden if self.still is None else hidden & self.still

    def moving_hidden(self) -> Mask:
        """Return the hidden pixels of things that move by themselves behind what is removed."""
        return np.zeros_like(self.hole) if self.moving is None else self.hole & self.moving


Shots = Callable[[int], Iterator[Shot]]


@dataclass(frozen=True)
class Clip:
    """A clip, and the length that it needs.

    Attributes:
        shots: A function that yields the first frames.
        frames: The number of frames.
        whole: True if the clip is meaningless when it is cut short.
    """

    shots: Shots
    frames: int = 70
    whole: bool = False


def draw_boxes(shape: Sequence[int]) -> Mask:
    """Return nine boxes that hide a tenth of the picture."""
    height, width = shape
    side = round((height * width * 0.106 / 9) ** 0.5)
    hole = np.zeros((height, width), bool)
    for y in np.linspace(0.2, 0.8, 3):
        for x in np.linspace(0.25, 0.75, 3):
            top, left = int(y * height) - side // 2, int(x * width) - side // 2
            hole[top : top + side, left : left + side] = True
    return hole


def draw_walker(shape: Sequence[int], x: float, t: float = 0.0) -> Mask:
    """Return the shape of somebody who walks, as tall as half the picture, at x from 0 to 1."""
    height, width = shape
    unit, middle, ground = height * 0.5, x * width, height * 0.9
    mask = np.zeros((height, width), np.uint8)

    def line(a: tuple[float, float], b: tuple[float, float], thick: float) -> None:
        ends = [(round(middle + u * unit), round(ground - v * unit)) for u, v in (a, b)]
        cv2.line(mask, *ends, 1, max(1, round(thick * unit)))

    swing = 0.16 * np.sin(t / 2.5)
    line((0, 0.92), (0, 0.93), 0.17)
    line((0, 0.45), (0, 0.75), 0.22)
    for side in (1, -1):
        line((0, 0.45), (side * swing, 0.02), 0.10)
        line((0, 0.74), (-side * swing, 0.45), 0.07)
    return cv2.dilate(mask, np.ones((5, 5), np.uint8)) > 0


def walking_to_and_fro(shape: Sequence[int], frames: int = 60) -> Callable[[int], Mask]:
    """Somebody who walks to and fro through the picture."""

    def hole(t: int) -> Mask:
        phase = t / frames % 2
        return draw_walker(shape, 0.15 + 0.7 * (phase if phase < 1 else 2 - phase), t)

    return hole
