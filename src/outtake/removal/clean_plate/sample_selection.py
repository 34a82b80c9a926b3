"""Choose the samples of a pixel, and take their median."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from outtake.motion.warp import Points
from outtake.removal.clean_plate.alignment import AlignmentResult
from outtake.removal.clean_plate.frame_buffer import BufferedFrame
from outtake.removal.clean_plate.hole_regions import Floats, HoleRegion
from outtake.removal.clean_plate.tiles import known_in_tiles, sample_tiles

# Residuals this close are the same: noise decides which of them is the smaller.
_SAME_RESIDUAL_GREY = 0.15
# Samples are whole numbers of this part of a grey level, and one that is none sorts behind all.
STEPS_PER_GREY = 32
_NO_SAMPLE = np.int16(32767)
# So many more samples are taken of cells that frames show in part.
_EXTRA_SAMPLES = 4


@dataclass(frozen=True, slots=True)
class ReferenceFilter:
    """Which references are good enough.

    Attributes:
        max_samples: at most this many are taken for each pixel.
        tolerance: a reference may have this many times the residual of the best that sees the
            pixel.
        max_error: and never more than this, in grey levels,
        max_contrast_share: nor more than this share of the ring's standard deviation.
        accepted_error: a residual as small as this is fine on any ring.
    """

    max_samples: int = 5
    tolerance: float = 1.2
    max_error: float = 12.0
    max_contrast_share: float = 0.6
    accepted_error: float = 4.0

    def max_residual(self, region: HoleRegion) -> float:
        """Return the largest residual of a usable reference."""
        return min(
            self.max_error, max(self.max_contrast_share * region.contrast, self.accepted_error)
        )

    def usable_references(self, region: HoleRegion, alignment: AlignmentResult) -> NDArray[np.intp]:
        """Return the usable references of a fit, the best first."""
        return alignment.order[
            alignment.trimmed_scores[alignment.order] <= self.max_residual(region)
        ]

    def residual_limit(self, score: Floats) -> Floats:
        """Return the largest residual that is as good as that of the best."""
        return np.asarray(score * self.tolerance + _SAME_RESIDUAL_GREY, np.float32)

    def select_for_tiles(
        self, whole: NDArray[np.bool_], partly: NDArray[np.bool_], scores: Floats
    ) -> NDArray[np.bool_]:
        """Choose references for cells, (references, k), the best first.

        One that sees a part of a cell is an extra: of no use for the other pixels.
        """
        best = scores[(whole | partly).argmax(axis=0)]
        plenty = (whole & (scores[:, None] <= self.residual_limit(best))).sum(
            axis=0
        ) >= self.max_samples
        partly = partly & ~plenty
        first = np.where(whole.any(axis=0), whole.argmax(axis=0), partly.argmax(axis=0))
        limits = self.residual_limit(scores[first])
        seen = whole | partly
        enough = whole.cumsum(axis=0, dtype=np.int16) - whole >= self.max_samples
        slots = seen.cumsum(axis=0, dtype=np.int16) <= self.max_samples + _EXTRA_SAMPLES
        return np.asarray(seen & ~enough & slots & (scores[:, None] <= limits))


@dataclass(frozen=True, slots=True)
class TileSampler:
    """Looks cells up in the frames that were chosen for them.

    Attributes:
        side: of the cells, in pixels.
        centres: where their centres lie in the frames, (frames, k, 2).
        jacobians: how they are bent, (frames, k, 2, 2).
        selected: which frames are looked at, (frames, k).
        alignment: how well references predict the site.
        frames: the best first.
    """

    side: int
    centres: Points
    jacobians: Floats
    selected: NDArray[np.bool_]
    alignment: AlignmentResult
    frames: Sequence[BufferedFrame]

    def median(
        self,
        tile_indices: NDArray[np.intp],
        order: NDArray[np.intp],
        pixel_filter: ReferenceFilter | None,
    ) -> tuple[Floats, NDArray[np.bool_]]:
        """Return the colours of some cells, and where they are known.

        Args:
            tile_indices: indices of the cells.
            order: of the references that the frames belong to.
            pixel_filter: what decides for each pixel which samples are good enough, where frames
                show parts of cells.
        """
        selected = self.selected[:, tile_indices]
        slots = selected.cumsum(axis=0, dtype=np.int16) - 1
        shape = (max(1, int(slots[-1].max()) + 1), len(tile_indices), self.side**2)
        samples = np.full((*shape, 3), _NO_SAMPLE, np.int16)
        limits = np.full(shape[1:], np.inf, np.float32)
        for row in np.flatnonzero(selected.any(axis=1)).tolist():
            now = np.flatnonzero(selected[row])
            at, bend = self.centres[row, tile_indices[now]], self.jacobians[row, tile_indices[now]]
            held, index = self.frames[row], order[row]
            found = correct_exposure(
                sample_tiles(held.image, at, bend, self.side), self.alignment, index
            )
            if pixel_filter is not None:
                score = self.alignment.scores[index]
                seen = known_in_tiles(held.known, at, bend, self.side) & (limits[now] >= score)
                limit = np.minimum(limits[now], pixel_filter.residual_limit(score))
                limits[now] = np.where(seen, limit, limits[now])
                found[~seen] = _NO_SAMPLE
            samples[slots[row, now], now] = found
        if pixel_filter is None:
            counts = np.repeat(slots[-1, :, None] + 1, shape[2], axis=1)
        else:
            counts = np.count_nonzero(samples[..., 0] != _NO_SAMPLE, axis=0)
        return masked_median(samples, counts, pixel_filter is not None), counts > 0


def correct_exposure(
    colours: NDArray[np.uint8], alignment: AlignmentResult, index: int
) -> NDArray[np.int16]:
    """Bring a reference's colours to the frame's exposure, in parts of a grey level."""
    levels = np.arange(256, dtype=np.float32)[:, None]
    table = np.rint((levels * alignment.gains[index] + alignment.offsets[index]) * STEPS_PER_GREY)
    return np.asarray(cv2.LUT(colours, table.astype(np.int16)[:, None]), np.int16)


def masked_median(
    samples: NDArray[np.int16], counts: NDArray[np.integer], varying_counts: bool
) -> Floats:
    """Return the median along the first axis of the first ``counts`` entries.

    Args:
        samples: (depth, k, n, 3), larger than any sample where there is none. Is overwritten.
        counts: how many there are, (k, n); where it is 0, the result means nothing.
        varying_counts: whether they differ within the k.

    Returns:
        In grey levels, float32 (k, n, 3).
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
    total *= np.float32(0.5 / STEPS_PER_GREY)
    return total
