"""The noise of a frame that was coded in blocks, as MPEG-2, MPEG-4 part 2 and JPEG do.

Blocks of 8 x 8 pixels are coded each by itself, so their borders show as steps, the more so the
coarser the coding. H.264 and later smooth these steps, and their noise needs no allowance.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from outtake.core.compiled_loops import compile_loop
from outtake.core.types import Mask

Flags = NDArray[np.uint8]
Sums = NDArray[np.int64]

_BLOCK_PX = 8
# Every so many rows and columns are looked at.
_STRIDE = 4
_MIN_BLOCKS = 4
# A step of one grey level at the borders of blocks goes with so much noise in the picture.
_NOISE_PER_STEP = 3.0


def measure_coding_noise(brightness: NDArray[np.uint8], mask: Mask) -> float:
    """Return the noise of a frame's coding in grey levels; 0 where no blocks show.

    Args:
        brightness: The brightness, uint8 (H, W).
        mask: True where it is hidden, bool (H, W).
    """
    excesses = []
    hidden = mask.view(np.uint8)
    for sum_rises, length in ((_sum_rises_across, 1), (_sum_rises_down, 0)):
        if brightness.shape[length] >= _MIN_BLOCKS * _BLOCK_PX:
            rises, counts = np.zeros((2, _BLOCK_PX), np.int64)
            sum_rises(brightness, hidden, _STRIDE, rises, counts)
            if counts.min() > 0:
                # Compared with the steps beside it, so that edges and textures count little.
                means = rises / (2 * counts)
                excesses.append(float(means[0] - np.median(means)))
    return _NOISE_PER_STEP * max(0.0, float(np.mean(excesses))) if excesses else 0.0


@compile_loop
def _compare_steps(first: int, second: int, third: int, last: int) -> np.int32:
    """Return how much larger a step is than those beside it, twice."""
    inner = abs(np.int32(third) - np.int32(second))
    outer = abs(np.int32(second) - np.int32(first)) + abs(np.int32(last) - np.int32(third))
    return np.int32(2 * inner - outer)


@compile_loop
def _sum_rises_across(
    brightness: Flags, hidden: Flags, stride: int, rises: Sums, counts: Sums
) -> None:
    """Add up how much larger steps from column to column are than those beside them.

    Args:
        brightness: The brightness, (H, W).
        hidden: 1 where it is hidden, (H, W).
        stride: Every so many rows are looked at.
        rises: Twice the sums for each place in a block of 8 pixels, changed, (8,).
        counts: The number of steps, changed, (8,).
    """
    height, width = brightness.shape
    totals, known = np.zeros(width, np.int32), np.zeros(width, np.int32)
    for row in range(0, height, stride):
        line, mask = brightness[row], hidden[row]
        for i in range(width - 3):
            shown = np.int32(1) - np.int32(mask[i] | mask[i + 1] | mask[i + 2] | mask[i + 3])
            totals[i] += shown * _compare_steps(line[i], line[i + 1], line[i + 2], line[i + 3])
            known[i] += shown
    for i in range(width - 3):
        # The step lies between the second and the third pixel.
        rises[(i + 2) % _BLOCK_PX] += totals[i]
        counts[(i + 2) % _BLOCK_PX] += known[i]


@compile_loop
def _sum_rises_down(
    brightness: Flags, hidden: Flags, stride: int, rises: Sums, counts: Sums
) -> None:
    """Add up how much larger steps from row to row are; see ``_sum_rises_across``."""
    height, width = brightness.shape
    for row in range(height - 3):
        one, two, three, four = (
            brightness[row], brightness[row + 1], brightness[row + 2], brightness[row + 3]
        )  # fmt: skip
        m, n, o, p = hidden[row], hidden[row + 1], hidden[row + 2], hidden[row + 3]
        total, known = np.int32(0), np.int32(0)
        for i in range(0, width, stride):
            shown = np.int32(1) - np.int32(m[i] | n[i] | o[i] | p[i])
            total += shown * _compare_steps(one[i], two[i], three[i], four[i])
            known += shown
        rises[(row + 2) % _BLOCK_PX] += total
        counts[(row + 2) % _BLOCK_PX] += known
