"""A sequence of images in a folder: under the names of the source's images, or numbered."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from outtake.core.errors import OutputError
from outtake.core.types import TimedFrame
from outtake.video.stored_picture import add_stored_alpha
from outtake.video.write.encode_film_image import encode_dpx, encode_exr

IMAGE_CODECS = ("png", "exr", "dpx")
_IMAGE_NAME = re.compile(rf"\d{{5,}}\.(?:{'|'.join(IMAGE_CODECS)})")


class ImageSegmentEncoder:
    """Writes a segment as a folder of images, numbered from 0.

    Args:
        path: The folder, which is made.
        codec: ``png``, ``exr`` or ``dpx``.
        bit_depth: Bits per component of the source: of more than 8, PNG has 16 if the frame has
            them, and DPX as many.
        keeps_alpha: Whether the alpha of the source is written.
    """

    reorder = 0

    def __init__(
        self, path: Path, *, codec: str = "png", bit_depth: int = 8, keeps_alpha: bool = False
    ) -> None:
        self.path = path
        self._codec = codec
        self._bit_depth = bit_depth
        self._keeps_alpha = keeps_alpha
        self._written = 0
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir()

    def encode(self, frame: TimedFrame, pts: int) -> None:
        """Write a frame; its time is not kept."""
        file = self.path / f"{self._written:05d}.{self._codec}"
        try:
            file.write_bytes(self._encode_image(frame))
        except OSError:
            # Half an image counts as none, and takes room on a disk that is full.
            file.unlink(missing_ok=True)
            raise
        self._written += 1

    def _encode_image(self, frame: TimedFrame) -> bytes:
        if frame.stored is not None and not self._keeps_alpha:
            frame = replace(frame, stored=replace(frame.stored, alpha=None))
        if self._codec == "exr":
            return encode_exr(frame)
        if self._codec == "dpx":
            return encode_dpx(frame, self._bit_depth)
        deep = frame.image16 if self._bit_depth > 8 else None
        return encode_png(add_stored_alpha(frame.image if deep is None else deep, frame.stored))

    def close(self) -> None:
        """Do nothing: every image is written at once."""


def encode_png(image: NDArray[np.uint8] | NDArray[np.uint16]) -> bytes:
    """Return a PNG of an RGB or RGBA image, (H, W, 3) or (H, W, 4), with 8 or 16 bits."""
    order = cv2.COLOR_RGBA2BGRA if image.shape[2] == 4 else cv2.COLOR_RGB2BGR
    ok, data = cv2.imencode(".png", cv2.cvtColor(image, order))
    if not ok:
        raise OutputError(f"cannot encode an image of {image.shape} as PNG")
    return data.tobytes()


def choose_image_codec(target: Path, codec: str, images: Sequence[Path] = ()) -> str:
    """Return how the images of a folder are stored: EXR and DPX stay so, all others become PNG.

    Args:
        target: The folder, for messages.
        codec: ``auto`` or one of ``IMAGE_CODECS``.
        images: The images of the source, if it has some.

    Raises:
        OutputError: Another codec.
    """
    if codec == "auto":
        own = images[0].suffix.lower()[1:] if images else ""
        return own if own in IMAGE_CODECS else "png"
    if codec not in IMAGE_CODECS:
        raise OutputError(
            f"encode.codec={codec} does not go into {target}, a folder of images; name a video, or "
            f"use encode.codec=auto, {', '.join(IMAGE_CODECS)}"
        )
    return codec


def sequence_names(images: Sequence[Path], codec: str = "png") -> tuple[str, ...]:
    """Return the name of what is made of each image; empty if they need numbers.

    That is so where there are no images, and where two of them have the same name.
    """
    names = tuple(f"{path.stem}.{codec}" for path in images)
    return names if len(set(names)) == len(names) else ()


def link_sequence(
    segments: Iterable[tuple[Path, Sequence[int]]], target: Path, names: Sequence[str] = ()
) -> None:
    """Link the images of several folders into a new one.

    Args:
        segments: Each folder, with the number of each of its images in the source.
        target: The new folder.
        names: The name of each image by that number; by default they are numbered consecutively.
    """
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir()
    written = 0
    for folder, numbers in segments:
        files = sorted(folder.iterdir(), key=lambda entry: int(entry.stem))
        for file, number in zip(files, numbers, strict=True):
            place = target / (names[number] if names else f"{written:05d}{file.suffix}")
            try:
                os.link(file, place)
            except OSError:  # a file system without links
                shutil.copyfile(file, place)
            written += 1


def check_image_folder(path: Path, *, overwrite: bool, names: Sequence[str] = ()) -> None:
    """Refuse a target folder whose content would be lost.

    Args:
        path: The folder.
        overwrite: Whether an earlier sequence may be replaced.
        names: The names of the images that are written, if they are not numbers.

    Raises:
        OutputError: It is a file, holds anything but an earlier sequence that may be replaced, or
            is no folder that another can take the place of.
    """
    if path.is_symlink():
        raise OutputError(
            f"output {path} is a link to {path.readlink()}, and a sequence takes the place of a "
            "folder as a whole; name that folder itself, or a new one in it"
        )
    if os.path.ismount(path):
        raise OutputError(
            f"output {path} is where a file system is mounted, and a sequence takes the place of a "
            "folder as a whole; name a new folder in it"
        )
    if not path.exists():
        return
    if not path.is_dir():
        raise OutputError(f"output {path} is a file; name a folder, or a video with its suffix")
    own = frozenset(names)
    found = sorted(entry.name for entry in path.iterdir())
    foreign = [name for name in found if name not in own and not _IMAGE_NAME.fullmatch(name)]
    if foreign:
        raise OutputError(
            f"output {path} holds other files ({foreign[0]}); name a new or empty folder"
        )
    if found and not overwrite:
        raise OutputError(
            f"output {path} already holds {len(found)} images; set overwrite=true to replace them"
        )
