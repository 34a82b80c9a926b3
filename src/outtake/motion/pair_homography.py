"""The camera's motion between two neighbouring frames, from these two alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import cv2
import numpy as np
from numpy.typing import NDArray

from outtake.core.types import Frame
from outtake.motion.homography import Homography, TrackedView, fit_homography
from outtake.motion.shot_detection import ShotDetector
from outtake.motion.tracking import follow_points

_MAX_POINTS = 240
_MIN_SIDE_PX = 16
# Homographies of many pairs are multiplied, so each must be exact; points are, to a tenth.
_TOLERANCE_PX = 0.5


@dataclass(frozen=True, slots=True)
class TrackingImage:
    """A frame in grey with points that can be followed.

    Attributes:
        grey: Its brightness, uint8 (h, w).
        points: Positions in pixels, x and y, float32 (n, 2).
    """

    grey: NDArray[np.uint8]
    points: NDArray[np.float32]

    @classmethod
    def of(cls, image: Frame) -> Self:
        """Find points in a frame, uint8 (h, w, 3)."""
        grey = np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), np.uint8)
        found = None
        if min(grey.shape) >= _MIN_SIDE_PX:
            distance_px = max(4, round(0.6 * float(np.sqrt(grey.size / _MAX_POINTS))))
            found = cv2.goodFeaturesToTrack(grey, _MAX_POINTS, 0.005, distance_px)
        points = np.empty((0, 2), np.float32) if found is None else found.reshape(-1, 2)
        return cls(grey, np.asarray(points, np.float32))


def align_pair(before: TrackingImage, after: TrackingImage) -> Homography | None:
    """Return the homography from a frame to the one after it; None at a cut.

    The same bits whatever came before: nothing is remembered. Where too few points can be followed,
    as before a plain wall, the camera is taken to stand still.
    """
    if before.grey.shape != after.grey.shape:
        return None
    end, good = follow_points(before.grey, after.grey, before.points)
    everywhere = np.ones(before.grey.shape, np.uint8)
    detector = ShotDetector()
    ids = np.arange(len(before.points))
    detector.remember(before.grey, everywhere, TrackedView(0, ids, before.points, np.eye(3)))
    if detector.is_cut(good, after.grey, everywhere):
        return None
    step = fit_homography(before.points[good], end[good], tolerance_px=_TOLERANCE_PX)
    return np.eye(3) if step is None else step
