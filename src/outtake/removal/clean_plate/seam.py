"""Let a fill meet the frame at the edge of the mask."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from outtake.motion.warp import Points, as_remap_grid
from outtake.removal.clean_plate.hole_regions import Floats
from outtake.removal.clean_plate.tiles import Tiles

# A larger error at the rim comes from something in the frame, not from the shade of the fill.
_MAX_SEAM_GREY = 8.0
_SEAM_FADE = 0.12


def seam_correction(
    tiles: Tiles, rim: Points, errors: Floats, reach_px: float
) -> tuple[NDArray[np.intp], Floats]:
    """Return the correction that lets a fill meet the frame at the edge of the mask.

    Masked pixels of the frame are never used.

    Args:
        tiles: The tiles of the fill.
        rim: Pixels just outside the mask, integer positions (m, 2).
        errors: The colours of the rim minus their prediction, (m, 3).
        reach_px: The distance over which the correction fades.

    Returns:
        The indices of the tiles concerned, and the correction of their colours, float32 (j, n, 3).
    """
    # The correction is smooth: a coarse grid, as fine as its reach demands, holds it.
    cell_px = max(1.0, reach_px / 2)
    left, top, columns, rows = tiles.box
    columns, rows = int(columns / cell_px) + 2, int(rows / cell_px) + 2
    origin = np.array([left, top], np.float32)
    x, y = ((rim - origin) / np.float32(cell_px) + np.float32(0.5)).astype(np.intp).T
    bounded = np.clip(errors, -_MAX_SEAM_GREY, _MAX_SEAM_GREY)
    into = y * columns + x
    sums = [np.bincount(into, each, rows * columns) for each in bounded.T]
    sums.append(np.bincount(into, minlength=rows * columns).astype(np.float64))
    grid = np.stack(sums, axis=1).reshape(rows, columns, 4).astype(np.float32)
    grid *= np.float32(1 / cell_px**2)
    grid = cv2.GaussianBlur(grid, (0, 0), reach_px / cell_px, borderType=cv2.BORDER_CONSTANT)
    correction = np.ascontiguousarray(grid[..., :3] / (grid[..., 3:] + np.float32(_SEAM_FADE)))
    x, y = ((tiles.centres - origin) / np.float32(cell_px) + np.float32(0.5)).astype(np.intp).T
    which = np.flatnonzero(np.abs(correction[y, x]).max(axis=1) > 0.05)
    points = (tiles.pixel_positions(which) - origin) / np.float32(cell_px)
    grid, count = as_remap_grid(points.reshape(-1, 2))
    found = cv2.remap(correction, grid, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return which, found.reshape(-1, 3)[:count].reshape(*points.shape[:2], 3)
