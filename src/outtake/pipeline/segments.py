"""A clip in segments, each with the context that makes it independent of the others."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import replace

from outtake.core.frames import Context, MaskedFrame


class Segments:
    """Cuts a clip into segments of equal length, the last one shorter.

    A segment is given as its own frames (``wanted``) between those of its context (not wanted):
    keyframes first, then the frames right before, its own, and the frames right after. What is
    made of it depends on nothing else, so it comes out the same in one run through the clip, in a
    resumed one and on another machine.

    At most the context and the frames being looked at are held.

    Attributes:
        ended: whether the clip's end was met, so that what was given last was all there is.

    Args:
        clip: masked frames, consecutive from ``start``.
        length: of a segment, in frames.
        context: what is given along with each.
        start: number of the clip's first frame.
        first: index of the first segment that is made.
    """

    def __init__(
        self,
        clip: Iterable[MaskedFrame],
        length: int,
        context: Context,
        *,
        start: int = 0,
        first: int = 0,
    ) -> None:
        self._clip = iter(clip)
        self._length = length
        self._context = context
        self._next = start
        self._first = first
        self._held: deque[MaskedFrame] = deque()
        self.ended = False

    def __iter__(self) -> Iterator[tuple[int, Iterator[MaskedFrame]]]:
        """Yield each segment's index and frames; they may be left unread."""
        index = self._first
        while self._reach(index * self._length, index):
            yield index, self._frames(index)
            index += 1

    def _frames(self, index: int) -> Iterator[MaskedFrame]:
        start, stop = index * self._length, (index + 1) * self._length
        for item in list(self._held):
            if _number(item) < start and self._is_context(_number(item), start):
                yield replace(item, wanted=False)
        for number in range(start, stop + self._context.after):
            if not self._reach(number, index + 1):
                return
            item = next(item for item in reversed(self._held) if _number(item) == number)
            yield replace(item, wanted=number < stop)

    def _reach(self, number: int, segment: int) -> bool:
        """Read on up to a frame; tell whether it is there.

        Of the frames before it, only the context of ``segment`` stays.
        """
        while self._next <= number:
            item = next(self._clip, None)
            if item is None:
                self.ended = True
                return False
            labelled = item.labelled if self._context.labels else None
            self._held.append(replace(item, number=self._next, labelled=labelled))
            self._next += 1
        begin = segment * self._length
        self._held = deque(
            self._behind(item) if _number(item) < min(number, begin) else item
            for item in self._held
            if _number(item) >= number or self._is_context(_number(item), begin)
        )
        return bool(self._held) and _number(self._held[-1]) >= number

    def _behind(self, item: MaskedFrame) -> MaskedFrame:
        """Return what is kept of a frame that was given, and will not be wanted again."""
        if self._context.deep or item.frame.deep is None:
            return item
        return replace(item, frame=replace(item.frame, deep=None))

    def _is_context(self, number: int, start: int) -> bool:
        context = self._context
        if number >= start - context.before:
            return True
        return number >= start - context.keyframe_reach and number % context.keyframe_step == 0


def first_needed(segment: int, length: int, context: Context, *, lead: int, stride: int) -> int:
    """Return the frame at which reading has to begin so that a segment comes out as ever.

    Args:
        segment: its index.
        length: of a segment, in frames.
        context: of the remover.
        lead: frames that the mask of a frame depends on, before it.
        stride: the frames that the network takes together start at multiples of this.
    """
    reach = max(context.before, context.keyframe_reach)
    begin = max(segment * length - reach - lead, 0)
    return begin // stride * stride


def common_stride(*strides: int) -> int:
    """Return the smallest stride that starts where all of these do."""
    return math.lcm(*(max(stride, 1) for stride in strides))


def _number(item: MaskedFrame) -> int:
    assert item.number is not None  # given in _reach
    return item.number
