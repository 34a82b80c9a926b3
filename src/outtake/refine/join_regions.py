"""Number regions, divide those in several pieces, and join small ones to their neighbours."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from outtake.core.types import Frame
from outtake.refine.region_map import Borders, RegionMap


def number_values(values: NDArray[np.integer]) -> RegionMap:
    """Return the regions of values from 0 on, int (H, W): each that occurs is one."""
    occurs = np.bincount(values.ravel()) > 0
    numbers = (np.cumsum(occurs) - 1).astype(np.int32)
    return RegionMap(numbers[values], int(occurs.sum()))


def number_pieces(values: NDArray[np.integer]) -> RegionMap:
    """Return the connected pieces of equal values, int (H, W), by four neighbours."""
    # Runs of equal values in a row, of which there are far fewer than pixels, are linked downwards.
    begins = np.ones(values.shape, np.bool_)
    begins[:, 1:] = values[:, 1:] != values[:, :-1]
    runs = (np.cumsum(begins, dtype=np.int32) - 1).reshape(values.shape)
    linked = (values[:-1] == values[1:]) & (begins[:-1] | begins[1:])
    one, other = runs[:-1][linked], runs[1:][linked]
    size = int(runs[-1, -1]) + 1
    graph = coo_array((np.ones(len(one), np.bool_), (one, other)), (size, size))
    count, joined = connected_components(graph, directed=False)
    return RegionMap(joined.astype(np.int32)[runs], int(count))


def join_small(regions: RegionMap, image: Frame, least: int) -> RegionMap:
    """Join regions of fewer pixels than ``least`` to the neighbour with the faintest border.

    Args:
        regions: The regions.
        image: The picture, uint8 (H, W, C).
        least: The pixels of the smallest region that stays, unless there is one region only.
    """
    while regions.count > 1 and (small := regions.sizes < least).any():
        borders = regions.borders(image)
        regions = join_pairs(regions, _faintest(borders, small))
    return regions


def join_pairs(regions: RegionMap, pairs: NDArray[np.int32]) -> RegionMap:
    """Return regions in which each pair (N, 2) of touching ones is one."""
    ones = np.ones(len(pairs), np.bool_)
    graph = coo_array((ones, (pairs[:, 0], pairs[:, 1])), (regions.count, regions.count))
    count, joined = connected_components(graph, directed=False)
    return RegionMap(joined.astype(np.int32)[regions.ids], int(count))


def _faintest(borders: Borders, wanted: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Return the border of least contrast of each region that is wanted, int32 (N, 2)."""
    order = np.argsort(borders.contrast, kind="stable")
    pairs = borders.pairs[order]
    regions = pairs.ravel()
    _, first = np.unique(regions, return_index=True)
    return pairs[first[wanted[regions[first]]] // 2]
