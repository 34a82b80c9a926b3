"""Align references to a hole region, and score how well they predict the ring around it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from outtake.motion.homography import Homography
from outtake.removal.clean_plate.frame_buffer import Reference
from outtake.removal.clean_plate.hole_regions import Floats, HoleRegion
from outtake.removal.clean_plate.parallax import ParallaxEstimator
from outtake.removal.clean_plate.ring_alignment import align_reference
from outtake.removal.clean_plate.ring_scores import score_reference

# The best references, which matter most, are refined a second time.
_MAX_REFINED = 10
_UPPER_TRIANGLE = np.triu_indices(7)


@dataclass(frozen=True, slots=True)
class AlignmentResult:
    """The alignment of n references to one region.

    Attributes:
        order: The indices of the references with a score, the best first.
        scores: The ring residual of each reference in grey levels; infinite if it has no score.
        trimmed_scores: The residual over the better part of the ring, because things that move by
            themselves around the hole, such as the cast shadow of a removed object, do not count
            against a reference.
        homographies: The homographies from the frame to each reference, corrected for this region,
            (n, 3, 3).
        gains: The factors that adapt the colours of each reference, float32 (n, 3).
        offsets: The offsets that are then added to the colours, float32 (n, 3).
    """

    order: NDArray[np.intp]
    scores: Floats
    trimmed_scores: Floats
    homographies: Homography
    gains: Floats
    offsets: Floats

    def join(self, other: AlignmentResult) -> AlignmentResult:
        """Return the alignment of these references, followed by others, to the same region."""
        scores = np.concatenate([self.scores, other.scores])
        order = np.argsort(scores, kind="stable")
        return AlignmentResult(
            order[np.isfinite(scores[order])],
            scores,
            np.concatenate([self.trimmed_scores, other.trimmed_scores]),
            np.concatenate([self.homographies, other.homographies]),
            np.concatenate([self.gains, other.gains]),
            np.concatenate([self.offsets, other.offsets]),
        )


class _Rings:
    """The rings of s hole regions one behind the other, m pixels in all.

    Attributes:
        starts: Where the ring of each region begins, int64 (s + 1,).
        points: The positions of the pixels, float32 (m, 2).
        colours: Their colours, uint8 (m, 3).
        brightness: Their brightness, uint8 (m,).
        slopes: The derivatives of the brightness by a shift of the region, float32 (m, 7).
        products: The products of those with each other, float32 (m, 28).
        centres: The centres of the regions, float32 (s, 2).
        radii_px: Half of their extents, float64 (s,).
    """

    def __init__(self, regions: Sequence[HoleRegion]) -> None:
        sizes = [len(region.ring_points) for region in regions]
        self.starts = np.concatenate(([0], np.cumsum(sizes))).astype(np.int64)
        self.points = np.concatenate([region.ring_points for region in regions])
        self.colours = np.concatenate([region.ring_colours for region in regions]).astype(np.uint8)
        # OpenCV converts no empty picture: a hole that is as large as the frame has no ring.
        self.brightness = np.zeros(len(self.colours), np.uint8)
        if len(self.colours):
            self.brightness[:] = cv2.cvtColor(self.colours[None], cv2.COLOR_RGB2GRAY)[0]
        self.slopes = np.concatenate([region.steepest_descent for region in regions])
        rows, columns = _UPPER_TRIANGLE
        self.products = self.slopes[:, rows] * self.slopes[:, columns]
        self.centres = np.stack([region.centre for region in regions])
        self.radii_px = np.array([region.radius_px for region in regions], np.float64)


def align_references(
    regions: Sequence[HoleRegion], references: Sequence[Reference]
) -> list[AlignmentResult]:
    """Align every reference to the ring of every region, and score it there."""
    rings, parallax = _Rings(regions), ParallaxEstimator(references)
    shape, pixels = (len(references), len(regions)), len(rings.points)
    homographies = np.stack([one.homography for one in references])
    homographies = np.ascontiguousarray(np.repeat(homographies[:, None], len(regions), axis=1))
    proposals = np.stack([parallax.estimate_shifts(region) for region in regions], axis=1)
    errors, seen = np.zeros((shape[0], pixels), np.int16), np.zeros((shape[0], pixels), np.uint8)
    brightness_scores = np.full(shape, np.inf)
    wanted = np.ones(shape, bool)
    for is_first in (True, False):
        for row, reference in enumerate(references):
            if wanted[row].any():
                align_reference(
                    reference.frame.brightness, rings.starts, rings.points,
                    rings.brightness, rings.slopes, rings.products, rings.centres, rings.radii_px,
                    proposals[row], is_first, wanted[row], homographies[row], errors[row],
                    seen[row], brightness_scores[row],
                )  # fmt: skip
        ranks = np.argsort(np.argsort(brightness_scores, axis=0, kind="stable"), axis=0)
        wanted = (ranks < _MAX_REFINED) & np.isfinite(brightness_scores)
    gains, offsets = np.ones((shape[0], 3), np.float32), np.zeros((*shape, 3), np.float32)
    scores, trimmed = np.full((2, *shape), np.inf, np.float32)
    for row, reference in enumerate(references):
        score_reference(
            reference.frame.image, rings.starts, rings.points,
            rings.colours, homographies[row], errors[row], seen[row], gains[row], offsets[row],
            scores[row], trimmed[row],
        )  # fmt: skip
    order = np.argsort(scores, axis=0, kind="stable")
    return [
        AlignmentResult(
            order[np.isfinite(scores[order[:, s], s]), s],
            np.ascontiguousarray(scores[:, s]),
            np.ascontiguousarray(trimmed[:, s]),
            np.ascontiguousarray(homographies[:, s]),
            gains,
            np.ascontiguousarray(offsets[:, s]),
        )
        for s in range(len(regions))
    ]
