"""Compiled loops that score how well a reference predicts the rings around all hole regions.

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
from outtake.removal.clean_plate.hole_regions import Floats
from outtake.removal.clean_plate.read_pixels import Flags, project, read_colour

Errors = NDArray[np.int16]

# A reference that shows less of the ring cannot be scored.
_MIN_RING_SHARE, _MIN_RING_PIXELS = 0.25, 12
# This share of the ring must agree with a reference.
_TRUSTED_SHARE = 0.6
# Contrasts that differ by a smaller share are equal: noise and moving things differ as well.
_GAIN_TOLERANCE, _GAIN_NOISE_VARIANCE, _MAX_LOG_GAIN = 0.015, 60.0, 0.7
# A smaller fade, as a logarithm, is none; from twice as much on it is as it was measured.
_FADE_TOLERANCE = 0.1
# A reference is of no use to a frame that has faded to a smaller share of its light or contrast.
_LEAST_FADE = 0.125
# A darker reference is amplified, its rounding and coding too: from this factor on it counts for
# worse than its ring says, so that frames as bright are taken where there are any.
_AMPLIFIED = 1.25
# So much light, in grey levels, and so much variance are nothing: the rounding of dark pictures.
_NO_LIGHT_GREY, _NO_VARIANCE = 0.1, 1.0
# Differences of colours, 0 to 255, are ranked in this fraction of a grey level.
_RANKS_PER_GREY = 16


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
def _can_be_scored(seen: int, size: int) -> bool:
    """Return True if enough pixels of a ring are seen."""
    return seen >= _MIN_RING_PIXELS and seen >= _MIN_RING_SHARE * size


@compile_loop
def score_brightness(errors: Errors, seen: Flags) -> float:
    """Return the mean difference in brightness, its own mean apart; infinite without a score."""
    count, median, reach = _find_inliers(errors, seen)
    if not _can_be_scored(count, len(errors)):
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
def _choose_gains(moments: NDArray[np.float64], count: int, gains: Floats) -> bool:
    """Choose the factors that adapt the colours of a reference by pixels that show the same.

    Less contrast alone may be noise, and less light a shadow: gains stay near 1 then. A fade has
    less of both. How much light there is counts from black or from white, whichever changes as the
    contrast does.

    Args:
        moments: For each colour the sums of the frame and of its squares, and those of the
            reference, (3, 4).
        count: The number of pixels.
        gains: The factors; written, (3,).

    Returns:
        Whether the frame has faded so far that the reference says nothing about it.
    """
    light = other_light = spread = other_spread = 0.0
    own_logs = np.empty(3)
    for c in range(3):
        mean, other = moments[c, 0] / count, moments[c, 2] / count
        own_spread = max(moments[c, 1] / count - mean * mean, 0.0)
        its_spread = max(moments[c, 3] / count - other * other, 0.0)
        log_gain = 0.5 * np.log(
            (own_spread + _GAIN_NOISE_VARIANCE) / (its_spread + _GAIN_NOISE_VARIANCE)
        )
        own_logs[c] = 0.5 * np.log((own_spread + _NO_VARIANCE) / (its_spread + _NO_VARIANCE))
        size = min(max(abs(log_gain) - _GAIN_TOLERANCE, 0.0), _MAX_LOG_GAIN)
        gains[c] = size if log_gain > 0 else -size
        light += mean / 3
        other_light += other / 3
        spread += own_spread / 3
        other_spread += its_spread / 3
    contrast = 0.5 * np.log((spread + _NO_VARIANCE) / (other_spread + _NO_VARIANCE))
    from_black = np.log((light + _NO_LIGHT_GREY) / (other_light + _NO_LIGHT_GREY))
    from_white = np.log((255 - light + _NO_LIGHT_GREY) / (255 - other_light + _NO_LIGHT_GREY))
    least = min(from_black, from_white, contrast)
    has_faded = contrast <= 0 and least < np.log(_LEAST_FADE)
    if contrast < 0:
        fade = -max(min(from_black, from_white), contrast)
    else:
        fade = min(max(from_black, from_white), contrast, _MAX_LOG_GAIN)
    fade = max(min(fade, 2 * (fade - _FADE_TOLERANCE)), 0.0)
    for c in range(3):
        if has_faded:
            gains[c] = least
        elif contrast < 0 and gains[c] <= 0:
            # A colour of the light that stayed has not faded.
            gains[c] = min(gains[c], max(-fade, own_logs[c]))
        elif contrast > 0 and gains[c] >= 0:
            gains[c] = max(gains[c], min(fade, own_logs[c]))
        gains[c] = np.exp(gains[c])
    return bool(has_faded)


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
    shades = np.zeros(len(points), np.int16)
    moments = np.zeros((3, 4))
    total = 0
    for s in range(regions):
        begin, end = starts[s], starts[s + 1]
        count, median, reach = _find_inliers(errors[begin:end], seen[begin:end])
        scores[s] = trimmed[s] = np.inf
        if not _can_be_scored(count, end - begin):
            continue
        scores[s] = 0
        for i in range(begin, end):
            if not seen[i]:
                continue
            x, y = project(homographies[s], float(points[i, 0]), float(points[i, 1]))
            found[i, 0], found[i, 1], found[i, 2] = read_colour(image, x, y)
            is_inlier[i] = abs(errors[i] - median) <= reach
        # Things of another colour may be as bright.
        for c in range(3):
            for i in range(begin, end):
                shades[i] = np.int16(colours[i, c]) - np.int16(found[i, c])
            _, median, reach = _find_inliers(shades[begin:end], seen[begin:end])
            for i in range(begin, end):
                if abs(shades[i] - median) > reach:
                    is_inlier[i] = False
        for i in range(begin, end):
            if is_inlier[i]:
                total += 1
                for c in range(3):
                    here, there = float(colours[i, c]), float(found[i, c])
                    moments[c, 0] += here
                    moments[c, 1] += here * here
                    moments[c, 2] += there
                    moments[c, 3] += there * there
    has_faded = _choose_gains(moments, max(total, 1), gains)
    amplified = (gains[0] + gains[1] + gains[2]) / 3
    if amplified < _AMPLIFIED:
        amplified = 1.0
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
        scores[s] = mean_distance / count * amplified * amplified
        trimmed[s] = _trimmed_mean(distances, count) * amplified * amplified
        if has_faded:
            scores[s] = trimmed[s] = np.inf
