"""Resize images and masks, in the same way in training, evaluation and video."""

from __future__ import annotations

from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from outtake.core.errors import ConfigError

# OpenCV's area interpolation takes at most this many channels at a time.
_MAX_CHANNELS = 4

# A strip of a few rows would otherwise become huge: 160x1 would become 40960x256.
_MAX_ENLARGED_ASPECT = 16

_SPARSE_SHARE = 0.1  # of the pixels: points and scribbles label less


def short_side_size(height: int, width: int, short_side: int | None) -> tuple[int, int]:
    """Return (height, width) with the shorter side made ``short_side``.

    The aspect ratio is kept, except for a strip that is enlarged: its long side becomes at most 16
    times ``short_side``.

    Raises:
        ConfigError: ``short_side`` is below 1.
    """
    if short_side is None:
        return height, width
    if short_side < 1:
        raise ConfigError(f"data.short_side is {short_side}: give a size in pixels, or null")
    scale = short_side / min(height, width)
    long_side = max(short_side, round(max(height, width) * scale))
    if scale > 1:
        long_side = min(long_side, _MAX_ENLARGED_ASPECT * short_side)
    return (short_side, long_side) if height <= width else (long_side, short_side)


def resize_short_side(
    image: NDArray[np.uint8],
    short_side: int | None,
    interpolation: Literal["smooth", "nearest"] = "smooth",
) -> NDArray[np.uint8]:
    """Resize so that the shorter side has ``short_side`` pixels; None returns the input.

    Args:
        image: uint8 (H, W) or (H, W, C), any C.
        short_side: The shorter side of the result in pixels.
        interpolation: ``smooth`` for images (area when shrinking, linear when growing),
            ``nearest`` for label maps (pixel centres aligned).

    Returns:
        uint8 (h, w) or (h, w, C).
    """
    return resize(image, short_side_size(image.shape[0], image.shape[1], short_side), interpolation)


def resize_labels(
    mask: NDArray[np.uint8], short_side: int | None, ignore_index: int
) -> NDArray[np.uint8]:
    """Resize a label map to the nearest pixel; points and scribbles do not fall between pixels.

    Where less than a tenth of a label map is labelled and it shrinks, a pixel of the result that
    would be unlabelled gets a label that lies in its part of the original, if there is one.

    Args:
        mask: Class ids, uint8 (H, W), or those of several label maps, uint8 (H, W, maps).
        short_side: The shorter side of the result in pixels; None returns the input.
        ignore_index: The id of pixels without a label.

    Returns:
        uint8 (h, w) or (h, w, maps).
    """
    if mask.ndim == 3:
        maps = [np.ascontiguousarray(mask[..., place]) for place in range(mask.shape[2])]
        return np.stack([resize_labels(each, short_side, ignore_index) for each in maps], axis=2)
    small = resize_short_side(mask, short_side, "nearest")
    if small.size >= mask.size:
        return small
    labelled = mask != ignore_index
    if np.count_nonzero(labelled) >= _SPARSE_SHARE * mask.size:
        return small
    rows, columns = np.nonzero(labelled)
    places = (
        rows * small.shape[0] // mask.shape[0],
        columns * small.shape[1] // mask.shape[1],
    )
    kept = np.full_like(small, ignore_index)
    kept[places] = mask[rows, columns]
    return np.where(small == ignore_index, kept, small)


def resize(
    image: NDArray[np.uint8],
    size: tuple[int, int],
    interpolation: Literal["smooth", "nearest"] = "smooth",
) -> NDArray[np.uint8]:
    """Resize to ``size`` (height, width), like :func:`resize_short_side`."""
    if image.shape[:2] == size:
        return image
    height, width = size
    if interpolation == "nearest":
        method = cv2.INTER_NEAREST_EXACT
    elif height * width < image.shape[0] * image.shape[1]:
        method = cv2.INTER_AREA
    else:
        method = cv2.INTER_LINEAR
    if image.ndim == 2:
        return np.asarray(cv2.resize(image, (width, height), interpolation=method), np.uint8)
    parts = []
    for first in range(0, image.shape[2], _MAX_CHANNELS):
        part = np.ascontiguousarray(image[..., first : first + _MAX_CHANNELS])
        resized = cv2.resize(part, (width, height), interpolation=method)
        parts.append(resized.reshape(height, width, -1))
    return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=2)
