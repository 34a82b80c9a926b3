"""Gather what the references saw behind a hole."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from outtake.core.types import Mask
from outtake.motion.warp import Points, known_at, project, sample
from outtake.removal.clean_plate.alignment import Fit
from outtake.removal.clean_plate.frame_buffer import Held
from outtake.removal.clean_plate.hole_regions import Floats
from outtake.removal.clean_plate.references import Reference
from outtake.removal.clean_plate.sample_selection import FINE, Choice, Scout, corrected
from outtake.removal.clean_plate.tiles import Cells, known_in, placed, sights

_PROBES = 256
# Cells that no frame shows completely are looked up pixel by pixel, in this many frames each.
_SINGLE_SAMPLES = 5
# So many cells are looked up at a time: their samples stay in the processor's cache.
_CELLS = 256


def collect(
    part: Cells,
    wanted: Mask,
    fit: Fit,
    order: NDArray[np.intp],
    references: Sequence[Reference],
    choice: Choice,
) -> tuple[Floats, NDArray[np.bool_]]:
    """Return the median of the best samples for the cells of a site.

    Args:
        part: the cells.
        wanted: their pixels that matter, bool (k, n).
        fit: how well references predict the site.
        order: those to be looked at, the best first.
        references: that were judged.
        choice: which of them are good enough.

    Returns:
        Colours, float32 (k, n, 3), and which of the wanted are known, bool (k, n).
    """
    at, bend = placed(fit.maps[order], part.centres)
    whole, partly = _sights(part, at, bend, [references[index].held for index in order])
    chosen = choice.chosen(whole, partly, fit.scores[order])
    scout = Scout(part.side, at, bend, chosen, fit, [references[index].held for index in order])
    made = np.empty((*wanted.shape, 3), np.float32)
    known = np.empty(wanted.shape, bool)
    # Only in cells that some frame shows in part do pixels differ in what sees them.
    mixed = (chosen & partly).any(axis=0)
    for exact in (False, True):
        group = np.flatnonzero(mixed == exact)
        for begin in range(0, len(group), _CELLS):
            some = group[begin : begin + _CELLS]
            made[some], known[some] = scout.median(some, order, choice if exact else None)
    known &= wanted
    bare = np.flatnonzero((wanted & ~known).any(axis=1))
    if len(bare):
        _singles(part, bare, wanted & ~known, fit, order, references, choice, made, known)
    return made, known


def _sights(
    part: Cells, at: Points, bend: Floats, frames: Sequence[Held]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return which cells frames show as a whole, and which partly, bool (frames, k) each."""
    whole, maybe = sights([held.clear for held in frames], at, bend, part.side)
    partly = np.zeros(at.shape[:2], bool)
    for row in np.flatnonzero(maybe.any(axis=1)).tolist():
        rest = np.flatnonzero(maybe[row])
        corners = known_in(
            frames[row].known, at[row, rest], bend[row, rest], part.side, corners=True
        )
        partly[row, rest] = corners.any(axis=1)
    return whole, partly


def _singles(
    part: Cells,
    bare: NDArray[np.intp],
    wanted: Mask,
    fit: Fit,
    order: NDArray[np.intp],
    references: Sequence[Reference],
    choice: Choice,
    made: Floats,
    known: NDArray[np.bool_],
) -> None:
    """Look up pixel by pixel what is still wanted of cells, in frames that show some of them."""
    last = part.side - 1
    picks = [0, last, part.side * last, part.side**2 - 1, (part.side**2 + part.side) // 2]
    at = part.pixels(bare)
    corners = np.ascontiguousarray(at[:, picks]).reshape(-1, 2)
    missing = np.asarray(wanted[bare], bool)
    sums = np.zeros((*at.shape[:2], 3), np.float32)
    counts = np.zeros(at.shape[:2], np.int16)
    limits = np.full(at.shape[:2], np.inf, np.float32)
    for index in order:
        held, score = references[index].held, fit.scores[index]
        there = known_at(held.known, project(fit.maps[index], corners))
        lacking = np.asarray(missing & (counts < _SINGLE_SAMPLES) & (limits >= score), bool)
        some = np.flatnonzero(there.reshape(len(bare), -1).any(axis=1))
        rows, columns = np.nonzero(lacking[some])
        rows = some[rows]
        if not len(rows):
            continue
        colours, seen = sample(held.image, held.known, project(fit.maps[index], at[rows, columns]))
        rows, columns = rows[seen], columns[seen]
        if not len(rows):
            continue
        found = corrected(colours[seen][None], fit, index)[0]
        sums[rows, columns] += found * np.float32(1 / FINE)
        counts[rows, columns] += 1
        limits[rows, columns] = np.minimum(limits[rows, columns], choice.within(score))
    rows, columns = np.nonzero(counts)
    made[bare[rows], columns] = sums[rows, columns] / counts[rows, columns, None]
    known[bare[rows], columns] = True


def complementary(references: Sequence[Reference], unseen: Points, at_most: int) -> list[Reference]:
    """Choose references that together see the most of what is still unseen."""
    probes = unseen[:: max(1, -(-len(unseen) // _PROBES))]
    chosen: list[Reference] = []
    sights_of = np.array(
        [known_at(one.held.known, project(one.homography, probes)) for one in references]
    ).reshape(len(references), len(probes))
    while len(chosen) < at_most and sights_of.any():
        best = int(sights_of.sum(axis=1).argmax())
        chosen.append(references[best])
        sights_of = sights_of & ~sights_of[best]
    return chosen
