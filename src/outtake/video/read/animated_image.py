"""An animated PNG or WebP as a video: all of its pictures, each as long as the file says."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from copy import copy
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from PIL import Image, UnidentifiedImageError

from outtake.core.errors import VideoError
from outtake.core.types import Frame, StoredPicture, TimedFrame
from outtake.video.read.frame_selection import FrameFilter, FrameSelection
from outtake.video.read.inputs import sha256_of_input
from outtake.video.read.probe import VideoInfo
from outtake.video.read.safety_limits import SafetyLimits

_TIME_BASE = Fraction(1, 1000)
_ANIMATED_SUFFIXES = (".png", ".webp")
# Browsers show what states no time for a tenth of a second.
_UNSTATED_MS = 100


class AnimatedImage:
    """An animated picture as an iterable of frames.

    Args:
        path: The file.
        selection: The frames that are yielded; all by default.
        limits: Bounds on what the file may ask for.

    Attributes:
        info: The description of the selected part.

    Raises:
        VideoError: A picture cannot be read or is too large, or the selection is empty.
    """

    def __init__(
        self,
        path: Path,
        *,
        selection: FrameSelection | None = None,
        limits: SafetyLimits | None = None,
    ) -> None:
        self.path = path
        self._selection = selection or FrameSelection()
        self._limits = limits or SafetyLimits()
        with _open_image(path) as image:
            width, height = image.size
            self._limits.check_size(path, width, height)
            has_alpha, durations = False, []
            self._first = _first_number(image)
            for number in range(self._first, getattr(image, "n_frames", 1)):
                durations.append(_duration_ms(image, number, path))
                has_alpha = has_alpha or _is_transparent(image)
        self._times = np.cumsum([0, *durations]).tolist()
        fps = Fraction(len(durations) * 1000, self._times[-1])
        self._whole_info = VideoInfo(
            path=path,
            width=width,
            height=height,
            fps=fps,
            time_base=_TIME_BASE,
            frames=len(durations),
            frames_counted=True,
            duration_s=self._times[-1] / 1000,
            pix_fmt="rgba" if has_alpha else "rgb24",
            has_alpha=has_alpha,
        )
        self.info: VideoInfo = self._selection.apply_to(self._whole_info, Fraction(0), self._limits)

    def select(self, selection: FrameSelection) -> AnimatedImage:
        """Return a reader of other frames of the file, which is not looked at again for it.

        Raises:
            VideoError: The selection leaves nothing.
        """
        other = copy(self)
        other._selection = selection
        other.info = selection.apply_to(self._whole_info, Fraction(0), self._limits)
        return other

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Nothing stays open between iterations."""

    def __iter__(self) -> Iterator[TimedFrame]:
        frame_filter = FrameFilter(self._selection, Fraction(0), self._limits, self._whole_info)
        with _open_image(self.path) as image:
            for number, (pts, until) in enumerate(
                zip(self._times[:-1], self._times[1:], strict=True)
            ):
                time_s = pts * _TIME_BASE
                if frame_filter.is_past_end(time_s):
                    break
                if frame_filter.accepts(time_s):
                    rgb, stored = self._read_frame(image, self._first + number)
                    last = until - pts if until == self._times[-1] else None
                    yield TimedFrame(rgb, pts, _TIME_BASE, last_frame_duration=last, stored=stored)
        frame_filter.check_not_empty(self._times[-1] / 1000)

    def _read_frame(self, image: Image.Image, number: int) -> tuple[Frame, StoredPicture | None]:
        """Return a picture as RGB, uint8 (H, W, 3), and its alpha if any picture has some."""
        _seek(image, number, self.path)
        if not self._whole_info.has_alpha:
            return np.asarray(image.convert("RGB")), None
        pixels = np.asarray(image.convert("RGBA"))
        rgb = np.ascontiguousarray(pixels[..., :3])
        return rgb, StoredPicture("", (), rgb, alpha=np.ascontiguousarray(pixels[..., 3]))

    def digest(self) -> str:
        """Return what identifies the input: SHA-256 of the file."""
        return sha256_of_input(self.path)


def is_animated(path: Path) -> bool:
    """Return whether a file is a picture of a kind that moves, with more than one frame."""
    if path.suffix.lower() not in _ANIMATED_SUFFIXES:
        return False
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path) as image:
                return int(getattr(image, "n_frames", 1)) > 1
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return False  # reading it says what is wrong


def _open_image(path: Path) -> Image.Image:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            return Image.open(path)
    except UnidentifiedImageError as error:
        raise VideoError(f"cannot read image {path}: it is damaged or not an image") from error
    except OSError as error:
        raise VideoError(f"cannot read image {path}: {error.strerror or error}") from error


def _first_number(image: Image.Image) -> int:
    """Return the number of the first picture; before it may lie one for those who show no more."""
    return 1 if getattr(image, "default_image", False) else 0


def _duration_ms(image: Image.Image, number: int, path: Path) -> int:
    _seek(image, number, path)
    return round(image.info.get("duration") or 0) or _UNSTATED_MS


def _is_transparent(image: Image.Image) -> bool:
    """Return whether the picture that was sought is transparent anywhere."""
    if not image.has_transparency_data:
        return False
    lowest, _ = image.convert("RGBA").getchannel("A").getextrema()
    return lowest != 255


def _seek(image: Image.Image, number: int, path: Path) -> None:
    try:
        image.seek(number)
        image.load()
    except (OSError, ValueError, SyntaxError, EOFError) as error:
        raise VideoError(f"{path} is damaged: its picture {number} cannot be decoded") from error
