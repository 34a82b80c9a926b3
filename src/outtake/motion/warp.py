"""Project positions by homographies, and lay them out to sample images there."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from outtake.motion.homography import Homography

Points = NDArray[np.float32]

# cv2.remap limits the sides of its result: positions are laid out as an image of this width.
_GRID_WIDTH = 1024


def project_points(homographies: Homography, points: Points) -> Points:
    """Project points (n, 2) by homographies (..., 3, 3) to positions (..., n, 2).

    Points behind the camera land far outside of any frame.
    """
    h = homographies.astype(np.float32)[..., None]
    x, y = points[..., 0], points[..., 1]
    depth = h[..., 2, 0, :] * x + h[..., 2, 1, :] * y + h[..., 2, 2, :]
    inverse = np.asarray(1 / np.maximum(depth, np.float32(1e-4)), np.float32)
    moved = np.empty((*depth.shape, 2), np.float32)
    for row in range(2):
        along = h[..., row, 0, :] * x + h[..., row, 1, :] * y + h[..., row, 2, :]
        np.multiply(along, inverse, out=moved[..., row])
    return moved


def as_remap_grid(points: Points) -> tuple[Points, int]:
    """Lay out positions (n, 2) as an image for cv2.remap; returns n too."""
    count = len(points)
    width = min(max(1, count), _GRID_WIDTH)
    rows = max(1, -(-count // width))
    grid = np.zeros((rows * width, 2), np.float32)
    # Beyond this range, positions overflow the fixed-point numbers of OpenCV.
    np.clip(points, -16000, 32000, out=grid[:count])
    return grid.reshape(rows, width, 2), count
