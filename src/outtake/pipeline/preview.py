"""A first look at a removal: a few seconds of it, small, and a contact sheet."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from outtake.core.types import TimedFrame
from outtake.data.resize import resize, short_side_size
from outtake.pipeline.job import Job
from outtake.pipeline.run import Made, produce
from outtake.pipeline.stage_threads import Stages
from outtake.removal.contact_sheet import Preview
from outtake.removal.side_by_side import opaque
from outtake.video.read.clip import open_clip
from outtake.video.read.probe import VideoInfo
from outtake.video.write.video_writer import WholeWriter, open_writer

SHORT_SIDE = 270
SECONDS = 10
# However many frames a second a clip has, a preview is short.
MOST_FRAMES = 300


def write_preview(job: Job) -> tuple[Path, Path]:
    """Run a job on the first seconds of its clip at a reduced size.

    Returns:
        The video and the contact sheet, ``<stem>.preview.mp4`` and ``<stem>.preview.png`` beside
        the output; both are replaced if they are there.

    Raises:
        OuttakeError: the clip can not be read, or the preview not be written.
    """
    video, sheet = preview_paths(job.target)
    with ExitStack() as files, Stages() as stages:
        clip = files.enter_context(open_clip(job.source, **job.reading))
        info = reduced_info(clip.info)
        frames = min(MOST_FRAMES, max(1, round(SECONDS * info.fps)))
        masked = job.masked(
            reduced(islice(clip, frames), info),
            files,
            stages,
            reduce=lambda c: reduced(c, info),
            cut_short=lambda: True,
        )
        sink = _Sink(video, info)
        produce(
            masked, job.remover, lambda _: sink, stages, length=frames,
            size=(info.height, info.width), stop=1,
        )  # fmt: skip
    sink.sheet.save(sheet, title=f"{info.path.name}, {type(job.remover).__name__.lower()}")
    return video, sheet


def preview_paths(target: Path) -> tuple[Path, Path]:
    """Return where the preview of an output lies: its video and its contact sheet."""
    video = target.with_name(f"{target.stem}.preview.mp4")
    return video, video.with_suffix(".png")


def reduced_info(info: VideoInfo) -> VideoInfo:
    """Return the description of a clip at preview size, 8 bits and of even sides."""
    short_side = min(SHORT_SIDE, info.height, info.width)
    height, width = short_side_size(info.height, info.width, short_side)
    return replace(info, width=max(2, width // 2 * 2), height=max(2, height // 2 * 2), bit_depth=8)


def reduced(clip: Iterable[TimedFrame], info: VideoInfo) -> Iterator[TimedFrame]:
    """Yield frames at the size that ``info`` says."""
    for frame in clip:
        image = np.ascontiguousarray(resize(frame.image, (info.height, info.width)))
        yield TimedFrame(image, frame.pts, frame.time_base)


class _Sink:
    """Writes the preview's video, and gathers its contact sheet."""

    def __init__(self, path: Path, info: VideoInfo) -> None:
        self.sheet = Preview()
        self._path = path
        self._info = info
        self._writer: WholeWriter

    def __enter__(self) -> Self:
        self._writer = open_writer(self._path, self._info, overwrite=True, audio=False)
        self._writer.__enter__()
        return self

    def write(self, made: Made) -> None:
        """Take in a frame."""
        image = np.ascontiguousarray(opaque(made.frame.image))
        self._writer.write(TimedFrame(image, made.frame.pts, made.frame.time_base))
        self.sheet.add(made.source, made.frame, made.facts)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._writer.__exit__(kind, error, trace)
