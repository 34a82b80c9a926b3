"""A preview of a removal: its first seconds at a small size, and a contact sheet."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from outtake.core.frames import FilledFrame, FrameSink
from outtake.core.types import TimedFrame
from outtake.data.resize import resize, short_side_size
from outtake.masking.regions import scale_region
from outtake.pipeline.job import Job
from outtake.pipeline.run import TruncateOnError, run_clip
from outtake.pipeline.segments import SegmentPlan
from outtake.removal.contact_sheet import ContactSheet
from outtake.removal.report import RemovalReport
from outtake.removal.side_by_side import composite_on_checkerboard
from outtake.video.read.clip import open_clip
from outtake.video.read.probe import VideoInfo
from outtake.video.write.video_writer import open_writer

log = logging.getLogger(__name__)

SHORT_SIDE = 270
SECONDS = 10
# However many frames per second a clip has, a preview is short.
MAX_FRAMES = 300


def write_preview(job: Job) -> tuple[Path, Path]:
    """Run a job on the first seconds of its clip at a reduced size.

    What a report would warn of is logged.

    Returns:
        The video and the contact sheet, ``<stem>.preview.mp4`` and ``<stem>.preview.png`` beside
        the output; both are replaced if they exist.

    Raises:
        OuttakeError: The clip cannot be read, or the preview cannot be written.
    """
    video, sheet = preview_paths(job.target)
    with open_clip(job.source, **job.read_options) as clip:
        info = preview_info(clip.info)
        size = clip.info.height, clip.info.width
        job = replace(job, regions=tuple(scale_region(each, size) for each in job.regions))
        frames = min(MAX_FRAMES, max(1, round(SECONDS * info.fps)))
        sink = _PreviewSink(video, info, RemovalReport(**job.report_options()))
        run_clip(
            job,
            clip,
            lambda _: sink,
            SegmentPlan(frames, (info.height, info.width), stop_segment=1),
            transform=lambda frames: shrink_frames(frames, info),
            first_s=info.first_s,
            truncation=TruncateOnError(max_frames=frames),
        )
    sink.sheet.save(sheet, title=f"{info.path.name}, {type(job.remover).__name__.lower()}")
    for warning in sink.report.warnings():
        log.warning("%s: %s", video.name, warning)
    return video, sheet


def preview_paths(target: Path) -> tuple[Path, Path]:
    """Return the paths of an output's preview: its video and its contact sheet."""
    video = target.with_name(f"{target.stem}.preview.mp4")
    return video, video.with_suffix(".png")


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

    def __init__(self, path: Path, info: VideoInfo, report: RemovalReport) -> None:
        self.sheet = ContactSheet()
        self.report = report
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

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._files.__exit__(kind, error, trace)
