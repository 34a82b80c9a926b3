"""Whatever can be read as a sequence of frames."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from outtake.types import TimedFrame
from outtake.video.images import ImageFolder
from outtake.video.probe import VideoInfo
from outtake.video.reader import VideoReader


class Clip(Protocol):
    """A source of frames: enter it, iterate, leave it.

    Attributes:
        info: what the clip is, known before the first frame is read.
    """

    info: VideoInfo

    def __enter__(self) -> Self:
        """Open the clip."""
        ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Release it."""
        ...

    def __iter__(self) -> Iterator[TimedFrame]:
        """Yield every frame, in the order of showing."""
        ...


def open_clip(path: str | Path, fps: float = 25) -> Clip:
    """Return a video file, or a folder of images played at ``fps``.

    Raises:
        VideoError: it does not exist or can not be read as a clip.
    """
    return ImageFolder(path, fps) if Path(path).is_dir() else VideoReader(path)
