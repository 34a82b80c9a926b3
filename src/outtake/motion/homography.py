"""What is known of the camera at a frame, and homographies between frames."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Homography = NDArray[np.float64]
PointPairs = tuple[NDArray[np.float32], NDArray[np.float32]]

MIN_SHARED_POINTS = 12


@dataclass(frozen=True, slots=True)
class CameraView:
    """What is known of the camera at one frame.

    Attributes:
        shot: number of the shot; a cut begins a new one.
        ids: of the points tracked, int64 (n,), ascending.
        points: where they are in the frame, in its pixels, float32 (n, 2) x and y.
        to_first_frame: homography from this frame to the shot's first, chained frame by frame.
    """

    shot: int
    ids: NDArray[np.int64]
    points: NDArray[np.float32]
    to_first_frame: Homography

    def shared_points(self, other: CameraView) -> PointPairs:
        """Return the points that both frames show: here and there, float32 (n, 2) each."""
        if not len(other.ids):
            return self.points[:0], other.points
        place = np.minimum(np.searchsorted(other.ids, self.ids), len(other.ids) - 1)
        here = other.ids[place] == self.ids
        return self.points[here], other.points[place[here]]

    def homography_to(self, other: CameraView) -> Homography:
        """Return the homography from this frame's pixels to another's of the same shot.

        It comes from the points that both show; where those are too few, from the chain of frames
        in between.
        """
        fitted = fit_homography(*self.shared_points(other))
        if fitted is not None:
            return fitted
        return np.asarray(invert_homography(other.to_first_frame) @ self.to_first_frame, np.float64)


def invert_homography(homography: Homography) -> Homography:
    """Return the way back, of one or of many (n, 3, 3); nowhere in particular if there is none."""
    try:
        return np.asarray(np.linalg.inv(homography), np.float64)
    except np.linalg.LinAlgError:
        if homography.ndim == 2:
            return np.eye(3)
        return np.stack([invert_homography(one) for one in homography])


def fit_homography(
    source: NDArray[np.float32], target: NDArray[np.float32], min_inliers: int = MIN_SHARED_POINTS
) -> Homography | None:
    """Fit a homography robustly (MAGSAC++, Barath et al. 2020); None where that can not be."""
    if len(source) < min_inliers:
        return None
    found, inliers = cv2.findHomography(source, target, cv2.USAC_MAGSAC, 2.0, maxIters=500)
    if found is None or int(inliers.sum()) < min_inliers or not np.isfinite(found).all():
        return None
    return np.asarray(found, np.float64)


def scale_points(points: NDArray[np.float32], scale: float) -> NDArray[np.float32]:
    """Move points to a picture of another size; pixel centres are whole numbers in both."""
    return np.asarray((points + 0.5) * scale - 0.5, np.float32)
