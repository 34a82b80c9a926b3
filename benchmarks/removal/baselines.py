"""Simple removers as a comparison."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from outtake.core.frames import FilledFrame, MaskedFrame, fill_hole
from outtake.core.types import Frame
from outtake.removal.inpaint import Inpaint

_POINTS, _MIN_SHARED, _REACH = 400, 12, 64


def telea(clip: Iterable[MaskedFrame]) -> Iterator[FilledFrame]:
    """OpenCV's inpainting (Telea 2004), frame by frame."""
    return Inpaint("telea")(clip)


def unaligned_median(clip: Iterable[MaskedFrame]) -> Iterator[FilledFrame]:
    """The median of what each pixel shows over the whole clip, as if the camera stood still."""
    items = list(clip)
    stack = np.stack([item.frame.image for item in items]).astype(np.float32)
    stack[np.stack([item.mask for item in items])] = np.nan
    median = median_of_known(stack)
    for item in items:
        yield fill_frame(item, median)


def homography_median(clip: Iterable[MaskedFrame]) -> Iterator[FilledFrame]:
    """The plain median of all neighbours, aligned by one homography of tracked points each."""
    items = list(clip)
    tracks = list(track_points(items))
    known = [cv2.erode((~item.mask).astype(np.uint8), np.ones((5, 5))) for item in items]
    for t, item in enumerate(items):
        rows, columns = np.nonzero(item.mask)
        seen = []
        for r in range(max(0, t - _REACH), min(len(items), t + _REACH + 1)):
            there = None if r == t or not len(rows) else pair_homography(tracks[t], tracks[r])
            if there is not None:
                image, visible = align(items[r].frame.image, known[r], there)
                colours = image[rows, columns].astype(np.float32)
                colours[visible[rows, columns] == 0] = np.nan
                seen.append(colours)
        fill = np.full(item.frame.image.shape, np.nan, np.float32)
        if seen:
            fill[rows, columns] = median_of_known(np.stack(seen))
        yield fill_frame(item, fill)


@dataclass(frozen=True)
class Tracks:
    """The tracked points of a frame: numbers and positions."""

    ids: NDArray[np.int64]
    points: NDArray[np.float32]


def track_points(items: Iterable[MaskedFrame]) -> Iterator[Tracks]:
    """Track points outside the mask (Lucas-Kanade) with a forward-backward check."""
    before, old, following = None, Tracks(np.empty(0, np.int64), np.empty((0, 2), np.float32)), 0
    for item in items:
        grey = cv2.cvtColor(item.frame.image, cv2.COLOR_RGB2GRAY)
        free = cv2.erode((~item.mask).astype(np.uint8), np.ones((7, 7)))
        ids, points = old.ids, old.points
        if before is not None and len(ids):
            points, found, _ = cv2.calcOpticalFlowPyrLK(before, grey, old.points, None)
            back, found_back, _ = cv2.calcOpticalFlowPyrLK(grey, before, points, None)
            good = (found & found_back)[:, 0] > 0
            good &= np.abs(back - old.points).max(axis=1) < 0.7
            x, y = np.clip(np.rint(points), 0, np.array(grey.shape)[::-1] - 1).astype(int).T
            good &= free[y, x] > 0
            # After a cut few points survive, and those are mistaken.
            good &= good.mean() > 0.3
            ids, points = ids[good], points[good]
        if len(ids) < _POINTS * 3 // 4:
            room = free.copy()
            for x, y in np.rint(points).astype(int):
                cv2.circle(room, (int(x), int(y)), 8, 0, cv2.FILLED)
            new = cv2.goodFeaturesToTrack(grey, _POINTS - len(ids), 0.005, 8, mask=room)
            if new is not None:
                points = np.concatenate((points, new.reshape(-1, 2)))
                ids = np.concatenate((ids, np.arange(following, following + len(new))))
                following += len(new)
        before, old = grey, Tracks(ids, points)
        yield old


def pair_homography(here: Tracks, there: Tracks) -> NDArray[np.float64] | None:
    """Return the homography between two frames; None where they share too few points."""
    _, a, b = np.intersect1d(here.ids, there.ids, assume_unique=True, return_indices=True)
    if len(a) < _MIN_SHARED:
        return None
    found, _ = cv2.findHomography(here.points[a], there.points[b], cv2.USAC_MAGSAC, 2.0)
    return None if found is None or not np.isfinite(found).all() else found


def align(
    image: Frame, known: NDArray[np.uint8], there: NDArray[np.float64]
) -> tuple[Frame, NDArray[np.uint8]]:
    """Warp a frame to another one, and where it is known."""
    size = image.shape[1::-1]
    inverse = cv2.WARP_INVERSE_MAP
    moved = cv2.warpPerspective(image, there, size, flags=cv2.INTER_CUBIC | inverse)
    return moved, cv2.warpPerspective(known, there, size, flags=cv2.INTER_NEAREST | inverse)


def median_of_known(stack: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the median along the first axis without NaN; NaN if there is nothing else."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return np.asarray(np.nanmedian(stack, axis=0), np.float32)


def fill_frame(item: MaskedFrame, fill: NDArray[np.float32]) -> FilledFrame:
    """Return a frame with its mask filled where the fill is no NaN, else inpainted."""
    image, mask = item.frame.image.copy(), item.mask
    valid = ~np.isnan(fill).any(axis=2)
    use = mask & valid
    image[use] = np.rint(fill[use]).astype(np.uint8)
    image = Inpaint("telea").fill(image, mask & ~valid)
    return FilledFrame(item, fill_hole(item.frame, image, item.mask))
