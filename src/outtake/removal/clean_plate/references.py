"""Other frames, and where the current one lies in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from outtake.motion.homography import Homography, inverse
from outtake.removal.clean_plate.frame_buffer import Held


@dataclass(frozen=True, slots=True)
class Reference:
    """Another frame, and where the current one lies in it.

    Attributes:
        start: the current frame.
        held: the other.
        homography: from the current frame's pixels to the other's.
    """

    start: Held
    held: Held
    homography: Homography


def between(start: Held, end: Held) -> Reference:
    """Return how one frame lies in another of the same shot."""
    if end.number in start.back:
        return Reference(start, end, start.back[end.number])
    if start.number in end.back:
        return Reference(start, end, inverse(end.back[start.number]))
    return Reference(start, end, start.view.to(end.view))


def by_way_of(references: Sequence[Reference], end: Held) -> Reference:
    """Return how the frame lies in one near a reference, chained from there."""
    via = min(references, key=lambda one: abs(one.held.number - end.number))
    chain = inverse(end.view.from_start) @ via.held.view.from_start @ via.homography
    return Reference(via.start, end, np.asarray(chain, np.float64))
