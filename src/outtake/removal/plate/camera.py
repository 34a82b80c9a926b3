"""How the camera moves: tracked points, homographies between frames, and cuts."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import cv2
import numpy as np
from numpy.typing import NDArray

from outtake.types import Frame, Mask

Homography = NDArray[np.float64]
Shared = tuple[NDArray[np.float32], NDArray[np.float32]]

_POINTS = 450
_LK_WINDOW, _LK_LEVELS = (15, 15), 4
_LK_STOP = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 15, 0.02)
_BACK_AND_FORTH_PX = 0.7
_MIN_SHARED = 12
# Of the points that were followed, fewer than this arrive after a cut...
_CUT_SURVIVAL = 0.35
# ...and the colours are others. Where next to nothing arrives, colours need not tell.
_CUT_CORRELATION = 0.85
_CERTAIN_SURVIVAL = 0.1


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
        _, here, there = np.intersect1d(
            self.ids, other.ids, assume_unique=True, return_indices=True
        )
        return self.points[here], other.points[there]

    def to(self, other: View) -> Homography:
        """Return the homography from this frame's pixels to another's of the same shot.

        It comes from the points that both show; where those are too few, from the chain of frames
        in between.
        """
        fitted = _fit(*self.shared(other))
        if fitted is not None:
            return fitted
        return np.asarray(inverse(other.from_start) @ self.from_start, np.float64)


class Camera:
    """Follows points through a clip, frame by frame.

    Lucas-Kanade (Bouguet 2001) with a check forth and back, on what is not masked.

    Args:
        max_width_px: wider frames are followed at this width.
    """

    def __init__(self, max_width_px: int = 640) -> None:
        self._max_width_px = max_width_px
        self._grey: NDArray[np.uint8] | None = None
        self._histogram: NDArray[np.float32] | None = None
        self._view: View | None = None
        self._shape: tuple[int, ...] = ()
        self._next_id = 0

    def see(self, image: Frame, mask: Mask) -> View:
        """Take in the next frame and what of it must not be looked at."""
        scale = min(1.0, self._max_width_px / image.shape[1])
        grey, known = _reduced(image, mask, scale)
        histogram = _histogram(grey, known)
        view = self._followed(image.shape, grey, known, histogram, scale)
        view = self._replenished(view, grey, known, scale)
        self._grey, self._histogram, self._view = grey, histogram, view
        self._shape = image.shape
        return view

    def _followed(
        self,
        shape: tuple[int, ...],
        grey: NDArray[np.uint8],
        known: NDArray[np.uint8],
        histogram: NDArray[np.float32],
        scale: float,
    ) -> View:
        before = self._view
        if before is None or self._grey is None or shape != self._shape:
            return _first_view(before)
        start = _scaled(before.points, scale)
        end, good = _lucas_kanade(self._grey, grey, start)
        correlation = 1.0
        if self._histogram is not None:
            correlation = float(cv2.compareHist(self._histogram, histogram, cv2.HISTCMP_CORREL))
        if _is_cut(good, correlation):
            return _first_view(before)
        x, y = np.rint(end).astype(int).T
        height, width = grey.shape
        good &= (x >= 0) & (y >= 0) & (x < width) & (y < height)
        good[good] &= known[y[good], x[good]] > 0
        points = _scaled(end[good], 1 / scale)
        step = _fit(points, before.points[good])
        chained = before.from_start if step is None else before.from_start @ step
        return View(before.shot, before.ids[good], points, chained)

    def _replenished(
        self, view: View, grey: NDArray[np.uint8], known: NDArray[np.uint8], scale: float
    ) -> View:
        missing = _POINTS - len(view.ids)
        if missing < _POINTS // 5 or min(grey.shape) < 16:
            return view
        distance_px = max(4, round(0.6 * float(np.sqrt(grey.size / _POINTS))))
        free = known.copy()
        for x, y in np.rint(_scaled(view.points, scale)).astype(int):
            cv2.circle(free, (int(x), int(y)), distance_px, 0, cv2.FILLED)
        found = cv2.goodFeaturesToTrack(grey, missing, 0.005, distance_px, mask=free)
        if found is None:
            return view
        points = _scaled(found.reshape(-1, 2), 1 / scale)
        ids = np.arange(self._next_id, self._next_id + len(points))
        self._next_id += len(points)
        return View(
            view.shot,
            np.concatenate((view.ids, ids)),
            np.concatenate((view.points, points)),
            view.from_start,
        )


def inverse(homography: Homography) -> Homography:
    """Return the way back; nowhere in particular where there is none."""
    try:
        return np.asarray(np.linalg.inv(homography), np.float64)
    except np.linalg.LinAlgError:
        return np.eye(3)


def _first_view(before: View | None) -> View:
    shot = 0 if before is None else before.shot + 1
    return View(shot, np.empty(0, np.int64), np.empty((0, 2), np.float32), np.eye(3))


def _is_cut(good: NDArray[np.bool_], correlation: float) -> bool:
    if len(good) < _MIN_SHARED:
        return correlation < _CUT_CORRELATION
    survival = float(good.mean())
    if survival < _CERTAIN_SURVIVAL:
        return True
    return survival < _CUT_SURVIVAL and correlation < _CUT_CORRELATION


def _reduced(image: Frame, mask: Mask, scale: float) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    # What is to vanish must not even tell the tracker where to go.
    grey[mask] = 128
    known = np.where(mask, np.uint8(0), np.uint8(1))
    if scale < 1:
        size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
        grey = cv2.resize(grey, size, interpolation=cv2.INTER_AREA)
        known = cv2.resize(known, size, interpolation=cv2.INTER_NEAREST)
    # A point's surroundings are looked at too: it must keep away from what is masked.
    return grey, cv2.erode(known, np.ones((7, 7), np.uint8))


def _histogram(grey: NDArray[np.uint8], known: NDArray[np.uint8]) -> NDArray[np.float32]:
    counts = cv2.calcHist([grey], [0], known, [32], [0, 256])
    # Smoothed, so that a slight change of exposure does not move every pixel to another bin.
    smooth = cv2.GaussianBlur(counts, (1, 5), 0)
    return np.asarray(smooth / max(float(smooth.sum()), 1.0), np.float32)


def _lucas_kanade(
    before: NDArray[np.uint8], after: NDArray[np.uint8], start: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    if not len(start):
        return start, np.empty(0, bool)
    flow = partial(
        cv2.calcOpticalFlowPyrLK, winSize=_LK_WINDOW, maxLevel=_LK_LEVELS, criteria=_LK_STOP
    )
    end, found, _ = flow(before, after, start, np.empty_like(start))
    back, found_back, _ = flow(after, before, end, np.empty_like(start))
    error = np.abs(back - start).max(axis=1)
    good = (found[:, 0] > 0) & (found_back[:, 0] > 0) & (error < _BACK_AND_FORTH_PX)
    return end, good


def _fit(start: NDArray[np.float32], end: NDArray[np.float32]) -> Homography | None:
    """Fit a homography robustly (MAGSAC++, Barath et al. 2020); None where that can not be."""
    if len(start) < _MIN_SHARED:
        return None
    found, inliers = cv2.findHomography(start, end, cv2.USAC_MAGSAC, 2.0, maxIters=500)
    if found is None or int(inliers.sum()) < _MIN_SHARED or not np.isfinite(found).all():
        return None
    return np.asarray(found, np.float64)


def _scaled(points: NDArray[np.float32], scale: float) -> NDArray[np.float32]:
    """Move points to a picture of another size; pixel centres are whole numbers in both."""
    return np.asarray((points + 0.5) * scale - 0.5, np.float32)
