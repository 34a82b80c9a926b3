"""Random numbers from an integer hash, and a sine that is the same on every machine."""

from __future__ import annotations

from collections.abc import Sequence
from math import floor
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Item = TypeVar("Item")
Plane = NDArray[np.float32]

_MASK = (1 << 64) - 1
_INCREMENT = 0x9E3779B97F4A7C15
_MULTIPLIER_1 = 0xBF58476D1CE4E5B9
_MULTIPLIER_2 = 0x94D049BB133111EB


def splitmix64(value: int) -> int:
    """Return the splitmix64 hash of a 64-bit integer (Steele, Lea and Flood, 2014)."""
    value = (value + _INCREMENT) & _MASK
    value = ((value ^ (value >> 30)) * _MULTIPLIER_1) & _MASK
    value = ((value ^ (value >> 27)) * _MULTIPLIER_2) & _MASK
    return value ^ (value >> 31)


def hash_key(*parts: int | str) -> int:
    """Fold integers and words into one 64-bit key; order and types matter."""
    key = 0
    for part in parts:
        if isinstance(part, int):
            key = splitmix64(key ^ splitmix64(part & _MASK))
        else:
            for byte in part.encode():
                key = splitmix64(key ^ byte)
            key = splitmix64(key + len(part))
    return key


class Rng:
    """A generator whose draws depend on its key alone."""

    def __init__(self, *parts: int | str) -> None:
        self.key = hash_key(*parts)
        self._count = 0

    def random(self) -> float:
        """Draw from [0, 1)."""
        self._count += 1
        return (splitmix64(self.key + self._count * _INCREMENT) >> 11) / (1 << 53)

    def uniform(self, low: float, high: float) -> float:
        """Draw a number from [low, high)."""
        return low + (high - low) * self.random()

    def integer(self, low: int, high: int) -> int:
        """Draw an integer from low to high, both included."""
        return low + int(self.random() * (high - low + 1))

    def choice(self, items: Sequence[Item]) -> Item:
        """Draw one item."""
        return items[int(self.random() * len(items))]

    def bernoulli(self, probability: float) -> bool:
        """Draw True with the given probability."""
        return self.random() < probability


def noise_grid(key: int, rows: int, columns: int) -> Plane:
    """Return independent values of [0, 1), float32 (rows, columns)."""
    # 24 bits: what float32 holds exactly, so the conversion rounds nowhere.
    values = np.arange(rows * columns, dtype=np.uint64) + np.uint64(splitmix64(key))
    values *= np.uint64(_INCREMENT)
    values = (values ^ (values >> np.uint64(30))) * np.uint64(_MULTIPLIER_1)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(_MULTIPLIER_2)
    values = (values ^ (values >> np.uint64(31))) >> np.uint64(40)
    plane = values.astype(np.float32) * np.float32(1 / (1 << 24))
    return plane.reshape(rows, columns)


def sine(turns: float) -> float:
    """Return the sine of an angle in turns, to 1e-7, from additions and products alone."""
    turns -= floor(turns)
    if turns > 0.75:
        turns -= 1.0
    elif turns > 0.25:
        turns = 0.5 - turns
    angle = turns * 6.283185307179586
    square = angle * angle
    series = 1.0
    for divisor in (110.0, 72.0, 42.0, 20.0, 6.0):
        series = 1.0 - square / divisor * series
    return angle * series


def cosine(turns: float) -> float:
    """Return the cosine of an angle in turns, to 1e-7."""
    return sine(turns + 0.25)
