"""Track the camera by points that are followed from frame to frame."""

from __future__ import annotations

import math
from collections import deque
from functools import partial
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from outtake.core.types import Frame, Mask
from outtake.motion.fades import match_exposure
from outtake.motion.homography import TrackedView, fit_homography, scale_points
from outtake.motion.point_patches import sample_patches
from outtake.motion.shot_detection import ShotDetector, shows_tracked_points

_MAX_POINTS = 360
_LK_WINDOW, _LK_LEVELS = (15, 15), 3
_LK_STOP = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 10, 0.03)
_MAX_ROUND_TRIP_PX = 0.7
# Points are corners, of at least this share of the strongest...
_LEAST_CORNER = 0.005
# ...and stronger than those of white noise, as a multiple of its variance in squared grey levels.
_NOISE_CORNER = 4e-5
_OF_QUIETEST = 1.6  # the deviation of noise, as a multiple of the least of 90 patches
_NOISE_PATCH_PX, _MIN_NOISE_PATCHES, _MAX_NOISE_PATCHES = 2, 4, 90
# Flashes of light and frames that are damaged or inserted last no longer.
RETURN_FRAMES = 5


class _LeftFrame(NamedTuple):
    """The last frame before a cut: its brightness as it was tracked, its camera and its number."""

    grey: NDArray[np.uint8]
    view: TrackedView
    number: int


class CameraTracker:
    """Tracks points through a clip, frame by frame.

    Lucas-Kanade (Bouguet 2001) with a forward-backward check, outside the mask. A shot goes on
    after at most ``RETURN_FRAMES`` frames of something else: a flash does not divide it.

    Args:
        max_width_px: The width at which wider frames are tracked.
    """

    def __init__(self, max_width_px: int = 640) -> None:
        self._max_width_px = max_width_px
        self._grey: NDArray[np.uint8] | None = None
        self._view: TrackedView | None = None
        self._shape: tuple[int, ...] = ()
        self._next_id, self._next_shot, self._number = 0, 0, 0
        self._left_frames: deque[_LeftFrame] = deque(maxlen=RETURN_FRAMES)
        self._shot_detector = ShotDetector()
        self._noise_grey = 0.0

    def update(self, image: Frame, mask: Mask, is_consecutive: bool = True) -> TrackedView:
        """Track into the next frame, without its masked pixels.

        A frame that is not consecutive begins a shot.
        """
        if not is_consecutive:
            self._grey = None
        grey, known, scale = prepare_tracking_image(image, mask, self._max_width_px)
        view = self._track(image.shape, grey, known, scale)
        view = self._add_points(view, grey, known, scale)
        self._grey, self._view = grey, view
        self._shot_detector.remember(grey, known, view)
        self._shape = image.shape
        self._number += 1
        return view

    def list_open_shots(self) -> set[int]:
        """Return the numbers of the shots that the next frame may go on with."""
        view = self._view
        return {
            *(() if view is None else (view.shot,)),
            *(one.view.shot for one in self._left_frames if self._is_in_reach(one)),
        }

    def _is_in_reach(self, left: _LeftFrame) -> bool:
        return self._number - left.number <= RETURN_FRAMES

    def _track(
        self,
        shape: tuple[int, ...],
        grey: NDArray[np.uint8],
        known: NDArray[np.uint8],
        scale: float,
    ) -> TrackedView:
        before = self._view
        self._noise_grey = 0.0  # nobody knows yet where a shot begins
        if before is None or self._grey is None or shape != self._shape:
            self._left_frames.clear()
            return self._start_shot()
        end, good = follow_points(self._grey, grey, scale_points(before.points, scale))
        view = None
        if self._shot_detector.may_be_fade(good):
            view = self._follow_fade(before, self._grey, grey, known, scale)
        if self._shot_detector.is_cut(good, grey, known, in_fade=view is not None):
            view = self._return_to_shot(grey, known, scale)
            self._left_frames.append(_LeftFrame(self._grey, before, self._number))
            return self._start_shot() if view is None else view
        if view is None:
            view = self._move_view(before, self._grey, grey, known, scale, end, good)
        if self._shot_detector.is_dissolve(view, shape, grey, known, scale):
            return self._start_shot()
        return view

    def _start_shot(self) -> TrackedView:
        shot = self._next_shot
        self._next_shot += 1
        return TrackedView(shot, np.empty(0, np.int64), np.empty((0, 2), np.float32), np.eye(3))

    def _follow_fade(
        self,
        before: TrackedView,
        grey_before: NDArray[np.uint8],
        grey: NDArray[np.uint8],
        known: NDArray[np.uint8],
        scale: float,
    ) -> TrackedView | None:
        """Return the camera of a frame that shows the one before in another light, or None."""
        both = self._shot_detector.list_known(known)
        pair = match_exposure(grey_before, grey, both)
        if pair is None:
            return None
        start = scale_points(before.points, scale)
        end, good = follow_points(pair.before, pair.after, start)
        if not shows_tracked_points(pair.before, start, pair.after, end, good):
            return None
        view = self._move_view(before, pair.faded, grey, known, scale, end, good)
        return view if self._shot_detector.is_fade(view, grey, known, scale) else None

    def _return_to_shot(
        self, grey: NDArray[np.uint8], known: NDArray[np.uint8], scale: float
    ) -> TrackedView | None:
        """Return the camera in a shot that was left a few frames ago, if it goes on."""
        for left in reversed(self._left_frames):
            if not self._is_in_reach(left):
                break
            start = scale_points(left.view.points, scale)
            end, good = follow_points(left.grey, grey, start)
            if shows_tracked_points(left.grey, start, grey, end, good):
                return self._move_view(left.view, left.grey, grey, known, scale, end, good)
        return None

    def _move_view(
        self,
        before: TrackedView,
        grey_before: NDArray[np.uint8],
        grey: NDArray[np.uint8],
        known: NDArray[np.uint8],
        scale: float,
        end: NDArray[np.float32],
        good: NDArray[np.bool_],
    ) -> TrackedView:
        """Return the camera of a frame by what was followed into it from one before.

        Args:
            before: The camera of the one before.
            grey_before: Its brightness as it is tracked, uint8 (h, w).
            grey: The brightness of the frame, uint8 (h, w).
            known: 1 where the brightness may be used, uint8 (h, w).
            scale: The scale of both.
            end: Where the points are in the frame, reduced as it is, float32 (n, 2).
            good: True for each that was followed, bool (n,).
        """
        start = scale_points(before.points, scale)
        x, y = np.rint(end).astype(int).T
        height, width = grey.shape
        good = good & (x >= 0) & (y >= 0) & (x < width) & (y < height)
        good[good] &= known[y[good], x[good]] > 0
        self._noise_grey = _measure_noise(grey_before, grey, start[good], end[good])
        points = scale_points(end[good], 1 / scale)
        step = fit_homography(points, before.points[good])
        chained = before.to_first_frame if step is None else before.to_first_frame @ step
        return TrackedView(before.shot, before.ids[good], points, chained)

    def _add_points(
        self, view: TrackedView, grey: NDArray[np.uint8], known: NDArray[np.uint8], scale: float
    ) -> TrackedView:
        if _MAX_POINTS - len(view.ids) < _MAX_POINTS // 5 or min(grey.shape) < 16:
            return view
        strength = cv2.cornerMinEigenVal(grey, blockSize=3) if self._noise_grey else None
        least = _NOISE_CORNER * self._noise_grey**2
        if strength is not None:
            view = _drop_noise(view, np.asarray(strength, np.float32), least, scale)
        missing = _MAX_POINTS - len(view.ids)
        distance_px = max(4, round(0.6 * float(np.sqrt(grey.size / _MAX_POINTS))))
        free = known.copy()
        for x, y in np.rint(scale_points(view.points, scale)).astype(int):
            cv2.circle(free, (int(x), int(y)), distance_px, 0, cv2.FILLED)
        least_share = _LEAST_CORNER
        if strength is not None:
            strongest = float(cv2.minMaxLoc(strength, free)[1])
            if strongest <= least:
                return view
            least_share = max(least_share, least / strongest)
        found = cv2.goodFeaturesToTrack(grey, missing, least_share, distance_px, mask=free)
        if found is None:
            return view
        points = scale_points(found.reshape(-1, 2), 1 / scale)
        ids = np.arange(self._next_id, self._next_id + len(points))
        self._next_id += len(points)
        return TrackedView(
            view.shot,
            np.concatenate((view.ids, ids)),
            np.concatenate((view.points, points)),
            view.to_first_frame,
        )


def _drop_noise(
    view: TrackedView, strength: NDArray[np.float32], least: float, scale: float
) -> TrackedView:
    """Return a view without the points that are no stronger corners than noise has.

    Such a point moves as it likes: to hundreds of them any camera can be fitted. In the first frame
    of a shot nothing is known of the noise.
    """
    x, y = np.rint(scale_points(view.points, scale)).astype(int).T
    around = cv2.dilate(strength, np.ones((5, 5), np.uint8))
    height, width = around.shape
    kept = around[np.clip(y, 0, height - 1), np.clip(x, 0, width - 1)] >= least
    return TrackedView(view.shot, view.ids[kept], view.points[kept], view.to_first_frame)


def _measure_noise(
    before: NDArray[np.uint8],
    after: NDArray[np.uint8],
    start: NDArray[np.float32],
    end: NDArray[np.float32],
) -> float:
    """Return the standard deviation of noise in grey levels, by what is around followed points.

    Of too few points it is 0. Where there is texture, a point that is followed to a tenth of a
    pixel leaves more than noise: the quietest of the points counts.
    """
    if len(start) < _MIN_NOISE_PATCHES:
        return 0.0
    step = max(1, len(start) // _MAX_NOISE_PATCHES)
    # At whole pixels before, so that one of the two is as noisy as the frame is.
    whole = np.asarray(np.rint(start[::step]), np.float32)
    moved = end[::step] + (whole - start[::step])
    difference = sample_patches(after, moved, _NOISE_PATCH_PX)
    difference -= sample_patches(before, whole, _NOISE_PATCH_PX)
    difference -= difference.mean(axis=1, keepdims=True)  # light that has changed
    # Bilinear sampling leaves 0.44 of the variance of the other.
    return _OF_QUIETEST * float(difference.std(axis=1).min()) / math.sqrt(1.44)


def prepare_tracking_image(
    image: Frame, mask: Mask, max_width_px: int
) -> tuple[NDArray[np.uint8], NDArray[np.uint8], float]:
    """Reduce a frame to grey at no more than a given width.

    Returns:
        The brightness, uint8 (h, w), 1 where it may be used, uint8 (h, w), and the scale.
    """
    image, known, scale = reduce_picture(image, mask, max_width_px)
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    # What is removed must not influence the tracker.
    grey = np.where(known, grey, np.uint8(128))
    # The tracker uses the surroundings of a point: points must keep away from the mask.
    return grey, cv2.erode(known, np.ones((7, 7), np.uint8)), scale


def reduce_picture(
    image: Frame, mask: Mask, max_width_px: int
) -> tuple[Frame, NDArray[np.uint8], float]:
    """Reduce a frame by an integer factor to no more than a given width.

    Returns:
        The picture, uint8 (h, w, 3), 1 where nothing of it is masked, uint8 (h, w), and the scale.
    """
    hidden = np.ascontiguousarray(mask).view(np.uint8) * np.uint8(255)
    factor = -(-image.shape[1] // max_width_px)
    if factor > 1:
        # Averaging an integer number of pixels is fastest; the remainder at the edges is cut off.
        rows, columns = (max(1, side // factor) for side in image.shape[:2])
        part, size = (slice(rows * factor), slice(columns * factor)), (columns, rows)
        image = np.asarray(cv2.resize(image[part], size, interpolation=cv2.INTER_AREA), np.uint8)
        hidden = np.asarray(cv2.resize(hidden[part], size, interpolation=cv2.INTER_AREA), np.uint8)
    return image, np.where(hidden > 0, np.uint8(0), np.uint8(1)), 1 / factor


def follow_points(
    before: NDArray[np.uint8], after: NDArray[np.uint8], start: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Follow points from one brightness to another by Lucas-Kanade, there and back.

    Returns:
        Where they are, float32 (n, 2), and which came back to where they began, bool (n,).
    """
    if not len(start):
        return start, np.empty(0, bool)
    flow = partial(
        cv2.calcOpticalFlowPyrLK, winSize=_LK_WINDOW, maxLevel=_LK_LEVELS, criteria=_LK_STOP
    )
    end, found, _ = flow(before, after, start, np.empty_like(start))
    back, found_back, _ = flow(after, before, end, np.empty_like(start))
    error = np.abs(back - start).max(axis=1)
    good = (found[:, 0] > 0) & (found_back[:, 0] > 0) & (error < _MAX_ROUND_TRIP_PX)
    return end, good
