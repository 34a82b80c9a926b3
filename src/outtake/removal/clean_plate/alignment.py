"""Judge by the ring around a hole how well other frames predict what is in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from outtake.motion.homography import Homography
from outtake.removal.clean_plate.hole_regions import Floats, Site
from outtake.removal.clean_plate.parallax import Parallax
from outtake.removal.clean_plate.references import Reference
from outtake.removal.clean_plate.ring_sampling import Rings, mean_of_lowest, means, median

# A reference that shows less of the ring than this can not be judged by it.
_MIN_SHARE, _MIN_PIXELS = 0.25, 12
# Of the ring, this share has to agree with a reference.
_TRUSTED_SHARE = 0.6
# How far the refinement expects to go, in pixels, at the edge of a site.
_PRIOR_PX = 1.5
# So many references are refined a second time: the best, and it is they that matter.
_REFINED = 10
# A smaller step is not worth taking.
_ALIGNED_PX = 0.12
# Sites that are looked at together; more take more memory, not less time.
_TOGETHER = 16
# Contrasts that differ by less, as a share, are alike: noise and moving things differ as well.
_SAME_GAIN, _GAIN_NOISE = 0.015, 60.0


@dataclass(frozen=True, slots=True)
class Fit:
    """How n references predict one site.

    Attributes:
        order: indices of those that can be judged, the best first.
        scores: ring residual of each reference in grey levels; infinite if it can not be judged.
        trusted: the same over the better part of the ring: what moves by itself around the hole,
            such as the cast shadow of what is removed, says nothing against a reference.
        maps: homographies from the frame to each reference, corrected for this site, (n, 3, 3).
        gains: what each reference's colours are to be multiplied with, float32 (n, 3),
        offsets: and what is then to be added, float32 (n, 3).
    """

    order: NDArray[np.intp]
    scores: Floats
    trusted: Floats
    maps: Homography
    gains: Floats
    offsets: Floats


class _Draft:
    """How some references predict sites so far, in brightness alone.

    Args:
        rings: of the s sites.
        references: all there are.
        which: of them for each site, (s, r).
        maps: homographies to them, (s, r, 3, 3).
    """

    def __init__(
        self,
        rings: Rings,
        references: Sequence[Reference],
        which: NDArray[np.intp],
        maps: Homography,
    ) -> None:
        self.maps = maps
        self.colours, self.known = rings.seen(references, which, maps)
        self.grey = rings.grey[:, None] - _grey(self.colours)
        level, self.inliers = _inliers(self.grey, self.known)
        self.scores = _scores(np.abs(self.grey - level[..., None]), self.known, rings)

    def step(self, rings: Rings) -> NDArray[np.float64]:
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

    def take(self, other: _Draft, rows: NDArray[np.intp], which: NDArray[np.intp]) -> None:
        """Take over what another draft of some of the references aligns better."""
        better = other.scores < self.scores[rows, which]
        at, part = np.nonzero(better)
        into = (at, which[at, part])
        for name in ("maps", "colours", "known", "grey", "inliers", "scores"):
            getattr(self, name)[into] = getattr(other, name)[at, part]

    def some(self, rows: NDArray[np.intp], which: NDArray[np.intp]) -> _Draft:
        """Return the draft of some of the references, (s, r)."""
        part = object.__new__(_Draft)
        for name in ("maps", "colours", "known", "grey", "inliers", "scores"):
            setattr(part, name, getattr(self, name)[rows, which])
        return part


def fits(sites: Sequence[Site], references: Sequence[Reference]) -> list[Fit]:
    """Align every reference to the ring of every site, and judge it there."""
    parallax = Parallax(references)
    found: list[Fit] = []
    for begin in range(0, len(sites), _TOGETHER):
        found += _fits(sites[begin : begin + _TOGETHER], references, parallax)
    return found


def _fits(sites: Sequence[Site], references: Sequence[Reference], parallax: Parallax) -> list[Fit]:
    rings = Rings(sites)
    first = np.stack([reference.homography for reference in references])
    every = np.tile(np.arange(len(references)), (len(sites), 1))
    rows = np.arange(len(sites))[:, None]
    draft = _Draft(rings, references, every, np.tile(first, (len(sites), 1, 1, 1)))
    local = np.stack([parallax.at(site) for site in sites])
    if local.any():
        shifted = draft.maps @ _shifts(sites, local)
        draft.take(_Draft(rings, references, every, shifted), rows, every)
    which = every
    for _ in range(2):
        part = draft.some(rows, which)
        step = part.step(rings)
        if float(np.abs(step).max()) < _ALIGNED_PX:
            break
        tried = part.maps @ _shifts(sites, step)
        draft.take(_Draft(rings, references, which, tried), rows, which)
        which = np.argsort(draft.scores, axis=1, kind="stable")[:, :_REFINED]
    return _judged(rings, draft)


def _judged(rings: Rings, draft: _Draft) -> list[Fit]:
    """Judge the aligned references by their colours."""
    weights = draft.known * draft.inliers
    gains = rings.gains(draft.colours, weights, _GAIN_NOISE)
    gains = np.sign(gains) * np.maximum(np.abs(gains) - _SAME_GAIN, 0)
    gains = np.asarray(np.exp(np.clip(gains, -0.7, 0.7)), np.float32)
    offsets = np.empty((*draft.scores.shape, 3), np.float32)
    distance = np.zeros_like(draft.grey)
    for channel in range(3):
        errors = draft.colours[..., channel] * -gains[:, channel, None]
        errors += rings.truth[:, None, :, channel]
        offsets[..., channel] = means(errors, weights)
        errors -= offsets[..., channel, None]
        distance += np.abs(errors, out=errors)
    distance *= np.float32(1 / 3)
    scores = _scores(distance, draft.known, rings)
    trusted = mean_of_lowest(distance, draft.known, _TRUSTED_SHARE)
    trusted = np.where(np.isfinite(scores), trusted, np.float32(np.inf))
    order = np.argsort(scores, axis=1, kind="stable")
    return [
        Fit(
            order[s][np.isfinite(scores[s][order[s]])],
            scores[s],
            trusted[s],
            draft.maps[s],
            gains,
            offsets[s],
        )
        for s in range(len(scores))
    ]


def _scores(distance: Floats, known: Floats, rings: Rings) -> Floats:
    enough = known.sum(axis=-1) >= np.maximum(_MIN_PIXELS, _MIN_SHARE * rings.sizes)[:, None]
    return np.where(enough, means(distance, known), np.float32(np.inf))


def _inliers(errors: Floats, known: Floats) -> tuple[Floats, Floats]:
    """Return the mean of each row of errors without outliers, and 1 for what is none.

    What moves by itself in the ring is an outlier: it tells nothing about the alignment.
    """
    spread = np.abs(errors - median(errors, known)[..., None])
    typical = median(spread, known)[..., None]
    inliers = np.asarray(spread <= 3 * typical + 1, np.float32)
    return means(errors, known * inliers), inliers


def _shifts(sites: Sequence[Site], parameters: NDArray[np.float64]) -> Homography:
    return np.stack([site.shift(each) for site, each in zip(sites, parameters, strict=True)])


def _grey(colours: NDArray[np.uint8]) -> Floats:
    """Return the brightness of colours (s, r, m, 3), float32 (s, r, m)."""
    flat = cv2.cvtColor(colours.reshape(-1, colours.shape[2], 3), cv2.COLOR_RGB2GRAY)
    return np.asarray(flat.reshape(colours.shape[:3]), np.float32)
