"""Images as a video: a folder, or a list."""

from __future__ import annotations

import logging
import math
import warnings
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Self

import cv2
import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from outtake.core.errors import VideoError
from outtake.core.types import TimedFrame
from outtake.video.read.frame_selection import Picker, Selection
from outtake.video.read.input_digest import files_digest
from outtake.video.read.inputs import Source, sources_of
from outtake.video.read.probe import VideoInfo
from outtake.video.read.safety_limits import Limits

log = logging.getLogger(__name__)

Picture = NDArray[np.uint8] | NDArray[np.uint16]


class ImageFolder:
    """Images as an iterable of frames: those of a folder in natural order (2 before 10), or a list.

    Args:
        path: the folder; with ``files`` only a name for the clip.
        fps: at which they are shown.
        files: the images, in the order of showing.
        selection: which are given out; all by default. Frame n is at the time n / ``fps``.
        limits: what an image may ask for.
        deep: give 16 bits per component beside the 8, where the first image has 16.

    Attributes:
        info: what the selected part of the clip is.

    Raises:
        VideoError: no image in the folder, one that can not be read or is too large, sizes that
            differ, or a selection without an image.
    """

    def __init__(
        self,
        path: str | Path,
        fps: float = 25,
        *,
        files: Sequence[Path] | None = None,
        selection: Selection | None = None,
        limits: Limits | None = None,
        deep: bool = True,
    ) -> None:
        self.path = Path(path)
        if not (fps > 0 and math.isfinite(fps) and (rate := _rate(fps))):
            raise VideoError(f"fps={fps}: a folder of images needs a rate above 0")
        self.files = [*files] if files is not None else [*_folder(self.path).images]
        self._selection = selection or Selection()
        self._limits = limits or Limits()
        first = _read(self.files[0], self._limits)
        height, width = first.shape[:2]
        self._whole = VideoInfo(
            path=self.path,
            width=width,
            height=height,
            fps=rate,
            time_base=1 / rate,
            frames=len(self.files),
            frames_counted=True,
            duration_s=float(len(self.files) / rate),
            pix_fmt="rgb48le" if first.dtype == np.uint16 else "rgb24",
            bit_depth=16 if first.dtype == np.uint16 else 8,
        )
        self.info: VideoInfo = self._selection.applied(self._whole, Fraction(0), self._limits)
        self._deep = deep and self.info.bit_depth > 8
        self._warned = False

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
        picker = Picker(self._selection, Fraction(0), self._limits, self._whole)
        for index, file in enumerate(self.files):
            time_s = index * self.info.time_base
            if picker.is_past(time_s):
                break
            if picker.takes(time_s):
                yield self._timed(file, index)
        picker.check(len(self.files) * float(self.info.time_base))

    def digest(self) -> str:
        """Return what identifies the images: SHA-256 over their names and their content."""
        return files_digest(self.files)

    def _timed(self, file: Path, index: int) -> TimedFrame:
        picture = _read(file, self._limits)
        if picture.shape[:2] != (self.info.height, self.info.width):
            raise VideoError(
                f"{file} is {picture.shape[1]}x{picture.shape[0]}, but {self.files[0].name} is "
                f"{self.info.width}x{self.info.height}; images of a clip must agree"
            )
        if picture.dtype != np.uint16:
            image = np.asarray(picture, np.uint8)
            return TimedFrame(
                image, index, self.info.time_base, image * np.uint16(257) if self._deep else None
            )
        if self.info.bit_depth == 8 and not self._warned:
            self._warned = True
            log.warning("%s: its 16 bits become 8, as %s has", file, self.files[0].name)
        image = np.asarray(cv2.convertScaleAbs(picture, alpha=1 / 257), np.uint8)
        deep = np.asarray(picture, np.uint16) if self._deep else None
        return TimedFrame(image, index, self.info.time_base, deep)


def _rate(fps: float) -> Fraction:
    # An image an hour has no fraction that containers know: the times of frames are what counts.
    exact = Fraction(fps)
    return exact.limit_denominator(1001) or exact.limit_denominator(10**6)


def _folder(path: Path) -> Source:
    (source,) = sources_of([path])
    return source


def _read(file: Path, limits: Limits) -> Picture:
    """Return an image as RGB, uint8 or uint16 (H, W, 3)."""
    damaged = VideoError(f"can not read image {file}: it is damaged or not an image")
    try:
        _check_header(file, limits)
        data = np.fromfile(file, np.uint8)
        image = cv2.imdecode(data, cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH)
    except (UnidentifiedImageError, ValueError, SyntaxError, cv2.error) as error:
        raise damaged from error
    except OSError as error:
        raise VideoError(f"can not read image {file}: {error.strerror or error}") from error
    if image is None:
        raise damaged
    if image.dtype not in (np.uint8, np.uint16):
        raise VideoError(f"{file} has {image.dtype} components; 8 or 16 bits are read")
    rgb: Picture = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
    return rgb


def _check_header(file: Path, limits: Limits) -> None:
    """Refuse what its header says can not be read, before a pixel is decoded."""
    if file.suffix.lower() in (".tif", ".tiff"):
        _check_tiff(file, limits)
        return
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(file) as image:
                limits.check_size(file, *image.size)
    except Image.DecompressionBombError as error:  # Pillow has a limit of its own
        if limits.max_pixels < 2 * (Image.MAX_IMAGE_PIXELS or 0):
            raise VideoError(
                f"{file} has more pixels than limits.max_pixels={limits.max_pixels}; raise that "
                "if the file can be trusted"
            ) from error


def _check_tiff(file: Path, limits: Limits) -> None:
    try:
        with tifffile.TiffFile(file) as tiff:
            page = tiff.pages.first
            size = page.imagewidth, page.imagelength
            apart = page.planarconfig == 2 and page.samplesperpixel > 1
    except OSError:
        raise
    except Exception as error:  # a damaged tag may surface as anything
        raise ValueError(f"not a TIFF file ({error})") from error
    limits.check_size(file, *size)
    if apart:
        raise VideoError(
            f"{file} keeps its colours in planes of their own, which is not read; store it as "
            "interleaved TIFF or PNG"
        )
