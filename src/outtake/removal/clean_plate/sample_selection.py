"""Select samples of the pixels of a hole from references, and take their median."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from outtake.core.types import Mask
from outtake.motion.warp import Points
from outtake.removal.clean_plate.alignment import AlignmentResult
from outtake.removal.clean_plate.frame_buffer import Reference
from outtake.removal.clean_plate.hole_regions import Floats, HoleRegion
from outtake.removal.clean_plate.sample_medians import take_medians
from outtake.removal.clean_plate.tile_sampling import (
    place_tiles,
    sample_pixels,
    sample_reference,
    select_references,
    show_points,
)
from outtake.removal.clean_plate.tiles import Tiles

# Residuals this close are equal: noise decides which of them is smaller.
_SAME_RESIDUAL_GREY = 0.15
# Additional samples of tiles that references show in part.
_EXTRA_SAMPLES = 4
# How far samples disagree is looked at for the first of so many pixels of a tile.
SPREAD_STEP = 5
_MAX_PROBES = 256


@dataclass(frozen=True, slots=True)
class ReferenceFilter:
    """Decides which references are good enough.

    Attributes:
        max_samples: The largest number of samples per pixel.
        tolerance: The largest residual, as a multiple of the best residual among the references
            that show the pixel.
        max_error: The largest residual in grey levels.
        max_contrast_share: The largest residual as a share of the standard deviation of the ring.
        accepted_error: A residual that is accepted at any contrast, in grey levels.
    """

    max_samples: int = 5
    tolerance: float = 1.2
    max_error: float = 12.0
    max_contrast_share: float = 0.6
    accepted_error: float = 4.0

    def usable_references(self, region: HoleRegion, alignment: AlignmentResult) -> NDArray[np.intp]:
        """Return the indices of the usable references of an alignment, the best first."""
        contrast_limit = max(self.max_contrast_share * region.contrast, self.accepted_error)
        usable = alignment.trimmed_scores <= min(self.max_error, contrast_limit)
        return alignment.order[usable[alignment.order]]

    def residual_limit(self, score: Floats) -> Floats:
        """Return the largest residual that counts as good as the best one."""
        return np.asarray(score * self.tolerance + _SAME_RESIDUAL_GREY, np.float32)


def collect_samples(
    tiles: Tiles,
    needed: Mask,
    alignment: AlignmentResult,
    order: NDArray[np.intp],
    references: Sequence[Reference],
    reference_filter: ReferenceFilter,
) -> tuple[Floats, NDArray[np.bool_], Floats]:
    """Return the median of the best samples for the tiles of a region.

    Args:
        tiles: The tiles.
        needed: True for the pixels that are needed, bool (k, n).
        alignment: The alignment of the references to the region.
        order: The indices of the usable references, the best first.
        references: The references that were aligned.
        reference_filter: The limits for good samples.

    Returns:
        The colours, float32 (k, n, 3), True for needed pixels that are known, bool (k, n), and the
        mean absolute deviation of the samples from their median at every ``SPREAD_STEP``-th pixel,
        in grey levels, float32 (k, ceil(n / SPREAD_STEP)), NaN where there are not two.
    """
    sampler = _TileSampler(tiles, alignment, order, references, reference_filter)
    colours, known, spread = sampler.sample_tiles()
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
    return colours, known, spread


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
        shown = np.empty(shape, np.uint8)
        for row, (index, frame) in enumerate(zip(self._order, self._frames, strict=True)):
            place_tiles(
                alignment.homographies[index], tiles.centres, tiles.side, frame.clearance,
                frame.brightness, self._places[row], shown[row],
            )  # fmt: skip
        self._selected = np.empty(shape, bool)
        # Pixels of one tile differ in their samples only if a reference shows the tile in part.
        self._is_mixed = np.empty(shape[1], bool)
        select_references(
            shown, alignment.scores[order], reference_filter.max_samples, _EXTRA_SAMPLES,
            reference_filter.tolerance, _SAME_RESIDUAL_GREY, self._selected, self._is_mixed,
        )  # fmt: skip

    def sample_tiles(self) -> tuple[Floats, NDArray[np.bool_], Floats]:
        """Return colours, where they are known, and the spread; see ``collect_samples``."""
        shape = (len(self._is_mixed), self._tiles.side**2)
        colours, counts = np.zeros((*shape, 3), np.float32), np.zeros(shape, np.uint8)
        spread = np.empty((shape[0], -(-shape[1] // SPREAD_STEP)), np.float32)
        depth = max(1, int(self._selected.sum(axis=0).max(initial=0)))
        samples = np.empty((shape[0], depth, 3 * shape[1]), np.int16)
        limits = np.full(shape, np.inf, np.float32)
        for row, (index, frame) in enumerate(zip(self._order, self._frames, strict=True)):
            if self._selected[row].any():
                score = self._alignment.scores[index]
                sample_reference(
                    frame.image, frame.brightness, self._tiles.side, self._places[row],
                    self._selected[row], self._is_mixed, self._alignment.gains[index],
                    self._alignment.offsets[index], float(score),
                    float(self._filter.residual_limit(score)), samples, counts, limits,
                )  # fmt: skip
        take_medians(samples, counts, self._is_mixed, SPREAD_STEP, colours, spread)
        return colours, counts > 0, spread

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


def greedy_cover(
    references: Sequence[Reference], unfilled: Points, max_count: int
) -> list[Reference]:
    """Choose references that together show the most of the unfilled positions (n, 2)."""
    probes = unfilled[:: max(1, -(-len(unfilled) // _MAX_PROBES))]
    visible = np.array(
        [show_points(one.frame.brightness, one.homography, probes) for one in references]
    ).reshape(len(references), len(probes))
    chosen: list[Reference] = []
    while len(chosen) < max_count and visible.any():
        best = int(visible.sum(axis=1).argmax())
        chosen.append(references[best])
        visible = visible & ~visible[best]
    return chosen
