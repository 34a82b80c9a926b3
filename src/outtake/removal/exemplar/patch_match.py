"""A compiled loop that finds for each patch of a picture another one that looks like it.

PatchMatch (Barnes et al. 2009). A patch belongs to the pixel in its middle; it is whole if it lies
in the picture and touches no hole. The n whole patches are in the order of rows.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from outtake.core.compiled_loops import compile_loop

Floats = NDArray[np.float32]
Places = NDArray[np.int32]
Values = NDArray[np.int16]

RADIUS_PX = 3  # of a patch: it has 7 x 7 pixels
# Colours are compared in this fraction of a grey level.
_STEPS_PER_GREY = 8


@compile_loop
def _next_random(state: NDArray[np.uint64], limit: int) -> int:
    """Return a random number from 0 to ``limit`` - 1 (xorshift64, Marsaglia 2003)."""
    value = state[0]
    value ^= value << np.uint64(13)
    value ^= value >> np.uint64(7)
    value ^= value << np.uint64(17)
    state[0] = value
    return int(value % np.uint64(limit))


@compile_loop
def _compare_patches(
    values: Values,
    channels: int,
    row: int,
    column: int,
    other_row: int,
    other_column: int,
    limit: float,
) -> float:
    """Return the sum of squared differences of two patches; infinity if it reaches ``limit``.

    The values of C channels are (H, W * C): those of a row of a patch lie one behind the other.
    """
    length = (2 * RADIUS_PX + 1) * channels
    begin, other_begin = (column - RADIUS_PX) * channels, (other_column - RADIUS_PX) * channels
    total = 0.0
    for dy in range(-RADIUS_PX, RADIUS_PX + 1):
        own = values[row + dy, begin : begin + length]
        other = values[other_row + dy, other_begin : other_begin + length]
        # Whole numbers are added many at once: their sum does not depend on the order.
        line = np.int32(0)
        for i in range(length):
            off = np.int32(own[i]) - np.int32(other[i])
            line += off * off
        total += line
        if total >= limit:
            return np.inf
    return total


@compile_loop
def _try_match(
    values: Values,
    channels: int,
    numbers: Places,
    min_distance_px: int,
    row: int,
    column: int,
    other_row: int,
    other_column: int,
    k: int,
    matches: Places,
    differences: Floats,
) -> None:
    """Take another patch as the match of patch k if it is whole, far enough, and looks closer."""
    if other_row < 0 or other_column < 0:
        return
    if other_row >= numbers.shape[0] or other_column >= numbers.shape[1]:
        return
    if numbers[other_row, other_column] < 0:
        return
    if max(abs(other_row - row), abs(other_column - column)) < min_distance_px:
        return
    found = _compare_patches(
        values, channels, row, column, other_row, other_column, float(differences[k])
    )
    if found < differences[k]:
        differences[k] = found
        matches[k, 0], matches[k, 1] = other_row, other_column


@compile_loop
def match_patches(
    values: Floats,
    patches: Places,
    numbers: Places,
    min_distance_px: int,
    sweeps: int,
    matches: Places,
    differences: Floats,
) -> None:
    """Find a match of each whole patch, from its neighbours' matches and by random search.

    The random numbers are the same in every call.

    Args:
        values: The picture in grey levels, compared in steps of an eighth, (H, W, C).
        patches: Rows and columns of the whole patches, (n, 2).
        numbers: The number of the whole patch at each pixel, -1 where there is none, (H, W).
        min_distance_px: How far away a match is at least, across or down.
        sweeps: How often all patches are visited, in turn from the first and from the last.
        matches: Rows and columns of the matches; written, (n, 2).
        differences: Their sums of squared differences, infinity where none was found; written,
            (n,).
    """
    height, width, channels = values.shape
    pixels = np.empty((height, width * channels), np.int16)
    for row in range(height):
        for i in range(width * channels):
            value = values[row, i // channels, i % channels]
            pixels[row, i] = np.int16(np.rint(value * _STEPS_PER_GREY))
    state = np.full(1, 0x9E3779B97F4A7C15, np.uint64)
    count = len(patches)
    for k in range(count):
        differences[k] = np.inf
        other = _next_random(state, count)
        matches[k, 0], matches[k, 1] = patches[other, 0], patches[other, 1]
        _try_match(
            pixels, channels, numbers, min_distance_px, patches[k, 0], patches[k, 1],
            patches[other, 0], patches[other, 1], k, matches, differences,
        )  # fmt: skip
    for sweep in range(sweeps):
        step = 1 if sweep % 2 == 0 else -1
        for i in range(count):
            k = i if step == 1 else count - 1 - i
            row, column = patches[k, 0], patches[k, 1]
            for down, across in ((step, 0), (0, step)):
                # A whole patch lies at least RADIUS_PX inside, so its neighbour is a pixel too.
                beside = numbers[row - down, column - across]
                if beside >= 0:
                    _try_match(
                        pixels, channels, numbers, min_distance_px, row, column,
                        matches[beside, 0] + down, matches[beside, 1] + across, k, matches,
                        differences,
                    )  # fmt: skip
            reach = max(numbers.shape)
            while reach >= 1:
                other_row = matches[k, 0] + _next_random(state, 2 * reach + 1) - reach
                other_column = matches[k, 1] + _next_random(state, 2 * reach + 1) - reach
                _try_match(
                    pixels, channels, numbers, min_distance_px, row, column, other_row,
                    other_column, k, matches, differences,
                )  # fmt: skip
                reach //= 2
    for k in range(count):
        differences[k] /= _STEPS_PER_GREY * _STEPS_PER_GREY
