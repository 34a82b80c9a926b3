"""Read images as 8-bit pictures and masks as the values that they store."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from outtake.core.types import Frame
from outtake.data.decode_files import Array, decode_file, decode_mask_file, unreadable_error
from outtake.data.sample_range import SampleRange, scale_samples
from outtake.data.stored_mask import StoredMask


def read_image(
    path: str | Path, channels: int | None = None, limits: SampleRange | None = None
) -> Frame:
    """Read an image file.

    The EXIF orientation is applied. Palettes become RGB. A TIFF with several images gives its
    first series.

    Args:
        path: The file.
        channels: 1 or 3 converts to grayscale or RGB (an alpha channel is dropped); None
            keeps what the file holds.
        limits: The values that become 0 and 255; None keeps 8 bits, and the high byte of 16.

    Returns:
        uint8 (H, W, C), RGB where C is 3.

    Raises:
        UnreadableImageError: The file is missing, truncated, or of a kind that is not supported.
    """
    array = decode_file(Path(path), palette_indices=False)
    image = scale_samples(array[..., None] if array.ndim == 2 else array, limits, path)
    return np.ascontiguousarray(
        image if channels is None else convert_channels(image, channels, path)
    )


def read_image_of_8_bits(path: str | Path, channels: int) -> Frame:
    """Read an image of a data set whose release has 8 bits, as :func:`read_image` does.

    Raises:
        UnreadableImageError: It stores other samples: without a range they would be black or white.
    """
    array = decode_file(Path(path), palette_indices=False)
    if array.dtype not in (np.uint8, np.bool_):
        raise unreadable_error(
            path,
            f"it stores {array.dtype}, and this data set's release 8 bits; with data=folder "
            "data.source.range=[low,high] says what becomes black and white",
        )
    image = scale_samples(array[..., None] if array.ndim == 2 else array, None, path)
    return np.ascontiguousarray(convert_channels(image, channels, path))


def read_raw_mask(path: str | Path) -> Array:
    """Read the values that a mask file stores, see :func:`read_stored_mask`."""
    return read_stored_mask(path).values


def read_stored_mask(path: str | Path) -> StoredMask:
    """Read what a mask file stores: (H, W) integers, or uint8 (H, W, 3) colours.

    A palette image gives its indices, one of 1, 2 or 4 bits its numbers. An alpha channel is
    dropped. The EXIF orientation is applied, as it is to images. Fractions must be whole numbers.

    Raises:
        UnreadableImageError: The file is missing, truncated, or of a kind that is not supported.
    """
    stored = decode_mask_file(Path(path))
    array = stored.values
    if array.dtype.kind == "f" and np.isfinite(array).all() and (array == np.rint(array)).all():
        array = array.astype(np.int64)
    if array.dtype.kind not in "uib":
        raise unreadable_error(
            path, f"masks hold whole numbers, this one {array.dtype} with fractions"
        )
    if array.dtype == np.bool_:
        array = array.astype(np.uint8)
    if array.ndim == 3 and array.shape[2] in (2, 4):
        array = array[..., :-1]
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[..., 0]
    if array.ndim == 3 and array.shape[2] != 3:
        raise unreadable_error(path, f"a mask has 1 or 3 channels, this one {array.shape[2]}")
    if array.ndim == 3 and array.dtype != np.uint8:
        if not (array[..., :1] == array[..., 1:]).all():
            raise unreadable_error(path, f"colours are 8-bit, these {array.dtype}")
        array = array[..., 0]
    if array.ndim == 3:  # of bits in three channels: they are shown as they are
        return StoredMask(array)
    return StoredMask(array, stored.palette, stored.white)


def convert_channels(image: Frame, channels: int, path: str | Path) -> Frame:
    """Return a picture (H, W, C) with 1 or 3 channels, without alpha, or with those it has.

    Raises:
        UnreadableImageError: Its channels cannot be converted; ``path`` is named.
    """
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
    raise unreadable_error(path, f"{present} channels cannot be converted to {channels}")
