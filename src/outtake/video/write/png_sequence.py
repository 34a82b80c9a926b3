"""A sequence of PNG images in a folder: under the names of the source's images, or numbered."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from outtake.core.errors import OutputError
from outtake.core.types import TimedFrame

_IMAGE_NAME = re.compile(r"\d{5,}\.png")


class PngSegmentEncoder:
    """Writes a segment as a folder of images, numbered from 0.

    Args:
        path: The folder, which is made.
        high_bit_depth: Whether 16 bits per component are written, if the frame has them.
    """

    reorder = 0

    def __init__(self, path: Path, *, high_bit_depth: bool) -> None:
        self.path = path
        self._high_bit_depth = high_bit_depth
        self._written = 0
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir()

    def encode(self, frame: TimedFrame, pts: int) -> None:
        """Write a frame; its time is not kept."""
        image = frame.image16 if self._high_bit_depth and frame.image16 is not None else frame.image
        (self.path / f"{self._written:05d}.png").write_bytes(encode_png(image))
        self._written += 1

    def close(self) -> None:
        """Do nothing: every image is written at once."""


def encode_png(image: NDArray[np.uint8] | NDArray[np.uint16]) -> bytes:
    """Return a PNG of an RGB or RGBA image, (H, W, 3) or (H, W, 4), with 8 or 16 bits."""
    order = cv2.COLOR_RGBA2BGRA if image.shape[2] == 4 else cv2.COLOR_RGB2BGR
    ok, data = cv2.imencode(".png", cv2.cvtColor(image, order))
    if not ok:
        raise OutputError(f"cannot encode an image of {image.shape} as PNG")
    return data.tobytes()


def sequence_names(images: Sequence[Path]) -> tuple[str, ...]:
    """Return the name of the PNG that is made of each image; empty if they need numbers.

    That is so where there are no images, and where two of them have the same name.
    """
    names = tuple(f"{path.stem}.png" for path in images)
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
            place = target / (names[number] if names else f"{written:05d}.png")
            try:
                os.link(file, place)
            except OSError:  # a file system without links
                shutil.copyfile(file, place)
            written += 1


def check_png_folder(path: Path, *, overwrite: bool, names: Sequence[str] = ()) -> None:
    """Refuse a target folder whose content would be lost.

    Args:
        path: The folder.
        overwrite: Whether an earlier sequence may be replaced.
        names: The names of the images that are written, if they are not numbers.

    Raises:
        OutputError: It is a file, or holds anything but an earlier sequence that may be replaced.
    """
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
