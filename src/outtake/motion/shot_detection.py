"""Detect where shots begin: cuts, fades and dissolves."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from outtake.motion.fades import CELLS, average_cells, is_blank, is_fade, shows_same_picture
from outtake.motion.homography import (
    MIN_SHARED_POINTS,
    TrackedView,
    invert_homography,
    resize_homography,
    scale_points,
)
from outtake.motion.point_patches import sample_patches

# After a cut, a smaller share of the tracked points survives...
_CUT_SURVIVAL = 0.35
# ...and histograms correlate less. If almost no point survives, the histogram is not asked.
_CUT_CORRELATION = 0.85
_CERTAIN_SURVIVAL = 0.1
# In a fade or a dissolve, each frame still resembles the previous one...
_SAME_CONTENT_CORRELATION, _FLAT_SPREAD_GREY, _MAX_FADE_STEP_GREY = 0.9, 4.0, 40.0
# ...and it lasts until points can be tracked again.
_STEADY_SURVIVAL = 0.6
# Where light comes or goes, fewer points are followed than this, and the picture stays.
_FADE_SURVIVAL, _FADE_FRAMES = 0.8, 8
# Over a dissolve, hardly any point survives of those that camera motion leaves in sight.
_DISSOLVE_FRAMES, _DISSOLVED_EXPECTED, _DISSOLVED_SURVIVAL = 32, 0.75, 0.08
_PATCH_PX, _PATCH_CORRELATION = 5, 0.7
# Where there is little to follow, points are noise and soon gone, and the camera that they tell
# drifts by a few pixels: then most of what is in sight, averaged over cells, is still the same.
# Frames of other streets that correlate so differ by 0.15 of their spread or more.
_SAME_VIEW_CORRELATION, _SAME_VIEW_DIFFERENCE = 0.8, 0.1
# Of the surviving points, about this many are compared.
_MAX_COMPARED_POINTS = 90
# A shot goes on after a flash if this share of the points before it is found again.
_RETURNED_SURVIVAL = 0.5


class ShotDetector:
    """Distinguishes cuts, fades and dissolves from camera motion."""

    def __init__(self) -> None:
        self._grey: NDArray[np.uint8] | None = None
        self._histogram: NDArray[np.float32] | None = None
        self._recent_views: deque[_RememberedFrame] = deque(maxlen=_DISSOLVE_FRAMES)
        self._fading = self._blank = False
        self._frames_fading = 0

    def remember(
        self, grey: NDArray[np.uint8], known: NDArray[np.uint8], view: TrackedView
    ) -> None:
        """Remember a frame, reduced as the tracker does it, and its camera."""
        if self._recent_views and self._recent_views[-1].view.shot != view.shot:
            self._recent_views.clear()
        self._grey, self._histogram = grey, _compute_histogram(grey, known)
        self._blank = is_blank(grey, known)
        self._frames_fading = self._frames_fading + 1 if self._fading else 0
        self._recent_views.append(_RememberedFrame(grey, known, view))

    def list_known(self, known: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return 1 where both a frame and the one before may be used, uint8 (h, w)."""
        return np.asarray(self._recent_views[-1].known & known, np.uint8)

    def may_be_fade(self, tracked: NDArray[np.bool_]) -> bool:
        """Return True if so many points were lost that the light may have changed."""
        return len(tracked) >= MIN_SHARED_POINTS and float(tracked.mean()) < _FADE_SURVIVAL

    def is_fade(
        self,
        view: TrackedView,
        grey: NDArray[np.uint8],
        known: NDArray[np.uint8],
        scale: float,
    ) -> bool:
        """Return True if a frame shows what the one before showed, nearer to black or white.

        Args:
            view: What was tracked into the frame.
            grey: Its brightness as it is tracked, uint8 (h, w).
            known: 1 where the brightness may be used, uint8 (h, w).
            scale: The scale of the brightness.
        """
        # In a slow dissolve out of the dark each frame resembles the one before it.
        places = max(-_FADE_FRAMES, -len(self._recent_views)), -1
        for place, compare in zip(places, (shows_same_picture, is_fade), strict=True):
            before = self._recent_views[place]
            back = invert_homography(view.to_first_frame) @ before.view.to_first_frame
            moved, seen = _warp(before, back, scale)
            if not compare(moved, grey, np.asarray(known & seen, np.uint8)):
                return False
        return True

    def is_cut(
        self,
        tracked: NDArray[np.bool_],
        grey: NDArray[np.uint8],
        known: NDArray[np.uint8],
        in_fade: bool = False,
    ) -> bool:
        """Return True if a frame begins a shot; what cannot be followed in a fade is one.

        Args:
            tracked: True for each point that was tracked into the frame, bool (n,).
            grey: The brightness of the frame, uint8 (h, w).
            known: 1 where the brightness may be used, uint8 (h, w).
            in_fade: Whether it is the frame before, nearer to black or white.
        """
        if in_fade:
            # Of earlier frames that could not be followed nobody knows what they show.
            begins = self._fading and self._frames_fading > 1
            self._fading = False
            return begins
        survival = float(tracked.mean()) if len(tracked) >= MIN_SHARED_POINTS else 0.0
        if self._blank and not is_blank(grey, known):
            # Out of black anything may come.
            self._fading = False
            return True
        if self._fading:
            self._fading = survival < _STEADY_SURVIVAL
            return not self._fading
        correlation = 1.0
        if self._is_flat(grey, known) and len(tracked) >= MIN_SHARED_POINTS:
            correlation = 0.0  # the histograms of such pictures are the same
        elif self._histogram is not None:
            histogram = _compute_histogram(grey, known)
            correlation = float(cv2.compareHist(self._histogram, histogram, cv2.HISTCMP_CORREL))
        lost = survival < _CUT_SURVIVAL and correlation < _CUT_CORRELATION
        if len(tracked) >= MIN_SHARED_POINTS:
            lost |= survival < _CERTAIN_SURVIVAL
        if lost and self._grey is not None:
            self._frames_fading = 0
            self._fading = _has_same_content(self._grey, grey, known)
        return lost

    def _is_flat(self, grey: NDArray[np.uint8], known: NDArray[np.uint8]) -> bool:
        """Return True if a frame and the one before have too little contrast for a histogram."""
        if not self._recent_views:
            return False
        before = self._recent_views[-1]
        pictures = (before.grey, before.known), (grey, known)
        return max(_measure_spread(*each) for each in pictures) < 2 * _FLAT_SPREAD_GREY

    def is_dissolve(
        self,
        view: TrackedView,
        shape: tuple[int, ...],
        grey: NDArray[np.uint8],
        known: NDArray[np.uint8],
        scale: float,
    ) -> bool:
        """Return True if points of some frames ago are gone, though they should be in sight.

        Args:
            view: What was tracked into the frame.
            shape: The shape of the frame, (H, W, ...).
            grey: Its brightness as it is tracked, uint8 (h, w).
            known: 1 where the brightness may be used, uint8 (h, w).
            scale: The scale of the brightness, h/H.
        """
        before, past = self._recent_views[0].grey, self._recent_views[0].view
        if self._fading or len(past.ids) < 3 * MIN_SHARED_POINTS:
            return False
        back = invert_homography(view.to_first_frame) @ past.to_first_frame
        there = cv2.perspectiveTransform(past.points[:, None], back)[:, 0]
        expected = ((there >= 0) & (there < (shape[1], shape[0]))).all(axis=1).mean()
        if expected < _DISSOLVED_EXPECTED:
            return False
        # In a fade there is too little contrast to decide.
        pictures = (before, self._recent_views[0].known), (grey, known)
        if min(_measure_spread(*each) for each in pictures) < 3 * _FLAT_SPREAD_GREY:
            return False
        shared = past.shared_points(view)
        step = max(1, len(shared[0]) // _MAX_COMPARED_POINTS)
        here, there = (scale_points(each[::step], scale) for each in shared)
        survived = step * np.count_nonzero(_match_patches(before, here, grey, there))
        if survived >= _DISSOLVED_SURVIVAL * len(past.ids):
            return False
        moved, seen = _warp(self._recent_views[0], back, scale)
        both = np.asarray(known & seen, np.uint8)
        return not _shows_same_view(moved, grey, both)


def _measure_spread(grey: NDArray[np.uint8], known: NDArray[np.uint8]) -> float:
    """Return the standard deviation of what is known of a brightness, in grey levels."""
    return float(cv2.meanStdDev(grey, mask=known)[1][0, 0])


def shows_tracked_points(
    before: NDArray[np.uint8],
    start: NDArray[np.float32],
    after: NDArray[np.uint8],
    end: NDArray[np.float32],
    tracked: NDArray[np.bool_],
) -> bool:
    """Return True if a picture shows most of the points that were tracked into it from another.

    Args:
        before: The brightness of the other, uint8 (h, w).
        start: The points there, float32 (n, 2).
        after: The brightness of the picture, uint8 (h, w).
        end: The points as they were tracked, float32 (n, 2).
        tracked: True for each that came back to where it began, bool (n,).
    """
    least = max(MIN_SHARED_POINTS, _RETURNED_SURVIVAL * len(tracked))
    if np.count_nonzero(tracked) < least:
        return False
    alike = _match_patches(before, start[tracked], after, end[tracked])
    return bool(np.count_nonzero(alike) >= least)


class _RememberedFrame(NamedTuple):
    grey: NDArray[np.uint8]
    known: NDArray[np.uint8]
    view: TrackedView


def _warp(
    frame: _RememberedFrame, homography: NDArray[np.float64], scale: float
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return the brightness of a frame as another camera sees it, and 1 where it is known.

    Args:
        frame: The frame.
        homography: From its positions to those of the other, in pixels that are not reduced.
        scale: The scale of the brightness.
    """
    reduce = resize_homography(scale)
    reduced = reduce @ homography @ invert_homography(reduce)
    moved, seen = (
        cv2.warpPerspective(each, reduced, each.shape[::-1], flags=flags)
        for each, flags in ((frame.grey, cv2.INTER_LINEAR), (frame.known, cv2.INTER_NEAREST))
    )
    return np.asarray(moved, np.uint8), np.asarray(seen, np.uint8)


def _has_same_content(
    before: NDArray[np.uint8], after: NDArray[np.uint8], known: NDArray[np.uint8]
) -> bool:
    """Return True if two images differ in contrast and brightness rather than in content."""
    one, other = average_cells(before, after, known=known)
    if len(one) < CELLS[0]:
        return False
    spreads = (float(one.std()), float(other.std()))
    if min(spreads) < _FLAT_SPREAD_GREY:
        return (
            abs(float(one.mean() - other.mean())) < _MAX_FADE_STEP_GREY
            and max(spreads) < 3 * _FLAT_SPREAD_GREY
        )
    return float(np.corrcoef(one, other)[0, 1]) > _SAME_CONTENT_CORRELATION


def _shows_same_view(
    before: NDArray[np.uint8], after: NDArray[np.uint8], known: NDArray[np.uint8]
) -> bool:
    """Return True if most of two images is the same, in another light or not."""
    one, other = average_cells(before, after, known=known)
    if len(one) < CELLS[0] or min(float(one.std()), float(other.std())) < _FLAT_SPREAD_GREY:
        return False
    correlation = float(np.corrcoef(one, other)[0, 1])
    slope = correlation * other.std() / one.std()
    apart = np.abs(other - other.mean() - slope * (one - one.mean()))
    return (
        correlation > _SAME_VIEW_CORRELATION
        and float(np.median(apart)) < _SAME_VIEW_DIFFERENCE * other.std()
    )


def _match_patches(
    before: NDArray[np.uint8],
    points_before: NDArray[np.float32],
    after: NDArray[np.uint8],
    points_after: NDArray[np.float32],
) -> NDArray[np.bool_]:
    """Return which points (n, 2) of two images have similar surroundings, bool (n,)."""
    if not len(points_before):
        return np.zeros(0, bool)
    one = sample_patches(before, points_before, _PATCH_PX)
    other = sample_patches(after, points_after, _PATCH_PX)
    one, other = (each - each.mean(axis=1, keepdims=True) for each in (one, other))
    both = np.sqrt(np.square(one).sum(axis=1) * np.square(other).sum(axis=1))
    return np.asarray((one * other).sum(axis=1) > _PATCH_CORRELATION * both, bool)


def _compute_histogram(grey: NDArray[np.uint8], known: NDArray[np.uint8]) -> NDArray[np.float32]:
    counts = cv2.calcHist([grey], [0], known, [32], [0, 256])
    # Smoothing keeps a slight change of exposure from moving every pixel to another bin.
    smooth = cv2.GaussianBlur(counts, (1, 5), 0)
    return np.asarray(smooth / max(float(smooth.sum()), 1.0), np.float32)
