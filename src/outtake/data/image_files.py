"""Decode image and mask files: PNG, JPEG, TIFF and BMP, of any channel count and bit depth."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image, ImageOps

from outtake.core.errors import UnreadableImageError
from outtake.core.types import Frame

IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp"})
LOSSY_SUFFIXES = frozenset({".jpg", ".jpeg"})

_SAMPLES_PER_PIXEL, _EXTRA_SAMPLES = 277, 338  # TIFF 6.0, sections 8 and 18
_MODES_TO_RGB = frozenset({"P", "PA", "CMYK", "YCbCr", "LAB", "HSV"})

Array = NDArray[Any]


def read_image(path: str | Path, channels: int | None = None) -> Frame:
    """Read an image file.

    The EXIF orientation is applied. 16-bit samples keep their high byte. Palettes become RGB. A
    TIFF with several images gives its first series.

    Args:
        path: The file.
        channels: 1 or 3 converts to grayscale or RGB (an alpha channel is dropped); None
            keeps what the file holds.

    Returns:
        uint8 (H, W, C), RGB where C is 3.

    Raises:
        UnreadableImageError: The file is missing, truncated, or of a kind that is not supported.
    """
    array = _decode(Path(path), palette_indices=False)
    image = _to_uint8(array, path)
    return np.ascontiguousarray(
        image if channels is None else _convert_channels(image, channels, path)
    )


def read_raw_mask(path: str | Path) -> Array:
    """Read the values that a mask file stores: (H, W) integers, or uint8 (H, W, 3) colours.

    A palette image gives its indices, a 1-bit image 0 and 1. An alpha channel is dropped.

    Raises:
        UnreadableImageError: The file is missing, truncated, or of a kind that is not supported.
    """
    array = _decode(Path(path), palette_indices=True)
    if not (np.issubdtype(array.dtype, np.integer) or array.dtype == np.bool_):
        raise _unreadable_error(path, f"masks hold whole numbers, this one {array.dtype}")
    if array.dtype == np.bool_:
        array = array.astype(np.uint8)
    if array.ndim == 3 and array.shape[2] in (2, 4):
        array = array[..., :-1]
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[..., 0]
    if array.ndim == 3 and array.shape[2] != 3:
        raise _unreadable_error(path, f"a mask has 1 or 3 channels, this one {array.shape[2]}")
    if array.ndim == 3 and array.dtype != np.uint8:
        raise _unreadable_error(path, f"colours are 8-bit, these {array.dtype}")
    return array


def _unreadable_error(path: str | Path, reason: object) -> UnreadableImageError:
    return UnreadableImageError(
        f"cannot read {path}: {reason}; replace the file, or remove it together with its partner"
    )


def _decode(path: Path, *, palette_indices: bool) -> Array:
    try:
        with Image.open(path) as picture:
            if path.suffix.lower() not in {".tif", ".tiff"} or _is_plain_tiff(picture):
                return _decode_pillow(picture, palette_indices)
    except FileNotFoundError as error:
        raise _unreadable_error(path, "no such file") from error
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        if path.suffix.lower() not in {".tif", ".tiff"}:
            raise _unreadable_error(path, error) from error
    return _decode_tifffile(path)


def _decode_pillow(picture: Image.Image, palette_indices: bool) -> Array:
    if palette_indices:
        return np.array(picture)
    picture = ImageOps.exif_transpose(picture)
    if picture.mode in _MODES_TO_RGB:
        picture = picture.convert("RGB")
    elif picture.mode == "1":
        picture = picture.convert("L")
    return np.array(picture)


def _is_plain_tiff(picture: Image.Image) -> bool:
    # Pillow opens some files of many channels as their first band, several images as their
    # first, and divides the channels by an alpha that they were multiplied with.
    tags = getattr(picture, "tag_v2", {})
    samples = tags.get(_SAMPLES_PER_PIXEL, 1)
    bands = len(picture.getbands())
    one_image = getattr(picture, "n_frames", 1) == 1
    multiplied = tags.get(_EXTRA_SAMPLES) == (1,)
    return one_image and samples in (1, 3, 4) and samples == bands and not multiplied


def _decode_tifffile(path: Path) -> Array:
    try:
        with tifffile.TiffFile(path) as tiff:
            series = tiff.series[0]
            axes, array = series.axes, series.asarray()
    # tifffile raises whatever its decoders raise on damaged input.
    except Exception as error:
        raise _unreadable_error(path, error) from error
    if axes == "YX":
        return np.asarray(array)
    channel_axes = [position for position, axis in enumerate(axes) if axis not in "YX"]
    if len(axes) != 3 or len(channel_axes) != 1:
        raise _unreadable_error(path, f"axes {axes} are not height, width and channels")
    return np.moveaxis(np.asarray(array), channel_axes[0], -1)


def _to_uint8(array: Array, path: str | Path) -> Frame:
    if array.ndim == 2:
        array = array[..., None]
    if array.dtype == np.uint8:
        return array
    if array.dtype == np.uint16:
        return (array >> 8).astype(np.uint8)
    if array.dtype == np.bool_:
        return array.astype(np.uint8) * 255
    raise _unreadable_error(path, f"images have 8 or 16 bits a sample, this one {array.dtype}")


def _convert_channels(image: Frame, channels: int, path: str | Path) -> Frame:
    present = image.shape[2]
    if present == channels:
        return image
    if present in (2, 4):
        image = image[..., :-1]
    if image.shape[2] == 1 and channels == 3:
        return np.repeat(image, 3, axis=2)
    if image.shape[2] == 3 and channels == 1:
        return np.asarray(Image.fromarray(image).convert("L"))[..., None]
    if image.shape[2] == channels:
        return image
    raise _unreadable_error(path, f"{present} channels cannot be converted to {channels}")
