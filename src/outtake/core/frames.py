"""What travels between the stages of a removal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Protocol, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from outtake.core.labels import LabelSpace
from outtake.core.types import Frame, LabelMap, Mask, MaskBlocks, TimedFrame


@dataclass(frozen=True, slots=True)
class LabelledFrame:
    """A frame with the class of each pixel.

    Attributes:
        frame: The picture and its time.
        labels: The class ids, uint8 (H, W).
        label_space: What the ids mean.
        confidence: The probability of the label, float (H, W) in 0..1; None if unknown.
        uncertain_share: How unsure the network is of the classes that are removed, 0 for sure: the
            sum of min(p, 1 - p) over the picture, by the area where p is above one half, p being
            their probability; None if unknown or if there is no such area.
        known: Where a person gave the label, bool (H, W); None for nowhere.
    """

    frame: TimedFrame
    labels: LabelMap
    label_space: LabelSpace
    confidence: NDArray[np.floating] | None = None
    uncertain_share: float | None = None
    known: Mask | None = None


@dataclass(frozen=True, slots=True)
class MaskStatistics:
    """What a mask looks like.

    Attributes:
        uncertain_share: As in :class:`LabelledFrame`.
        jump: The share of this mask and the one before that lies in one of them alone, 0 to 1,
            beyond what motion explains; None without a mask before, or if both are empty.
        contents: What the mask was made of: the number of sampled pixels of each class, by name,
            or of each value of the mask's picture.
        shadow_share: The share of the mask that was added as the objects' shadows, 0 to 1, before
            masks grow; None if shadows were not looked for.
        reflection_share: Likewise that of their reflections.
    """

    uncertain_share: float | None = None
    jump: float | None = None
    contents: Mapping[str, int] = field(default_factory=dict)
    shadow_share: float | None = None
    reflection_share: float | None = None


@dataclass(frozen=True, slots=True)
class MaskedFrame:
    """A frame with a mask of what is to be removed from it.

    Attributes:
        frame: The picture and its time.
        mask: bool (H, W), True where something is to be removed.
        labelled: The labels that the mask came from; None for a mask that came from elsewhere.
        number: The number of the frame in the clip, from 0; None where frames are consecutive.
        is_output: Whether the result of this frame is used. Another frame is context: it must
            still come out, in its place, but its picture does not matter then.
        statistics: What the mask looks like; None if it was not measured.
        foreground: 1 for blocks of the picture, as ``reduce_to_blocks`` makes them, that show
            something which stays and moves about before the background, uint8 (h, w): the
            background of other frames is not found there. None for nowhere.
    """

    frame: TimedFrame
    mask: Mask
    labelled: LabelledFrame | None = None
    number: int | None = None
    is_output: bool = True
    statistics: MaskStatistics | None = None
    foreground: MaskBlocks | None = None


@dataclass(frozen=True, slots=True)
class FillStatistics:
    """Where the fill of one frame comes from.

    Attributes:
        observed: The share of the hole that other frames show, 0 to 1.
        propagated: The share that was moved along from the previous frame, and had been observed
            in frames that are out of reach now.
        synthesised: The share that no frame showed: it was synthesised for this frame, or for an
            earlier one from which it was moved along.
        ring_residual: The error of the best reference around the hole, in grey levels, averaged
            over the regions of the hole by their size; None without a usable reference.
        flicker: The mean absolute difference of the fill to the previous frame's fill, moved along
            with the camera, in grey levels; None where there is nothing to compare with.
        sample_spread: How far the samples of a pixel that were taken from several frames disagree:
            their mean absolute deviation from their median, in grey levels, averaged over the
            observed pixels; None if no pixel has two samples.
        disputed: The share of those pixels at which it is more than noise explains, 0 to 1.
        rim_step: How much harder the edge of the fill is than the picture beside it, in grey
            levels; None if unknown.
        grain: The standard deviation of the brightness of the grain that the fill was given, in
            grey levels; None where none was asked for.
        rim_moves_with_hole: The share of the rim around the hole that moves with it instead of with
            the background, because the mask is too small, 0 to 1; None if it cannot be told.
        origin: One of the constants below for each pixel, uint8 (H, W); None if unknown.
    """

    observed: float = 0.0
    propagated: float = 0.0
    synthesised: float = 0.0
    ring_residual: float | None = None
    flicker: float | None = None
    sample_spread: float | None = None
    disputed: float | None = None
    rim_step: float | None = None
    grain: float | None = None
    rim_moves_with_hole: float | None = None
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
    """Return the frame with a picture made whole for the same moment.

    Nothing of the frame's own picture is left: where the frame has 16 bits, those of the result are
    made of the 8 bits of ``image``, also where these are the same as before.
    """
    image16 = None if frame.image16 is None else image * np.uint16(257)
    return replace(frame, image=image, image16=image16)


def fill_hole(frame: TimedFrame, image: Frame, hole: Mask) -> TimedFrame:
    """Return the frame with another picture inside a hole; the result shares no memory with it.

    Inside the hole 16 bits are made of the 8 bits of ``image``, also where these are the same as
    before: the bits below would show what was there. Outside they are the frame's own.

    Args:
        frame: The frame.
        image: The picture, outside the hole that of the frame, uint8 (H, W, 3).
        hole: bool (H, W), True for the hole.
    """
    image16 = frame.image16
    if image16 is not None:
        image16 = image16.copy()
        image16[hole] = image[hole] * np.uint16(257)
    return replace(frame, image=image, image16=image16)


_FrameT = TypeVar("_FrameT", contravariant=True)


class FrameSink(Protocol[_FrameT]):
    """Takes frames between entering and leaving it; what it makes of them is whole or not there.

    The pipeline, a segment of an output and a video written in one piece are all driven this way.
    """

    def __enter__(self) -> Self:
        """Open a temporary place."""
        ...

    def write(self, frame: _FrameT, /) -> None:
        """Take the next frame."""
        ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Keep what was made; after an error, it does not count."""
        ...
