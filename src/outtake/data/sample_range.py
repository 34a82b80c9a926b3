"""Bring samples of any number type to 8 bits: the range of values that becomes 0 to 255."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from outtake.core.errors import ConfigError
from outtake.core.parallel import default_threads, map_threads
from outtake.core.types import Frame
from outtake.core.validate import is_number
from outtake.data.decode_files import decode_file, unreadable_error
from outtake.data.source import warn_of_data

_PROBED_IMAGES = 16
_DEPTHS = (255, 1023, 4095, 16383, 65535)  # 8, 10, 12, 14 and 16 bits
_MIN_SHARE = 1 / 8  # of the range that the samples should fill
_MAX_CLIPPED = 0.01

Array = NDArray[Any]


@dataclass(frozen=True)
class SampleRange:
    """The values that become 0 and 255.

    Attributes:
        low: What becomes 0; lower values too.
        high: What becomes 255; higher values too.
        of_all: Whether samples of 8 bits are scaled too, as where the user named the range.
    """

    low: float
    high: float
    of_all: bool = False


def read_range_option(
    option: str | Sequence[float], key: str = "data.source.range"
) -> SampleRange | None:
    """Return the range that a key of the config names; None for ``auto``.

    Raises:
        ConfigError: It is neither ``auto`` nor two rising numbers.
    """
    if option == "auto":
        return None
    pair = [] if isinstance(option, str) else list(option)
    if len(pair) != 2 or not all(map(is_number, pair)) or not pair[0] < pair[1]:
        raise ConfigError(
            f"{key}={option}: give auto, or the two values that become black and "
            f"white, as in {key}=[0,4095]"
        )
    return SampleRange(float(pair[0]), float(pair[1]), of_all=True)


def scale_samples(array: Array, limits: SampleRange | None, path: str | Path) -> Frame:
    """Return uint8 samples of the same shape.

    Without a range 8 bits are kept, 16 bits keep their high byte, and a bit becomes 0 or 255.
    Values outside a range are clipped, and what is no number becomes its lowest value.

    Raises:
        UnreadableImageError: The samples need a range, and there is none.
    """
    if array.dtype == np.bool_:
        return array.astype(np.uint8) * 255
    if array.dtype == np.uint8 and (limits is None or not limits.of_all):
        return array
    if limits is None and array.dtype == np.uint16:
        return (array >> 8).astype(np.uint8)
    if limits is None or array.dtype.kind not in "uif":
        raise unreadable_error(
            path,
            f"images without a range have 8 or 16 bits a sample, this one {array.dtype}: set "
            "data.source.range=[low,high] to the values that become black and white",
        )
    scaled = (array.astype(np.float64) - limits.low) * (255 / (limits.high - limits.low))
    return np.nan_to_num(scaled, nan=0.0).clip(0, 255).round().astype(np.uint8)


def find_range(images: Sequence[str], given: SampleRange | None) -> SampleRange | None:
    """Return the range for a data set, looking at some of its images; say what was chosen.

    Args:
        images: The files.
        given: The range that the user named, which is kept; None chooses one.

    Returns:
        None where the samples need none: 8 bits, or 16 bits that are used.
    """
    first = decode_file(Path(images[0]), palette_indices=False)
    if given is None and first.dtype in (np.uint8, np.bool_):
        return None
    found = map_threads(
        _probe, images[:: max(1, len(images) // _PROBED_IMAGES)][:_PROBED_IMAGES],
        threads=default_threads(), title="Finding the range of samples",
    )  # fmt: skip
    low, high = min(each[0] for each in found), max(each[1] for each in found)
    limits = given or _choose_range(first.dtype, low, high)
    what = f"samples of {first.dtype} from {low:g} to {high:g} in {len(found)} images"
    if given is None and limits is not None:
        warn_of_data(
            f"{what}: {limits.low:g} becomes black and {limits.high:g} white; set "
            "data.source.range=[low,high] to choose other values"
        )
    _warn_of_loss(found, limits or SampleRange(0, 65535), what)
    return limits


def find_picture_range(samples: Array) -> SampleRange | None:
    """Return the range for one picture, by its depth; None for 8 bits, and for 16 that are used."""
    if samples.dtype in (np.uint8, np.bool_):
        return None
    finite = samples[np.isfinite(samples)] if samples.dtype.kind == "f" else samples
    if samples.dtype.kind not in "uif" or not finite.size:
        return None
    return _choose_range(samples.dtype, float(finite.min()), float(finite.max()))


def _probe(path: str) -> tuple[float, float, NDArray[np.float64]]:
    array = decode_file(Path(path), palette_indices=False)
    values = array[::4, ::4].astype(np.float64).ravel()
    values = values[np.isfinite(values)]
    finite = array[np.isfinite(array)] if array.dtype.kind == "f" else array
    if not finite.size:
        return 0.0, 0.0, values
    return float(finite.min()), float(finite.max()), values


def _choose_range(dtype: np.dtype[Any], low: float, high: float) -> SampleRange | None:
    if dtype.kind == "f" and low >= 0 and high <= 255:
        return SampleRange(0, 1 if high <= 1 else 255)
    if low < 0 or high > _DEPTHS[-1] or dtype.kind == "f":
        return SampleRange(low, high if high > low else low + 1)
    depth = next(depth for depth in _DEPTHS if high <= depth)
    return None if dtype == np.uint16 and depth == _DEPTHS[-1] else SampleRange(0, depth)


def _warn_of_loss(
    found: Sequence[tuple[float, float, NDArray[np.float64]]], limits: SampleRange, what: str
) -> None:
    values = np.concatenate([each[2] for each in found])
    if not values.size:
        return
    clipped = float(((values < limits.low) | (values > limits.high)).mean())
    if clipped > _MAX_CLIPPED:
        warn_of_data(
            f"{what}: {clipped:.0%} of them lie outside {limits.low:g} to {limits.high:g} and are "
            "clipped; set data.source.range to include them"
        )
    low, high = (float(value) for value in np.percentile(values, (0.5, 99.5)))
    share = (min(high, limits.high) - max(low, limits.low)) / (limits.high - limits.low)
    if share < _MIN_SHARE and clipped <= _MAX_CLIPPED:
        warn_of_data(
            f"{what} fill only {max(share, 0):.1%} of the range {limits.low:g} to "
            f"{limits.high:g}, and most shades are lost; set data.source.range=[{low:g},{high:g}]"
        )
