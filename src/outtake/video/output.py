"""Where frames go: the checks that come before any work, and the choice of a writer."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from outtake.errors import OutputError
from outtake.files import check_folder
from outtake.types import TimedFrame
from outtake.video.codecs import choose_codec
from outtake.video.images import PngWriter
from outtake.video.images import check_folder as check_png_folder
from outtake.video.probe import VideoInfo
from outtake.video.writer import VideoWriter


class FrameWriter(Protocol):
    """Takes frames; what it writes appears complete or not at all.

    Attributes:
        frames: how many were written.
    """

    frames: int

    def __enter__(self) -> Self:
        """Open a temporary target."""
        ...

    def write(self, frame: TimedFrame) -> None:
        """Take the next frame."""
        ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Finish the target, or delete what there is of it after an error."""
        ...


def open_writer(
    path: str | Path,
    info: VideoInfo,
    *,
    codec: str = "auto",
    crf: int | None = None,
    preset: str = "veryfast",
    audio: bool = True,
    overwrite: bool = False,
) -> FrameWriter:
    """Return a writer for a target: a video by its suffix, a folder of PNG images without one.

    Raises:
        OutputError: see :func:`check_target`; nothing was touched.
    """
    target = Path(path)
    check_target(target, info.path, codec=codec, overwrite=overwrite)
    if not target.suffix:
        return PngWriter(target, overwrite=overwrite)
    return VideoWriter(target, info, codec=codec, crf=crf, preset=preset, audio=audio)


def check_target(
    path: str | Path, source: str | Path, *, codec: str = "auto", overwrite: bool = False
) -> None:
    """Find out, before any work, what would keep a target from being written.

    Raises:
        OutputError: it is the source, exists already, has a suffix or codec that does not go, or
            lies where nothing can be written.
    """
    target = Path(path)
    if target.resolve() == Path(source).resolve():
        raise OutputError(f"output {target} is the input; name another file")
    if not target.suffix:
        check_png_folder(target, overwrite=overwrite)
    else:
        choose_codec(target, codec)
        if target.is_dir():
            raise OutputError(f"output {target} is a folder; name a file")
        if target.exists() and not overwrite:
            raise OutputError(f"output {target} exists; set overwrite=true to replace it")
    check_folder(target.absolute().parent)
