"""Align references to a hole region, and score how well they predict the ring around it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from outtake.motion.homography import Homography, invert_homography
from outtake.motion.warp import project_points
from outtake.removal.clean_plate.frame_buffer import Reference
from outtake.removal.clean_plate.hole_regions import Floats, HoleRegion
from outtake.removal.clean_plate.ring_sampling import (
    RingBatch,
    masked_lower_median,
    trimmed_mean,
    weighted_mean,
)

# A reference that shows less of the ring cannot be scored.
_MIN_RING_SHARE, _MIN_RING_PIXELS = 0.25, 12
# This share of the ring must agree with a reference.
_TRUSTED_SHARE = 0.6
# The shift that the refinement expects at the edge of a region.
_PRIOR_PX = 1.5
# The best references, which matter most, are refined a second time.
_MAX_REFINED = 10
# Smaller steps are not taken.
_MIN_STEP_PX = 0.12
# Regions that are aligned together; more take more memory, not less time.
_REGIONS_AT_ONCE = 16
# Contrasts that differ by a smaller share are equal: noise and moving things differ as well.
_GAIN_TOLERANCE, _GAIN_NOISE_VARIANCE = 0.015, 60.0

# The number of points near a region, weighted by nearness, that a parallax correction needs...
_MIN_POINTS = 3.0
# ...and the deviation of those points from which it is tried.
_MIN_DEVIATION_PX = 0.5
_MAX_DEVIATION_PX = 20.0
_PRIOR = np.diag([0.01, 0.05, 0.05]).astype(np.float32)


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


class _AlignmentState:
    """The alignment of r references to each of s regions so far, in brightness alone.

    Args:
        rings: The rings of the regions.
        references: All references.
        which: The indices of the references for each region, (s, r).
        homographies: The homographies to those references, (s, r, 3, 3).
    """

    _ARRAYS = ("homographies", "colours", "known", "grey_errors", "inliers", "scores")

    def __init__(
        self,
        rings: RingBatch,
        references: Sequence[Reference],
        which: NDArray[np.intp],
        homographies: Homography,
    ) -> None:
        self.homographies = homographies
        self.colours, self.known = rings.sample_references(references, which, homographies)
        self.grey_errors = rings.grey[:, None] - _to_grey(self.colours)
        mean, self.inliers = _mean_without_outliers(self.grey_errors, self.known)
        self.scores = _ring_residuals(np.abs(self.grey_errors - mean[..., None]), self.known, rings)

    def gauss_newton_step(self, rings: RingBatch) -> NDArray[np.float64]:
        """Return the shifts (s, r, 6) that explain the errors.

        One Gauss-Newton step with Cauchy weights, and a prior for small shifts.
        """
        known, errors = self.known, self.grey_errors
        total = np.maximum(known.sum(axis=-1), 1)
        mean = np.einsum("srm,srm->sr", errors, known) / total
        deviation = np.abs(errors - mean[..., None])
        typical = np.maximum(np.einsum("srm,srm->sr", deviation, known) / total, 1.0)
        weights = known / (1 + np.square(deviation * (0.5 / typical)[..., None]))
        normal, right = rings.normal_equations(weights, errors)
        normal[..., range(6), range(6)] += np.square(typical / _PRIOR_PX)[..., None]
        normal[..., 6, 6] += 1e-3
        found = np.linalg.solve(normal, right[..., None])[..., :6, 0]
        reach = np.abs(found).max(axis=-1, keepdims=True)
        return np.asarray(found * np.minimum(1, 2 * _PRIOR_PX / np.maximum(reach, 1e-9)))

    def accept_better(
        self, other: _AlignmentState, rows: NDArray[np.intp], which: NDArray[np.intp]
    ) -> None:
        """Take over the references that another state, of some of them, aligns better."""
        row, column = np.nonzero(other.scores < self.scores[rows, which])
        for name in self._ARRAYS:
            getattr(self, name)[row, which[row, column]] = getattr(other, name)[row, column]

    def subset(self, rows: NDArray[np.intp], which: NDArray[np.intp]) -> _AlignmentState:
        """Return the state of some of the references, (s, r)."""
        part = object.__new__(_AlignmentState)
        for name in self._ARRAYS:
            setattr(part, name, getattr(self, name)[rows, which])
        return part


def align_references(
    regions: Sequence[HoleRegion], references: Sequence[Reference]
) -> list[AlignmentResult]:
    """Align every reference to the ring of every region, and score it there."""
    parallax = ParallaxEstimator(references)
    found: list[AlignmentResult] = []
    for begin in range(0, len(regions), _REGIONS_AT_ONCE):
        found += _align_batch(regions[begin : begin + _REGIONS_AT_ONCE], references, parallax)
    return found


def _align_batch(
    regions: Sequence[HoleRegion], references: Sequence[Reference], parallax: ParallaxEstimator
) -> list[AlignmentResult]:
    rings = RingBatch(regions)
    first = np.stack([reference.homography for reference in references])
    every = np.tile(np.arange(len(references)), (len(regions), 1))
    rows = np.arange(len(regions))[:, None]
    state = _AlignmentState(rings, references, every, np.tile(first, (len(regions), 1, 1, 1)))
    local = np.stack([parallax.estimate_shifts(region) for region in regions])
    if local.any():
        shifted = state.homographies @ _shift_maps(regions, local)
        state.accept_better(_AlignmentState(rings, references, every, shifted), rows, every)
    which = every
    for _ in range(2):
        part = state.subset(rows, which)
        step = part.gauss_newton_step(rings)
        if float(np.abs(step).max()) < _MIN_STEP_PX:
            break
        tried = part.homographies @ _shift_maps(regions, step)
        state.accept_better(_AlignmentState(rings, references, which, tried), rows, which)
        which = np.argsort(state.scores, axis=1, kind="stable")[:, :_MAX_REFINED]
    return _score_alignment(rings, state)


def _score_alignment(rings: RingBatch, state: _AlignmentState) -> list[AlignmentResult]:
    """Score the aligned references by their colours."""
    weights = state.known * state.inliers
    gains = rings.estimate_log_gains(state.colours, weights, _GAIN_NOISE_VARIANCE)
    gains = np.sign(gains) * np.maximum(np.abs(gains) - _GAIN_TOLERANCE, 0)
    gains = np.asarray(np.exp(np.clip(gains, -0.7, 0.7)), np.float32)
    offsets = np.empty((*state.scores.shape, 3), np.float32)
    distance = np.zeros_like(state.grey_errors)
    for channel in range(3):
        errors = state.colours[..., channel] * -gains[:, channel, None]
        errors += rings.colours[:, None, :, channel]
        offsets[..., channel] = weighted_mean(errors, weights)
        errors -= offsets[..., channel, None]
        distance += np.abs(errors, out=errors)
    distance *= np.float32(1 / 3)
    scores = _ring_residuals(distance, state.known, rings)
    trimmed = trimmed_mean(distance, state.known, _TRUSTED_SHARE)
    trimmed = np.where(np.isfinite(scores), trimmed, np.float32(np.inf))
    order = np.argsort(scores, axis=1, kind="stable")
    return [
        AlignmentResult(
            order[s][np.isfinite(scores[s][order[s]])],
            scores[s],
            trimmed[s],
            state.homographies[s],
            gains,
            offsets[s],
        )
        for s in range(len(scores))
    ]


def _ring_residuals(distance: Floats, known: Floats, rings: RingBatch) -> Floats:
    least = np.maximum(_MIN_RING_PIXELS, _MIN_RING_SHARE * rings.sizes)
    enough = known.sum(axis=-1) >= least[:, None]
    return np.where(enough, weighted_mean(distance, known), np.float32(np.inf))


def _mean_without_outliers(errors: Floats, known: Floats) -> tuple[Floats, Floats]:
    """Return the mean of each row of errors without outliers, and 1 for each inlier.

    Things that move by themselves in the ring are outliers: they say nothing about the alignment.
    """
    spread = np.abs(errors - masked_lower_median(errors, known)[..., None])
    typical = masked_lower_median(spread, known)[..., None]
    inliers = np.asarray(spread <= 3 * typical + 1, np.float32)
    return weighted_mean(errors, known * inliers), inliers


def _shift_maps(regions: Sequence[HoleRegion], parameters: NDArray[np.float64]) -> Homography:
    pairs = zip(regions, parameters, strict=True)
    return np.stack([region.affine_shifts(each) for region, each in pairs])


def _to_grey(colours: NDArray[np.uint8]) -> Floats:
    """Return the brightness of colours (s, r, m, 3), float32 (s, r, m)."""
    flat = cv2.cvtColor(colours.reshape(-1, colours.shape[2], 3), cv2.COLOR_RGB2GRAY)
    return np.asarray(flat.reshape(colours.shape[:3]), np.float32)


class ParallaxEstimator:
    """Measures how tracked points near a region deviate from the homography of the frame.

    Things that are nearer or farther than most of the frame move by another homography; around one
    region, an affine correction from the points there comes close (after Zaragoza et al. 2013).
    """

    def __init__(self, references: Sequence[Reference]) -> None:
        shared = [one.source.view.shared_points(one.frame.view) for one in references]
        most = max(len(here) for here, _ in shared)
        shape = (len(references), most)
        self._points: Floats = np.zeros((*shape, 2), np.float32)
        self._errors: Floats = np.zeros((*shape, 2), np.float32)
        self._weights: Floats = np.zeros(shape, np.float32)
        for row, (here, there) in enumerate(shared):
            part = (row, slice(len(here)))
            self._points[part], self._errors[part], self._weights[part] = here, there, 1
        back = invert_homography(np.stack([one.homography for one in references]))
        self._errors = project_points(back, self._errors) - self._points
        self._errors *= self._weights[..., None]
        self._sizes = np.minimum(_max_component(self._errors), _MAX_DEVIATION_PX)

    def estimate_shifts(self, region: HoleRegion) -> NDArray[np.float64]:
        """Return a shift for each reference, (references, 6); 0 where none is needed."""
        shifts = np.zeros((len(self._points), 6))
        local = (self._points - region.centre) / np.float32(region.radius_px)
        outside = np.maximum(_max_component(local) - 1, 0)
        near = self._weights * np.exp(-0.5 * np.square(outside))
        total = near.sum(axis=1)
        off = (near * self._sizes).sum(axis=1)
        needed = (total >= _MIN_POINTS) & (off > _MIN_DEVIATION_PX * total)
        if not needed.any():
            return shifts
        near, errors = near[needed], self._errors[needed]
        design = np.concatenate((np.ones_like(local[needed, :, :1]), local[needed]), axis=2)
        found = np.zeros((len(near), 3, 2), np.float32)
        for _ in range(3):
            left = _max_component(errors - np.matmul(design, found))
            typical = (near * left).sum(axis=1) / near.sum(axis=1)
            weights = near / (1 + np.square(left / np.maximum(typical, 0.3)[:, None]))
            weighted = (design * weights[..., None]).transpose(0, 2, 1)
            normal = np.matmul(weighted, design) + _PRIOR
            found = np.linalg.solve(normal, np.matmul(weighted, errors))
        shifts[needed] = found.transpose(0, 2, 1).reshape(-1, 6)
        return shifts


def _max_component(vectors: Floats) -> Floats:
    """Return the larger of |x| and |y| of vectors (..., 2)."""
    return np.asarray(np.maximum(np.abs(vectors[..., 0]), np.abs(vectors[..., 1])), np.float32)
