"""Other frames, and where the current one lies in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from outtake.removal.plate.camera import Homography, inverse
from outtake.removal.plate.window import Held


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


class Alignments:
    """Homographies between frames, each computed once for both directions."""

    def __init__(self) -> None:
        self._back: dict[tuple[int, int], Homography] = {}

    def between(self, start: Held, end: Held) -> Reference:
        """Return how one frame lies in another; frames must come in order."""
        found = self._back.pop((start.number, end.number), None)
        if found is None:
            found = start.view.to(end.view)
            if end.number > start.number:
                self._back[end.number, start.number] = inverse(found)
        return Reference(start, end, found)

    def forget(self, before: int) -> None:
        """Drop what concerns frames up to a number only."""
        for key in [key for key in self._back if key[0] <= before]:
            del self._back[key]


def by_way_of(references: Sequence[Reference], end: Held) -> Reference:
    """Return how the frame lies in one near a reference, chained from there."""
    via = min(references, key=lambda one: abs(one.held.number - end.number))
    chain = inverse(end.view.from_start) @ via.held.view.from_start @ via.homography
    return Reference(via.start, end, np.asarray(chain, np.float64))
