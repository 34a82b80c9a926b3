"""Tell the things that move by themselves in one part of a frame apart, by their velocity."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from outtake.core.compiled_loops import compile_loop
from outtake.core.types import Frame, Mask
from outtake.motion.warp import Points, project_points
from outtake.removal.clean_plate.hole_regions import Floats
from outtake.removal.clean_plate.moving_mask import Flags
from outtake.removal.clean_plate.small_frames import SmallFrame, homography_between

# The fastest motion from frame to frame that is looked for, as a fraction of the height.
_FASTEST = 0.05
_STEPS = (-2, -1, 1, 2)
_FITS_GREY = 22.0
# A point fits a velocity if another one fits it better by at most so much.
_SLACK_GREY = 7.0
_MIN_POINTS, _MIN_SHARE, _MOST = 24, 0.06, 4


def split_by_velocity(
    points: Points, frame: SmallFrame, frames: Mapping[int, SmallFrame]
) -> list[tuple[NDArray[np.float64], Mask]]:
    """Return the velocities that many points have, and which of them do.

    Args:
        points: Pixels of the frame, float32 (n, 2).
        frame: The frame.
        frames: The frames around it.

    Returns:
        For each velocity, most points first: the motion from one frame to the next beyond that of
        the camera, in pixels, (2,), and the points that move so, bool (n,).
    """
    reach = max(4, round(_FASTEST * len(frame.known)))
    side = 2 * reach + 1
    forth = np.full((len(points), side * side), np.inf, np.float32)
    back = forth.copy()
    for step in _STEPS:
        other = frames.get(frame.number + step)
        if other is None:
            continue
        there = homography_between(frame, other, frames)
        _add_costs(
            points, project_points(there, points), frame.image, other.image, other.known,
            step, reach, forth if step > 0 else back,
        )  # fmt: skip
    costs = np.minimum(forth, back)
    return _vote(costs, reach)


def _vote(costs: Floats, reach: int) -> list[tuple[NDArray[np.float64], Mask]]:
    side = 2 * reach + 1
    left = np.ones(len(costs), bool)
    least = costs.min(axis=1)
    fits = np.maximum(np.float32(_FITS_GREY) - costs, 0)
    fits[costs > (least + _SLACK_GREY)[:, None]] = 0
    found = []
    for _ in range(_MOST + 1):
        votes = fits[left].sum(axis=0)
        best = int(votes.argmax())
        own = left & (fits[:, best] > 0)
        if np.count_nonzero(own) < max(_MIN_POINTS, _MIN_SHARE * len(costs)):
            break
        velocity = np.array((best % side - reach, best // side - reach), np.float64)
        # What moves with the camera is no layer, but takes its points.
        if np.abs(velocity).max() > 0:
            found.append((velocity, own))
        left &= ~own
    return found


@compile_loop
def _add_costs(
    points: Points,
    centres: Points,
    image: Frame,
    other: Frame,
    known: Flags,
    step: int,
    reach: int,
    costs: Floats,
) -> None:
    """Lower the costs (n, v) of velocities to those of another frame, or average them."""
    height, width = known.shape
    side = 2 * reach + 1
    for n in range(len(points)):
        x0, y0 = int(points[n, 0]), int(points[n, 1])
        x1, y1 = int(np.floor(centres[n, 0] + 0.5)), int(np.floor(centres[n, 1] + 0.5))
        for v in range(side * side):
            dx, dy = (v % side - reach) * step, (v // side - reach) * step
            total, count = 0, 0
            for k in range(9):
                i, j = 2 * (k % 3 - 1), 2 * (k // 3 - 1)
                a, b = x0 + i, y0 + j
                p, q = x1 + dx + i, y1 + dy + j
                if a < 0 or b < 0 or a >= width or b >= height:
                    continue
                if p < 0 or q < 0 or p >= width or q >= height or not known[q, p]:
                    continue
                worst = 0
                for c in range(3):
                    worst = max(
                        worst, int(abs(np.int32(image[b, a, c]) - np.int32(other[q, p, c])))
                    )
                total += min(worst, 60)
                count += 1
            if count < 5:
                continue
            mean = np.float32(total / count)
            if costs[n, v] == np.inf:
                costs[n, v] = mean
            else:
                costs[n, v] = (costs[n, v] + mean) / 2
