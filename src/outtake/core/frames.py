"""What travels between the stages of a removal."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from outtake.core.labels import LabelSpace
from outtake.core.types import Frame, LabelMap, Mask, TimedFrame


@dataclass(frozen=True, slots=True)
class LabelledFrame:
    """A frame and what is where in it.

    Attributes:
        frame: the picture and its time.
        labels: class ids, uint8 (H, W).
        label_space: what the ids mean.
        confidence: probability of the label, float (H, W) in 0..1; None where nobody knows.
    """

    frame: TimedFrame
    labels: LabelMap
    label_space: LabelSpace
    confidence: NDArray[np.floating] | None = None


@dataclass(frozen=True, slots=True)
class MaskedFrame:
    """A frame and what is to be taken out of it.

    Attributes:
        frame: the picture and its time.
        mask: bool (H, W), True where something is to be removed.
        labelled: the labels that the mask came from; None for a mask that came from elsewhere.
        number: of the frame in the clip, from 0; None where frames simply follow one another.
        is_output: whether the result of this frame is used. A frame that is not is context: it must
            still come out, in its place, but what it shows then does not matter.
    """

    frame: TimedFrame
    mask: Mask
    labelled: LabelledFrame | None = None
    number: int | None = None
    is_output: bool = True


@dataclass(frozen=True, slots=True)
class FillStatistics:
    """Where the fill of one frame comes from.

    Attributes:
        observed: share of the hole that other frames saw, 0 to 1.
        propagated: share that was moved along from the frame before, where it had once been made up
            or been seen by frames that can not be used any more.
        synthesised: share that was made up for this frame.
        ring_residual: how far the best reference is off around the hole, in grey levels, averaged
            over the parts of the hole by their size; None without a usable reference.
        flicker: mean absolute difference of the fill to the fill of the frame before, moved along
            with the camera, in grey levels; None where there is nothing to compare with.
        origin: for each pixel one of the constants below, uint8 (H, W); None if unknown.
    """

    observed: float = 0.0
    propagated: float = 0.0
    synthesised: float = 0.0
    ring_residual: float | None = None
    flicker: float | None = None
    origin: NDArray[np.uint8] | None = None


UNTOUCHED, OBSERVED, PROPAGATED, SYNTHESISED = range(4)


@dataclass(frozen=True, slots=True)
class FilledFrame:
    """A frame as a remover leaves it.

    Attributes:
        source: The frame that went in, with its mask; its labels may be missing.
        frame: The frame that came out.
        statistics: Where its fill comes from; None if the remover does not know.
    """

    source: MaskedFrame
    frame: TimedFrame
    statistics: FillStatistics | None = None


def replace_image(frame: TimedFrame, image: Frame) -> TimedFrame:
    """Return another picture for the same moment.

    Where it equals the frame, the frame's deep picture is kept; the rest of that is made from the
    8 bits of ``image``. The frame's own picture is the frame; any other shares nothing with it.
    """
    if image is frame.image:
        return frame
    deep = frame.image16
    if deep is not None:
        if image.shape == frame.image.shape:
            changed = (image != frame.image).any(axis=2, keepdims=True)
            deep = np.where(changed, image * np.uint16(257), deep)
        else:
            deep = None
    return replace(frame, image=image, image16=deep)
