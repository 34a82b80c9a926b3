"""Whether what lies at the rim of a hole moves with the hole: then the mask is too small.

A remainder of the removed thing outside of its mask contradicts what other frames show of the
background, and the previous frame shows it at the same place relative to the hole.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from outtake.core.compiled_loops import compile_loop
from outtake.core.types import Frame, Mask
from outtake.motion.homography import Homography
from outtake.motion.warp import Points, project_points
from outtake.removal.clean_plate.frame_buffer import BufferedFrame
from outtake.removal.clean_plate.hole_regions import Floats, HoleRegion

# A pixel that the background predicts worse belongs to something else...
NOT_BACKGROUND_GREY = 15.0
# ...and to what is removed if the previous frame, moved with the hole, predicts it so much better.
_BETTER_RATIO = 0.4
# Where hole and background move alike, nothing can be said.
_MIN_RELATIVE_PX = 2.0
# The shift of the hole's centroid is off by as much, because masks tremble.
_SEARCH_PX = 4
# How far a hole moves from frame to frame at most, as a fraction of the height.
_REACH = 0.05
_MAX_POINTS = 200


def count_moving_with_hole(
    region: HoleRegion,
    points: Points,
    errors: Floats,
    frame: BufferedFrame,
    previous: BufferedFrame,
    to_previous: Homography,
) -> tuple[int, int]:
    """Count the pixels at the rim of a hole region that move with it.

    Args:
        region: The region.
        points: Pixels at its rim, integer positions (m, 2).
        errors: Their colours minus those that other frames predict, float32 (m, 3).
        frame: The frame.
        previous: The frame before it.
        to_previous: The homography from the frame to the previous one, of the background.

    Returns:
        The number of pixels that move with the hole, and of all that were looked at; (0, 0) if
        some are not of the background, and the hole does not move against it.
    """
    step = max(1, -(-len(points) // _MAX_POINTS))
    points, wrong = points[::step].astype(np.intp), np.abs(errors[::step]).mean(axis=1)
    foreign = wrong > NOT_BACKGROUND_GREY
    if not foreign.any():
        return 0, len(points)
    shift = _hole_shift(region, frame.mask, previous.mask)
    background = project_points(to_previous, region.centre[None])[0] - region.centre
    if shift is None or float(np.abs(background - shift).max()) < _MIN_RELATIVE_PX:
        return 0, 0
    moved = _error_moved_with_hole(points[foreign], np.rint(shift).astype(np.intp), frame, previous)
    return int(np.count_nonzero(moved < _BETTER_RATIO * wrong[foreign])), len(points)


def _hole_shift(region: HoleRegion, mask: Mask, previous: Mask) -> Points | None:
    """Return where the hole was in the previous frame, in pixels from here, float32 (2,)."""
    height, width = mask.shape
    reach = round(_REACH * height)
    left, top, columns, rows = region.tiles.box
    window = (
        slice(max(0, top - reach), min(height, top + rows + reach)),
        slice(max(0, left - reach), min(width, left + columns + reach)),
    )
    here, there = (_centroid(one[window]) for one in (mask, previous))
    return None if here is None or there is None else there - here


def _centroid(mask: Mask) -> Points | None:
    moments = cv2.moments(mask.view(np.uint8), binaryImage=True)
    if not moments["m00"]:
        return None
    return np.array([moments[key] / moments["m00"] for key in ("m10", "m01")], np.float32)


def _error_moved_with_hole(
    points: NDArray[np.intp], shift: NDArray[np.intp], frame: BufferedFrame, previous: BufferedFrame
) -> Floats:
    """Return how badly the previous frame predicts pixels (n, 2), moved by the best shift, (n,).

    Pixels that lie in its mask, or outside of it, are not predicted: infinity.
    """
    truth = np.ascontiguousarray(frame.image[points[:, 1], points[:, 0]])
    best, best_errors = shift, np.full(len(points), np.inf, np.float32)
    errors, least = best_errors.copy(), np.inf
    for around in (range(-_SEARCH_PX, _SEARCH_PX + 1, 2), range(-1, 2)):
        for tried in [best + np.array((dx, dy)) for dy in around for dx in around]:
            mean = _predict(points, tried, truth, previous.image, previous.mask, errors)
            if mean < least:
                least, best, best_errors = mean, tried, errors.copy()
    return best_errors


@compile_loop
def _predict(
    points: NDArray[np.intp],
    shift: NDArray[np.intp],
    truth: NDArray[np.uint8],
    image: Frame,
    mask: Mask,
    errors: Floats,
) -> float:
    """Write how badly an image predicts pixels moved by a shift; return the mean.

    Pixels that lie in its mask, or outside of it, are not predicted. Few pixels agree by chance: it
    is infinite if fewer than half are predicted.
    """
    total, known = 0.0, 0
    for i in range(len(points)):
        x, y = points[i, 0] + shift[0], points[i, 1] + shift[1]
        errors[i] = np.inf
        if x < 0 or y < 0 or x >= image.shape[1] or y >= image.shape[0] or mask[y, x]:
            continue
        error = 0
        for c in range(3):
            # Numba makes an unsigned number of int(), whose differences are never negative.
            error += int(abs(np.int32(image[y, x, c]) - np.int32(truth[i, c])))
        errors[i] = error / 3
        total += error / 3
        known += 1
    return total / known if 2 * known >= len(points) and known > 0 else np.inf
