"""Cover images that are larger than a window with overlapping windows, and blend the logits."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from outtake.core.errors import ConfigError
from outtake.inference.protocol import Images, Logits, Network


def run_sliding_window(
    network: Network, images: Images, window: tuple[int, int], overlap: float
) -> Logits:
    """Return logits, float32 (B, h, w, classes), of images of any size.

    Where windows overlap, their logits are averaged, weighted by the distance to the window's edge.

    Args:
        network: The network, which sees at most one window of each image at a time.
        images: uint8 (B, h, w, C).
        window: The (height, width) of a window in pixels; smaller images need one only.
        overlap: The least share of a window that its neighbour covers too.
    """
    height, width = images.shape[1:3]
    if height <= window[0] and width <= window[1]:
        return network(np.ascontiguousarray(images))
    window_height, window_width = min(window[0], height), min(window[1], width)
    weight = np.outer(_edge_weights(window_height), _edge_weights(window_width))[..., None]
    total: Logits | None = None
    weight_sum = np.zeros((height, width, 1), np.float32)
    for top in window_offsets(height, window_height, overlap):
        for left in window_offsets(width, window_width, overlap):
            part = np.s_[top : top + window_height, left : left + window_width]
            logits = network(np.ascontiguousarray(images[:, *part]))
            if total is None:
                total = np.zeros((len(images), height, width, logits.shape[-1]), np.float32)
            total[:, *part] += logits * weight
            weight_sum[part] += weight
    assert total is not None
    total /= weight_sum
    return total


def window_offsets(length: int, window: int, overlap: float) -> list[int]:
    """Return the beginnings of evenly spread windows that overlap by at least a share."""
    if window >= length:
        return [0]
    step = max(1, int(window * (1 - overlap)))
    count = -(-(length - window) // step) + 1
    return [int(start) for start in np.linspace(0, length - window, count)]


def check_window(window: int | Sequence[int] | None) -> tuple[int, int] | None:
    """Return (height, width), or None, or raise a ConfigError."""
    if window is None:
        return None
    sides = tuple(window) if isinstance(window, Sequence) else (window, window)
    if len(sides) != 2 or any(not isinstance(side, int) or side < 32 for side in sides):
        raise ConfigError(
            f"network.window={window}: give [HEIGHT,WIDTH] in pixels, each at least 32"
        )
    return sides[0], sides[1]


def _edge_weights(length: int) -> NDArray[np.float32]:
    ramp = np.arange(1, length + 1, dtype=np.float32)
    return np.minimum(ramp, ramp[::-1])
