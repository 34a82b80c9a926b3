"""Recognise a place in frames that are too far apart for points to be tracked."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from outtake.core.types import Frame, Mask
from outtake.motion.homography import Homography, fit_homography, scale_points
from outtake.motion.tracking import prepare_tracking_image

_MAX_FEATURES, _MAX_WIDTH_PX = 900, 640
_MIN_MATCHES = 25
# The ratio of the distances to the nearest and the second nearest descriptor (Lowe 2004).
_MAX_DISTANCE_RATIO = 0.8


class FrameFeatures:
    """Oriented binary features (ORB, Rublee et al. 2011) of a frame, detected on first use.

    Args:
        image: The frame.
        mask: The pixels that must not be used.
    """

    def __init__(self, image: Frame, mask: Mask) -> None:
        self._image, self._mask = image, mask
        self._detected: tuple[NDArray[np.float32], NDArray[np.uint8]] | None = None
        self._homographies: dict[int, Homography | None] = {}

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the frame."""
        return self._image.shape

    def detect(self) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
        """Return positions in the frame, float32 (n, 2), and descriptors, uint8 (n, 32)."""
        if self._detected is None:
            grey, known, scale = prepare_tracking_image(self._image, self._mask, _MAX_WIDTH_PX)
            detector = cv2.ORB.create(_MAX_FEATURES, fastThreshold=8)
            keypoints, descriptors = detector.detectAndCompute(grey, known)
            points = np.array([each.pt for each in keypoints], np.float32).reshape(-1, 2)
            if descriptors is None:
                descriptors = np.empty((0, 32), np.uint8)
            self._detected = (scale_points(points, 1 / scale), descriptors)
        return self._detected

    def homography_to(self, number: int, other: FrameFeatures) -> Homography | None:
        """Return the homography to frame ``number``; None if the place is not recognised.

        The result is cached; it is the same in every thread.
        """
        if number not in self._homographies:
            self._homographies[number] = _match_homography(self, other)
        return self._homographies[number]


def show_same_place(one: FrameFeatures, other: FrameFeatures) -> bool:
    """Return True if two frames show the same place."""
    return one.shape == other.shape and _match_homography(one, other) is not None


def _match_homography(one: FrameFeatures, other: FrameFeatures) -> Homography | None:
    (here, descriptors), (there, other_descriptors) = one.detect(), other.detect()
    if min(len(here), len(there)) < _MIN_MATCHES:
        return None
    pairs = cv2.BFMatcher(cv2.NORM_HAMMING).knnMatch(descriptors, other_descriptors, 2)
    good = [
        first for first, second in pairs if first.distance < _MAX_DISTANCE_RATIO * second.distance
    ]
    if len(good) < _MIN_MATCHES:
        return None
    source = here[[match.queryIdx for match in good]]
    target = there[[match.trainIdx for match in good]]
    return fit_homography(source, target, _MIN_MATCHES)
