"""The background of each shot of a clip, from decoding to the pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import Self

from outtake.core.errors import VideoError
from outtake.core.frames import FilledFrame, MaskedFrame
from outtake.core.progress import frame_bar
from outtake.pipeline.job import Job
from outtake.pipeline.run import run_clip
from outtake.pipeline.segments import SegmentPlan
from outtake.pipeline.stage_threads import limit_library_threads
from outtake.removal.protocol import Context, Remover
from outtake.removal.stitching.open_shot import StitchedBackground
from outtake.removal.stitching.stitcher import BackgroundStitcher
from outtake.video.read.clip import open_clip

# All frames are one segment: a picture is made of a whole shot.
_ALL_FRAMES = 1 << 40


class Unchanged(Remover):
    """Leaves the frames as they are: what is wanted are the frames and their masks."""

    def context(self, height: int, width: int, high_bit_depth: bool = False) -> Context:
        """Return one frame: as in a remover that looks at several, fields would matter."""
        return Context(before=1)

    def __call__(self, clip: Iterable[MaskedFrame]) -> Iterator[FilledFrame]:
        """Yield each frame as it came."""
        return (FilledFrame(item, item.frame) for item in clip)


def stitch_clip(
    job: Job,
    stitcher: BackgroundStitcher,
    on_background: Callable[[StitchedBackground], object],
) -> int:
    """Give the masked frames of a job's clip to a stitcher, and its pictures to a function.

    Args:
        job: The job; its remover is :class:`Unchanged`.
        stitcher: The stitcher.
        on_background: Takes each picture when its shot has ended.

    Returns:
        The number of frames.

    Raises:
        OuttakeError: The clip cannot be read to its end; what was made before is given first.
    """
    limit_library_threads()
    with open_clip(job.source, **job.read_options) as clip:
        info = clip.info
        if info.field_order is not None:
            raise VideoError(
                f"{info.path} is interlaced: its pictures show two moments each; set "
                "read.deinterlace=bwdif"
            )
        if job.shown_fields is not None:
            way = "make a video of them and set" if info.images else "set"
            raise VideoError(
                f"{info.path} looks interlaced: its pictures show two moments each; {way} "
                "read.deinterlace=bwdif, or read.fields=none if that is wrong"
            )
        plan = SegmentPlan(_ALL_FRAMES, (info.height, info.width), stop_segment=1)
        with frame_bar(info.path.name, info.frames) as bar:
            sink = _StitchSink(stitcher, on_background, lambda: bar.advance(bar.task_ids[0]))
            result, _ = run_clip(job, clip, lambda _: sink, plan, first_s=info.first_s)
    if not result.frames:
        raise VideoError(f"{info.path}: holds no frame")
    return result.frames


class _StitchSink:
    """Gives frames to a stitcher."""

    def __init__(
        self,
        stitcher: BackgroundStitcher,
        on_background: Callable[[StitchedBackground], object],
        on_frame: Callable[[], object],
    ) -> None:
        self._stitcher, self._on_background, self._on_frame = stitcher, on_background, on_frame
        self._number = 0

    def __enter__(self) -> Self:
        return self

    def write(self, filled: FilledFrame) -> None:
        """Take the next frame."""
        self._take(self._stitcher.add(self._number, filled.source))
        self._number += 1
        self._on_frame()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # A clip that breaks off has a background up to there; an interruption leaves what is done.
        if kind is None or issubclass(kind, VideoError):
            self._take(self._stitcher.finish())

    def _take(self, backgrounds: Iterable[StitchedBackground]) -> None:
        for background in backgrounds:
            self._on_background(background)
