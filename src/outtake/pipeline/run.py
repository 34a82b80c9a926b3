"""One assembly for every run: frames, labels or masks, remover, sink, each stage in its thread."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import replace
from fractions import Fraction
from types import TracebackType
from typing import Self

import numpy as np

from outtake.core.errors import OuttakeError
from outtake.core.files import write_json
from outtake.core.frames import FilledFrame, FrameSink, MaskedFrame
from outtake.core.signals import defer_signals
from outtake.core.types import TimedFrame
from outtake.masking.known_labels import keep_known_labels
from outtake.masking.mask_clip import pair_masks
from outtake.masking.mask_statistics import CONTEXT_FRAMES, measure_masks
from outtake.masking.regions import add_regions
from outtake.pipeline.further_clips import attach_further, attach_residual
from outtake.pipeline.job import CompletedSegments, Job, statistics_path
from outtake.pipeline.segments import (
    RunResult,
    SegmentPlan,
    common_stride,
    first_frame_to_decode,
    run_segments,
)
from outtake.pipeline.stage_threads import StageThreads, limit_library_threads
from outtake.removal.field_remover import remove_by_fields
from outtake.removal.provenance import provenance_frame
from outtake.removal.report import RemovalReport
from outtake.video.read.clip import Clip, open_clip
from outtake.video.write.output import Output

# How many frames decoding and masks may be ahead of the slowest stage.
_QUEUED_FRAMES = 4

Transform = Callable[[Iterable[TimedFrame]], Iterable[TimedFrame]]


class TruncateOnError:
    """Ends a clip where it breaks off, so that the frames before that are still processed.

    Args:
        stop_event: The clip ends when it is set.
        max_frames: The clip ends after as many frames; None for no limit.
    """

    def __init__(
        self, stop_event: threading.Event | None = None, max_frames: int | None = None
    ) -> None:
        self._error: OuttakeError | None = None
        self._stop_event = stop_event
        self._max_frames = max_frames
        self._stopped = False

    def read(self, clip: Iterable[TimedFrame]) -> Iterator[TimedFrame]:
        """Yield the frames before the damage."""
        try:
            for count, frame in enumerate(clip, 1):
                yield frame
                if count == self._max_frames or (self._stop_event and self._stop_event.is_set()):
                    self._stopped = True
                    return
        except OuttakeError as error:
            self._error = error

    def ended_early(self) -> bool:
        """Return whether the clip was ended before its end; then masks may go on."""
        return self._stopped or self._error is not None

    def raise_error(self) -> None:
        """Raise the error that ended the clip, if one did."""
        if self._error is not None:
            raise self._error


def run_clip(
    job: Job,
    clip: Iterable[TimedFrame],
    open_sink: Callable[[int], FrameSink[FilledFrame]],
    plan: SegmentPlan,
    *,
    transform: Transform = iter,
    whole_size: tuple[int, int] | None = None,
    first_s: Fraction = Fraction(0),
    truncation: TruncateOnError | None = None,
) -> tuple[RunResult, dict[str, float]]:
    """Run frames through everything that a job consists of.

    Args:
        job: The job.
        clip: The frames from ``plan.start_frame`` on.
        open_sink: Opens a sink for the segment with an index.
        plan: The segments that are made.
        transform: Applied to the clip; masks follow its size.
        whole_size: The height and width of the clip before that; None where they stay.
        first_s: The time of the clip's first frame, in the clip's own time.
        truncation: Where the clip ends; by default at its end or at damage.

    Returns:
        What was made, and the seconds that each stage worked.
    """
    truncation = truncation or TruncateOnError()
    # Threads end before the files that they read are closed.
    with ExitStack() as files, StageThreads() as stages:
        read = truncation.read(clip)
        if job.further:
            read = attach_further(read, job.further, plan.start_frame, truncation.ended_early)
        for offsets in job.plate_offsets:
            read = attach_residual(stages.run("plate", read, max_queued=_QUEUED_FRAMES), offsets)
        frames = stages.run("decode", transform(read), max_queued=_QUEUED_FRAMES)
        if job.masks is not None:
            masks = job.masks.open(plan.start_frame)
            files.callback(_close_iterator, masks)
            one_for_each = job.masks.one_for_each
            masked = pair_masks(
                frames,
                masks,
                grow=job.grow,
                first_number=plan.start_frame,
                whole_size=whole_size,
                may_continue=lambda: not one_for_each or truncation.ended_early(),
            )
        elif job.labeller is not None:
            masked = _mask_by_labels(job, frames, stages, plan.start_frame)
        else:
            masked = (
                MaskedFrame(each, np.zeros(each.image.shape[:2], np.bool_)) for each in frames
            )
        masked = measure_masks(masked)
        if job.regions:
            # What a user has typed is no doubt about masks, and may come and go.
            masked = add_regions(masked, job.regions, first_s)
        masked = stages.run("mask", masked, max_queued=_QUEUED_FRAMES)
        remover = remove_by_fields(job.remover, plan.field_order, *plan.frame_size)
        result = run_segments(masked, remover, open_sink, stages, plan, truncation.raise_error)
        return result, dict(stages.busy_s)


def _close_iterator(items: Generator[object, None, None]) -> None:
    with suppress(ValueError):  # a thread that did not end in time is still in it
        items.close()


def _mask_by_labels(
    job: Job, frames: Iterator[TimedFrame], stages: StageThreads, first_number: int
) -> Iterator[MaskedFrame]:
    assert job.labeller is not None and job.policy is not None
    labelled = stages.run("predict", job.labeller(frames), max_queued=_QUEUED_FRAMES)
    if job.known_labels:
        labelled = keep_known_labels(labelled, job.known_labels, first_number)
    return job.policy(labelled)


def run_missing_segments(
    job: Job,
    outputs: list[Output],
    *,
    first_segment: int = 0,
    stop_segment: int | None = None,
    on_frame: Callable[[], object] = lambda: None,
    clip: Clip | None = None,
    stop_event: threading.Event | None = None,
) -> tuple[RunResult, dict[str, float]]:
    """Make the segments of a job that do not exist yet.

    Args:
        job: The job.
        outputs: The outputs, as :meth:`outtake.pipeline.job.Job.open_outputs` returns them.
        first_segment: The index of the first segment.
        stop_segment: The index of the first segment that is not made; None for all to the end.
        on_frame: Called after each frame.
        clip: The source, if it is open already and cannot be opened twice.
        stop_event: When it is set, the clip is taken to end there.

    Returns:
        What was made, and the seconds that each stage worked.

    Raises:
        OuttakeError: The clip cannot be read to its end, or the output cannot be written; the
            segments made so far stay.
    """
    limit_library_threads()
    completed = CompletedSegments(outputs)
    while first_segment != stop_segment and first_segment in completed:
        first_segment += 1
    if first_segment == stop_segment:
        return RunResult((), 0, None), {}
    info, high_bit_depth = outputs[0].info, outputs[0].high_bit_depth
    plan = SegmentPlan(
        job.segment_frames,
        (info.height, info.width),
        high_bit_depth,
        info.field_order or job.shown_fields,
        first_segment=first_segment,
        stop_segment=stop_segment,
        completed=completed,
    )
    plan = replace(plan, start_frame=find_start_frame(job, plan))
    with ExitStack() as files:
        frames = clip or files.enter_context(
            open_clip(
                job.source,
                skip=plan.start_frame,
                high_bit_depth=high_bit_depth,
                **job.read_options,
            )
        )
        return run_clip(
            job,
            frames,
            lambda index: _SegmentWriter(outputs, index, on_frame),
            plan,
            first_s=info.first_s,
            truncation=TruncateOnError(stop_event),
        )


def find_start_frame(job: Job, plan: SegmentPlan) -> int:
    """Return the number of the first frame that is decoded, so that a plan's first one is right."""
    remover = remove_by_fields(job.remover, plan.field_order, *plan.frame_size)
    return first_frame_to_decode(
        plan.begin,
        remover.context(*plan.frame_size, plan.high_bit_depth),
        mask_context=CONTEXT_FRAMES
        + job.label_context
        + (0 if job.policy is None else job.policy.context_frames),
        label_stride=common_stride(1 if job.labeller is None else job.labeller.stride),
    )


class _SegmentWriter:
    """Writes the frames of one segment, and their statistics beside them."""

    def __init__(self, outputs: list[Output], index: int, on_frame: Callable[[], object]) -> None:
        self._outputs = outputs
        self._index = index
        self._on_frame = on_frame
        self._files = ExitStack()
        self._report = RemovalReport()

    def __enter__(self) -> Self:
        with ExitStack() as files:
            self._writers = [
                files.enter_context(output.open_segment(self._index)) for output in self._outputs
            ]
            self._files = files.pop_all()
        return self

    def write(self, filled: FilledFrame) -> None:
        """Write a frame, and where its fill comes from if a second output is for that."""
        self._writers[0].write(filled.frame)
        for writer in self._writers[1:]:
            assert filled.statistics is not None  # the job knows that the remover gives them
            writer.write(provenance_frame(filled.frame, filled.statistics))
        self._report.add_filled(filled)
        self._on_frame()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is not None:
            self._files.__exit__(kind, error, trace)
            return
        path = statistics_path(self._outputs[0].segment_folder, self._index)
        with defer_signals(), self._files:
            write_json(path, self._report.segment_record())
