"""The noise of a frame that was coded in blocks, as MPEG-2, MPEG-4 part 2 and JPEG do.

Blocks of 8 x 8 pixels are coded each by itself, so their borders show as steps, the more so the
coarser the coding. H.264 and later smooth these steps, and their noise needs no allowance.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

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
    steps = [
        excess
        for picture, hidden in ((brightness, mask), (brightness.T, mask.T))
        if (excess := _border_excess(picture[::_STRIDE], hidden[::_STRIDE])) is not None
    ]
    return _NOISE_PER_STEP * max(0.0, float(np.mean(steps))) if steps else 0.0


def _border_excess(picture: NDArray[np.uint8], hidden: Mask) -> float | None:
    """Return how much larger steps between columns are at the borders of blocks, in grey levels.

    None if the picture is too narrow, or hidden.
    """
    if picture.shape[1] < _MIN_BLOCKS * _BLOCK_PX:
        return None
    steps = np.abs(np.diff(picture.astype(np.int16), axis=1)).astype(np.float32)
    # Compared with the steps beside it, so that edges and textures count little.
    rises = steps[:, 1:-1] - (steps[:, :-2] + steps[:, 2:]) / 2
    shown = ~hidden
    known = shown[:, :-3] & shown[:, 1:-2] & shown[:, 2:-1] & shown[:, 3:]
    sums, counts = ((values * known).sum(axis=0) for values in (rises, 1))
    # The rise at position 0 lies between the columns 1 and 2.
    phases = (np.arange(len(sums)) + 2) % _BLOCK_PX
    if np.bincount(phases, counts, _BLOCK_PX).min() < 1:
        return None
    means = np.bincount(phases, sums, _BLOCK_PX) / np.bincount(phases, counts, _BLOCK_PX)
    return float(means[0] - np.median(means))
