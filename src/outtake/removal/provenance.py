"""Show where a fill comes from."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from outtake.core.frames import OBSERVED, PROPAGATED, SYNTHESISED, FillStatistics
from outtake.core.types import Frame, TimedFrame
from outtake.drawing.label_pictures import draw_colour_key

# Told apart with any kind of colour vision (Okabe and Ito 2008).
COLOURS = {OBSERVED: (86, 180, 233), PROPAGATED: (240, 228, 66), SYNTHESISED: (213, 94, 0)}
_NAMES = {OBSERVED: "seen", PROPAGATED: "carried", SYNTHESISED: "invented"}
_TINT = 0.6


def confidence_frame(frame: TimedFrame, facts: FillStatistics) -> TimedFrame:
    """Return a grey copy of a frame that was filled, the fill in the colour of its origin.

    Blue was seen in other frames, yellow carried along, orange invented; a key names the shares.

    Args:
        frame: with its hole filled; where it is wider than what ``facts`` knows (before and
            after, side by side), its right end is meant.
        facts: of that frame.
    """
    image = painted(frame.image, facts.origin)
    draw_shares(image, facts)
    return replace(frame, image=image, image16=None)


def painted(image: Frame, origin: NDArray[np.uint8] | None) -> Frame:
    """Return a grey copy of a picture, its fill in the colour of its origin.

    Args:
        image: uint8 (H, W, C).
        origin: uint8 (h, w), at most as large; it belongs to the right end of the picture. None
            leaves the picture grey.
    """
    grey = _grey(image)
    if origin is not None:
        height, width = origin.shape
        part = grey[:height, grey.shape[1] - width :]
        for where, colour in COLOURS.items():
            chosen = origin == where
            part[chosen] = (1 - _TINT) * part[chosen] + _TINT * np.array(colour)
    return grey


def draw_shares(image: Frame, facts: FillStatistics) -> None:
    """Write into a picture how much of its fill comes from where."""
    shares = {
        OBSERVED: facts.observed,
        PROPAGATED: facts.propagated,
        SYNTHESISED: facts.synthesised,
    }
    draw_colour_key(
        image, [(f"{_NAMES[w]} {shares[w]:.0%}", colour) for w, colour in COLOURS.items()]
    )


def _grey(image: Frame) -> Frame:
    # Darker and of less contrast than the picture, so that the colours stand out.
    grey = cv2.cvtColor(np.ascontiguousarray(image[..., :3]), cv2.COLOR_RGB2GRAY)
    dim = np.asarray(cv2.convertScaleAbs(grey, alpha=0.7, beta=15), np.uint8)
    return np.repeat(dim[..., None], 3, axis=2)
