"""The noise of a frame that was coded in blocks, as MPEG-2, MPEG-4 part 2 and JPEG do.

Blocks of 8 x 8 pixels are coded each by itself, so their borders show as steps, the more so the
coarser the coding. H.264 and later smooth these steps, and their noise needs no allowance.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from outtake.core.compiled_loops import compile_loop
from outtake.core.types import Mask

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
    for down, across in ((0, 1), (1, 0)):
        if brightness.shape[across] >= _MIN_BLOCKS * _BLOCK_PX:
            rises, counts = np.zeros((2, _BLOCK_PX), np.int64)
            _sum_rises(brightness, mask, down, across, _STRIDE, rises, counts)
            if counts.min() > 0:
                # Compared with the steps beside it, so that edges and textures count little.
                means = rises / (2 * counts)
                excesses.append(float(means[0] - np.median(means)))
    return _NOISE_PER_STEP * max(0.0, float(np.mean(excesses))) if excesses else 0.0


@compile_loop
def _sum_rises(
    brightness: NDArray[np.uint8],
    mask: Mask,
    down: int,
    across: int,
    stride: int,
    rises: NDArray[np.int64],
    counts: NDArray[np.int64],
) -> None:
    """Add up how much larger steps are than those beside them, by where they lie in a block.

    Args:
        brightness: The brightness, (H, W).
        mask: True where it is hidden, (H, W).
        down: 1 for steps from row to row, else 0.
        across: 1 for steps from column to column, else 0.
        stride: Every so many lines are looked at.
        rises: Twice the sums for each place in a block, changed, (8,).
        counts: The number of steps, changed, (8,).
    """
    height, width = brightness.shape
    for row in range(0, height - 3 * down, 1 if down else stride):
        for column in range(0, width - 3 * across, 1 if across else stride):
            known = True
            for i in range(4):
                known &= not mask[row + i * down, column + i * across]
            if not known:
                continue
            first = np.int32(brightness[row, column])
            second = np.int32(brightness[row + down, column + across])
            third = np.int32(brightness[row + 2 * down, column + 2 * across])
            last = np.int32(brightness[row + 3 * down, column + 3 * across])
            rise = 2 * abs(third - second) - abs(second - first) - abs(last - third)
            # The step lies between the second and the third pixel.
            place = (row * down + column * across + 2) % _BLOCK_PX
            rises[place] += rise
            counts[place] += 1
