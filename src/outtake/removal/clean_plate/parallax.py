"""How tracked points near a hole region deviate from the homography of the frame."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from outtake.core.compiled_loops import compile_loop
from outtake.motion.homography import Homography, invert_homography
from outtake.motion.warp import Points
from outtake.removal.clean_plate.frame_buffer import Reference
from outtake.removal.clean_plate.hole_regions import HoleRegion
from outtake.removal.clean_plate.read_pixels import project
from outtake.removal.clean_plate.ring_alignment import solve_symmetric

# The number of points near a region, weighted by nearness, that a parallax correction needs...
_MIN_POINTS = 3.0
# ...and the deviation of those points from which it is tried.
_MIN_DEVIATION_PX = 0.5
_MAX_DEVIATION_PX = 20.0
_PRIOR_SHIFT, _PRIOR_SLOPE = 0.01, 0.05
_TURNS, _LEAST_TYPICAL_PX = 3, 0.3


class ParallaxEstimator:
    """Measures how tracked points near a region deviate from the homography of the frame.

    Things that are nearer or farther than most of the frame move by another homography; around one
    region, an affine correction from the points there comes close (after Zaragoza et al. 2013).
    """

    def __init__(self, references: Sequence[Reference]) -> None:
        shared = [one.source.view.shared_points(one.frame.view) for one in references]
        self._starts = np.concatenate(([0], np.cumsum([len(here) for here, _ in shared])))
        self._points = np.concatenate([here for here, _ in shared])
        there = np.concatenate([there for _, there in shared])
        back = invert_homography(np.stack([one.homography for one in references]))
        self._errors = np.empty(self._points.shape)
        _measure_errors(back, self._starts, self._points, there, self._errors)

    def estimate_shifts(self, region: HoleRegion) -> NDArray[np.float64]:
        """Return a shift for each reference, (references, 6); 0 where none is needed."""
        shifts = np.zeros((len(self._starts) - 1, 6))
        _fit_shifts(
            self._starts, self._points, self._errors, region.centre, region.radius_px, shifts
        )
        return shifts


@compile_loop
def _measure_errors(
    back: Homography,
    starts: NDArray[np.int64],
    points: Points,
    there: Points,
    errors: NDArray[np.float64],
) -> None:
    """Write how far the points of references lie from where the homographies have them.

    Args:
        back: From each of r references to the frame, (r, 3, 3).
        starts: Where the points of each reference begin, (r + 1,).
        points: Points in the frame, (n, 2).
        there: The same ones in the reference, (n, 2).
        errors: The deviations in pixels of the frame; written, (n, 2).
    """
    for r in range(len(back)):
        for i in range(starts[r], starts[r + 1]):
            x, y = project(back[r], float(there[i, 0]), float(there[i, 1]))
            errors[i, 0], errors[i, 1] = x - points[i, 0], y - points[i, 1]


@compile_loop
def _fit_shifts(
    starts: NDArray[np.int64],
    points: Points,
    errors: NDArray[np.float64],
    centre: Points,
    radius_px: float,
    shifts: NDArray[np.float64],
) -> None:
    """Fit an affine shift of a region to the errors near it, for each reference.

    Args:
        starts: Where the points of each of r references begin, (r + 1,).
        points: Points in the frame, (n, 2).
        errors: How far they deviate, (n, 2).
        centre: The centre of the region, (2,).
        radius_px: Half of its extent.
        shifts: The parameters; written where points that are near deviate, (r, 6).
    """
    for r in range(len(shifts)):
        begin, count = starts[r], starts[r + 1] - starts[r]
        design, near = np.ones((count, 3)), np.empty(count)
        total, off = 0.0, 0.0
        for i in range(count):
            for axis in range(2):
                design[i, 1 + axis] = (points[begin + i, axis] - centre[axis]) / radius_px
            outside = max(max(abs(design[i, 1]), abs(design[i, 2])) - 1, 0.0)
            near[i] = np.exp(-0.5 * outside * outside)
            size = max(abs(errors[begin + i, 0]), abs(errors[begin + i, 1]))
            total += near[i]
            off += near[i] * min(size, _MAX_DEVIATION_PX)
        if total < _MIN_POINTS or off <= _MIN_DEVIATION_PX * total:
            continue
        for _ in range(_TURNS):
            _improve_shift(design, near, total, errors[begin : begin + count], shifts[r])


@compile_loop
def _improve_shift(
    design: NDArray[np.float64],
    near: NDArray[np.float64],
    total: float,
    errors: NDArray[np.float64],
    shift: NDArray[np.float64],
) -> None:
    """Fit a shift anew, with Cauchy weights by what the one before leaves.

    Args:
        design: 1 and the position from the centre in multiples of the radius, (n, 3).
        near: How much each point counts, (n,).
        total: The sum of that.
        errors: How far the points deviate, (n, 2).
        shift: The parameters, changed, (6,).
    """
    left = np.empty(len(near))
    typical = 0.0
    for i in range(len(near)):
        for axis in range(2):
            rest = errors[i, axis]
            for k in range(3):
                rest -= design[i, k] * shift[3 * axis + k]
            left[i] = abs(rest) if axis == 0 else max(left[i], abs(rest))
        typical += near[i] * left[i]
    typical = max(typical / total, _LEAST_TYPICAL_PX)
    normal, right = np.zeros((3, 3)), np.zeros((2, 3))
    for i in range(len(near)):
        weight = near[i] / (1 + (left[i] / typical) ** 2)
        for k in range(3):
            for m in range(3):
                normal[k, m] += weight * design[i, k] * design[i, m]
            for axis in range(2):
                right[axis, k] += weight * design[i, k] * errors[i, axis]
    normal[0, 0] += _PRIOR_SHIFT
    normal[1, 1] += _PRIOR_SLOPE
    normal[2, 2] += _PRIOR_SLOPE
    for axis in range(2):
        solve_symmetric(normal.copy(), right[axis])
        for k in range(3):
            shift[3 * axis + k] = right[axis, k]
