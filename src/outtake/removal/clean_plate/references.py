"""Other frames, and where the current one lies in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from outtake.motion.homography import Homography, invert_homography
from outtake.removal.clean_plate.frame_buffer import BufferedFrame


@dataclass(frozen=True, slots=True)
class Reference:
    """Another frame, and where the current one lies in it.

    Attributes:
        source: the current frame.
        frame: the other.
        homography: from the current frame's pixels to the other's.
    """

    source: BufferedFrame
    frame: BufferedFrame
    homography: Homography


def reference_between(source: BufferedFrame, target: BufferedFrame) -> Reference:
    """Return how one frame lies in another of the same shot."""
    if target.number in source.homographies_back:
        return Reference(source, target, source.homographies_back[target.number])
    if source.number in target.homographies_back:
        return Reference(source, target, invert_homography(target.homographies_back[source.number]))
    return Reference(source, target, source.view.homography_to(target.view))


def chained_reference(references: Sequence[Reference], target: BufferedFrame) -> Reference:
    """Return how the frame lies in one near a reference, chained from there."""
    via = min(references, key=lambda one: abs(one.frame.number - target.number))
    chain = (
        invert_homography(target.view.to_first_frame)
        @ via.frame.view.to_first_frame
        @ via.homography
    )
    return Reference(via.source, target, np.asarray(chain, np.float64))
