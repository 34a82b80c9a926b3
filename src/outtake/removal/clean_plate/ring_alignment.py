"""Compiled loops that align one reference to the rings around all hole regions, and score it.

The rings of s regions lie one behind the other in arrays of m pixels; those of region k are
``starts[k]`` to ``starts[k + 1]``.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from outtake.core.compiled_loops import compile_loop
from outtake.core.types import Frame
from outtake.motion.homography import Homography
from outtake.motion.warp import Points
from outtake.removal.clean_plate.bicubic import is_known, read_brightness, read_colour
from outtake.removal.clean_plate.hole_regions import Floats

Errors = NDArray[np.int16]
Flags = NDArray[np.uint8]

# A reference that shows less of the ring cannot be scored.
_MIN_RING_SHARE, _MIN_RING_PIXELS = 0.25, 12
# This share of the ring must agree with a reference.
_TRUSTED_SHARE = 0.6
# The shift that the refinement expects at the edge of a region, and the least step it takes.
_PRIOR_PX, _MIN_STEP_PX = 1.5, 0.12
# Contrasts that differ by a smaller share are equal: noise and moving things differ as well.
_GAIN_TOLERANCE, _GAIN_NOISE_VARIANCE, _MAX_LOG_GAIN = 0.015, 60.0, 0.7
# Differences of colours, 0 to 255, are ranked in this fraction of a grey level.
_RANKS_PER_GREY = 16
_FAR = 1e6


@compile_loop
def project(homography: Homography, x: float, y: float) -> tuple[float, float]:
    """Return where a homography sends a position; what is behind the camera goes far away."""
    depth = homography[2, 0] * x + homography[2, 1] * y + homography[2, 2]
    inverse = 1.0 / max(depth, 1e-4)
    there_x = (homography[0, 0] * x + homography[0, 1] * y + homography[0, 2]) * inverse
    there_y = (homography[1, 0] * x + homography[1, 1] * y + homography[1, 2]) * inverse
    return min(max(there_x, -_FAR), _FAR), min(max(there_y, -_FAR), _FAR)


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
def _lower_median(histogram: NDArray[np.int32], count: int) -> int:
    """Return the place of the lower median of ``count`` values in their histogram."""
    wanted, total, place = (count + 1) // 2, 0, 0
    while place < len(histogram):
        total += histogram[place]
        if total >= wanted:
            break
        place += 1
    return place


@compile_loop
def _find_inliers(errors: Errors, seen: Flags) -> tuple[int, int, int]:
    """Return the number of pixels seen, their median error, and how far inliers lie from it.

    Things that move by themselves in the ring are outliers: they say nothing about the alignment.
    """
    histogram = np.zeros(511, np.int32)
    count = 0
    for i in range(len(errors)):
        if seen[i]:
            histogram[errors[i] + 255] += 1
            count += 1
    if count == 0:
        return 0, 0, 0
    median = _lower_median(histogram, count) - 255
    histogram = np.zeros(511, np.int32)
    for i in range(len(errors)):
        if seen[i]:
            histogram[abs(errors[i] - median)] += 1
    return count, median, 3 * _lower_median(histogram, count) + 1


@compile_loop
def _score_brightness(errors: Errors, seen: Flags) -> float:
    """Return the mean difference in brightness, its own mean apart; infinite without a score."""
    count, median, reach = _find_inliers(errors, seen)
    if count < max(float(_MIN_RING_PIXELS), _MIN_RING_SHARE * len(errors)):
        return np.inf
    total, inliers = 0, 0
    for i in range(len(errors)):
        if seen[i] and abs(errors[i] - median) <= reach:
            total += errors[i]
            inliers += 1
    mean = total / max(inliers, 1)
    residual = 0.0
    for i in range(len(errors)):
        if seen[i]:
            residual += abs(errors[i] - mean)
    return residual / count


@compile_loop
def _solve_symmetric(normal: NDArray[np.float64], right: NDArray[np.float64]) -> None:
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
def largest_step(step: NDArray[np.float64], count: int) -> float:
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
    _solve_symmetric(normal, right)
    reach = largest_step(right, 6)
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
            scores[s] = _score_brightness(own_errors, own_seen)
        for turn in range(2):
            # First the shift that tracked points nearby propose, then the step of the ring itself.
            step = proposals[s]
            if turn == 1:
                step = _gauss_newton_step(
                    own_errors, own_seen, slopes[begin:end], products[begin:end]
                )
                if largest_step(step, 6) < _MIN_STEP_PX:
                    break
            elif not is_first or largest_step(step, 6) == 0:
                continue
            moved = shift_homography(homographies[s], step, centres[s], radii_px[s])
            _compare_ring(brightness, moved, ring, bright, other_errors, other_seen)
            score = _score_brightness(other_errors, other_seen)
            if score < scores[s]:
                scores[s] = score
                for row in range(3):
                    for column in range(3):
                        homographies[s, row, column] = moved[row, column]
                for i in range(end - begin):
                    own_errors[i], own_seen[i] = other_errors[i], other_seen[i]


@compile_loop
def _trimmed_mean(distances: Floats, count: int) -> float:
    """Return the mean of the smallest share of the first ``count`` distances, 0 to 255."""
    histogram = np.zeros(256 * _RANKS_PER_GREY + 1, np.int32)
    sums = np.zeros(256 * _RANKS_PER_GREY + 1)
    last = len(histogram) - 1
    for i in range(count):
        rank = min(int(distances[i] * _RANKS_PER_GREY), last)
        histogram[rank] += 1
        sums[rank] += distances[i]
    wanted = max(int(np.ceil(_TRUSTED_SHARE * count)), 1)
    left, total, rank = wanted, 0.0, 0
    while left > 0 and rank <= last:
        number = histogram[rank]
        if number:
            taken = min(number, left)
            total += sums[rank] * taken / number
            left -= taken
        rank += 1
    return total / wanted


@compile_loop
def score_reference(
    image: Frame,
    starts: NDArray[np.int64],
    points: Points,
    colours: Flags,
    homographies: Homography,
    errors: Errors,
    seen: Flags,
    gains: Floats,
    offsets: Floats,
    scores: Floats,
    trimmed: Floats,
) -> None:
    """Score an aligned reference by its colours.

    Standard deviations are compared for the gain, because a regression takes misalignment for less
    contrast.

    Args:
        image: The reference, (H, W, 3).
        starts: Where the ring of each region begins, (s + 1,).
        points: The positions of the ring pixels in the frame, (m, 2).
        colours: Their colours there, (m, 3).
        homographies: From the frame to the reference, (s, 3, 3).
        errors: Their errors in brightness, (m,).
        seen: 1 where the reference shows them, (m,).
        gains: The factors that adapt the colours of the reference; written, (3,).
        offsets: What is then added, for each region; written, (s, 3).
        scores: The mean residual of each region; written, infinite without one, (s,).
        trimmed: That of the better part of the ring; written, (s,).
    """
    regions = len(starts) - 1
    found = np.zeros((len(points), 3), np.uint8)
    is_inlier = np.zeros(len(points), np.bool_)
    moments = np.zeros((3, 4))
    total = 0
    for s in range(regions):
        begin, end = starts[s], starts[s + 1]
        count, median, reach = _find_inliers(errors[begin:end], seen[begin:end])
        scores[s] = trimmed[s] = np.inf
        if count < max(float(_MIN_RING_PIXELS), _MIN_RING_SHARE * (end - begin)):
            continue
        scores[s] = 0
        for i in range(begin, end):
            if not seen[i]:
                continue
            x, y = project(homographies[s], float(points[i, 0]), float(points[i, 1]))
            found[i, 0], found[i, 1], found[i, 2] = read_colour(image, x, y)
            if abs(errors[i] - median) <= reach:
                is_inlier[i] = True
                total += 1
                for c in range(3):
                    here, there = float(colours[i, c]), float(found[i, c])
                    moments[c, 0] += here
                    moments[c, 1] += here * here
                    moments[c, 2] += there
                    moments[c, 3] += there * there
    for c in range(3):
        mean, other = moments[c, 0] / max(total, 1), moments[c, 2] / max(total, 1)
        spread = moments[c, 1] / max(total, 1) - mean * mean
        other_spread = moments[c, 3] / max(total, 1) - other * other
        log_gain = 0.5 * np.log(
            (max(spread, 0.0) + _GAIN_NOISE_VARIANCE)
            / (max(other_spread, 0.0) + _GAIN_NOISE_VARIANCE)
        )
        size = min(max(abs(log_gain) - _GAIN_TOLERANCE, 0.0), _MAX_LOG_GAIN)
        gains[c] = np.exp(size if log_gain > 0 else -size)
    distances = np.empty(len(points), np.float32)
    for s in range(regions):
        begin, end = starts[s], starts[s + 1]
        for c in range(3):
            offsets[s, c] = 0
        if not np.isfinite(scores[s]):
            continue
        inliers = 0
        for i in range(begin, end):
            if is_inlier[i]:
                inliers += 1
                for c in range(3):
                    offsets[s, c] += colours[i, c] - gains[c] * found[i, c]
        for c in range(3):
            offsets[s, c] /= max(inliers, 1)
        count, mean_distance = 0, 0.0
        for i in range(begin, end):
            if seen[i]:
                distance = 0.0
                for c in range(3):
                    distance += abs(colours[i, c] - gains[c] * found[i, c] - offsets[s, c])
                distances[count] = distance / 3
                mean_distance += distance / 3
                count += 1
        scores[s] = mean_distance / count
        trimmed[s] = _trimmed_mean(distances, count)
