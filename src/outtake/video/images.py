"""A folder of images as a video, in and out."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Self

import cv2
import numpy as np

from outtake.errors import OutputError, VideoError
from outtake.types import Frame, TimedFrame
from outtake.video.probe import VideoInfo

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp")
_OWN_NAME = re.compile(r"\d{5,}\.png")


class ImageFolder:
    """A folder of images as an iterable of frames, in natural order (2 before 10).

    Attributes:
        info: what the clip is.

    Raises:
        VideoError: no image in the folder, one that can not be read, or sizes that differ.
    """

    def __init__(self, path: str | Path, fps: float = 25) -> None:
        self.path = Path(path)
        if fps <= 0:
            raise VideoError(f"fps={fps}: a folder of images needs a rate above 0")
        entries = (entry for entry in self.path.iterdir() if entry.suffix.lower() in SUFFIXES)
        self.files = sorted((entry for entry in entries if entry.is_file()), key=_natural)
        if not self.files:
            raise VideoError(f"{self.path} holds no image ({', '.join(SUFFIXES)})")
        height, width = _read(self.files[0]).shape[:2]
        rate = Fraction(fps).limit_denominator(1001)
        self.info = VideoInfo(
            path=self.path,
            width=width,
            height=height,
            fps=rate,
            time_base=1 / rate,
            frames=len(self.files),
            duration_s=float(len(self.files) / rate),
        )

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
        for index, file in enumerate(self.files):
            image = _read(file)
            if image.shape[:2] != (self.info.height, self.info.width):
                raise VideoError(
                    f"{file} is {image.shape[1]}x{image.shape[0]}, but {self.files[0].name} is "
                    f"{self.info.width}x{self.info.height}; images of a clip must agree"
                )
            yield TimedFrame(image, index, self.info.time_base)


class PngWriter:
    """Writes frames as ``00000.png``, ``00001.png``, ... into a folder that appears when complete.

    Enter it to check the target and to make ``<name>.part``; on success that takes the folder's
    name, on an error it is deleted.

    Raises:
        OutputError: the folder can not be written, or holds something that is not such a sequence.
    """

    def __init__(self, path: str | Path, *, overwrite: bool = False) -> None:
        self.path = Path(path)
        self.frames = 0
        self._part = self.path.with_name(self.path.name + ".part")
        check_folder(self.path, overwrite=overwrite)

    def __enter__(self) -> Self:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            shutil.rmtree(self._part, ignore_errors=True)
            self._part.mkdir()
        except OSError as error:
            raise OutputError(f"can not write {self.path}: {error.strerror}") from error
        return self

    def write(self, frame: TimedFrame) -> None:
        """Write one RGB frame."""
        file = self._part / f"{self.frames:05d}.png"
        ok, data = cv2.imencode(".png", cv2.cvtColor(frame.image, cv2.COLOR_RGB2BGR))
        if not ok:
            raise OutputError(f"can not encode {file.name} as PNG")
        try:
            file.write_bytes(data.tobytes())
        except OSError as error:
            raise OutputError(f"can not write {file}: {error.strerror}") from error
        self.frames += 1

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is not None or not self.frames:
            shutil.rmtree(self._part, ignore_errors=True)
            if kind is None:
                raise VideoError(f"no frame was given for {self.path}; nothing was written")
            return
        try:
            if self.path.exists():
                shutil.rmtree(self.path)
            os.replace(self._part, self.path)
        except OSError as failure:
            raise OutputError(f"can not write {self.path}: {failure.strerror}") from failure


def check_folder(path: Path, *, overwrite: bool) -> None:
    """Refuse a target folder whose content would be lost.

    Raises:
        OutputError: it is a file, or holds anything but an earlier sequence that may be replaced.
    """
    if not path.exists():
        return
    if not path.is_dir():
        raise OutputError(f"output {path} is a file; name a folder, or a video with its suffix")
    names = sorted(entry.name for entry in path.iterdir())
    foreign = [name for name in names if not _OWN_NAME.fullmatch(name)]
    if foreign:
        raise OutputError(
            f"output {path} holds other files ({foreign[0]}); name a new or empty folder"
        )
    if names and not overwrite:
        raise OutputError(
            f"output {path} already holds {len(names)} images; set overwrite=true to replace them"
        )


def _read(file: Path) -> Frame:
    try:
        data = np.fromfile(file, np.uint8)
        image = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
    except (OSError, cv2.error) as error:
        raise VideoError(f"can not read image {file}: {error}") from error
    if image is None:
        raise VideoError(f"can not read image {file}: it is damaged or not an image")
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8)


def _natural(file: Path) -> list[tuple[int, int, str]]:
    parts = re.split(r"(\d+)", file.name.lower())
    return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in parts if part]
