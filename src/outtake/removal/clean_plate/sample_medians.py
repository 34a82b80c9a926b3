"""Compiled loops that take the medians of samples of the pixels of tiles.

Samples are integers in steps of 1/32 grey level, and come in any order.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from outtake.core.compiled_loops import compile_loop
from outtake.removal.clean_plate.hole_regions import Floats
from outtake.removal.clean_plate.read_pixels import Flags, Shades

STEPS_PER_GREY = 32


@compile_loop
def take_medians(
    samples: Shades, counts: Flags, mixed: NDArray[np.bool_], step: int, colours: Floats,
    spread: Floats, dissent: Floats,
) -> None:  # fmt: skip
    """Take the medians of samples, and how far the samples lie from them.

    Args:
        samples: The samples, (k, depth, 3 * n).
        counts: Their number, (k, n).
        mixed: The tiles whose pixels differ in their number, (k,).
        step: The spread is looked at for the first of so many pixels.
        colours: The medians in grey levels; written where there is a sample, (k, n, 3).
        spread: The mean absolute deviation of green in grey levels, NaN where there are not two
            samples; written, (k, ceil(n / step)).
        dissent: The mean squared deviation of green at these pixels, but for the largest of each,
            in squared grey levels, NaN where there are not two samples; written, (k,).
    """
    pixels = counts.shape[1]
    sums, scale = np.zeros(3 * pixels, np.int32), np.float32(0.5 / STEPS_PER_GREY)
    for k in range(len(samples)):
        squares, deviations = np.float32(0), np.int64(0)
        if not mixed[k]:
            sum_middles(samples[k], np.int64(counts[k, 0]), sums)
        for i in range(pixels):
            count = np.int64(counts[k, i])
            if mixed[k]:
                sum_middles(samples[k, :, 3 * i : 3 * i + 3], count, sums[3 * i : 3 * i + 3])
            if count:
                for c in range(3):
                    colours[k, i, c] = np.float32(sums[3 * i + c]) * scale
            if i % step:
                continue
            spread[k, i // step] = np.nan
            if count > 1:
                middle = np.int32(np.rint(np.float32(0.5) * np.float32(sums[3 * i + 1])))
                off, largest = np.int32(0), np.int32(0)
                for j in range(count):
                    one = abs(np.int32(samples[k, j, 3 * i + 1]) - middle)
                    off += one
                    largest = max(largest, one)
                    squares += np.float32(one) * np.float32(one)
                # A single one that shows something else does not move the median.
                squares -= np.float32(largest) * np.float32(largest)
                deviations += count - 1
                spread[k, i // step] = np.float32(off) / np.float32(STEPS_PER_GREY * count)
        dissent[k] = np.nan
        if deviations:
            dissent[k] = squares / np.float32(STEPS_PER_GREY**2 * deviations)


@compile_loop
def sum_middles(samples: Shades, count: np.int64, sums: NDArray[np.int32]) -> None:
    """Write the sums of the two middle ones of the first values in columns, or twice the middle.

    Args:
        samples: The values, (depth, m).
        count: The number of values.
        sums: The sums; written if there is a value, (m,).
    """
    if count == 1:
        for i in range(len(sums)):
            sums[i] = 2 * np.int32(samples[0, i])
    elif count == 2:
        for i in range(len(sums)):
            sums[i] = np.int32(samples[0, i]) + np.int32(samples[1, i])
    elif count == 3:
        one, two, three = samples[0], samples[1], samples[2]
        for i in range(len(sums)):
            sums[i] = 2 * _middle(np.int32(one[i]), np.int32(two[i]), np.int32(three[i]))
    elif count == 4:
        one, two, three, four = samples[0], samples[1], samples[2], samples[3]
        for i in range(len(sums)):
            a, b, c, d = np.int32(one[i]), np.int32(two[i]), np.int32(three[i]), np.int32(four[i])
            lowest, highest = min(min(a, b), min(c, d)), max(max(a, b), max(c, d))
            sums[i] = a + b + c + d - lowest - highest
    elif count == 5:
        one, two, three, four, five = samples[0], samples[1], samples[2], samples[3], samples[4]
        for i in range(len(sums)):
            a, b, c, d = np.int32(one[i]), np.int32(two[i]), np.int32(three[i]), np.int32(four[i])
            # The lowest and the highest of four are not the middle of five.
            low, high = max(min(a, b), min(c, d)), min(max(a, b), max(c, d))
            sums[i] = 2 * _middle(low, high, np.int32(five[i]))
    elif count:
        values = np.empty(count, np.int32)
        for i in range(len(sums)):
            for j in range(count):
                place, value = j, np.int32(samples[j, i])
                while place > 0 and values[place - 1] > value:
                    values[place] = values[place - 1]
                    place -= 1
                values[place] = value
            sums[i] = values[(count - 1) // 2] + values[count // 2]


@compile_loop
def _middle(a: np.int32, b: np.int32, c: np.int32) -> np.int32:
    """Return the middle one of three values."""
    return max(min(a, b), min(max(a, b), c))
