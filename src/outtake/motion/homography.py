"""What is known of the camera at a frame, and homographies between frames."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Homography = NDArray[np.float64]
Shared = tuple[NDArray[np.float32], NDArray[np.float32]]

MIN_SHARED = 12


@dataclass(frozen=True, slots=True)
class View:
    """What is known of the camera at one frame.

    Attributes:
        shot: number of the shot; a cut begins a new one.
        ids: of the points tracked, int64 (n,), ascending.
        points: where they are in the frame, in its pixels, float32 (n, 2) x and y.
        from_start: homography from this frame to the shot's first, chained frame by frame.
    """

    shot: int
    ids: NDArray[np.int64]
    points: NDArray[np.float32]
    from_start: Homography

    def shared(self, other: View) -> Shared:
        """Return the points that both frames show: here and there, float32 (n, 2) each."""
        if not len(other.ids):
            return self.points[:0], other.points
        place = np.minimum(np.searchsorted(other.ids, self.ids), len(other.ids) - 1)
        here = other.ids[place] == self.ids
        return self.points[here], other.points[place[here]]

    def to(self, other: View) -> Homography:
        """Return the homography from this frame's pixels to another's of the same shot.

        It comes from the points that both show; where those are too few, from the chain of frames
        in between.
        """
        fitted = fit(*self.shared(other))
        if fitted is not None:
            return fitted
        return np.asarray(inverse(other.from_start) @ self.from_start, np.float64)


def inverse(homography: Homography) -> Homography:
    """Return the way back, of one or of many (n, 3, 3); nowhere in particular if there is none."""
    try:
        return np.asarray(np.linalg.inv(homography), np.float64)
    except np.linalg.LinAlgError:
        if homography.ndim == 2:
            return np.eye(3)
        return np.stack([inverse(one) for one in homography])


def fit(
    start: NDArray[np.float32], end: NDArray[np.float32], at_least: int = MIN_SHARED
) -> Homography | None:
    """Fit a homography robustly (MAGSAC++, Barath et al. 2020); None where that can not be."""
    if len(start) < at_least:
        return None
    found, inliers = cv2.findHomography(start, end, cv2.USAC_MAGSAC, 2.0, maxIters=500)
    if found is None or int(inliers.sum()) < at_least or not np.isfinite(found).all():
        return None
    return np.asarray(found, np.float64)


def scaled(points: NDArray[np.float32], scale: float) -> NDArray[np.float32]:
    """Move points to a picture of another size; pixel centres are whole numbers in both."""
    return np.asarray((points + 0.5) * scale - 0.5, np.float32)
