"""From masked frames to finished segments."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator
from dataclasses import dataclass

from outtake.core.errors import ConfigError
from outtake.core.frames import FilledFrame, FrameSink, MaskedFrame
from outtake.pipeline.segments import Segments
from outtake.pipeline.stage_threads import StageThreads
from outtake.removal.protocol import Remover


@dataclass(frozen=True, slots=True)
class RunResult:
    """What a run made.

    Attributes:
        segments: indices of the segments made now, ascending.
        frames: how many frames they hold.
        total_segments: number of segments of the whole clip, if its end was reached.
    """

    segments: tuple[int, ...]
    frames: int
    total_segments: int | None


def run_removal(
    clip: Iterable[MaskedFrame],
    remover: Remover,
    open_sink: Callable[[int], FrameSink[FilledFrame]],
    stages: StageThreads,
    *,
    segment_frames: int,
    size: tuple[int, int],
    high_bit_depth: bool = False,
    start_frame: int = 0,
    first_segment: int = 0,
    stop_segment: int | None = None,
    completed: Container[int] = (),
    check_input: Callable[[], None] = lambda: None,
) -> RunResult:
    """Run a remover over a clip, segment by segment.

    Args:
        clip: masked frames, consecutive from ``start_frame``.
        remover: takes things out.
        open_sink: opens a place for the segment with an index.
        stages: the threads that the clip runs in; the remover gets one too.
        segment_frames: of a segment, in frames.
        size: height and width of the frames.
        high_bit_depth: whether they have deep pictures.
        start_frame: number of the clip's first frame.
        first_segment: the first segment that is made.
        stop_segment: the first that is not; None for all.
        completed: segments that are there already.
        check_input: called when the clip has ended; may raise. A segment that the end cut short,
            or its context, does not count then.

    Raises:
        ConfigError: the remover did not give one frame for each.
    """
    context = remover.context(*size, high_bit_depth)
    segments = Segments(
        clip, segment_frames, context, start_frame=start_frame, first_segment=first_segment
    )
    made_segments: list[int] = []
    frames, end = 0, first_segment
    for index, items in segments:
        if index == stop_segment:
            return RunResult(tuple(made_segments), frames, None)
        end = index + 1
        if index in completed:
            continue
        with open_sink(index) as target:
            for entry in _fill_segment(items, remover, stages):
                with stages.measure("encode"):
                    target.write(entry)
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

    Raises:
        ConfigError: The remover does not yield one frame for each.
    """
    given = 0

    def count_given() -> Iterator[MaskedFrame]:
        nonlocal given
        for item in items:
            given += 1
            yield item

    def filled_frames() -> Iterator[FilledFrame]:
        filled_count = 0
        for filled in remover(count_given()):
            filled_count += 1
            if filled_count > given:
                raise _frame_count_error(remover)
            if filled.source.is_output:
                yield filled
        if filled_count < given:
            raise _frame_count_error(remover)

    return stages.run("remove", filled_frames(), max_queued=2)


def _frame_count_error(remover: Remover) -> ConfigError:
    return ConfigError(
        f"remover {type(remover).__name__} did not give one frame for each; every frame that "
        "goes in has to come out"
    )
