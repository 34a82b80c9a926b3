"""Project positions by homographies, and sample images at positions."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from outtake.core.types import Frame
from outtake.motion.homography import Homography

Points = NDArray[np.float32]

# cv2.remap limits the sides of its result: positions are laid out as an image of this width.
_GRID_WIDTH = 1024


def project_points(homographies: Homography, points: Points) -> Points:
    """Project points (n, 2) by homographies (..., 3, 3) to positions (..., n, 2).

    Points behind the camera land far outside of any frame.
    """
    return _project_with_inverse_depth(homographies, points)[0]


def project_with_jacobians(
    homographies: Homography, points: Points
) -> tuple[Points, NDArray[np.float32]]:
    """Return projected points, (..., n, 2), and the Jacobians there, (..., n, 2, 2)."""
    moved, inverse = _project_with_inverse_depth(homographies, points)
    h = homographies.astype(np.float32)[..., None]
    derivatives = np.empty((*moved.shape, 2), np.float32)
    for row in range(2):
        for column in range(2):
            rise = h[..., row, column, :] - moved[..., row] * h[..., 2, column, :]
            np.multiply(rise, inverse, out=derivatives[..., row, column])
    return moved, derivatives


def _project_with_inverse_depth(
    homographies: Homography, points: Points
) -> tuple[Points, NDArray[np.float32]]:
    h = homographies.astype(np.float32)[..., None]
    x, y = points[..., 0], points[..., 1]
    depth = h[..., 2, 0, :] * x + h[..., 2, 1, :] * y + h[..., 2, 2, :]
    inverse = np.asarray(1 / np.maximum(depth, np.float32(1e-4)), np.float32)
    moved = np.empty((*depth.shape, 2), np.float32)
    for row in range(2):
        along = h[..., row, 0, :] * x + h[..., row, 1, :] * y + h[..., row, 2, :]
        np.multiply(along, inverse, out=moved[..., row])
    return moved, inverse


def sample_points(
    image: Frame, known: NDArray[np.uint8], points: Points
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Sample an image at positions (n, 2), bicubic.

    Returns:
        The colours, uint8 (n, 3), and True where they are known, bool (n,).
    """
    grid, count = as_remap_grid(points)
    colours = cv2.remap(image, grid, None, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    seen = cv2.remap(known, grid, None, cv2.INTER_NEAREST, borderMode=cv2.BORDER_CONSTANT)
    return colours.reshape(-1, 3)[:count], seen.reshape(-1)[:count] > 0


def known_at_points(known: NDArray[np.uint8], points: Points) -> NDArray[np.bool_]:
    """Return True for each position (n, 2) at which a frame is known, bool (n,)."""
    grid, count = as_remap_grid(points)
    seen = cv2.remap(known, grid, None, cv2.INTER_NEAREST, borderMode=cv2.BORDER_CONSTANT)
    return np.asarray(seen.reshape(-1)[:count] > 0)


def as_remap_grid(points: Points) -> tuple[Points, int]:
    """Lay out positions (n, 2) as an image for cv2.remap; returns n too."""
    grids, count = as_remap_grids(points[None])
    return grids[0], count


def as_remap_grids(points: Points) -> tuple[Points, int]:
    """Lay out positions (f, n, 2) as f images for cv2.remap; returns n too."""
    frames, count = points.shape[:2]
    width = min(max(1, count), _GRID_WIDTH)
    rows = max(1, -(-count // width))
    grids = np.zeros((frames, rows * width, 2), np.float32)
    # Beyond this range, positions overflow the fixed-point numbers of OpenCV.
    np.clip(points, -16000, 32000, out=grids[:, :count])
    return grids.reshape(frames, rows, width, 2), count
