"""Which number type the samples of an image file have, by its head alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from PIL import Image, ImageMode

from outtake.data.decode_files import (
    LOSSY_SUFFIXES,
    PNG_SIGNATURE,
    TIFF_SUFFIXES,
    is_plain_tiff,
)

_EIGHT_BITS = frozenset({*LOSSY_SUFFIXES, ".bmp", ".gif", ".webp", ".tga"})
_PNG_DEPTH = 24  # the byte of its head
_MODES_OF_BITS = ("1", "P", "PA")


def read_sample_type(path: Path) -> np.dtype[Any] | None:
    """Return the type of the samples that decoding gives; None if the head cannot be read."""
    suffix = path.suffix.lower()
    if suffix in _EIGHT_BITS:
        return np.dtype(np.uint8)
    try:
        if suffix == ".npy":
            stored = np.load(path, mmap_mode="r", allow_pickle=False)
            return _in_native_order(stored.dtype)
        with path.open("rb") as file:
            head = file.read(_PNG_DEPTH + 1)
            if head.startswith(PNG_SIGNATURE):
                return np.dtype(np.uint16 if head[_PNG_DEPTH] == 16 else np.uint8)
            file.seek(0)
            with Image.open(file) as picture:
                if suffix not in TIFF_SUFFIXES or is_plain_tiff(picture):
                    return _type_of_mode(picture.mode)
    except (OSError, SyntaxError, ValueError, EOFError, IndexError):
        if suffix not in TIFF_SUFFIXES:
            return None
    try:
        with tifffile.TiffFile(path) as tiff:
            return _in_native_order(tiff.pages.first.dtype)
    # tifffile raises whatever its parsers raise on damaged input.
    except Exception:
        return None


def _type_of_mode(mode: str) -> np.dtype[Any]:
    if mode in _MODES_OF_BITS:
        return np.dtype(np.uint8)
    return _in_native_order(ImageMode.getmode(mode).typestr)


def _in_native_order(dtype: Any) -> np.dtype[Any]:
    found: np.dtype[Any] = np.dtype(dtype).newbyteorder("=")
    return found
