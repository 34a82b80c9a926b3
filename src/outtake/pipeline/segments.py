"""What a segment of a clip is, and how a remover is run over a clip segment by segment.

Segment ``i`` of length ``n`` holds the frames ``i * n`` to ``(i + 1) * n - 1``, counted from the
frame at which the plan begins, which is the first of the clip but for a preview. It is processed
with a fixed context around it and with nothing else, so that it has the same result in one run
through the clip, in a resumed run and on another machine.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Container, Iterable, Iterator
from dataclasses import dataclass, replace

from outtake.core.errors import ConfigError
from outtake.core.frames import FilledFrame, FrameSink, MaskedFrame
from outtake.core.types import StoredPicture
from outtake.pipeline.stage_threads import StageThreads
from outtake.removal.protocol import Context, Remover
from outtake.video.interlacing import FieldOrder
from outtake.video.stored_picture import forget_planes


class Segments:
    """Cuts a clip into segments of equal length, the last one shorter.

    A segment comes as its own frames (``is_output``) between its context frames: keyframes first,
    then the frames right before, its own, and the frames right after. At most the context and the
    frames in use are held.

    Attributes:
        reached_end: Whether the end of the clip was reached.

    Args:
        clip: Masked frames, consecutive from ``start_frame``.
        segment_frames: The length of a segment, in frames.
        context: The frames that come along with each segment.
        start_frame: The number of the first frame of ``clip``.
        first_segment: The index of the first segment.
        origin: The number of the frame at which segment 0 begins.
    """

    def __init__(
        self,
        clip: Iterable[MaskedFrame],
        segment_frames: int,
        context: Context,
        *,
        start_frame: int = 0,
        first_segment: int = 0,
        origin: int = 0,
    ) -> None:
        self._clip = iter(clip)
        self._segment_frames = segment_frames
        self._origin = origin
        self._context = context
        self._next_number = start_frame
        self._first_segment = first_segment
        self._buffer: deque[MaskedFrame] = deque()
        self.reached_end = False

    def __iter__(self) -> Iterator[tuple[int, Iterator[MaskedFrame]]]:
        """Yield the index and the frames of each segment; the frames may be left unread."""
        index = self._first_segment
        while self._read_to(self._begin(index), index):
            yield index, self._frames_with_context(index)
            index += 1

    def _frames_with_context(self, index: int) -> Iterator[MaskedFrame]:
        start, stop = self._begin(index), self._begin(index + 1)
        for item in list(self._buffer):
            if _frame_number(item) < start and self._is_context(_frame_number(item), start):
                yield replace(item, is_output=False)
        for number in range(start, stop + self._context.after):
            if not self._read_to(number, index + 1):
                return
            item = next(item for item in reversed(self._buffer) if _frame_number(item) == number)
            yield replace(item, is_output=number < stop)

    def _begin(self, segment: int) -> int:
        return self._origin + segment * self._segment_frames

    def _read_to(self, number: int, segment: int) -> bool:
        """Read up to a frame and return whether it exists.

        Of the frames before it, only the context of ``segment`` is kept.
        """
        while self._next_number <= number:
            item = next(self._clip, None)
            if item is None:
                self.reached_end = True
                return False
            labelled = item.labelled if self._context.needs_labels else None
            self._buffer.append(replace(item, number=self._next_number, labelled=labelled))
            self._next_number += 1
        begin = self._begin(segment)
        self._buffer = deque(
            self._reduce_to_context(item) if _frame_number(item) < min(number, begin) else item
            for item in self._buffer
            if _frame_number(item) >= number or self._is_context(_frame_number(item), begin)
        )
        return bool(self._buffer) and _frame_number(self._buffer[-1]) >= number

    def _reduce_to_context(self, item: MaskedFrame) -> MaskedFrame:
        """Return what is kept of a frame that can only be context from now on."""
        image16 = item.frame.image16 if self._context.needs_image16 else None
        if image16 is item.frame.image16 and item.frame.stored is None:
            return item
        return replace(item, frame=replace(item.frame, image16=image16, stored=None))

    def _is_context(self, number: int, start: int) -> bool:
        context = self._context
        if number >= start - context.before:
            return True
        return number >= start - context.keyframe_reach and number % context.keyframe_step == 0


def first_frame_to_decode(
    begin: int, context: Context, *, mask_context: int, label_stride: int
) -> int:
    """Return the frame at which decoding must begin so that a segment has the same result.

    Args:
        begin: The number of the first frame of the segment.
        context: The context of the remover.
        mask_context: The number of frames before a frame that its mask depends on.
        label_stride: The frames that the network takes together start at multiples of this.
    """
    reach = max(context.before, context.keyframe_reach)
    first = max(begin - reach - mask_context, 0)
    return first // label_stride * label_stride


def common_stride(*strides: int) -> int:
    """Return the smallest stride that starts where all of these do."""
    return math.lcm(*(max(stride, 1) for stride in strides))


def _frame_number(item: MaskedFrame) -> int:
    assert item.number is not None  # given in _read_to
    return item.number


@dataclass(frozen=True, slots=True)
class SegmentPlan:
    """Which segments of a clip are made.

    Attributes:
        segment_frames: The length of a segment, in frames.
        frame_size: The height and width of the frames.
        high_bit_depth: Whether the frames have 16-bit pictures.
        field_order: Which field of a frame comes first; None for frames of one moment.
        start_frame: The number of the first frame that is decoded.
        first_segment: The index of the first segment.
        stop_segment: The index of the first segment that is not made; None for all.
        completed: The segments that exist already.
        origin: The number of the frame at which segment 0 begins.
    """

    segment_frames: int
    frame_size: tuple[int, int]
    high_bit_depth: bool = False
    field_order: FieldOrder | None = None
    start_frame: int = 0
    first_segment: int = 0
    stop_segment: int | None = None
    completed: Container[int] = ()
    origin: int = 0

    @property
    def begin(self) -> int:
        """The number of the first frame that is made."""
        return self.origin + self.first_segment * self.segment_frames


@dataclass(frozen=True, slots=True)
class RunResult:
    """What a run made.

    Attributes:
        segments: The indices of the segments that were made now, ascending.
        frames: The number of frames in them.
        total_segments: The number of segments of the whole clip, if its end was reached.
    """

    segments: tuple[int, ...]
    frames: int
    total_segments: int | None


def run_segments(
    clip: Iterable[MaskedFrame],
    remover: Remover,
    open_sink: Callable[[int], FrameSink[FilledFrame]],
    stages: StageThreads,
    plan: SegmentPlan,
    check_input: Callable[[], None] = lambda: None,
) -> RunResult:
    """Run a remover over a clip, segment by segment.

    Args:
        clip: Masked frames, consecutive from ``plan.start_frame``.
        remover: The remover.
        open_sink: Opens a sink for the segment with an index.
        stages: The threads in which the clip runs; the remover gets one too.
        plan: The segments.
        check_input: Called when the clip has ended; may raise. A segment that was cut short by the
            end, or whose context was, does not count then.

    Raises:
        ConfigError: The remover does not yield one frame for each.
    """
    segments = Segments(
        clip,
        plan.segment_frames,
        remover.context(*plan.frame_size, plan.high_bit_depth),
        start_frame=plan.start_frame,
        first_segment=plan.first_segment,
        origin=plan.origin,
    )
    made_segments: list[int] = []
    frames, end = 0, plan.first_segment
    for index, items in segments:
        if index == plan.stop_segment:
            return RunResult(tuple(made_segments), frames, None)
        end = index + 1
        if index in plan.completed:
            continue
        with open_sink(index) as sink:
            for filled in _fill_segment(items, remover, stages):
                with stages.measure("encode"):
                    sink.write(filled)
                frames += 1
            if segments.reached_end:
                check_input()
        made_segments.append(index)
    check_input()
    return RunResult(tuple(made_segments), frames, end)


def _fill_segment(
    items: Iterator[MaskedFrame], remover: Remover, stages: StageThreads
) -> Iterator[FilledFrame]:
    """Yield the output frames of a segment.

    The source's planes go round the remover, which would keep those of all frames that it holds.
    """
    given = 0
    stored: deque[StoredPicture | None] = deque()

    def count_given() -> Iterator[MaskedFrame]:
        nonlocal given
        for item in items:
            given += 1
            stored.append(item.frame.stored if item.is_output else None)
            yield _without_stored_picture(item)

    def filled_frames() -> Iterator[FilledFrame]:
        filled_count = 0
        for filled in remover(count_given()):
            filled_count += 1
            if filled_count > given:
                raise _frame_count_error(remover)
            picture = stored.popleft()
            if filled.source.is_output:
                if remover.channels == 3:  # under alpha, the colours of the source stay
                    mask = filled.source.mask if remover.keeps_outside else None
                    picture = forget_planes(picture, mask)
                yield replace(filled, frame=replace(filled.frame, stored=picture))
        if filled_count < given:
            raise _frame_count_error(remover)

    return stages.run("remove", filled_frames(), max_queued=2)


def _without_stored_picture(item: MaskedFrame) -> MaskedFrame:
    if item.frame.stored is None:
        return item
    return replace(item, frame=replace(item.frame, stored=None))


def _frame_count_error(remover: Remover) -> ConfigError:
    return ConfigError(
        f"remover {remover.name} did not give one frame for each; every frame that "
        "goes in must come out"
    )
