"""Choose for each pixel of a hole the offset to the place that it is copied from.

A labelling of the pixels with few offsets, by graph cuts (He and Sun 2012, "Statistics of patch
offsets for image completion"; Boykov et al. 2001 for the cuts).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.signal import correlate

from outtake.core.types import Mask
from outtake.removal.exemplar.label_expansion import (
    STEPS_PER_GREY,
    Costs,
    expand_label,
    sum_step_costs,
)
from outtake.removal.exemplar.patch_match import Floats, Places

_FORBIDDEN = 1 << 24
# A step at the rim, where the truth is known, counts more than one inside.
_RIM_WEIGHT = 4
# What is copied across a hole of its size costs so many grey levels a pixel, and more if it lies
# higher or lower: scenes are alike at one height.
_ACROSS_GREY, _DOWN_GREY = 1.0, 12.0
_MAX_SWEEPS = 3
_MAX_COVERING = 8
# Rows and columns to the pixels right of, below, left of and above one.
_NEIGHBOURS = ((0, 1), (1, 0), (0, -1), (-1, 0))


def add_covering_offsets(hole: Mask, sources: Mask, offsets: Places) -> Places:
    """Add offsets for the pixels of a hole that none brings to a pixel that can be copied.

    The next one is that which serves most of the pixels that are left, by the correlation of their
    mask with the sources; at most eight are added.

    Args:
        hole: The hole, bool (H, W).
        sources: True for pixels that can be copied, bool (H, W).
        offsets: The offsets in rows and columns, int32 (k, 2).
    """
    rows, columns = np.nonzero(hole)
    left = np.ones(len(rows), bool)
    for down, across in offsets.tolist():
        left &= ~_can_copy(sources, rows + down, columns + across)
    for _ in range(_MAX_COVERING):
        if not left.any():
            break
        lacking = np.zeros(hole.shape, np.float32)
        lacking[rows[left], columns[left]] = 1
        served = correlate(sources.astype(np.float32), lacking, mode="full", method="fft")
        place = np.unravel_index(np.rint(served).argmax(), served.shape)
        down, across = (int(at) - side + 1 for at, side in zip(place, hole.shape, strict=True))
        offsets = np.concatenate((offsets, np.array([[down, across]], np.int32)))
        left &= ~_can_copy(sources, rows + down, columns + across)
    return offsets


def _can_copy(
    sources: Mask, rows: NDArray[np.intp], columns: NDArray[np.intp]
) -> NDArray[np.bool_]:
    """Return which positions (n,) lie in the picture and can be copied, bool (n,)."""
    height, width = sources.shape
    found: NDArray[np.bool_] = (rows >= 0) & (columns >= 0) & (rows < height) & (columns < width)
    found[found] = sources[rows[found], columns[found]]
    return found


class OffsetLabelling:
    """The labels of the m pixels of a hole, each one of k offsets.

    The cost of a labelling is the sum over neighbours with different offsets of the differences
    that show there, as in ``step_cost``. A pixel whose place is unknown, or has an unknown
    neighbour, has a label that is forbidden.

    Args:
        values: The picture, float32 (H, W, C).
        hole: The hole, bool (H, W).
        sources: True for pixels that can be copied, bool (H, W).
        offsets: The offsets in rows and columns, int32 (k, 2).
    """

    def __init__(self, values: Floats, hole: Mask, sources: Mask, offsets: Places) -> None:
        self._offsets = offsets
        self._rows, self._columns = np.nonzero(hole)
        numbers = np.full(hole.shape, -1, np.int32)
        numbers[hole] = np.arange(len(self._rows), dtype=np.int32)
        margin = int(np.abs(offsets).max(initial=0)) + 1
        # Beyond the border nothing can be copied.
        self._values = np.pad(values, ((margin, margin), (margin, margin), (0, 0)), mode="edge")
        self._sources = np.pad(sources, margin)
        self._margin = margin
        self._neighbours = self._find_neighbours(numbers)
        every = np.ones(len(self._rows), np.int32)
        self._shown = np.stack(
            [self._show(self._rows, self._columns, label * every) for label in range(len(offsets))]
        )
        self._label_costs = self._find_label_costs(hole)

    def _find_neighbours(self, numbers: Places) -> Places:
        """Return the numbers of the pixels beside each in the hole, -1 without one, (m, 4)."""
        padded = np.pad(numbers, 1, constant_values=-1)
        rows, columns = self._rows + 1, self._columns + 1
        found = [padded[rows + down, columns + across] for down, across in _NEIGHBOURS]
        return np.stack(found, axis=1)

    def _show(self, rows: NDArray[np.intp], columns: NDArray[np.intp], labels: Places) -> Floats:
        """Return what labels show at positions, (n, C)."""
        offsets = self._offsets[labels]
        rows, columns = rows + offsets[:, 0] + self._margin, columns + offsets[:, 1] + self._margin
        return np.asarray(self._values[rows, columns], np.float32)

    def _find_label_costs(self, hole: Mask) -> Costs:
        """Return the cost of each label at each pixel by itself, (k, m)."""
        height, width = hole.shape
        costs = np.zeros((len(self._offsets), len(self._rows)), np.int64)
        size = float(np.ptp(self._rows) + np.ptp(self._columns)) / 2 + 1
        for label, (down, across) in enumerate(self._offsets.tolist()):
            distance = _DOWN_GREY * abs(down) + _ACROSS_GREY * abs(across)
            costs[label] = round(distance / size * STEPS_PER_GREY)
            there = self._sources[
                self._rows + down + self._margin, self._columns + across + self._margin
            ]
            costs[label, ~there] = _FORBIDDEN
        every = np.arange(len(self._rows))
        for down, across in ((-1, 0), (1, 0), (0, -1), (0, 1)):
            rows, columns = self._rows + down, self._columns + across
            inside = (rows >= 0) & (columns >= 0) & (rows < height) & (columns < width)
            rim = every[inside]
            rim = rim[~hole[rows[rim], columns[rim]]]
            truth = self._values[rows[rim] + self._margin, columns[rim] + self._margin]
            for label in range(len(self._offsets)):
                labels = np.full(len(rim), label, np.int32)
                shown = self._show(rows[rim], columns[rim], labels)
                step = np.linalg.norm(shown - truth, axis=1) * (_RIM_WEIGHT * STEPS_PER_GREY)
                costs[label, rim] += step.astype(np.int64)
        return costs

    def solve(self) -> Places | None:
        """Return a labelling of low cost, int32 (m,); None if a pixel has no label that is allowed.

        Sweeps over the labels end when one lowers the cost no more, or after the third.
        """
        labels: Places = self._label_costs.argmin(axis=0).astype(np.int32)
        every = np.arange(len(labels))
        if (self._label_costs[labels, every] >= _FORBIDDEN).any():
            return None
        least = self.cost(labels)
        for _ in range(_MAX_SWEEPS):
            for label in range(len(self._offsets)):
                expand_label(
                    self._shown, self._label_costs, self._neighbours, label, _FORBIDDEN, labels
                )
            before, least = least, self.cost(labels)
            if least >= before:
                break
        return labels

    def cost(self, labels: Places) -> int:
        """Return the cost of a labelling, int32 (m,)."""
        own = self._label_costs[labels, np.arange(len(labels))].sum()
        return int(own) + sum_step_costs(self._shown, self._neighbours, labels)
