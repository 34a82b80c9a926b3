"""Judge by the ring around a hole how well other frames predict what is in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from outtake.motion.homography import Homography
from outtake.removal.clean_plate.hole_regions import Floats, HoleRegion
from outtake.removal.clean_plate.parallax import ParallaxEstimator
from outtake.removal.clean_plate.references import Reference
from outtake.removal.clean_plate.ring_sampling import (
    RingBatch,
    masked_lower_median,
    trimmed_mean,
    weighted_mean,
)

# A reference that shows less of the ring than this can not be judged by it.
_MIN_RING_SHARE, _MIN_RING_PIXELS = 0.25, 12
# Of the ring, this share has to agree with a reference.
_TRUSTED_SHARE = 0.6
# How far the refinement expects to go, in pixels, at the edge of a site.
_PRIOR_PX = 1.5
# So many references are refined a second time: the best, and it is they that matter.
_MAX_REFINED = 10
# A smaller step is not worth taking.
_MIN_STEP_PX = 0.12
# Sites that are looked at together; more take more memory, not less time.
_REGIONS_AT_ONCE = 16
# Contrasts that differ by less, as a share, are alike: noise and moving things differ as well.
_GAIN_TOLERANCE, _GAIN_NOISE_VARIANCE = 0.015, 60.0


@dataclass(frozen=True, slots=True)
class AlignmentResult:
    """How n references predict one site.

    Attributes:
        order: indices of those that can be judged, the best first.
        scores: ring residual of each reference in grey levels; infinite if it can not be judged.
        trimmed_scores: the same over the better part of the ring: what moves by itself around the
            hole, such as the cast shadow of what is removed, says nothing against a reference.
        homographies: homographies from the frame to each reference, corrected for this site, (n,
            3, 3).
        gains: what each reference's colours are to be multiplied with, float32 (n, 3),
        offsets: and what is then to be added, float32 (n, 3).
    """

    order: NDArray[np.intp]
    scores: Floats
    trimmed_scores: Floats
    homographies: Homography
    gains: Floats
    offsets: Floats


class _AlignmentState:
    """How some references predict sites so far, in brightness alone.

    Args:
        rings: of the s sites.
        references: all there are.
        which: of them for each site, (s, r).
        maps: homographies to them, (s, r, 3, 3).
    """

    def __init__(
        self,
        rings: RingBatch,
        references: Sequence[Reference],
        which: NDArray[np.intp],
        maps: Homography,
    ) -> None:
        self.maps = maps
        self.colours, self.known = rings.sample_references(references, which, maps)
        self.grey = rings.grey[:, None] - _to_grey(self.colours)
        level, self.inliers = _mean_without_outliers(self.grey, self.known)
        self.scores = _ring_residuals(np.abs(self.grey - level[..., None]), self.known, rings)

    def gauss_newton_step(self, rings: RingBatch) -> NDArray[np.float64]:
        """Return the shifts (s, r, 6) that would explain the errors.

        One step of Gauss-Newton with Cauchy's weights, and a prior that expects little.
        """
        known, grey = self.known, self.grey
        total = np.maximum(known.sum(axis=-1), 1)
        average = np.einsum("srm,srm->sr", grey, known) / total
        level = np.abs(grey - average[..., None])
        typical = np.maximum(np.einsum("srm,srm->sr", level, known) / total, 1.0)
        weights = known / (1 + np.square(level * (0.5 / typical)[..., None]))
        normal, right = rings.normal_equations(weights, grey)
        normal[..., range(6), range(6)] += np.square(typical / _PRIOR_PX)[..., None]
        normal[..., 6, 6] += 1e-3
        found = np.linalg.solve(normal, right[..., None])[..., :6, 0]
        reach = np.abs(found).max(axis=-1, keepdims=True)
        return np.asarray(found * np.minimum(1, 2 * _PRIOR_PX / np.maximum(reach, 1e-9)))

    def accept_better(
        self, other: _AlignmentState, rows: NDArray[np.intp], which: NDArray[np.intp]
    ) -> None:
        """Take over what another draft of some of the references aligns better."""
        better = other.scores < self.scores[rows, which]
        at, part = np.nonzero(better)
        into = (at, which[at, part])
        for name in ("maps", "colours", "known", "grey", "inliers", "scores"):
            getattr(self, name)[into] = getattr(other, name)[at, part]

    def subset(self, rows: NDArray[np.intp], which: NDArray[np.intp]) -> _AlignmentState:
        """Return the draft of some of the references, (s, r)."""
        part = object.__new__(_AlignmentState)
        for name in ("maps", "colours", "known", "grey", "inliers", "scores"):
            setattr(part, name, getattr(self, name)[rows, which])
        return part


def align_references(
    regions: Sequence[HoleRegion], references: Sequence[Reference]
) -> list[AlignmentResult]:
    """Align every reference to the ring of every site, and judge it there."""
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
    local = np.stack([parallax.estimate_shifts(site) for site in regions])
    if local.any():
        shifted = state.maps @ _shift_maps(regions, local)
        state.accept_better(_AlignmentState(rings, references, every, shifted), rows, every)
    which = every
    for _ in range(2):
        part = state.subset(rows, which)
        step = part.gauss_newton_step(rings)
        if float(np.abs(step).max()) < _MIN_STEP_PX:
            break
        tried = part.maps @ _shift_maps(regions, step)
        state.accept_better(_AlignmentState(rings, references, which, tried), rows, which)
        which = np.argsort(state.scores, axis=1, kind="stable")[:, :_MAX_REFINED]
    return _score_alignment(rings, state)


def _score_alignment(rings: RingBatch, state: _AlignmentState) -> list[AlignmentResult]:
    """Judge the aligned references by their colours."""
    weights = state.known * state.inliers
    gains = rings.estimate_log_gains(state.colours, weights, _GAIN_NOISE_VARIANCE)
    gains = np.sign(gains) * np.maximum(np.abs(gains) - _GAIN_TOLERANCE, 0)
    gains = np.asarray(np.exp(np.clip(gains, -0.7, 0.7)), np.float32)
    offsets = np.empty((*state.scores.shape, 3), np.float32)
    distance = np.zeros_like(state.grey)
    for channel in range(3):
        errors = state.colours[..., channel] * -gains[:, channel, None]
        errors += rings.colours[:, None, :, channel]
        offsets[..., channel] = weighted_mean(errors, weights)
        errors -= offsets[..., channel, None]
        distance += np.abs(errors, out=errors)
    distance *= np.float32(1 / 3)
    scores = _ring_residuals(distance, state.known, rings)
    trusted = trimmed_mean(distance, state.known, _TRUSTED_SHARE)
    trusted = np.where(np.isfinite(scores), trusted, np.float32(np.inf))
    order = np.argsort(scores, axis=1, kind="stable")
    return [
        AlignmentResult(
            order[s][np.isfinite(scores[s][order[s]])],
            scores[s],
            trusted[s],
            state.maps[s],
            gains,
            offsets[s],
        )
        for s in range(len(scores))
    ]


def _ring_residuals(distance: Floats, known: Floats, rings: RingBatch) -> Floats:
    enough = (
        known.sum(axis=-1) >= np.maximum(_MIN_RING_PIXELS, _MIN_RING_SHARE * rings.sizes)[:, None]
    )
    return np.where(enough, weighted_mean(distance, known), np.float32(np.inf))


def _mean_without_outliers(errors: Floats, known: Floats) -> tuple[Floats, Floats]:
    """Return the mean of each row of errors without outliers, and 1 for what is none.

    What moves by itself in the ring is an outlier: it tells nothing about the alignment.
    """
    spread = np.abs(errors - masked_lower_median(errors, known)[..., None])
    typical = masked_lower_median(spread, known)[..., None]
    inliers = np.asarray(spread <= 3 * typical + 1, np.float32)
    return weighted_mean(errors, known * inliers), inliers


def _shift_maps(regions: Sequence[HoleRegion], parameters: NDArray[np.float64]) -> Homography:
    return np.stack(
        [site.affine_shifts(each) for site, each in zip(regions, parameters, strict=True)]
    )


def _to_grey(colours: NDArray[np.uint8]) -> Floats:
    """Return the brightness of colours (s, r, m, 3), float32 (s, r, m)."""
    flat = cv2.cvtColor(colours.reshape(-1, colours.shape[2], 3), cv2.COLOR_RGB2GRAY)
    return np.asarray(flat.reshape(colours.shape[:3]), np.float32)
