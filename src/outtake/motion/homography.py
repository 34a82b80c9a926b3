"""The camera of a frame, described by tracked points, and homographies between frames."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Homography = NDArray[np.float64]
MIN_SHARED_POINTS = 12


@dataclass(frozen=True, slots=True)
class TrackedView:
    """The camera at one frame.

    Attributes:
        shot: The number of the shot; a cut begins a new one.
        ids: The numbers of the tracked points, int64 (n,), ascending.
        points: The positions of the tracked points in pixels, x and y, float32 (n, 2).
        to_first_frame: The homography to the first frame of the shot, chained frame by frame.
    """

    shot: int
    ids: NDArray[np.int64]
    points: NDArray[np.float32]
    to_first_frame: Homography

    def shared_points(self, other: TrackedView) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return the positions, here and in ``other``, of points in both, float32 (n, 2) each."""
        if not len(other.ids):
            return self.points[:0], other.points
        place = np.minimum(np.searchsorted(other.ids, self.ids), len(other.ids) - 1)
        here = other.ids[place] == self.ids
        return self.points[here], other.points[place[here]]

    def homography_to(self, other: TrackedView) -> Homography:
        """Return the homography from this frame to another frame of the same shot.

        It is fitted to the points in both; if they are too few, it is chained over the frames in
        between.
        """
        fitted = fit_homography(*self.shared_points(other))
        if fitted is not None:
            return fitted
        return np.asarray(invert_homography(other.to_first_frame) @ self.to_first_frame, np.float64)


def invert_homography(homography: Homography) -> Homography:
    """Return the inverse of one homography or of many (n, 3, 3); the identity if singular."""
    try:
        return np.asarray(np.linalg.inv(homography), np.float64)
    except np.linalg.LinAlgError:
        if homography.ndim == 2:
            return np.eye(3)
        return np.stack([invert_homography(one) for one in homography])


def fit_homography(
    source: NDArray[np.float32],
    target: NDArray[np.float32],
    min_inliers: int = MIN_SHARED_POINTS,
    tolerance_px: float = 2.0,
) -> Homography | None:
    """Fit a homography robustly (MAGSAC++, Barath et al. 2020); None if inliers are too few."""
    if len(source) < min_inliers:
        return None
    found, inliers = cv2.findHomography(source, target, cv2.USAC_MAGSAC, tolerance_px, maxIters=500)
    if found is None or int(inliers.sum()) < min_inliers or not np.isfinite(found).all():
        return None
    return np.asarray(found, np.float64)


def resize_homography(across: float, down: float | None = None) -> Homography:
    """Return the homography to an image of another size; pixel centres are integers in both.

    Args:
        across: The other width as a multiple of this one.
        down: The other height as a multiple of this one; the same by default.
    """
    down = across if down is None else down
    shifts = 0.5 * across - 0.5, 0.5 * down - 0.5
    return np.array([[across, 0, shifts[0]], [0, down, shifts[1]], [0, 0, 1]], np.float64)


def scale_points(points: NDArray[np.float32], scale: float) -> NDArray[np.float32]:
    """Scale positions to an image of another size; pixel centres are integers in both."""
    return np.asarray((points + 0.5) * scale - 0.5, np.float32)
