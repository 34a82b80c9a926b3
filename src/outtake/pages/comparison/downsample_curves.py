"""Curves with fewer points, and the same highs and lows."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def downsample(values: Floats, max_points: int) -> NDArray[np.int64]:
    """Choose which points of a curve to keep.

    The curve is cut into equal stretches, and of each its lowest and its highest point stay, as
    do the first and the last: what stands out is never lost, wherever it is.

    Args:
        values: finite, (N,), in the order of the curve.
        max_points: how many to keep; at least 4.

    Returns:
        Increasing positions, at most ``max_points``; all of them if there are no more.
    """
    count = len(values)
    if count <= max_points:
        return np.arange(count)
    edges = np.linspace(0, count, max((max_points - 2) // 2, 1) + 1).astype(np.int64)
    kept = {0, count - 1}
    for begin, end in pairwise(edges.tolist()):
        stretch = values[begin:end]
        kept.add(int(begin + stretch.argmin()))
        kept.add(int(begin + stretch.argmax()))
    return np.array(sorted(kept), np.int64)
