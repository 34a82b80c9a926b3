"""From one frame to the next: keep what was shown there, and let seams vanish."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from outtake.removal.plate.camera import Homography
from outtake.removal.plate.sampling import Points, look_up, project, sample
from outtake.removal.plate.sites import Floats
from outtake.removal.plate.window import Held
from outtake.types import Frame

# Two samples of one spot differ by noise; more than this is another spot.
_AGREE_GREY = 8.0
# A larger error at the rim is something in the frame, not a shade of the fill.
_SEAM_GREY = 8.0
_SEAM_FADE = 0.12


@dataclass(frozen=True, slots=True)
class Shown:
    """What the frame before came out as.

    Attributes:
        held: as it went in.
        image: as it came out.
        drift: how far its fill may be off by having been moved along, in grey levels,
            float32 (H, W).
    """

    held: Held
    image: Frame
    drift: Floats

    def at(
        self, homography: Homography, points: Points
    ) -> tuple[Floats, NDArray[np.bool_], Floats]:
        """Return its colours at positions of the current frame, what it shows, and the drift."""
        at = project(homography, points)
        everything = np.ones(self.image.shape[:2], np.uint8)
        colours, seen = sample(self.image, everything, at)
        x, y = np.clip(np.rint(at), 0, np.array(self.drift.shape[::-1]) - 1).astype(np.intp).T
        return colours.astype(np.float32), seen, self.drift[y, x]


def steadied(new: Floats, before: Floats, shown: NDArray[np.bool_], share: float) -> Floats:
    """Mix colours (n, 3) with those shown before where both agree."""
    red, green, blue = np.abs(new - before).T
    difference = np.maximum(np.maximum(red, green), blue)
    weight = share * np.clip(2 - 2 * difference / _AGREE_GREY, 0, 1) * shown
    return np.asarray(new + weight[:, None] * (before - new), np.float32)


def seam(hole: Points, rim: Points, errors: Floats, reach_px: float) -> Floats:
    """Return what bends a fill towards the frame at the mask's edge, float32 (n, 3).

    Args:
        hole: positions of the fill, (n, 2), whole numbers.
        rim: positions just outside the mask, (m, 2), whole numbers.
        errors: what the prediction lacks there, (m, 3).
        reach_px: how far the correction goes; what the mask covers is never looked at.
    """
    # The correction is smooth: a grid as coarse as its reach allows holds it.
    cell_px = max(1.0, reach_px / 2)
    everything = np.concatenate((hole, rim))
    origin = everything.min(axis=0)
    columns, rows = (int(side) for side in np.ptp(everything, axis=0) / cell_px + 2)
    x, y = ((rim - origin) / np.float32(cell_px) + 0.5).astype(np.intp).T
    bounded = np.clip(errors, -_SEAM_GREY, _SEAM_GREY)
    cells, area = y * columns + x, np.float32(cell_px**2)
    sums = [np.bincount(cells, each, rows * columns) for each in bounded.T]
    sums.append(np.bincount(cells, minlength=rows * columns).astype(np.float64))
    grid = np.stack(sums, axis=1).reshape(rows, columns, 4).astype(np.float32) / area
    grid = cv2.GaussianBlur(grid, (0, 0), reach_px / cell_px, borderType=cv2.BORDER_CONSTANT)
    found = look_up(np.asarray(grid, np.float32), (hole - origin) / np.float32(cell_px))
    return np.asarray(found[:, :3] / (found[:, 3:] + _SEAM_FADE), np.float32)
