"""Pictures to be shown behind: an image, or a video that runs along."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Protocol, Self

import av
import cv2
import numpy as np
from av.container import InputContainer
from av.video.stream import VideoStream

from outtake.core.errors import VideoError
from outtake.core.types import Frame
from outtake.video.read.safe_open import PresentationTimes, open_video_file

_FULL_RANGE = 2
_UNSPECIFIED = 2
_MATRIX_SD, _MATRIX_HD = 5, 1


class Background(Protocol):
    """Something to look at, at any time."""

    def at(self, time_s: Fraction) -> Frame:
        """Return the picture at a time, uint8 (H, W, 3) RGB; the same object while it stays."""
        ...

    def close(self) -> None:
        """Let go of the file."""
        ...


class ImageBackground:
    """An image, turned as its EXIF tag says.

    Raises:
        VideoError: it can not be decoded.
    """

    def __init__(self, path: Path) -> None:
        decoded = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_COLOR)
        if decoded is None:
            raise VideoError(f"{path}: can not be read as an image")
        self._image = np.asarray(cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB), np.uint8)

    def at(self, time_s: Fraction) -> Frame:
        """Return the image."""
        return self._image

    def close(self) -> None:
        """Nothing is held open."""


class VideoBackground:
    """A video. What it shows depends on the time alone, not on what was asked before.

    Args:
        path: the file.
        loop: start again at its end; otherwise the last frame stays.

    Raises:
        VideoError: it can not be read, or has no frames; in ``at`` too, where it is damaged.
    """

    def __init__(self, path: Path, loop: bool = True) -> None:
        self._path, self._loop = path, loop
        self._start_s, self._length_s = _span(path)
        self._container: InputContainer | None = None
        self._frames: Iterator[av.VideoFrame] = iter(())
        self._current: av.VideoFrame | None = None
        self._following: av.VideoFrame | None = None
        self._shown: Frame | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def at(self, time_s: Fraction) -> Frame:
        """Return the frame that is shown at a time."""
        time_s = time_s % self._length_s if self._loop else max(time_s, Fraction(0))
        wanted_s = self._start_s + time_s
        try:
            if self._current is None or wanted_s < _time_s(self._current):
                self._rewind()
            while self._following is not None and _time_s(self._following) <= wanted_s:
                self._advance()
        except av.FFmpegError as error:
            raise _unreadable(self._path, error) from error
        if self._current is None:
            raise VideoError(f"{self._path}: has no frame that can be decoded")
        if self._shown is None:
            self._shown = _rgb(self._current)
        return self._shown

    def close(self) -> None:
        """Close the file; a later ``at`` opens it again."""
        if self._container is not None:
            self._container.close()
        self._container = self._current = self._following = self._shown = None

    def _rewind(self) -> None:
        # From the start and not from a keyframe: which frame is found must not depend on how well
        # a container can be searched.
        self.close()
        self._container = open_video_file(self._path)
        stream = self._container.streams.video[0]
        stream.thread_type = "AUTO"
        self._frames = _shown(self._container, stream)
        self._following = next(self._frames, None)
        self._advance()

    def _advance(self) -> None:
        self._current, self._shown = self._following, None
        self._following = next(self._frames, None)


def open_background(path: Path, loop: bool = True) -> Background:
    """Open an image or a video.

    Raises:
        VideoError: the file is missing, or is neither.
    """
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "there is no such file"
        raise VideoError(f"{path}: {what}; name an image or a video to be shown behind")
    # OpenCV reads the first picture of an animated GIF only.
    if path.suffix.lower() != ".gif" and cv2.haveImageReader(str(path)):
        return ImageBackground(path)
    return VideoBackground(path, loop)


def resize_cover(picture: Frame, height: int, width: int) -> Frame:
    """Scale a picture so that it covers a frame, and cut off evenly what is too much."""
    high, wide = picture.shape[:2]
    scale = max(height / high, width / wide)
    rows, columns = min(high, round(height / scale)), min(wide, round(width / scale))
    top, left = (high - rows) // 2, (wide - columns) // 2
    middle = picture[top : top + max(rows, 1), left : left + max(columns, 1)]
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(middle, (width, height), interpolation=method), np.uint8)


def _span(path: Path) -> tuple[Fraction, Fraction]:
    """Return when a video's first frame is shown, and how long all of them take, in seconds."""
    try:
        with open_video_file(path) as container:
            if not container.streams.video:
                raise VideoError(f"{path}: has no picture; name an image or a video")
            stream = container.streams.video[0]
            rate = stream.average_rate or stream.guessed_rate or Fraction(25)
            times = PresentationTimes(container, stream)
            shown = [
                (time, time + (packet.duration or 1 / (rate * packet.time_base)))
                for packet in container.demux(stream)
                if (time := times.add_packet(packet)) is not None and packet.time_base is not None
            ]
            if not shown or stream.time_base is None:
                raise VideoError(f"{path}: has no frames; name an image or a video")
    except av.FFmpegError as error:
        raise _unreadable(path, error) from error
    begin, end = min(pair[0] for pair in shown), max(pair[1] for pair in shown)
    return begin * stream.time_base, Fraction(end - begin) * stream.time_base


def _shown(container: InputContainer, stream: VideoStream) -> Iterator[av.VideoFrame]:
    """Yield the frames that have a time, with the time at which they are shown."""
    times = PresentationTimes(container, stream)
    for packet in container.demux(stream):
        times.add_packet(packet)
        for frame in packet.decode():
            frame.pts = times.time_of_frame(frame)
            if frame.pts is not None:
                yield frame


def _time_s(frame: av.VideoFrame) -> Fraction:
    return Fraction(frame.pts * frame.time_base)


def _rgb(frame: av.VideoFrame) -> Frame:
    matrix = None
    if frame.colorspace == _UNSPECIFIED:
        # What players assume of a video without a tag.
        matrix = _MATRIX_HD if frame.width >= 1280 or frame.height > 576 else _MATRIX_SD
    rgb = frame.to_ndarray(format="rgb24", src_colorspace=matrix, dst_color_range=_FULL_RANGE)
    turned = np.rot90(rgb, round(frame.rotation / 90) % 4)
    return np.ascontiguousarray(turned)


def _unreadable(path: Path, error: Exception) -> VideoError:
    reason = getattr(error, "strerror", None) or error
    return VideoError(f"{path}: can not be read as an image or a video: {reason}")
