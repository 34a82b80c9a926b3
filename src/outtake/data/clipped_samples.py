"""What is lost where files are decoded to 8 bits, collected while that happens."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

MAX_CLIPPED = 0.01  # of the samples, without a word where the user named the range


@dataclass(frozen=True)
class ClippedFile:
    """What one file holds outside of its range.

    Attributes:
        limits: The values that become black and white.
        is_chosen: Whether the user named them.
        low: The smallest sample.
        high: The largest one.
        samples: How many lie outside.
        size: How many there are.
        floats: Whether they are of floating point.
    """

    limits: tuple[float, float]
    is_chosen: bool
    low: float
    high: float
    samples: int
    size: int
    floats: bool


@dataclass
class LostSamples:
    """What decoding files to 8 bits has lost, by their paths.

    Attributes:
        clipped_files: Those with samples outside of their range.
        high_bytes: Those of 16 bits that had no range, with their largest sample.
    """

    clipped_files: dict[str, ClippedFile] = field(default_factory=dict)
    high_bytes: dict[str, int] = field(default_factory=dict)


_watched: list[LostSamples] = []


@contextmanager
def watch_samples() -> Iterator[LostSamples]:
    """Collect what every thread of this process loses from now on."""
    found = LostSamples()
    _watched.append(found)
    try:
        yield found
    finally:
        _watched[:] = [each for each in _watched if each is not found]


def record_clipped(
    samples: NDArray[Any], limits: tuple[float, float], path: str, *, chosen: bool
) -> None:
    """Record what of a file lies outside its range, if anybody watches."""
    if not _watched:
        return
    floats = samples.dtype.kind == "f"
    if floats:  # no range holds what is infinite
        samples = samples[np.isfinite(samples)]
    outside = int(((samples < limits[0]) | (samples > limits[1])).sum())
    if outside:
        low, high = float(samples.min()), float(samples.max())
        for each in _watched:
            each.clipped_files[path] = ClippedFile(
                limits, chosen, low, high, outside, samples.size, floats
            )


def record_high_byte(samples: NDArray[Any], path: str) -> None:
    """Record that of a file without a range the high byte is kept, if anybody watches."""
    for each in _watched:
        each.high_bytes[path] = int(samples.max())
