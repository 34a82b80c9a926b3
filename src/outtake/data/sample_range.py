"""Bring samples of any number type to 8 bits: the range of values that becomes 0 to 255."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from outtake.core.errors import ConfigError
from outtake.core.types import Frame
from outtake.core.validate import is_number
from outtake.data.clipped_samples import record_clipped, record_high_byte
from outtake.data.decode_files import unreadable_error
from outtake.data.source import SegmentationSource

_DEPTHS = (255, 1023, 4095, 16383, 65535)  # 8, 10, 12, 14 and 16 bits

Array = NDArray[Any]


@dataclass(frozen=True)
class SampleRange:
    """The values that become 0 and 255.

    Attributes:
        low: What becomes 0; lower values too.
        high: What becomes 255; higher values too.
        of_all: Whether samples of every type are scaled, as where the user named the range.
        of_floats: Whether it was found in samples of floating point; else in whole numbers.
        high_byte: Whether samples of 16 bits, which use their range, keep their high byte.

    Raises:
        ValueError: The two are not finite, or do not rise.
    """

    low: float
    high: float
    of_all: bool = False
    of_floats: bool = False
    high_byte: bool = False

    def __post_init__(self) -> None:
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low < self.high):
            raise ValueError(f"samples cannot range from {self.low} to {self.high}")

    def fits(self, dtype: np.dtype[Any]) -> bool:
        """Return whether the range can be that of samples of a type."""
        if self.of_all:
            return True
        if self.high_byte or dtype in (np.uint8, np.bool_):
            return self.high_byte and dtype == np.uint16
        return dtype.kind in ("f" if self.of_floats else "ui")

    def describe(self) -> str:
        """Return what becomes black and white, for a sentence."""
        if self.high_byte:
            return "they keep their high byte"
        return f"{self.low:g} becomes black and {self.high:g} white"

    def share_of_depth(self) -> tuple[float, float] | None:
        """Return what becomes black and white as shares of the full scale of the samples' depth.

        That is how a video, whose frames have a scale of their own, is brought to what the network
        saw in training: ``[0,4095]`` is all of 12 bits, so all of 10 bits too. Floats up to 1 or
        255 are of that scale.

        Returns:
            None where the samples have no full scale: other floats, and negative numbers.
        """
        if self.high_byte:
            return 0.0, 1.0
        scales = (1, 255) if self.of_floats else _DEPTHS
        scale = next((scale for scale in scales if self.high <= scale), None)
        if self.low < 0 or scale is None:
            return None
        return self.low / scale, self.high / scale

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, for a checkpoint."""
        return asdict(self)

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Self:
        """Return the range that :meth:`to_dict` gave.

        Raises:
            KeyError, TypeError, ValueError: The values are not of it.
        """
        flags = {key: bool(plain[key]) for key in ("of_all", "of_floats", "high_byte")}
        return cls(float(plain["low"]), float(plain["high"]), **flags)


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
    has_range = limits is not None
    if limits is not None and limits.high_byte:
        limits = None
    if array.dtype == np.bool_:
        return array.astype(np.uint8) * 255
    if array.dtype == np.uint8 and (limits is None or not limits.of_all):
        return array
    if limits is None and array.dtype == np.uint16:
        if not has_range:
            record_high_byte(array, str(path))
        return (array >> 8).astype(np.uint8)
    if limits is None or array.dtype.kind not in "uif":
        raise unreadable_error(
            path,
            f"images without a range have 8 or 16 bits a sample, this one {array.dtype}: set "
            "data.source.range=[low,high] to the values that become black and white",
        )
    record_clipped(array, (limits.low, limits.high), str(path), chosen=limits.of_all)
    scaled = (array.astype(np.float64) - limits.low) * (255 / (limits.high - limits.low))
    return np.nan_to_num(scaled, nan=0.0).clip(0, 255).round().astype(np.uint8)


def get_sample_range(source: SegmentationSource) -> SampleRange | None:
    """Return the ``sample_range`` of a source that has one."""
    found = getattr(source, "sample_range", None)
    return found if isinstance(found, SampleRange) else None


def find_picture_range(samples: Array) -> SampleRange | None:
    """Return the range for one picture, by its depth; None for 8 bits, and for 16 that are used."""
    if samples.dtype in (np.uint8, np.bool_):
        return None
    finite = samples[np.isfinite(samples)] if samples.dtype.kind == "f" else samples
    if samples.dtype.kind not in "uif" or not finite.size:
        return None
    limits = choose_range(samples.dtype, float(finite.min()), float(finite.max()))
    return None if limits.high_byte else limits


def choose_range(dtype: np.dtype[Any], low: float, high: float) -> SampleRange:
    """Return the range that holds samples of a type from ``low`` to ``high``, by its depth."""
    floats = dtype.kind == "f"
    if floats and low >= 0 and high <= 255:
        return SampleRange(0, 1 if high <= 1 else 255, of_floats=True)
    if low < 0 or high > _DEPTHS[-1] or floats:
        return SampleRange(low, high if high > low else low + 1, of_floats=floats)
    depth = next(depth for depth in _DEPTHS if high <= depth)
    return SampleRange(0, depth, high_byte=dtype == np.uint16 and depth == _DEPTHS[-1])
