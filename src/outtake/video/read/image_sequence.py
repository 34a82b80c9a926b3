"""Images as a video: a folder, or a list."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Self

import cv2
import numpy as np
import tifffile
from numpy.typing import NDArray

from outtake.core.errors import VideoError
from outtake.core.types import Frame, StoredPicture, TimedFrame
from outtake.video.read.animated_image import is_animated
from outtake.video.read.decode_film_image import FILM_SUFFIXES, FilmImage, read_film_image
from outtake.video.read.decode_image import (
    TIFF_SUFFIXES,
    RgbImage,
    is_opaque,
    read_image,
    read_image_with_alpha,
)
from outtake.video.read.find_alpha import are_images_transparent
from outtake.video.read.frame_selection import FrameFilter, FrameSelection
from outtake.video.read.inputs import VideoInput, expand_inputs, sha256_of_images
from outtake.video.read.probe import VideoInfo
from outtake.video.read.safety_limits import SafetyLimits

log = logging.getLogger(__name__)


class ImageSequence:
    """Images as an iterable of frames: those of a folder in natural order (2 before 10), or a list.

    Args:
        path: The folder; with ``files`` only a name for the clip.
        fps: The rate at which they are shown.
        files: The images, in the order of showing.
        selection: The images that are yielded; all by default. Frame n is at the time n / ``fps``.
        limits: Bounds on what an image may ask for.
        high_bit_depth: Whether frames have 16 bits per component beside the 8, if the first image
            has 16.

    Attributes:
        info: The description of the selected part.

    Raises:
        VideoError: The folder has no image, an image cannot be read or is too large, sizes
            differ, or the selection is empty.
    """

    def __init__(
        self,
        path: str | Path,
        fps: float = 25,
        *,
        files: Sequence[Path] | None = None,
        selection: FrameSelection | None = None,
        limits: SafetyLimits | None = None,
        high_bit_depth: bool = True,
    ) -> None:
        self.path = Path(path)
        if not (fps > 0 and math.isfinite(fps) and (rate := _to_frame_rate(fps))):
            raise VideoError(f"read.fps={fps}: a folder of images needs a rate above 0")
        self.files = [*files] if files is not None else [*_folder_input(self.path).images]
        self._selection = selection or FrameSelection()
        self._limits = limits or SafetyLimits()
        film = _read_film_image(self.files[0], self._limits)
        first: RgbImage = film.image16 if film else read_image(self.files[0], self._limits)
        height, width = first.shape[:2]
        transparent = are_images_transparent(self.files, self._limits)
        self._whole_info = VideoInfo(
            path=self.path,
            width=width,
            height=height,
            fps=rate,
            time_base=1 / rate,
            frames=len(self.files),
            frames_counted=True,
            duration_s=float(len(self.files) / rate),
            pix_fmt=film.pix_fmt if film else "rgb48le" if first.dtype == np.uint16 else "rgb24",
            bit_depth=film.bit_depth if film else 16 if first.dtype == np.uint16 else 8,
            has_alpha=bool(transparent),
            images=tuple(self.files),
        )
        self.info: VideoInfo = self._selection.apply_to(self._whole_info, Fraction(0), self._limits)
        self._high_bit_depth = high_bit_depth and self.info.bit_depth > 8
        self._warned = False
        self._warned_of_more = False
        self._may_be_transparent = transparent is None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Nothing stays open between frames."""

    def __iter__(self) -> Iterator[TimedFrame]:
        frame_filter = FrameFilter(self._selection, Fraction(0), self._limits, self._whole_info)
        for index, file in enumerate(self.files):
            time_s = index * self.info.time_base
            if frame_filter.is_past_end(time_s):
                break
            if frame_filter.accepts(time_s):
                yield self._to_timed_frame(file, index)
        frame_filter.check_not_empty(len(self.files) * float(self.info.time_base))

    def digest(self) -> str:
        """Return what identifies the images: SHA-256 over their names and their content."""
        return sha256_of_images(self.files)

    def _to_timed_frame(self, file: Path, index: int) -> TimedFrame:
        self._warn_of_more(file)
        film = _read_film_image(file, self._limits)
        alpha: RgbImage | None = None
        if film:
            rgb: RgbImage = film.image16
        elif self.info.has_alpha or self._may_be_transparent:
            rgb, alpha = read_image_with_alpha(file, self._limits)
        else:
            rgb = read_image(file, self._limits)
        self._warn_of_alpha(file, film, alpha)
        if rgb.shape[:2] != (self.info.height, self.info.width):
            raise VideoError(
                f"{file} is {rgb.shape[1]}x{rgb.shape[0]}, but {self.files[0].name} is "
                f"{self.info.width}x{self.info.height}; images of a clip must agree"
            )
        if rgb.dtype != np.uint16:
            image = np.asarray(rgb, np.uint8)
            image16 = image * np.uint16(257) if self._high_bit_depth else None
            stored = self._store_alpha(alpha, image, image16)
            return TimedFrame(image, index, self.info.time_base, image16, stored=stored)
        bits = film.bit_depth if film else 16
        if bits > self.info.bit_depth == 8 and not self._warned:
            self._warned = True
            log.warning("%s: its %d bits become 8, as %s has", file, bits, self.files[0].name)
        image = np.asarray(cv2.convertScaleAbs(rgb, alpha=1 / 257), np.uint8)
        image16 = np.asarray(rgb, np.uint16) if self._high_bit_depth else None
        stored = film.stored if film else self._store_alpha(alpha, image, image16)
        image = film.image if film else image
        return TimedFrame(image, index, self.info.time_base, image16, stored=stored)

    def _warn_of_more(self, file: Path) -> None:
        """Say once that an image holds pictures that are not read."""
        if self._warned_of_more:
            return
        pages = file.suffix.lower() in TIFF_SUFFIXES and _has_more_pages(file)
        if pages or (len(self.files) > 1 and is_animated(file)):
            self._warned_of_more = True
            remedy = "store each as a file" if pages else "name the file alone to read all"
            log.warning("%s holds several pictures, and the first is read; %s", file, remedy)

    def _warn_of_alpha(self, file: Path, film: FilmImage | None, alpha: RgbImage | None) -> None:
        """Say once that an image is transparent where those that were looked at are not."""
        if not self._may_be_transparent:
            return
        if (film is not None and film.hides_anything) or (
            alpha is not None and not is_opaque(alpha)
        ):
            self._may_be_transparent = False
            log.warning(
                "%s is transparent somewhere, and images all over the clip are not: alpha is not "
                "kept, only the colours beneath it; put it into a folder of its own", file,
            )  # fmt: skip

    def _store_alpha(
        self, alpha: RgbImage | None, image: Frame, image16: NDArray[np.uint16] | None
    ) -> StoredPicture | None:
        if alpha is None or not self.info.has_alpha:
            return None
        return StoredPicture("", (), image, image16, alpha)


def _has_more_pages(file: Path) -> bool:
    """Return whether a TIFF has a second picture of the size of the first, no mere preview."""
    with tifffile.TiffFile(file) as tiff:
        try:
            first, second = tiff.pages[0], tiff.pages[1]
        except IndexError:
            return False
        return first.shape[:2] == second.shape[:2]


def _read_film_image(file: Path, limits: SafetyLimits) -> FilmImage | None:
    return read_film_image(file, limits) if file.suffix.lower() in FILM_SUFFIXES else None


def _to_frame_rate(fps: float) -> Fraction:
    # An image an hour has no fraction that containers know: the times of frames are what counts.
    exact = Fraction(fps)
    return exact.limit_denominator(1001) or exact.limit_denominator(10**6)


def _folder_input(path: Path) -> VideoInput:
    (source,) = expand_inputs([path])
    return source
