"""From one frame to the next: keep what was shown there, and let seams vanish."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from outtake.core.types import Frame
from outtake.motion.homography import Homography
from outtake.motion.warp import Points, as_remap_grid
from outtake.removal.clean_plate.frame_buffer import BufferedFrame
from outtake.removal.clean_plate.hole_regions import Floats
from outtake.removal.clean_plate.tiles import Tiles, project_tiles, sample_tiles, tiles_inside

# Two samples of one spot differ by noise; more than this is another spot.
_SAME_SPOT_GREY = 8.0
# A larger error at the rim is something in the frame, not a shade of the fill.
_MAX_SEAM_GREY = 8.0
_SEAM_FADE = 0.12


@dataclass(frozen=True, slots=True)
class PreviousFill:
    """What the frame before came out as.

    Attributes:
        frame: as it went in.
        image: as it came out.
        drift: how far its fill may be off by having been moved along, in grey levels,
            float32 (H, W).
    """

    frame: BufferedFrame
    image: Frame
    drift: Floats

    def sample_at(
        self, homography: Homography, tiles: Tiles
    ) -> tuple[NDArray[np.uint8], NDArray[np.bool_], Callable[[], Floats]]:
        """Return its colours (k, n, 3), which cells it shows (k,), and what gives the drift."""
        at, bend = project_tiles(homography, tiles.centres)
        colours = sample_tiles(self.image, at, bend, tiles.side)
        visible = tiles_inside(self.image.shape, at, bend, tiles.side)

        def drift() -> Floats:
            grid, count = as_remap_grid(at)
            found = cv2.remap(self.drift, grid, None, cv2.INTER_NEAREST)
            return np.asarray(found.reshape(-1)[:count, None], np.float32)

        return colours, visible, drift


def blend_previous(
    new: Floats, previous: Floats, blendable: NDArray[np.bool_], share: float
) -> None:
    """Mix colours (k, n, 3) in place with those shown before, where both agree."""
    change = previous - new
    red, green, blue = (np.abs(change[..., channel]) for channel in range(3))
    difference = np.maximum(np.maximum(red, green), blue)
    weight = np.float32(2 * share) - np.float32(2 * share / _SAME_SPOT_GREY) * difference
    np.clip(weight, 0, share, out=weight)
    weight *= blendable
    change *= weight[..., None]
    new += change


def seam_correction(
    tiles: Tiles, rim: Points, errors: Floats, reach_px: float
) -> tuple[NDArray[np.intp], Floats]:
    """Return what bends a fill towards the frame at the mask's edge.

    Args:
        tiles: the cells of the fill.
        rim: positions just outside the mask, (m, 2), whole numbers.
        errors: what the prediction lacks there, (m, 3).
        reach_px: how far the correction goes; what the mask covers is never looked at.

    Returns:
        Which cells it concerns, and what is to be added to their colours, float32 (j, n, 3).
    """
    # The correction is smooth: a grid as coarse as its reach allows holds it.
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
    bend = np.ascontiguousarray(grid[..., :3] / (grid[..., 3:] + np.float32(_SEAM_FADE)))
    x, y = ((tiles.centres - origin) / np.float32(cell_px) + np.float32(0.5)).astype(np.intp).T
    which = np.flatnonzero(np.abs(bend[y, x]).max(axis=1) > 0.05)
    at = (tiles.pixel_positions(which) - origin) / np.float32(cell_px)
    grid, count = as_remap_grid(at.reshape(-1, 2))
    found = cv2.remap(bend, grid, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return which, found.reshape(-1, 3)[:count].reshape(*at.shape[:2], 3)
