"""What to show in place of a removed object: an image, or a video that runs along."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from typing import Protocol, Self

import cv2
import numpy as np

from outtake.core.errors import VideoError
from outtake.core.types import Frame, TimedFrame
from outtake.removal.transparency import SAVE_OPAQUE, is_transparent
from outtake.video.read.reader import VideoReader


class Background(Protocol):
    """A picture for any time."""

    def picture_at(self, time_s: Fraction) -> Frame:
        """Return the picture at a time, uint8 (H, W, 3) RGB; the same object while it stays."""
        ...

    def close(self) -> None:
        """Close the file."""
        ...


class ImageBackground:
    """An image, turned as its EXIF tag says.

    Raises:
        VideoError: It cannot be decoded, or is transparent somewhere: what editors leave there
            would be shown.
    """

    def __init__(self, path: Path) -> None:
        content = np.fromfile(path, np.uint8)
        decoded = cv2.imdecode(content, cv2.IMREAD_COLOR)
        if decoded is None:
            raise VideoError(f"{path}: cannot be read as an image")
        if is_transparent(content):
            raise VideoError(f"{path}: {SAVE_OPAQUE}")
        self._image = np.asarray(cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB), np.uint8)

    def picture_at(self, time_s: Fraction) -> Frame:
        """Return the image."""
        return self._image

    def close(self) -> None:
        """Do nothing: the file is not held open."""


class VideoBackground:
    """A video. What it shows depends on the time alone, not on what was asked before.

    Args:
        path: The file.
        loop: Whether it starts again at its end; otherwise its last frame stays.

    Raises:
        VideoError: It cannot be read, or is transparent somewhere; in ``picture_at`` too, where it
            is damaged, or transparent in a frame that no look at it had found before.
    """

    def __init__(self, path: Path, loop: bool = True) -> None:
        try:
            self._reader = VideoReader(path, high_bit_depth=False, refuses_alpha=True)
        except VideoError as error:
            raise VideoError(f"{path}: cannot be read as an image or a video ({error})") from error
        if self._reader.info.has_alpha:
            raise VideoError(f"{path}: {SAVE_OPAQUE}")
        self._loop = loop
        self._open_files = ExitStack()
        self._frames: Iterator[TimedFrame] = iter(())
        self._current: TimedFrame | None = None
        self._next: TimedFrame | None = None
        self._start_s = Fraction(0)
        self._length_s: Fraction | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def picture_at(self, time_s: Fraction) -> Frame:
        """Return the frame that is shown at a time, counted from the first frame."""
        if not self._loop:
            return self._decode_to(max(time_s, Fraction(0))).image
        if self._length_s is None:
            # Only the end of a video tells its length.
            frame = self._decode_to(time_s if time_s >= 0 else None)
            if self._length_s is None:
                return frame.image
        return self._decode_to(time_s % self._length_s).image

    def close(self) -> None:
        """Close the file; a later ``picture_at`` opens it again."""
        self._open_files.close()
        self._current = self._next = None

    def _decode_to(self, time_s: Fraction | None) -> TimedFrame:
        """Return the frame that is shown at a time, or the last one if the time is None."""
        current = self._current
        if current is None or (time_s is not None and time_s < self._shown_from_s(current)):
            current = self._rewind()
        while self._next and (time_s is None or self._shown_from_s(self._next) <= time_s):
            current = self._advance(self._next)
        return current

    def _rewind(self) -> TimedFrame:
        # To the start and not to a keyframe: which frame is found must not depend on how well a
        # container can be searched.
        self.close()
        self._frames = iter(self._open_files.enter_context(self._reader))
        first = next(self._frames)  # the reader refuses a video without frames
        self._start_s = first.pts * first.time_base
        return self._advance(first)

    def _advance(self, frame: TimedFrame) -> TimedFrame:
        self._current, self._next = frame, next(self._frames, None)
        if self._next is None:
            unknown_s = 1 / self._reader.info.fps
            duration = frame.last_frame_duration
            duration_s = unknown_s if duration is None else duration * frame.time_base
            self._length_s = self._shown_from_s(frame) + duration_s
        return frame

    def _shown_from_s(self, frame: TimedFrame) -> Fraction:
        return frame.pts * frame.time_base - self._start_s


def open_background(path: Path, loop: bool = True) -> Background:
    """Open an image or a video.

    Raises:
        VideoError: The file is missing, is neither, or is transparent somewhere.
    """
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "there is no such file"
        raise VideoError(f"{path}: {what}; name an image or a video to be shown")
    # OpenCV reads the first picture of an animated GIF only.
    if path.suffix.lower() != ".gif" and cv2.haveImageReader(str(path)):
        return ImageBackground(path)
    return VideoBackground(path, loop)


def resize_cover(picture: Frame, height: int, width: int) -> Frame:
    """Scale a picture so that it covers a frame, and crop evenly what is too much."""
    high, wide = picture.shape[:2]
    scale = max(height / high, width / wide)
    rows, columns = min(high, round(height / scale)), min(wide, round(width / scale))
    top, left = (high - rows) // 2, (wide - columns) // 2
    middle = picture[top : top + max(rows, 1), left : left + max(columns, 1)]
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(middle, (width, height), interpolation=method), np.uint8)
