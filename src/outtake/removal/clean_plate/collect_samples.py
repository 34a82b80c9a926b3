"""Gather what the references saw behind a hole."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from outtake.core.types import Mask
from outtake.motion.warp import Points, known_at_points, project_points, sample_points
from outtake.removal.clean_plate.alignment import AlignmentResult
from outtake.removal.clean_plate.frame_buffer import BufferedFrame
from outtake.removal.clean_plate.hole_regions import Floats
from outtake.removal.clean_plate.references import Reference
from outtake.removal.clean_plate.sample_selection import (
    STEPS_PER_GREY,
    ReferenceFilter,
    TileSampler,
    correct_exposure,
)
from outtake.removal.clean_plate.tiles import Tiles, known_in_tiles, project_tiles, tile_visibility

_MAX_PROBES = 256
# Cells that no frame shows completely are looked up pixel by pixel, in this many frames each.
_MAX_PIXEL_SAMPLES = 5
# So many cells are looked up at a time: their samples stay in the processor's cache.
_TILES_AT_ONCE = 256


def collect_samples(
    tiles: Tiles,
    needed: Mask,
    alignment: AlignmentResult,
    order: NDArray[np.intp],
    references: Sequence[Reference],
    reference_filter: ReferenceFilter,
) -> tuple[Floats, NDArray[np.bool_]]:
    """Return the median of the best samples for the cells of a site.

    Args:
        tiles: the cells.
        needed: their pixels that matter, bool (k, n).
        alignment: how well references predict the site.
        order: those to be looked at, the best first.
        references: that were judged.
        reference_filter: which of them are good enough.

    Returns:
        Colours, float32 (k, n, 3), and which of the wanted are known, bool (k, n).
    """
    centres, jacobians = project_tiles(alignment.homographies[order], tiles.centres)
    whole, partly = _classify_visibility(
        tiles, centres, jacobians, [references[index].frame for index in order]
    )
    selected = reference_filter.select_for_tiles(whole, partly, alignment.scores[order])
    sampler = TileSampler(
        tiles.side,
        centres,
        jacobians,
        selected,
        alignment,
        [references[index].frame for index in order],
    )
    colours = np.empty((*needed.shape, 3), np.float32)
    known = np.empty(needed.shape, bool)
    # Only in cells that some frame shows in part do pixels differ in what sees them.
    mixed = (selected & partly).any(axis=0)
    for exact in (False, True):
        group = np.flatnonzero(mixed == exact)
        for begin in range(0, len(group), _TILES_AT_ONCE):
            some = group[begin : begin + _TILES_AT_ONCE]
            colours[some], known[some] = sampler.median(
                some, order, reference_filter if exact else None
            )
    known &= needed
    uncovered = np.flatnonzero((needed & ~known).any(axis=1))
    if len(uncovered):
        _sample_single_pixels(
            tiles,
            uncovered,
            needed & ~known,
            alignment,
            order,
            references,
            reference_filter,
            colours,
            known,
        )
    return colours, known


def _classify_visibility(
    tiles: Tiles, centres: Points, jacobians: Floats, frames: Sequence[BufferedFrame]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return which cells frames show as a whole, and which partly, bool (frames, k) each."""
    whole, maybe = tile_visibility(
        [held.clearance for held in frames], centres, jacobians, tiles.side
    )
    partly = np.zeros(centres.shape[:2], bool)
    for row in np.flatnonzero(maybe.any(axis=1)).tolist():
        rest = np.flatnonzero(maybe[row])
        corners = known_in_tiles(
            frames[row].known, centres[row, rest], jacobians[row, rest], tiles.side, corners=True
        )
        partly[row, rest] = corners.any(axis=1)
    return whole, partly


def _sample_single_pixels(
    tiles: Tiles,
    uncovered: NDArray[np.intp],
    needed: Mask,
    alignment: AlignmentResult,
    order: NDArray[np.intp],
    references: Sequence[Reference],
    reference_filter: ReferenceFilter,
    made: Floats,
    known: NDArray[np.bool_],
) -> None:
    """Look up pixel by pixel what is still wanted of cells, in frames that show some of them."""
    last = tiles.side - 1
    picks = [0, last, tiles.side * last, tiles.side**2 - 1, (tiles.side**2 + tiles.side) // 2]
    at = tiles.pixel_positions(uncovered)
    corners = np.ascontiguousarray(at[:, picks]).reshape(-1, 2)
    missing = np.asarray(needed[uncovered], bool)
    sums = np.zeros((*at.shape[:2], 3), np.float32)
    counts = np.zeros(at.shape[:2], np.int16)
    limits = np.full(at.shape[:2], np.inf, np.float32)
    for index in order:
        held, score = references[index].frame, alignment.scores[index]
        there = known_at_points(held.known, project_points(alignment.homographies[index], corners))
        lacking = np.asarray(missing & (counts < _MAX_PIXEL_SAMPLES) & (limits >= score), bool)
        some = np.flatnonzero(there.reshape(len(uncovered), -1).any(axis=1))
        rows, columns = np.nonzero(lacking[some])
        rows = some[rows]
        if not len(rows):
            continue
        colours, seen = sample_points(
            held.image, held.known, project_points(alignment.homographies[index], at[rows, columns])
        )
        rows, columns = rows[seen], columns[seen]
        if not len(rows):
            continue
        found = correct_exposure(colours[seen][None], alignment, index)[0]
        sums[rows, columns] += found * np.float32(1 / STEPS_PER_GREY)
        counts[rows, columns] += 1
        limits[rows, columns] = np.minimum(
            limits[rows, columns], reference_filter.residual_limit(score)
        )
    rows, columns = np.nonzero(counts)
    made[uncovered[rows], columns] = sums[rows, columns] / counts[rows, columns, None]
    known[uncovered[rows], columns] = True


def greedy_cover(
    references: Sequence[Reference], unfilled: Points, max_count: int
) -> list[Reference]:
    """Choose references that together see the most of what is still unseen."""
    probes = unfilled[:: max(1, -(-len(unfilled) // _MAX_PROBES))]
    chosen: list[Reference] = []
    visible = np.array(
        [
            known_at_points(one.frame.known, project_points(one.homography, probes))
            for one in references
        ]
    ).reshape(len(references), len(probes))
    while len(chosen) < max_count and visible.any():
        best = int(visible.sum(axis=1).argmax())
        chosen.append(references[best])
        visible = visible & ~visible[best]
    return chosen
