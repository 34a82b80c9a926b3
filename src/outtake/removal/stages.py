"""What travels between the stages of a removal, and the seam that every remover has."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from outtake.labels import LabelSpace
from outtake.types import Frame, LabelMap, Mask, TimedFrame


@dataclass(frozen=True, slots=True)
class LabelledFrame:
    """A frame and what is where in it.

    Attributes:
        frame: the picture and its time.
        labels: class ids, uint8 (H, W).
        space: what the ids mean.
        confidence: probability of the label, float (H, W) in 0..1; None where nobody knows.
    """

    frame: TimedFrame
    labels: LabelMap
    space: LabelSpace
    confidence: NDArray[np.floating] | None = None


@dataclass(frozen=True, slots=True)
class MaskedFrame:
    """A frame and what is to be taken out of it.

    Attributes:
        frame: the picture and its time.
        mask: bool (H, W), True where something is to be removed.
        labelled: the labels that the mask came from; None for a mask that came from elsewhere.
    """

    frame: TimedFrame
    mask: Mask
    labelled: LabelledFrame | None = None


@dataclass(frozen=True, slots=True)
class FrameFacts:
    """Where the fill of one frame comes from.

    Attributes:
        seen: share of the hole that other frames saw, 0 to 1.
        carried: share that was moved along from the frame before, where it had once been made up
            or been seen by frames that can not be used any more.
        invented: share that was made up for this frame.
        ring_residual: how far the best reference is off around the hole, in grey levels, averaged
            over the parts of the hole by their size; None without a usable reference.
    """

    seen: float = 0.0
    carried: float = 0.0
    invented: float = 0.0
    ring_residual: float | None = None


class Remover(Protocol):
    """Takes things out of a clip.

    A remover is an iterator stage, so that one that works frame by frame and one that looks
    ahead are called the same way. Its contract: one frame out for each frame in, in the same
    order and with the same time; frames that come in are not written to; and, unless
    ``keeps_outside`` is False, pixels outside the mask come out bit for bit as they went in.
    One that knows where its fill comes from says so in ``facts``, a list of :class:`FrameFacts`
    for the frames given out since the last call.

    Attributes:
        needs_mask: whether it has nothing to do without a class to remove.
        keeps_outside: whether pixels outside the mask stay as they are.
    """

    needs_mask: bool
    keeps_outside: bool

    def __call__(self, clip: Iterable[MaskedFrame]) -> Iterator[TimedFrame]:
        """Yield each frame of ``clip`` without what its mask covers."""
        ...


def with_image(frame: TimedFrame, image: Frame) -> TimedFrame:
    """Return another picture for the same moment."""
    return TimedFrame(image, frame.pts, frame.time_base)
