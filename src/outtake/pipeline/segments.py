"""A clip in segments, each with the context that makes it independent of the others."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import replace

from outtake.core.frames import MaskedFrame
from outtake.removal.protocol import Context


class Segments:
    """Cuts a clip into segments of equal length, the last one shorter.

    A segment is given as its own frames (``wanted``) between those of its context (not wanted):
    keyframes first, then the frames right before, its own, and the frames right after. What is
    made of it depends on nothing else, so it comes out the same in one run through the clip, in a
    resumed one and on another machine.

    At most the context and the frames being looked at are held.

    Attributes:
        reached_end: whether the clip's end was met, so that what was given last was all there is.

    Args:
        clip: masked frames, consecutive from ``start_frame``.
        segment_frames: of a segment, in frames.
        context: what is given along with each.
        start_frame: number of the clip's first frame.
        first_segment: index of the first segment that is made.
    """

    def __init__(
        self,
        clip: Iterable[MaskedFrame],
        segment_frames: int,
        context: Context,
        *,
        start_frame: int = 0,
        first_segment: int = 0,
    ) -> None:
        self._clip = iter(clip)
        self._segment_frames = segment_frames
        self._context = context
        self._next_number = start_frame
        self._first_segment = first_segment
        self._buffer: deque[MaskedFrame] = deque()
        self.reached_end = False

    def __iter__(self) -> Iterator[tuple[int, Iterator[MaskedFrame]]]:
        """Yield each segment's index and frames; they may be left unread."""
        index = self._first_segment
        while self._read_to(index * self._segment_frames, index):
            yield index, self._frames_with_context(index)
            index += 1

    def _frames_with_context(self, index: int) -> Iterator[MaskedFrame]:
        start, stop = index * self._segment_frames, (index + 1) * self._segment_frames
        for item in list(self._buffer):
            if _frame_number(item) < start and self._is_context(_frame_number(item), start):
                yield replace(item, is_output=False)
        for number in range(start, stop + self._context.after):
            if not self._read_to(number, index + 1):
                return
            item = next(item for item in reversed(self._buffer) if _frame_number(item) == number)
            yield replace(item, is_output=number < stop)

    def _read_to(self, number: int, segment: int) -> bool:
        """Read on up to a frame; tell whether it is there.

        Of the frames before it, only the context of ``segment`` stays.
        """
        while self._next_number <= number:
            item = next(self._clip, None)
            if item is None:
                self.reached_end = True
                return False
            labelled = item.labelled if self._context.needs_labels else None
            self._buffer.append(replace(item, number=self._next_number, labelled=labelled))
            self._next_number += 1
        begin = segment * self._segment_frames
        self._buffer = deque(
            self._reduce_to_context(item) if _frame_number(item) < min(number, begin) else item
            for item in self._buffer
            if _frame_number(item) >= number or self._is_context(_frame_number(item), begin)
        )
        return bool(self._buffer) and _frame_number(self._buffer[-1]) >= number

    def _reduce_to_context(self, item: MaskedFrame) -> MaskedFrame:
        """Return what is kept of a frame that was given, and will not be wanted again."""
        if self._context.needs_image16 or item.frame.image16 is None:
            return item
        return replace(item, frame=replace(item.frame, image16=None))

    def _is_context(self, number: int, start: int) -> bool:
        context = self._context
        if number >= start - context.before:
            return True
        return number >= start - context.keyframe_reach and number % context.keyframe_step == 0


def first_frame_to_decode(
    segment: int, segment_frames: int, context: Context, *, mask_context: int, label_stride: int
) -> int:
    """Return the frame at which reading has to begin so that a segment comes out as ever.

    Args:
        segment: its index.
        segment_frames: of a segment, in frames.
        context: of the remover.
        mask_context: frames that the mask of a frame depends on, before it.
        label_stride: the frames that the network takes together start at multiples of this.
    """
    reach = max(context.before, context.keyframe_reach)
    begin = max(segment * segment_frames - reach - mask_context, 0)
    return begin // label_stride * label_stride


def common_stride(*strides: int) -> int:
    """Return the smallest stride that starts where all of these do."""
    return math.lcm(*(max(stride, 1) for stride in strides))


def _frame_number(item: MaskedFrame) -> int:
    assert item.number is not None  # given in _reach
    return item.number
