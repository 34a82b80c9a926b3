"""An output written in one piece."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Any, Self

from outtake.core.types import TimedFrame
from outtake.video.read.probe import VideoInfo
from outtake.video.write.output import FrameWriter, Output, check_target, open_output


class VideoWriter:
    """Takes all frames of an output; it appears when it is complete, or not at all.

    It is an output of one segment that is never resumed: an error deletes what was written, and
    the target stays as it was.

    Args:
        path: the target.
        info: the source.
        options: of :func:`outtake.video.write.output.open_output`.

    Raises:
        OutputError: on entering, whatever can not work; later, the target can not be written.
        VideoError: not one frame was given.
    """

    def __init__(self, path: Path, info: VideoInfo, options: dict[str, Any]) -> None:
        self.path = path
        self.info = info
        self._options = options
        self._output: Output
        self._segment_writer: FrameWriter

    @property
    def frames(self) -> int:
        """How many were written."""
        return self._segment_writer.frames

    def __enter__(self) -> Self:
        self._output = open_output(self.path, self.info, **self._options)
        self._segment_writer = self._output.open_segment(0)
        self._segment_writer.__enter__()
        return self

    def write(self, frame: TimedFrame) -> None:
        """Take the next frame."""
        self._segment_writer.write(frame)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self._segment_writer.__exit__(kind, error, trace)
            if kind is None:
                self._output.finish(1)
        finally:
            self._output.discard()


def open_writer(
    path: str | Path,
    info: VideoInfo,
    *,
    channels: int = 3,
    codec: str = "auto",
    crf: int | None = None,
    preset: str = "veryfast",
    audio: bool = True,
    overwrite: bool = False,
) -> VideoWriter:
    """Return a writer for a target: a video by its suffix, a folder of PNG images without one.

    The arguments are those of :func:`outtake.video.write.output.open_output`.

    Raises:
        OutputError: see :func:`outtake.video.write.output.check_target`; nothing was touched.
    """
    target = Path(path)
    options = {"codec": codec, "crf": crf, "preset": preset, "channels": channels}
    check_target(
        target, info.path, overwrite=overwrite, codec=codec, crf=crf, preset=preset,
        channels=channels, bit_depth=info.bit_depth,
    )  # fmt: skip
    return VideoWriter(target, info, {**options, "audio": audio, "overwrite": overwrite})
