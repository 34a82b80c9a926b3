"""Select samples of the pixels of a hole from references, and take their median."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from outtake.core.types import Mask
from outtake.motion.warp import (
    Points,
    known_at_points,
    project_points,
    project_with_jacobians,
    sample_points,
)
from outtake.removal.clean_plate.alignment import AlignmentResult
from outtake.removal.clean_plate.frame_buffer import Reference
from outtake.removal.clean_plate.hole_regions import Floats, HoleRegion
from outtake.removal.clean_plate.tiles import Tiles, known_in_tiles, sample_tiles, tile_visibility

# Residuals this close are equal: noise decides which of them is smaller.
_SAME_RESIDUAL_GREY = 0.15
# Samples are integers in this fraction of a grey level; missing samples sort behind all others.
_STEPS_PER_GREY = 32
_NO_SAMPLE = np.int16(32767)
# Additional samples of tiles that references show in part.
_EXTRA_SAMPLES = 4
# How far samples disagree is looked at for the first of so many pixels of a tile.
SPREAD_STEP = 5
# Tiles that no reference shows completely are sampled pixel by pixel, this often at most.
_MAX_PIXEL_SAMPLES = 5
# The number of tiles sampled at a time: their samples stay in the cache of the processor.
_TILES_AT_ONCE = 256
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

    def select_for_tiles(
        self, whole: NDArray[np.bool_], partly: NDArray[np.bool_], scores: Floats
    ) -> NDArray[np.bool_]:
        """Select references for tiles, bool (references, k), the best first.

        A reference that shows a tile in part is taken in addition: it does not help the other
        pixels of the tile.
        """
        best = scores[(whole | partly).argmax(axis=0)]
        good = whole & (scores[:, None] <= self.residual_limit(best))
        partly = partly & (good.sum(axis=0) < self.max_samples)
        first = np.where(whole.any(axis=0), whole.argmax(axis=0), partly.argmax(axis=0))
        limits = self.residual_limit(scores[first])
        visible = whole | partly
        enough = whole.cumsum(axis=0, dtype=np.int16) - whole >= self.max_samples
        slots = visible.cumsum(axis=0, dtype=np.int16) <= self.max_samples + _EXTRA_SAMPLES
        return np.asarray(visible & ~enough & slots & (scores[:, None] <= limits))


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
        self._centres, self._jacobians = project_with_jacobians(
            alignment.homographies[order], tiles.centres
        )
        whole, partly = self._classify_visibility()
        self._selected = reference_filter.select_for_tiles(whole, partly, alignment.scores[order])
        # Pixels of one tile differ in their samples only if a reference shows the tile in part.
        self._is_mixed = np.asarray((self._selected & partly).any(axis=0), bool)

    def _classify_visibility(self) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Return which tiles references show as a whole, and which in part, bool (r, k) each."""
        side = self._tiles.side
        clearances = [frame.clearance for frame in self._frames]
        whole, maybe = tile_visibility(clearances, self._centres, self._jacobians, side)
        partly = np.zeros(whole.shape, bool)
        for row in np.flatnonzero(maybe.any(axis=1)).tolist():
            some = np.flatnonzero(maybe[row])
            centres, jacobians = self._centres[row, some], self._jacobians[row, some]
            corners = known_in_tiles(
                self._frames[row].known, centres, jacobians, side, corners=True
            )
            partly[row, some] = corners.any(axis=1)
        return whole, partly

    def sample_tiles(self) -> tuple[Floats, NDArray[np.bool_], Floats]:
        """Return colours, where they are known, and the spread; see ``collect_samples``."""
        shape = (len(self._is_mixed), self._tiles.side**2)
        colours, known = np.empty((*shape, 3), np.float32), np.empty(shape, bool)
        spread = np.empty((shape[0], -(-shape[1] // SPREAD_STEP)), np.float32)
        for mixed in (False, True):
            group = np.flatnonzero(self._is_mixed == mixed)
            for begin in range(0, len(group), _TILES_AT_ONCE):
                some = group[begin : begin + _TILES_AT_ONCE]
                colours[some], known[some], spread[some] = self._median(some, mixed)
        return colours, known, spread

    def _median(
        self, tile_indices: NDArray[np.intp], mixed: bool
    ) -> tuple[Floats, NDArray[np.bool_], Floats]:
        """Return the median of the selected references for some tiles, and the spread around it.

        If the tiles are mixed, it is decided for each pixel which samples are good enough.
        """
        selected, side = self._selected[:, tile_indices], self._tiles.side
        slots = selected.cumsum(axis=0, dtype=np.int16) - 1
        shape = (max(1, int(slots[-1].max()) + 1), len(tile_indices), side**2)
        samples = np.full((*shape, 3), _NO_SAMPLE, np.int16)
        limits = np.full(shape[1:], np.inf, np.float32)
        for row in np.flatnonzero(selected.any(axis=1)).tolist():
            now = np.flatnonzero(selected[row])
            centres = self._centres[row, tile_indices[now]]
            jacobians = self._jacobians[row, tile_indices[now]]
            frame, index = self._frames[row], self._order[row]
            colours = sample_tiles(frame.image, centres, jacobians, side)
            found = _correct_exposure(colours, self._alignment, index)
            if mixed:
                score = self._alignment.scores[index]
                known = known_in_tiles(frame.known, centres, jacobians, side)
                known &= limits[now] >= score
                limit = np.minimum(limits[now], self._filter.residual_limit(score))
                limits[now] = np.where(known, limit, limits[now])
                found[~known] = _NO_SAMPLE
            samples[slots[row, now], now] = found
        if mixed:
            counts = np.count_nonzero(samples[..., 0] != _NO_SAMPLE, axis=0)
        else:
            counts = np.repeat(slots[-1, :, None] + 1, shape[2], axis=1)
        median = masked_median(samples, counts, mixed)
        return median, counts > 0, mean_deviation(samples, median, counts)

    def sample_pixels(
        self, tile_indices: NDArray[np.intp], missing: Mask
    ) -> tuple[Floats, NDArray[np.bool_]]:
        """Sample missing pixels (j, n) of some tiles one by one.

        Returns:
            The mean colours, float32 (j, n, 3), and where they are known, bool (j, n).
        """
        side = self._tiles.side
        corners_and_middle = [0, side - 1, side * (side - 1), side**2 - 1, (side**2 + side) // 2]
        points = self._tiles.pixel_positions(tile_indices)
        probes = np.ascontiguousarray(points[:, corners_and_middle]).reshape(-1, 2)
        sums = np.zeros((*points.shape[:2], 3), np.float32)
        counts = np.zeros(points.shape[:2], np.int16)
        limits = np.full(points.shape[:2], np.inf, np.float32)
        for frame, index in zip(self._frames, self._order, strict=True):
            homography = self._alignment.homographies[index]
            score = self._alignment.scores[index]
            visible = known_at_points(frame.known, project_points(homography, probes))
            lacking = np.asarray(missing & (counts < _MAX_PIXEL_SAMPLES) & (limits >= score), bool)
            visible = visible.reshape(len(tile_indices), -1)
            lacking &= visible.any(axis=1, keepdims=True)
            rows, columns = np.nonzero(lacking)
            if not len(rows):
                continue
            there = project_points(homography, points[rows, columns])
            colours, known = sample_points(frame.image, frame.known, there)
            rows, columns = rows[known], columns[known]
            if not len(rows):
                continue
            found = _correct_exposure(colours[known][None], self._alignment, index)[0]
            sums[rows, columns] += found * np.float32(1 / _STEPS_PER_GREY)
            counts[rows, columns] += 1
            limit = self._filter.residual_limit(score)
            limits[rows, columns] = np.minimum(limits[rows, columns], limit)
        means = np.asarray(sums / np.maximum(counts, 1)[..., None], np.float32)
        return means, counts > 0


def _correct_exposure(
    colours: NDArray[np.uint8], alignment: AlignmentResult, index: int
) -> NDArray[np.int16]:
    """Adapt the colours of a reference to the exposure of the frame, in steps of a grey level."""
    levels = np.arange(256, dtype=np.float32)[:, None]
    table = np.rint((levels * alignment.gains[index] + alignment.offsets[index]) * _STEPS_PER_GREY)
    return np.asarray(cv2.LUT(colours, table.astype(np.int16)[:, None]), np.int16)


def masked_median(
    samples: NDArray[np.int16], counts: NDArray[np.integer], varying_counts: bool
) -> Floats:
    """Return the median along the first axis of the first ``counts`` entries.

    Args:
        samples: The samples (depth, k, n, 3), larger than any sample where there is none; they
            are overwritten.
        counts: The number of samples, (k, n); where it is 0, the result is meaningless.
        varying_counts: True if counts differ along n.

    Returns:
        The median in grey levels, float32 (k, n, 3).
    """
    depth = len(samples)
    for turn in range(depth):
        for low in range(turn % 2, depth - 1, 2):
            smaller = np.minimum(samples[low], samples[low + 1])
            np.maximum(samples[low], samples[low + 1], out=samples[low + 1])
            samples[low] = smaller
    below, above = np.maximum(counts - 1, 0) // 2, np.minimum(counts // 2, depth - 1)
    rows = np.arange(samples.shape[1])
    if varying_counts:
        rows, columns = np.ogrid[: samples.shape[1], : samples.shape[2]]
        total = np.asarray(samples[below, rows, columns], np.float32)
        total += samples[above, rows, columns]
    else:
        total = np.asarray(samples[below[:, 0], rows], np.float32)
        total += samples[above[:, 0], rows]
    total *= np.float32(0.5 / _STEPS_PER_GREY)
    return total


def mean_deviation(
    samples: NDArray[np.int16], median: Floats, counts: NDArray[np.integer]
) -> Floats:
    """Return how far samples deviate from their median on average, in grey levels.

    Args:
        samples: The samples, as :func:`masked_median` takes and leaves them.
        median: Their median, float32 (k, n, 3).
        counts: The number of samples, (k, n).

    Returns:
        The mean absolute deviation of the green channel, because colours change together, at every
        ``SPREAD_STEP``-th pixel, float32 (k, m); NaN where there are fewer than two samples.
    """
    counts = counts[:, ::SPREAD_STEP]
    middle = np.rint(median[:, ::SPREAD_STEP, 1] * _STEPS_PER_GREY).astype(np.int16)
    total = np.zeros(middle.shape, np.int32)
    for layer in samples[:, :, ::SPREAD_STEP, 1]:
        # Where there is no sample, the difference may overflow, and does not count.
        total += np.where(layer == _NO_SAMPLE, np.int16(0), np.abs(layer - middle))
    spread = total / (np.float32(_STEPS_PER_GREY) * np.maximum(counts, 1))
    return np.where(counts >= 2, spread, np.nan).astype(np.float32)


def greedy_cover(
    references: Sequence[Reference], unfilled: Points, max_count: int
) -> list[Reference]:
    """Choose references that together show the most of the unfilled positions (n, 2)."""
    probes = unfilled[:: max(1, -(-len(unfilled) // _MAX_PROBES))]
    visible = np.array(
        [
            known_at_points(one.frame.known, project_points(one.homography, probes))
            for one in references
        ]
    ).reshape(len(references), len(probes))
    chosen: list[Reference] = []
    while len(chosen) < max_count and visible.any():
        best = int(visible.sum(axis=1).argmax())
        chosen.append(references[best])
        visible = visible & ~visible[best]
    return chosen
