"""A preview of a removal: some of its seconds at a small size, and a contact sheet."""

from __future__ import annotations

import logging
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from outtake.core.errors import VideoError
from outtake.core.frames import FilledFrame, FrameSink
from outtake.core.progress import frame_bar
from outtake.core.types import TimedFrame
from outtake.data.resize import resize, short_side_size
from outtake.masking.regions import scale_region
from outtake.pipeline.job import Job
from outtake.pipeline.run import TruncateOnError, find_start_frame, run_clip
from outtake.pipeline.segments import SegmentPlan
from outtake.removal.contact_sheet import ContactSheet
from outtake.removal.report import RemovalReport, report_path, write_report
from outtake.removal.side_by_side import composite_on_checkerboard
from outtake.video.read.animated_image import AnimatedImage
from outtake.video.read.clip import Clip, open_clip
from outtake.video.read.count_frames import decode_times, frame_times
from outtake.video.read.frame_selection import FrameSelection
from outtake.video.read.probe import VideoInfo
from outtake.video.read.reader import VideoReader
from outtake.video.write.video_writer import open_writer

log = logging.getLogger(__name__)

SHORT_SIDE = 270
SECONDS = 10
SECONDS_AROUND = 2
# However many frames per second a clip has, a preview is short.
MAX_FRAMES = 300
# Times are told in thousandths of a second, as those of files are.
_ROUNDING_S = Fraction(1, 2000)
# How long a frame is shown, in frames of the average rate, where the rate is constant.
_USUAL_STEP = 0.5, 1.5
_SELECTING = ("start", "end", "every")


def write_preview(job: Job, around_s: Fraction | None = None) -> tuple[Path, Path]:
    """Run a job on some seconds of its clip at a reduced size.

    What a report would warn of is logged.

    Args:
        job: The job.
        around_s: The time in the middle of two seconds, in seconds from the clip's first frame, by
            the times of the frames themselves; frames around these are looked at, as in the whole
            clip. None for the first ten seconds, and nothing of what follows them.

    Returns:
        The video and the contact sheet, ``<stem>.preview.mp4`` and ``<stem>.preview.png`` beside
        the output; both are replaced if they exist, and so is the report of the video, whose
        ``first_frame`` is the number of its first frame in what is read of the clip.

    Raises:
        OuttakeError: The clip cannot be read, or the preview cannot be written.
    """
    video, sheet = preview_paths(job.target)
    with ExitStack() as files:
        clip = files.enter_context(open_clip(job.source, **job.read_options))
        for line in job.check_clip(clip.info):
            log.warning("%s", line)
        info = preview_info(clip.info)
        whole_size = clip.info.height, clip.info.width
        job = _shrink_job(job, whole_size, info)
        times, are_all = ([], False) if around_s is None else _find_times(job, clip, around_s)
        if times and are_all:
            info = replace(info, frames=len(times))
        plan, truncation = _plan(job, info, around_s, times)
        if plan.start_frame:
            further = open_clip(job.source, **job.read_options, skip=plan.start_frame)
            clip = files.enter_context(further)
        bar = files.enter_context(frame_bar(video.name, _count(plan, info)))
        report = RemovalReport(**job.report_options())
        sink = _PreviewSink(video, info, report, lambda: bar.advance(bar.task_ids[0]))
        result, _ = run_clip(
            job,
            clip,
            lambda _: sink,
            plan,
            transform=lambda frames: shrink_frames(frames, info),
            whole_size=whole_size,
            first_s=info.first_s,
            truncation=truncation,
        )
    if not result.frames:
        raise _nothing_there(info, around_s)
    sink.sheet.save(sheet, title=f"{info.path.name}, {job.remover.name.lower()}")
    write_report(video, sink.report.record(output=str(video), first_frame=plan.origin))
    for warning in sink.report.warnings():
        log.warning("%s: %s", video.name, warning)
    return video, sheet


def _shrink_job(job: Job, whole_size: tuple[int, int], info: VideoInfo) -> Job:
    """Return the job with what it says of the picture at the size of a preview."""
    known = {
        number: resize(labels, (info.height, info.width), "nearest")
        for number, labels in job.known_labels.items()
    }
    regions = tuple(scale_region(each, whole_size) for each in job.regions)
    return replace(job, known_labels=known, regions=regions)


def _find_times(job: Job, clip: Clip, around_s: Fraction) -> tuple[Sequence[Fraction], bool]:
    """Return when each frame that is read is shown, in seconds from the beginning of what is read.

    No further than a preview around a time needs; the second value is True if these are all.
    Where only decoding tells, it is decoded up to there. Empty for pictures and streams.
    """
    if not isinstance(clip, VideoReader | AnimatedImage) or clip.info.live or clip.info.address:
        return [], False
    options = {key: job.read_options[key] for key in _SELECTING if key in job.read_options}
    selection = FrameSelection.from_config(**options)
    begin_s, end_s = selection.start_s or Fraction(0), selection.end_s
    until_s = around_s + SECONDS_AROUND
    is_video = isinstance(clip, VideoReader)
    times = frame_times(clip.path, job.read_options.get("limits"), until_s) if is_video else None
    if times is None:
        with clip.select(FrameSelection()) as whole:
            times = list(decode_times(whole, until_s))
    inside = [each for each in times if begin_s <= each and (end_s is None or each < end_s)]
    are_all = bool(times) and times[-1] <= until_s
    return [each - begin_s for each in inside[:: selection.every]], are_all


def _plan(
    job: Job, info: VideoInfo, around_s: Fraction | None, times: Sequence[Fraction]
) -> tuple[SegmentPlan, TruncateOnError]:
    size = info.height, info.width
    if around_s is None:
        frames = min(MAX_FRAMES, max(1, round(SECONDS * info.fps)))
        return SegmentPlan(frames, size, stop_segment=1), TruncateOnError(max_frames=frames)
    if info.live:
        raise VideoError(
            f"preview={float(around_s):g}: {info.path} is live; preview=true shows its beginning"
        )
    begin_s = 0 if info.start_s is None else Fraction(info.start_s) - info.first_s
    at_s = around_s - begin_s
    middle = _find_frame(info, at_s, times)
    if info.frames is not None and not 0 <= middle < info.frames:
        raise _nothing_there(info, around_s)
    if _varies(times, info.fps):
        origin, frames = _choose_by_time(times, at_s, middle)
    else:
        frames = min(MAX_FRAMES, max(1, round(SECONDS_AROUND * info.fps)))
        if info.frames is not None:
            middle = min(middle, info.frames - frames + frames // 2)
        origin = max(0, middle - frames // 2)
    plan = SegmentPlan(frames, size, stop_segment=1, origin=origin)
    return replace(plan, start_frame=find_start_frame(job, plan)), TruncateOnError()


def _find_frame(info: VideoInfo, at_s: Fraction, times: Sequence[Fraction]) -> int:
    """Return the number of the frame that is shown at a time; one past the end for none."""
    if not times:
        return round(at_s * info.fps)
    if at_s >= max(Fraction(info.duration_s or 0), times[-1] + 1 / info.fps):
        return len(times)
    return bisect_right(times, at_s + _ROUNDING_S) - 1


def _choose_by_time(times: Sequence[Fraction], at_s: Fraction, middle: int) -> tuple[int, int]:
    """Return the first of the frames around a time, and how many they are."""
    half_s = Fraction(SECONDS_AROUND) / 2
    first = max(min(bisect_left(times, at_s - half_s), middle), middle - MAX_FRAMES // 2)
    stop = max(bisect_left(times, at_s + half_s), middle + 1)
    return first, min(MAX_FRAMES, stop - first)


def _varies(times: Sequence[Fraction], fps: Fraction) -> bool:
    """Return whether a frame is shown clearly longer or shorter than others."""
    steps = [(after - before) * fps for before, after in pairwise(times)]
    return any(not _USUAL_STEP[0] < step < _USUAL_STEP[1] for step in steps)


def _count(plan: SegmentPlan, info: VideoInfo) -> int:
    frames = plan.segment_frames
    return frames if info.frames is None else min(frames, info.frames - plan.origin)


def _nothing_there(info: VideoInfo, around_s: Fraction | None) -> VideoError:
    if around_s is None:
        return VideoError(f"{info.path}: holds no frame")
    length = "" if info.duration_s is None else f"; it is {info.duration_s:.3f} s long"
    return VideoError(
        f"preview={float(around_s):g}: {info.path} has no frame there, in what is read{length}"
    )


def preview_paths(target: Path) -> tuple[Path, Path]:
    """Return the paths of an output's preview: its video and its contact sheet."""
    video = target.with_name(f"{target.stem}.preview.mp4")
    return video, video.with_suffix(".png")


def files_of_preview(target: Path) -> tuple[Path, ...]:
    """Return all that a preview replaces."""
    video, sheet = preview_paths(target)
    return video, sheet, report_path(video)


def preview_info(info: VideoInfo) -> VideoInfo:
    """Return the description of a clip at preview size, with 8 bits and even sides."""
    short_side = min(SHORT_SIDE, info.height, info.width)
    height, width = short_side_size(info.height, info.width, short_side)
    width, height = max(2, width // 2 * 2), max(2, height // 2 * 2)
    return replace(info.of_view(), width=width, height=height, bit_depth=8)


def shrink_frames(clip: Iterable[TimedFrame], info: VideoInfo) -> Iterator[TimedFrame]:
    """Yield frames at the size of ``info``."""
    for frame in clip:
        size = (info.height, info.width)
        image = np.ascontiguousarray(resize(frame.image, size))
        further = frame.further
        if further is not None:
            further = resize(further, size).reshape(*size, -1)
        yield TimedFrame(image, frame.pts, frame.time_base, further=further)


class _PreviewSink:
    """Writes the video of a preview, and collects its contact sheet."""

    def __init__(
        self,
        path: Path,
        info: VideoInfo,
        report: RemovalReport,
        on_frame: Callable[[], object],
    ) -> None:
        self.sheet = ContactSheet()
        self.report = report
        self._on_frame = on_frame
        self._path = path
        self._info = info
        self._files = ExitStack()
        self._writer: FrameSink[TimedFrame]

    def __enter__(self) -> Self:
        self._writer = self._files.enter_context(
            open_writer(self._path, self._info, overwrite=True, audio="none")
        )
        return self

    def write(self, filled: FilledFrame) -> None:
        """Take the next frame."""
        image = np.ascontiguousarray(composite_on_checkerboard(filled.frame.image))
        self._writer.write(TimedFrame(image, filled.frame.pts, filled.frame.time_base))
        self.sheet.add(filled.source, filled.frame, filled.statistics)
        self.report.add_filled(filled)
        self._on_frame()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._files.__exit__(kind, error, trace)
