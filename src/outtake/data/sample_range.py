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
from outtake.core.parallel import default_threads, map_threads
from outtake.core.types import Frame
from outtake.core.validate import is_number
from outtake.data.decode_files import decode_file, unreadable_error
from outtake.data.source import SegmentationSource, warn_of_data

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
    if limits is not None and limits.high_byte:
        limits = None
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


def find_range(
    images: Sequence[str],
    given: SampleRange | None,
    trained: SampleRange | None = None,
    key: str = "data.source.range",
) -> SampleRange | None:
    """Return the range for a data set, looking at some of its images; say what was chosen.

    Args:
        images: The files.
        given: The range that the user named, which is kept; None chooses one.
        trained: The range that the network to be scored was trained with, which is chosen where
            it can be that of the samples; None for no network, or one that had no range.
        key: The config key that names a range, for messages.

    Returns:
        None where the samples need none: 8 bits.
    """
    first = decode_file(Path(images[0]), palette_indices=False)
    kept = trained if given is None and trained is not None and trained.fits(first.dtype) else None
    if given is None and kept is None and first.dtype in (np.uint8, np.bool_):
        return None
    found = map_threads(
        _probe, images[:: max(1, len(images) // _PROBED_IMAGES)][:_PROBED_IMAGES],
        threads=default_threads(), title="Finding the range of samples",
    )  # fmt: skip
    low, high = min(each[0] for each in found), max(each[1] for each in found)
    limits = given or kept or _choose_range(first.dtype, low, high)
    what = f"samples of {first.dtype} from {low:g} to {high:g} in {len(found)} images"
    _warn_of_choice(what, limits, given, trained, key)
    _warn_of_loss(found, limits, what, key, in_training=limits is trained)
    return limits


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
    limits = _choose_range(samples.dtype, float(finite.min()), float(finite.max()))
    return None if limits.high_byte else limits


def _probe(path: str) -> tuple[float, float, NDArray[np.float64]]:
    array = decode_file(Path(path), palette_indices=False)
    values = array[::4, ::4].astype(np.float64).ravel()
    values = values[np.isfinite(values)]
    finite = array[np.isfinite(array)] if array.dtype.kind == "f" else array
    if not finite.size:
        return 0.0, 0.0, values
    return float(finite.min()), float(finite.max()), values


def _choose_range(dtype: np.dtype[Any], low: float, high: float) -> SampleRange:
    floats = dtype.kind == "f"
    if floats and low >= 0 and high <= 255:
        return SampleRange(0, 1 if high <= 1 else 255, of_floats=True)
    if low < 0 or high > _DEPTHS[-1] or floats:
        return SampleRange(low, high if high > low else low + 1, of_floats=floats)
    depth = next(depth for depth in _DEPTHS if high <= depth)
    return SampleRange(0, depth, high_byte=dtype == np.uint16 and depth == _DEPTHS[-1])


def _warn_of_choice(
    what: str,
    limits: SampleRange,
    given: SampleRange | None,
    trained: SampleRange | None,
    key: str,
) -> None:
    """Say which range was chosen, and where it is not the one of training."""
    if limits is trained:
        if not limits.high_byte:
            warn_of_data(f"{what}: {limits.describe()}, as in training")
        return
    other = ""
    if trained is not None and (trained.low, trained.high) != (limits.low, limits.high):
        other = f"; the network was trained with other samples, of which {trained.describe()}"
        if trained.high_byte:
            other = "; the network was trained with samples of 16 bits that use their range"
    if given is not None:
        if other:
            warn_of_data(f"{what}: {limits.describe()}, as {key} says{other}")
    elif not limits.high_byte or other:
        choose = f"; set {key}=[low,high] to choose other values"
        warn_of_data(f"{what}: {limits.describe()}{other}{choose}")


def _warn_of_loss(
    found: Sequence[tuple[float, float, NDArray[np.float64]]],
    limits: SampleRange,
    what: str,
    key: str,
    *,
    in_training: bool,
) -> None:
    values = np.concatenate([each[2] for each in found])
    if not values.size:
        return
    clipped = float(((values < limits.low) | (values > limits.high)).mean())
    if clipped > _MAX_CLIPPED:
        warn_of_data(
            f"{what}: {clipped:.0%} of them lie outside {limits.low:g} to {limits.high:g} and are "
            f"clipped{'' if in_training else f'; set {key} to include them'}"
        )
    low, high = (float(value) for value in np.percentile(values, (0.5, 99.5)))
    share = (min(high, limits.high) - max(low, limits.low)) / (limits.high - limits.low)
    if share < _MIN_SHARE and clipped <= _MAX_CLIPPED:
        advice = "" if in_training else f"; set {key}=[{low:g},{high:g}]"
        warn_of_data(
            f"{what} fill only {max(share, 0):.1%} of the range {limits.low:g} to "
            f"{limits.high:g}, and most shades are lost{advice}"
        )
