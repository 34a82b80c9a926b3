"""Compiled loops that align one reference to the rings around all hole regions.

The rings of s regions lie one behind the other in arrays of m pixels; those of region k are
``starts[k]`` to ``starts[k + 1]``.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from outtake.core.compiled_loops import compile_loop
from outtake.motion.homography import Homography
from outtake.motion.warp import Points
from outtake.removal.clean_plate.hole_regions import Floats
from outtake.removal.clean_plate.read_pixels import Flags, is_known, project, read_brightness
from outtake.removal.clean_plate.ring_scores import Errors, score_brightness

# The shift that the refinement expects at the edge of a region, and the least step it takes.
_PRIOR_PX, _MIN_STEP_PX = 1.5, 0.12


@compile_loop
def _compare_ring(
    brightness: Flags,
    homography: Homography,
    points: Points,
    wanted: Flags,
    errors: Errors,
    seen: Flags,
) -> None:
    """Write the ring's brightness minus the reference's, and 1 where the reference shows it."""
    for i in range(len(points)):
        x, y = project(homography, float(points[i, 0]), float(points[i, 1]))
        seen[i] = is_known(brightness, x, y)
        errors[i] = 0
        if seen[i]:
            errors[i] = np.int16(wanted[i]) - np.int16(read_brightness(brightness, x, y))


@compile_loop
def solve_symmetric(normal: NDArray[np.float64], right: NDArray[np.float64]) -> None:
    """Solve equations with a positive definite matrix by Cholesky, in place of the right side.

    Args:
        normal: The matrix (n, n), of which the lower triangle is read; overwritten.
        right: The right side (n,), replaced by the solution.
    """
    size = len(right)
    for j in range(size):
        for k in range(j):
            normal[j, j] -= normal[j, k] * normal[j, k]
        normal[j, j] = np.sqrt(max(normal[j, j], 1e-12))
        for i in range(j + 1, size):
            for k in range(j):
                normal[i, j] -= normal[i, k] * normal[j, k]
            normal[i, j] /= normal[j, j]
    for i in range(size):
        for k in range(i):
            right[i] -= normal[i, k] * right[k]
        right[i] /= normal[i, i]
    for i in range(size - 1, -1, -1):
        for k in range(i + 1, size):
            right[i] -= normal[k, i] * right[k]
        right[i] /= normal[i, i]


@compile_loop
def _largest_step(step: NDArray[np.float64], count: int) -> float:
    """Return the largest size of the first ``count`` parameters of a shift, in pixels."""
    reach = 0.0
    for i in range(count):
        reach = max(reach, abs(step[i]))
    return reach


@compile_loop
def _gauss_newton_step(
    errors: Errors, seen: Flags, slopes: Floats, products: Floats
) -> NDArray[np.float64]:
    """Return the shift that explains the errors, and a constant, (7,).

    One Gauss-Newton step with Cauchy weights, and a prior for small shifts.
    """
    count, total = 0, 0.0
    for i in range(len(errors)):
        if seen[i]:
            count += 1
            total += errors[i]
    mean = total / max(count, 1)
    typical = 0.0
    for i in range(len(errors)):
        if seen[i]:
            typical += abs(errors[i] - mean)
    typical = max(typical / max(count, 1), 1.0)
    upper, sums = np.zeros(28, np.float32), np.zeros(7, np.float32)
    for i in range(len(errors)):
        if seen[i]:
            off = (errors[i] - mean) * (0.5 / typical)
            weight = np.float32(1.0 / (1.0 + off * off))
            for k in range(28):
                upper[k] += weight * products[i, k]
            weight *= np.float32(errors[i])
            for k in range(7):
                sums[k] += weight * slopes[i, k]
    normal, right = np.empty((7, 7)), np.empty(7)
    k = 0
    for i in range(7):
        right[i] = sums[i]
        for j in range(i, 7):
            normal[i, j] = normal[j, i] = upper[k]
            k += 1
    prior = (typical / _PRIOR_PX) ** 2
    for i in range(6):
        normal[i, i] += prior
    normal[6, 6] += 1e-3
    solve_symmetric(normal, right)
    reach = _largest_step(right, 6)
    if reach > 2 * _PRIOR_PX:
        for i in range(6):
            right[i] *= 2 * _PRIOR_PX / reach
    return right


@compile_loop
def shift_homography(
    homography: Homography, step: NDArray[np.float64], centre: Floats, radius_px: float
) -> Homography:
    """Return a homography after an affine shift (6,) of a region.

    Three parameters move x and three move y: a constant, and slopes along x and y from the centre,
    in pixels at the edge of the region.
    """
    shift = np.zeros((3, 3))
    for row in range(3):
        shift[row, row] = 1
    for row in range(2):
        for column in range(2):
            slope = step[3 * row + 1 + column] / radius_px
            shift[row, column] += slope
            shift[row, 2] -= slope * centre[column]
        shift[row, 2] += step[3 * row]
    moved = np.empty((3, 3))
    for row in range(3):
        for column in range(3):
            total = 0.0
            for k in range(3):
                total += homography[row, k] * shift[k, column]
            moved[row, column] = total
    return moved


@compile_loop
def align_reference(
    brightness: Flags,
    starts: NDArray[np.int64],
    points: Points,
    ring_brightness: Flags,
    slopes: Floats,
    products: Floats,
    centres: Floats,
    radii_px: NDArray[np.float64],
    proposals: NDArray[np.float64],
    is_first: bool,
    wanted: NDArray[np.bool_],
    homographies: Homography,
    errors: Errors,
    seen: Flags,
    scores: NDArray[np.float64],
) -> None:
    """Improve the homographies to one reference, for the regions where that is wanted.

    Args:
        brightness: That of the reference, as :class:`BufferedFrame` has it, (H, W).
        starts: Where the ring of each region begins, (s + 1,).
        points: The positions of the ring pixels in the frame, (m, 2).
        ring_brightness: Their brightness there, (m,).
        slopes: The derivatives of the brightness by the shift and a constant, (m, 7).
        products: The products of those with each other, (m, 28).
        centres: The centres of the regions, (s, 2).
        radii_px: Half of their extents, (s,).
        proposals: A shift for each region that is tried first, (s, 6); all 0 if there is none.
        is_first: True if nothing is known yet but the homographies.
        wanted: The regions that are looked at, (s,).
        homographies: From the frame to the reference, changed, (s, 3, 3).
        errors: The errors of the ring pixels, changed, (m,).
        seen: 1 where the reference shows them, changed, (m,).
        scores: The mean error of each region, changed, (s,).
    """
    longest = 0
    for s in range(len(centres)):
        longest = max(longest, starts[s + 1] - starts[s])
    tried_errors, tried_seen = np.empty(longest, np.int16), np.empty(longest, np.uint8)
    for s in range(len(centres)):
        begin, end = starts[s], starts[s + 1]
        if not wanted[s] or begin == end:
            continue
        ring, bright = points[begin:end], ring_brightness[begin:end]
        own_errors, own_seen = errors[begin:end], seen[begin:end]
        other_errors, other_seen = tried_errors[: end - begin], tried_seen[: end - begin]
        if is_first:
            _compare_ring(brightness, homographies[s], ring, bright, own_errors, own_seen)
            scores[s] = score_brightness(own_errors, own_seen)
        for turn in range(2):
            # First the shift that tracked points nearby propose, then the step of the ring itself.
            step = proposals[s]
            if turn == 1:
                step = _gauss_newton_step(
                    own_errors, own_seen, slopes[begin:end], products[begin:end]
                )
                if _largest_step(step, 6) < _MIN_STEP_PX:
                    break
            elif not is_first or _largest_step(step, 6) == 0:
                continue
            moved = shift_homography(homographies[s], step, centres[s], radii_px[s])
            _compare_ring(brightness, moved, ring, bright, other_errors, other_seen)
            score = score_brightness(other_errors, other_seen)
            if score < scores[s]:
                scores[s] = score
                for row in range(3):
                    for column in range(3):
                        homographies[s, row, column] = moved[row, column]
                for i in range(end - begin):
                    own_errors[i], own_seen[i] = other_errors[i], other_seen[i]
