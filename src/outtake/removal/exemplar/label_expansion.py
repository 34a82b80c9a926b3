"""Compiled loops that choose which pixels of a hole change to one label, by a minimum cut.

The expansion move of Boykov et al. 2001; the cut is that of a maximum flow (Dinic 1970) over a
network in which each of m pixels has four neighbours: right, down, left and up.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from outtake.core.compiled_loops import compile_loop
from outtake.removal.exemplar.patch_match import Floats, Places

Costs = NDArray[np.int64]

# Costs are rounded to whole numbers in this fraction of a grey level.
STEPS_PER_GREY = 4


@compile_loop
def _norm(one: Floats, other: Floats) -> np.float32:
    total = np.float32(0)
    for c in range(len(one)):
        off = one[c] - other[c]
        total += off * off
    return np.float32(np.sqrt(total))


@compile_loop
def step_cost(shown: Floats, first: int, second: int, label: int, other: int) -> int:
    """Return what shows between two neighbours with labels of their own, in steps.

    Args:
        shown: What each label shows at each pixel, (k, m, C).
        first: A pixel.
        second: Its neighbour.
        label: The label of the first.
        other: The label of the second.
    """
    if label == other:
        return 0
    total = _norm(shown[label, first], shown[other, first])
    total += _norm(shown[label, second], shown[other, second])
    return int(total * np.float32(STEPS_PER_GREY))


@compile_loop
def sum_step_costs(shown: Floats, neighbours: Places, labels: Places) -> int:
    """Return what shows between all neighbours with labels (m,), in steps; see expand_label."""
    total = 0
    for side in range(2):
        for first in range(len(labels)):
            second = neighbours[first, side]
            if second >= 0:
                total += step_cost(shown, first, second, labels[first], labels[second])
    return total


@compile_loop
def expand_label(
    shown: Floats,
    label_costs: Costs,
    neighbours: Places,
    label: int,
    forbidden: int,
    labels: Places,
) -> None:
    """Change the label of those pixels for which that lowers the cost of all the most.

    Args:
        shown: What each label shows at each pixel, (k, m, C).
        label_costs: The cost of each label at each pixel by itself, (k, m).
        neighbours: The numbers of the pixels right of, below, left of and above each; -1 where
            that is not in the hole, (m, 4).
        label: The label that pixels change to.
        forbidden: A label that costs as much at a pixel is not taken there.
        labels: The labels, changed, (m,).
    """
    count = len(labels)
    # What it costs more to change a pixel than to keep its label; less than 0 where changing saves
    # something. The cost of a pair is divided among its pixels and the edge between them
    # (Kolmogorov and Zabih 2004).
    change = np.empty(count, np.int64)
    room = np.zeros((count, 4), np.int64)
    for pixel in range(count):
        change[pixel] = label_costs[label, pixel] - label_costs[labels[pixel], pixel]
    for side in range(2):
        for first in range(count):
            second = neighbours[first, side]
            if second < 0:
                continue
            own, other = labels[first], labels[second]
            keep_both = step_cost(shown, first, second, own, other)
            change_second = step_cost(shown, first, second, own, label)
            change_first = step_cost(shown, first, second, label, other)
            change[first] += change_first - keep_both
            change[second] -= change_first
            room[first, side] = max(change_second + change_first - keep_both, 0)
    if not (change < 0).any():
        return
    is_kept = cut_network(change, room, neighbours)
    for pixel in range(count):
        if not is_kept[pixel] and label_costs[label, pixel] < forbidden:
            labels[pixel] = label


@compile_loop
def cut_network(supply: Costs, room: Costs, neighbours: Places) -> NDArray[np.bool_]:
    """Return which pixels lie on the side of the source of the minimum cut, bool (m,).

    Of several minimum cuts, that with the fewest pixels on this side.

    Args:
        supply: What comes from the source to each pixel, or, less than 0, goes from it to the sink;
            changed, (m,).
        room: How much flows at most to each neighbour; changed, (m, 4).
        neighbours: The numbers of the neighbours, -1 where there is none, (m, 4).
    """
    count = len(supply)
    levels, queue = np.empty(count, np.int32), np.empty(count, np.int32)
    turns, path = np.empty(count, np.int8), np.empty(count + 1, np.int32)
    while _find_levels(supply, room, neighbours, levels, queue):
        turns[:] = 0
        for i in range(count):
            start = queue[i]
            if start < 0 or levels[start] != 0:
                break
            _push_from(start, supply, room, neighbours, levels, turns, path)
    return levels >= 0


@compile_loop
def _find_levels(
    supply: Costs, room: Costs, neighbours: Places, levels: Places, queue: Places
) -> bool:
    """Write how many steps each pixel is from a source, -1 if none reaches it.

    The queue has the pixels in the order of their levels, and -1 behind them. Returns True if a
    pixel that leads to the sink is reached.
    """
    levels[:] = -1
    queue[:] = -1
    end = 0
    for pixel in range(len(supply)):
        if supply[pixel] > 0:
            levels[pixel] = 0
            queue[end] = pixel
            end += 1
    begin, found = 0, False
    while begin < end:
        pixel = queue[begin]
        begin += 1
        found |= supply[pixel] < 0
        for side in range(4):
            if room[pixel, side] > 0:
                beside = neighbours[pixel, side]
                if levels[beside] < 0:
                    levels[beside] = levels[pixel] + 1
                    queue[end] = beside
                    end += 1
    return found


@compile_loop
def _push_from(
    start: int,
    supply: Costs,
    room: Costs,
    neighbours: Places,
    levels: Places,
    turns: NDArray[np.int8],
    path: Places,
) -> None:
    """Push what a pixel supplies along shortest ways to the sink, until none is left.

    Args:
        start: The pixel.
        supply: What pixels supply, changed, (m,).
        room: How much more flows to each neighbour, changed, (m, 4).
        neighbours: The numbers of the neighbours, (m, 4).
        levels: How many steps each pixel is from a source, (m,).
        turns: The side that is tried next at each pixel, changed, (m,).
        path: The way; overwritten, (m + 1,).
    """
    length, pixel = 0, start
    path[0] = start
    while supply[start] > 0:
        if supply[pixel] < 0:
            flow = min(supply[start], -supply[pixel])
            for i in range(length):
                flow = min(flow, room[path[i], turns[path[i]]])
            supply[start] -= flow
            supply[pixel] += flow
            # Go on from the first pixel that has no more room.
            back = length
            for i in range(length - 1, -1, -1):
                at, side = path[i], turns[path[i]]
                room[at, side] -= flow
                room[path[i + 1], (side + 2) % 4] += flow
                if room[at, side] == 0:
                    back = i
            length = back
            pixel = path[length]
            continue
        while turns[pixel] < 4:
            side = turns[pixel]
            beside = neighbours[pixel, side]
            if room[pixel, side] > 0 and levels[beside] == levels[pixel] + 1:
                break
            turns[pixel] += 1
        if turns[pixel] < 4:
            pixel = neighbours[pixel, turns[pixel]]
            length += 1
            path[length] = pixel
        elif length == 0:
            return
        else:
            length -= 1
            pixel = path[length]
            turns[pixel] += 1
