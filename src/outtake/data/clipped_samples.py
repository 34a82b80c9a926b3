"""Samples outside of the range that becomes black and white, counted while files are decoded."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

MAX_CLIPPED = 0.01  # of the samples, without a word where the user named the range


@dataclass(frozen=True)
class ClippedFile:
    """What one file holds outside of its range.

    Attributes:
        limits: The values that become black and white.
        chosen: Whether the user named them.
        low: The smallest sample.
        high: The largest one.
        samples: How many lie outside.
        size: How many there are.
        floats: Whether they are of floating point.
    """

    limits: tuple[float, float]
    chosen: bool
    low: float
    high: float
    samples: int
    size: int
    floats: bool


_watched: list[dict[str, ClippedFile]] = []


@contextmanager
def watch_clipped() -> Iterator[dict[str, ClippedFile]]:
    """Collect what every thread of this process clips from now on, by the path of the file."""
    found: dict[str, ClippedFile] = {}
    _watched.append(found)
    try:
        yield found
    finally:
        _watched.remove(found)


def record_clipped(
    samples: NDArray[Any], limits: tuple[float, float], path: str, *, chosen: bool
) -> None:
    """Record what of a file lies outside its range, if anybody watches."""
    if not _watched:
        return
    outside = int(((samples < limits[0]) | (samples > limits[1])).sum())
    if outside:
        low, high = float(np.nanmin(samples)), float(np.nanmax(samples))
        floats = samples.dtype.kind == "f"
        for each in _watched:
            each[path] = ClippedFile(limits, chosen, low, high, outside, samples.size, floats)
