"""Take samples of the pixels of a hole from references, and their median.

Where samples are few or disagree, those of more references vote. A pixel of a tile of which no
reference shows enough gets the mean of what a few show of that pixel.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from outtake.core.types import Mask
from outtake.removal.clean_plate.alignment import AlignmentResult
from outtake.removal.clean_plate.frame_buffer import Reference
from outtake.removal.clean_plate.hole_regions import Floats
from outtake.removal.clean_plate.read_pixels import Flags, Shades
from outtake.removal.clean_plate.reference_selection import SAME_RESIDUAL_GREY, ReferenceFilter
from outtake.removal.clean_plate.sample_medians import take_medians
from outtake.removal.clean_plate.sample_votes import (
    POLL_STEP_PX,
    find_settled,
    poll_reference,
    replace_outvoted,
)
from outtake.removal.clean_plate.tile_sampling import (
    place_tiles,
    sample_pixels,
    sample_reference,
    select_references,
)
from outtake.removal.clean_plate.tiles import Tiles

# Additional samples of tiles that references show in part.
_EXTRA_SAMPLES = 4
# Samples of one pixel that deviate more from their median on average show different things: noise
# does so at 1% of the pixels of sharp clips, and at 5% of those with strong parallax.
DISPUTED_GREY = 8.0
# For tiles with fewer samples, or with such pixels, more references are polled; those tiles that
# may be outvoted are sampled in them.
_FEW_SAMPLES = 4
# Where fewer references can vote, what passes by for a moment may have the most votes.
_FEW_VOTERS = 5
# So many tiles at once: their colours and samples are held in memory.
_VOTING_TILES = 2000
# How far samples disagree is looked at for the first of so many pixels of a tile.
SPREAD_STEP = 5


class CollectedSamples(NamedTuple):
    """What references show of k tiles of n pixels.

    Attributes:
        colours: The medians of the best samples, or the means of single pixels', float32 (k, n, 3).
        known: True for needed pixels that have one, bool (k, n).
        spread: The mean absolute deviation of the samples from their median at every
            ``SPREAD_STEP``-th pixel, in grey levels, float32 (k, ceil(n / SPREAD_STEP)), NaN where
            there are not two.
        dissent: The mean squared deviation of the samples of a tile from their medians, but for the
            largest of each pixel, in squared grey levels, float32 (k,), NaN where there are not
            two of a pixel.
        is_doubted: True for tiles whose samples disagree and that few references could vote on,
            bool (k,).
    """

    colours: Floats
    known: NDArray[np.bool_]
    spread: Floats
    dissent: Floats
    is_doubted: NDArray[np.bool_]


def collect_samples(
    tiles: Tiles,
    needed: Mask,
    alignment: AlignmentResult,
    order: NDArray[np.intp],
    references: Sequence[Reference],
    reference_filter: ReferenceFilter,
) -> CollectedSamples:
    """Return what references show of the tiles of a region.

    A pixel gets the median of the best samples of its tile; one that none of these covers, the mean
    of up to five samples of its own.

    Args:
        tiles: The tiles.
        needed: True for the pixels that are needed, bool (k, n).
        alignment: The alignment of the references to the region.
        order: The indices of the usable references, the best first.
        references: The references that were aligned.
        reference_filter: The limits for good samples.
    """
    sampler = _TileSampler(tiles, alignment, order, references, reference_filter)
    collected = sampler.sample_tiles()
    colours, known, spread, _, _ = collected
    known &= needed
    missing = needed & ~known
    uncovered = np.flatnonzero(missing.any(axis=1))
    if len(uncovered):
        sampled, found = sampler.sample_pixels(uncovered, missing[uncovered])
        rows, columns = np.nonzero(found)
        colours[uncovered[rows], columns] = sampled[rows, columns]
        known[uncovered[rows], columns] = True
        at = columns % SPREAD_STEP == 0
        spread[uncovered[rows[at]], columns[at] // SPREAD_STEP] = np.nan
    return collected


def outvote_colours(
    tiles: Tiles,
    colours: Floats,
    doubted: Mask,
    alignment: AlignmentResult,
    order: NDArray[np.intp],
    references: Sequence[Reference],
    reference_filter: ReferenceFilter,
) -> None:
    """Replace those colours of tiles that many references outvote.

    Args:
        tiles: The tiles.
        colours: Their colours, changed, float32 (k, n, 3).
        doubted: The pixels that are voted on, bool (k, n).
        alignment: The alignment of the references to the region.
        order: The indices of the usable references, the best first.
        references: The references that were aligned.
        reference_filter: The limits for good samples.
    """
    sampler = _TileSampler(tiles, alignment, order, references, reference_filter)
    sampler.outvote(colours, doubted)


@dataclass(frozen=True, slots=True)
class _Samples:
    """The samples of k tiles of n pixels.

    Attributes:
        values: In steps of 1/32 grey level, int16 (k, depth, 3 * n).
        counts: Their number, uint8 (k, n).
        is_mixed: True for tiles whose pixels may differ in their number, (k,).
        references: The number of references that a tile was sampled in, (k,).
    """

    values: Shades
    counts: Flags
    is_mixed: NDArray[np.bool_]
    references: NDArray[np.intp]


class _TileSampler:
    """Samples the k tiles of a region in its usable references; see ``collect_samples``."""

    def __init__(
        self,
        tiles: Tiles,
        alignment: AlignmentResult,
        order: NDArray[np.intp],
        references: Sequence[Reference],
        reference_filter: ReferenceFilter,
    ) -> None:
        self._tiles, self._alignment, self._filter = tiles, alignment, reference_filter
        self._order = order.tolist()
        self._frames = [references[index].frame for index in self._order]
        shape = (len(order), len(tiles.centres))
        self._places = np.empty((*shape, 6), np.float32)
        self._shown = np.empty(shape, np.uint8)
        for row, (index, frame) in enumerate(zip(self._order, self._frames, strict=True)):
            place_tiles(
                alignment.homographies[index], tiles.centres, tiles.side, frame.clearance,
                frame.brightness, self._places[row], self._shown[row],
            )  # fmt: skip

    def sample_tiles(self) -> CollectedSamples:
        """Return what the references show of the tiles, and of any pixel that is known."""
        found = self._sample(
            np.arange(len(self._tiles.centres)), self._filter, self._alignment.scores
        )
        shape = found.counts.shape
        colours = np.zeros((*shape, 3), np.float32)
        spread = np.empty((shape[0], -(-shape[1] // SPREAD_STEP)), np.float32)
        dissent = np.empty(shape[0], np.float32)
        take_medians(
            found.values, found.counts, found.is_mixed, SPREAD_STEP, colours, spread, dissent
        )
        disagree = (spread > DISPUTED_GREY).any(axis=1)
        doubtful = np.flatnonzero(disagree | (found.references < _FEW_SAMPLES))
        is_settled, is_doubted = np.ones(shape[0], bool), np.array(disagree, bool)
        for some in _in_parts(doubtful):
            is_settled[some], voters = self._poll(some, colours, found.counts)
            is_doubted[some] &= voters < _FEW_VOTERS
        for which in _in_parts(np.flatnonzero(~is_settled)):
            more = self._sample(which, self._filter.widen(), self._alignment.trimmed_scores)
            new, counts = colours[which], found.counts[which]
            replace_outvoted(found.values[which], counts, more.values, more.counts, new)
            colours[which], found.counts[which] = new, counts
        return CollectedSamples(colours, found.counts > 0, spread, dissent, is_doubted)

    def outvote(self, colours: Floats, doubted: Mask) -> None:
        """Replace those colours of all tiles that are outvoted."""
        for which in _in_parts(np.arange(len(colours))):
            more = self._sample(which, self._filter.widen(), self._alignment.trimmed_scores)
            voters = np.where(doubted[which], more.counts, np.uint8(0))
            new = colours[which]
            replace_outvoted(more.values, voters.copy(), more.values, voters, new)
            colours[which] = new

    def _poll(
        self, which: NDArray[np.intp], colours: Floats, counts: Flags
    ) -> tuple[NDArray[np.bool_], NDArray[np.intp]]:
        """Poll references about some tiles.

        Returns:
            Which tiles have no colour that could be outvoted, bool (j,), and the number of
            references that were asked about each, (j,).
        """
        scores, voters = self._alignment.trimmed_scores, self._filter.widen()
        rows, selected, _ = self._select(which, voters, scores)
        side, most_voters = self._tiles.side, voters.max_samples + _EXTRA_SAMPLES
        shape = (len(which), (side // POLL_STEP_PX) ** 2)
        votes, asked = np.zeros(shape, np.uint8), np.zeros(shape, np.uint8)
        limits = np.full(shape, np.inf, np.float32)
        own, own_counts = colours[which], counts[which]
        for place, row in enumerate(rows):
            if selected[place].any():
                index, frame = self._order[row], self._frames[row]
                poll_reference(
                    frame.image, frame.brightness, side, self._places[row][which],
                    selected[place], self._alignment.gains[index],
                    self._alignment.offsets[index], float(scores[index]),
                    float(voters.residual_limit(scores[index])), own, own_counts, most_voters,
                    votes, asked, limits,
                )  # fmt: skip
        return find_settled(votes, asked), selected.sum(axis=0)

    def _select(
        self, which: NDArray[np.intp], reference_filter: ReferenceFilter, scores: Floats
    ) -> tuple[NDArray[np.intp], NDArray[np.bool_], NDArray[np.bool_]]:
        """Select the references of some tiles whose scores are as good as the best one's.

        Returns:
            The rows of the r references, the best first, which tiles each is selected for, (r, j),
            and the tiles of which a selected reference shows a part, (j,).
        """
        rows = np.argsort(scores[self._order], kind="stable")
        selected, is_mixed = np.empty((len(rows), len(which)), bool), np.empty(len(which), bool)
        select_references(
            self._shown[np.ix_(rows, which)], scores[self._order][rows],
            reference_filter.max_samples, _EXTRA_SAMPLES, reference_filter.tolerance,
            SAME_RESIDUAL_GREY, selected, is_mixed,
        )  # fmt: skip
        return rows, selected, is_mixed

    def _sample(
        self, which: NDArray[np.intp], reference_filter: ReferenceFilter, scores: Floats
    ) -> _Samples:
        """Sample some tiles in the references whose scores are as good as the best one's."""
        count, pixels = len(which), self._tiles.side**2
        rows, selected, is_mixed = self._select(which, reference_filter, scores)
        references = selected.sum(axis=0)
        depth = max(1, int(references.max(initial=0)))
        values = np.empty((count, depth, 3 * pixels), np.int16)
        counts = np.zeros((count, pixels), np.uint8)
        limits = np.full((count, pixels), np.inf, np.float32)
        for place, row in enumerate(rows):
            if selected[place].any():
                index, frame = self._order[row], self._frames[row]
                score = scores[index]
                sample_reference(
                    frame.image, frame.brightness, self._tiles.side, self._places[row][which],
                    selected[place], is_mixed, self._alignment.gains[index],
                    self._alignment.offsets[index], float(score),
                    float(reference_filter.residual_limit(score)), values, counts, limits,
                )  # fmt: skip
        return _Samples(values, counts, is_mixed, references)

    def sample_pixels(
        self, tile_indices: NDArray[np.intp], missing: Mask
    ) -> tuple[Floats, NDArray[np.bool_]]:
        """Sample missing pixels (j, n) of some tiles one by one.

        Returns:
            The mean colours, float32 (j, n, 3), and where they are known, bool (j, n).
        """
        sums = np.zeros((*missing.shape, 3), np.float32)
        counts = np.zeros(missing.shape, np.uint8)
        limits = np.full(missing.shape, np.inf, np.float32)
        centres = self._tiles.centres[tile_indices]
        for frame, index in zip(self._frames, self._order, strict=True):
            score = self._alignment.scores[index]
            sample_pixels(
                frame.image, frame.brightness, self._alignment.homographies[index], centres,
                self._tiles.side, missing, self._alignment.gains[index],
                self._alignment.offsets[index], float(score),
                float(self._filter.residual_limit(score)), sums, counts, limits,
            )  # fmt: skip
        means = np.asarray(sums / np.maximum(counts, 1)[..., None], np.float32)
        return means, counts > 0


def _in_parts(tiles: NDArray[np.intp]) -> list[NDArray[np.intp]]:
    """Return the indices of tiles in parts, because their colours are copied and held."""
    return [tiles[at : at + _VOTING_TILES] for at in range(0, len(tiles), _VOTING_TILES)]
