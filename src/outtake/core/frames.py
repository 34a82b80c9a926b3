"""What travels between the stages of a removal, and the seam that every remover has."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Protocol

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
class Context:
    """Which frames around the wanted ones a stage looks at.

    A long clip is made in segments, each by itself, so that it can be resumed and spread over
    machines; with its context, a segment comes out the same wherever it is made.

    Attributes:
        before: frames right before the first wanted one.
        after: frames right after the last wanted one.
        keyframe_reach: how far back keyframes are of use, in frames; those nearer than ``before``
            come anyway.
        keyframe_step: frames whose number is a multiple of this are keyframes.
        needs_labels: whether it looks at the labels that masks came from; if not, they are not
            kept.
        needs_image16: whether it looks at the deep picture of a frame that is not wanted.
    """

    before: int = 0
    after: int = 0
    keyframe_reach: int = 0
    keyframe_step: int = 16
    needs_labels: bool = True
    needs_image16: bool = True


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


class Remover(Protocol):
    """Takes things out of a clip.

    A remover is an iterator stage, so that one that works frame by frame and one that looks
    ahead are called the same way. Its contract: one frame out for each frame in, in the same
    order and with the same time; frames that come in are not written to; and, unless
    ``keeps_outside`` is False, pixels outside the mask come out bit for bit as they went in.
    One that knows where its fill comes from says so in ``facts``, a list of :class:`FillStatistics`
    that grows by one with each frame given out, and whose entries the reader takes away.

    Attributes:
        needs_mask: whether it has nothing to do without a class to remove.
        keeps_outside: whether pixels outside the mask stay as they are.
        channels: of the frames that come out: 3, or 4 with alpha. Their height and width may
            differ from those that go in, and are the same for all frames.
    """

    needs_mask: bool
    keeps_outside: bool
    channels: int

    def context(self, height: int, width: int, high_bit_depth: bool = False) -> Context:
        """Return which frames it looks at around those that are wanted.

        Args:
            height: of the frames.
            width: likewise.
            high_bit_depth: whether they have deep pictures too, which take twice as much memory.
        """
        ...

    def __call__(self, clip: Iterable[MaskedFrame]) -> Iterator[TimedFrame]:
        """Yield each frame of ``clip`` without what its mask covers."""
        ...


def no_context(height: int, width: int, high_bit_depth: bool = False) -> Context:
    """The ``context`` of a remover that looks at each frame by itself."""
    return Context()


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
