"""Linear light, as EXR files hold it, and the sRGB values that pictures are seen by."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

_WHITE = 65535


def encode_srgb(light: NDArray[np.floating]) -> NDArray[np.uint16]:
    """Return linear light as sRGB, uint16 of the same shape; what is above 1 becomes white."""
    if light.dtype == np.float16:
        return _half_to_srgb()[np.ascontiguousarray(light).view(np.uint16)]
    return _encode(np.asarray(light, np.float32))


def decode_srgb(values: NDArray[np.uint16]) -> NDArray[np.float32]:
    """Return sRGB, uint16 of any shape, as linear light from 0 to 1."""
    return _srgb_to_light()[values]


def _encode(light: NDArray[np.float32]) -> NDArray[np.uint16]:
    clipped = np.clip(np.nan_to_num(light), 0, 1)
    curved = np.where(
        clipped <= 0.0031308, 12.92 * clipped, 1.055 * np.power(clipped, 1 / 2.4) - 0.055
    )
    return np.asarray(np.rint(curved * _WHITE), np.uint16)


@cache
def _half_to_srgb() -> NDArray[np.uint16]:
    halves = np.arange(_WHITE + 1, dtype=np.uint16).view(np.float16)
    return _encode(halves.astype(np.float32))


@cache
def _srgb_to_light() -> NDArray[np.float32]:
    values = np.arange(_WHITE + 1, dtype=np.float64) / _WHITE
    light = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    return np.asarray(light, np.float32)
