"""Look pictures up at positions, and move positions from frame to frame."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from outtake.removal.plate.camera import Homography
from outtake.types import Frame

Points = NDArray[np.float32]

# cv2.remap limits the sides of what it makes: positions are laid out as a picture this wide.
_ROW = 256


def project(homographies: Homography, points: Points) -> Points:
    """Return where points (n, 2) go, (..., n, 2) for homographies (..., 3, 3).

    What lies behind the camera goes far outside of any frame.
    """
    h = homographies.astype(np.float32)[..., None]
    x, y = points[:, 0], points[:, 1]
    depth = h[..., 2, 0, :] * x + h[..., 2, 1, :] * y + h[..., 2, 2, :]
    inverse = 1 / np.maximum(depth, np.float32(1e-4))
    moved = np.empty((*depth.shape, 2), np.float32)
    np.multiply(h[..., 0, 0, :] * x + h[..., 0, 1, :] * y + h[..., 0, 2, :], inverse, moved[..., 0])
    np.multiply(h[..., 1, 0, :] * x + h[..., 1, 1, :] * y + h[..., 1, 2, :], inverse, moved[..., 1])
    return moved


def sample(
    image: Frame, known: NDArray[np.uint8], points: Points
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Look up a picture at positions (n, 2), bicubic.

    Returns:
        The colours, uint8 (n, 3), and where they are known, bool (n,).
    """
    grid, count = _grid(points), len(points)
    colours = cv2.remap(image, grid, None, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    seen = cv2.remap(known, grid, None, cv2.INTER_NEAREST, borderMode=cv2.BORDER_CONSTANT)
    return colours.reshape(-1, 3)[:count], seen.reshape(-1)[:count] > 0


def look_up(grid: NDArray[np.float32], points: Points) -> NDArray[np.float32]:
    """Look up a grid (h, w, c) at positions (n, 2), bilinear, float32 (n, c)."""
    found = cv2.remap(grid, _grid(points), None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(found.reshape(-1, grid.shape[2])[: len(points)], np.float32)


def known_at(known: NDArray[np.uint8], points: Points) -> NDArray[np.bool_]:
    """Look up at positions (n, 2) whether a frame is known there, bool (n,)."""
    seen = cv2.remap(known, _grid(points), None, cv2.INTER_NEAREST, borderMode=cv2.BORDER_CONSTANT)
    return np.asarray(seen.reshape(-1)[: len(points)] > 0)


def middle(samples: NDArray[np.float32], counts: NDArray[np.integer]) -> NDArray[np.float32]:
    """Return the median along the first axis of the first ``counts`` entries of each column.

    Args:
        samples: (k, n, c); LATER behind a column's count. Is overwritten.
        counts: (n,), 1 to k; where it is 0, the result means nothing.
    """
    k = len(samples)
    for low, high in _network(k):
        smaller = np.minimum(samples[low], samples[high])
        np.maximum(samples[low], samples[high], out=samples[high])
        samples[low] = smaller
    weights = np.zeros((k + 1, k), np.float32)
    for count in range(1, k + 1):
        weights[count, (count - 1) // 2] += 0.5
        weights[count, count // 2] += 0.5
    shares = weights[counts]
    total = np.zeros(samples.shape[1:], np.float32)
    for index in range(k):
        total += shares[:, index, None] * samples[index]
    return total


# Sorts behind every colour, and stays finite when it is multiplied with nothing.
LATER = np.float32(1e6)


def _network(size: int) -> Sequence[tuple[int, int]]:
    """Return the exchanges that sort ``size`` rows (odd-even transposition)."""
    return [(index, index + 1) for turn in range(size) for index in range(turn % 2, size - 1, 2)]


def _grid(points: Points) -> Points:
    rows = max(1, -(-len(points) // _ROW))
    grid = np.zeros((rows * _ROW, 2), np.float32)
    # Beyond this, positions overflow the fixed point numbers that OpenCV makes of them.
    np.clip(points, -16000, 32000, out=grid[: len(points)])
    return grid.reshape(rows, _ROW, 2)
