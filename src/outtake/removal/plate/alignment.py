"""Judge by the ring around a hole how well other frames predict what is in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from outtake.removal.plate.camera import Homography
from outtake.removal.plate.parallax import Parallax
from outtake.removal.plate.references import Reference
from outtake.removal.plate.sampling import project, sample
from outtake.removal.plate.sites import Floats, Site

Judged = tuple[Floats, Floats]

# A reference that shows less of the ring than this can not be judged by it.
_MIN_SHARE, _MIN_PIXELS = 0.25, 12
# Of the ring, this share has to agree with a reference.
_TRUSTED_SHARE = 0.6
# How far the refinement expects to go, in pixels, at the edge of a site.
_PRIOR_PX = 1.5
_REFINEMENTS = 2
# Products of matrices this long stay below the size from which BLAS starts threads of its own,
# which cost more here than they bring.
_BLOCK = 128


@dataclass(frozen=True, slots=True)
class Fit:
    """How n references predict one site.

    Attributes:
        order: indices of those that can be judged, the best first.
        scores: ring residual of each reference in grey levels; infinite if it can not be judged.
        trusted: the same over the better part of the ring: what moves by itself around the hole,
            such as the cast shadow of what is removed, says nothing against a reference.
        maps: homographies from the frame to each reference, corrected for this site, (n, 3, 3).
        offsets: what is to be added to each reference's colours, float32 (n, 3).
    """

    order: NDArray[np.intp]
    scores: Floats
    trusted: Floats
    maps: Homography
    offsets: Floats


class _Draft:
    """How references predict one site so far.

    Args:
        site: the site.
        maps: homographies to the references, (n, 3, 3).
        errors: what the references lack on the ring, float32 (3, n, m).
        known: 1 where they are known, float32 (n, m).
    """

    def __init__(self, site: Site, maps: Homography, errors: Floats, known: Floats) -> None:
        self.site = site
        self.maps = maps
        self._errors, self._known = errors, known
        # What moves by itself in the ring is an outlier: it tells nothing about the alignment.
        grey = errors.sum(axis=0) / np.float32(3)
        spread = np.abs(grey - _lowest(grey, known, 0.5)[0][:, None])
        typical = _lowest(spread, known, 0.5)[0][:, None]
        self._offsets = _means(errors, known * (spread <= 3 * typical + 1))
        distance = _distance(errors, self._offsets)
        enough = known.sum(axis=1) >= max(_MIN_PIXELS, _MIN_SHARE * len(site.ring))
        scores = _means(distance[None], known)[:, 0]
        self._scores = np.where(enough, scores, np.float32(np.inf))
        trusted = _lowest(distance, known, _TRUSTED_SHARE)[1]
        self._trusted = np.where(enough, trusted, np.float32(np.inf))

    def take(self, other: _Draft) -> None:
        """Take over those references that another draft aligns better."""
        better = other._scores < self._scores
        self.maps = np.where(better[:, None, None], other.maps, self.maps)
        self._scores = np.where(better, other._scores, self._scores)
        self._trusted = np.where(better, other._trusted, self._trusted)
        self._offsets = np.where(better[:, None], other._offsets, self._offsets)
        np.copyto(self._errors, other._errors, where=better[:, None])
        np.copyto(self._known, other._known, where=better[:, None])

    def fit(self) -> Fit:
        """Return the result."""
        order = np.argsort(self._scores, kind="stable")
        order = order[np.isfinite(self._scores[order])]
        return Fit(order, self._scores, self._trusted, self.maps, self._offsets)

    def step(self) -> NDArray[np.float64]:
        """Return the shifts (n, 6) that would explain the errors.

        One step of Gauss-Newton with Cauchy's weights, and a prior that expects little.
        """
        known = self._known
        count, pixels = known.shape
        if pixels < _MIN_PIXELS:
            return np.zeros((count, 6))
        grey = self._errors.sum(axis=0) / np.float32(3)
        total = np.maximum(known.sum(axis=1, keepdims=True), 1)
        level = np.abs(grey - (grey * known).sum(axis=1, keepdims=True) / total)
        typical = np.maximum((level * known).sum(axis=1, keepdims=True) / total, 1.0)
        weights = known / (1 + np.square(level / (2 * typical)))
        normal, right = _normal_equations(weights, grey, self.site.slopes)
        normal[:, range(6), range(6)] += np.square(typical / _PRIOR_PX)
        normal[:, 6, 6] += 1e-3
        found = np.linalg.solve(normal, right[..., None])[:, :6, 0]
        reach = np.abs(found).max(axis=1, keepdims=True)
        return np.asarray(found * np.minimum(1, 2 * _PRIOR_PX / np.maximum(reach, 1e-9)))


def _normal_equations(
    weights: Floats, errors: Floats, slopes: Floats
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    count, pixels = weights.shape
    normal = np.zeros((count, 49), np.float32)
    right = np.zeros((count, 7), np.float32)
    weighted = weights * errors
    for begin in range(0, pixels, _BLOCK):
        part = slice(begin, begin + _BLOCK)
        pairs = (slopes[part, :, None] * slopes[part, None, :]).reshape(-1, 49)
        normal += weights[:, part] @ pairs
        right += weighted[:, part] @ slopes[part]
    return normal.reshape(count, 7, 7).astype(np.float64), right.astype(np.float64)


def fits(sites: Sequence[Site], references: Sequence[Reference]) -> list[Fit]:
    """Align every reference to the ring of every site, and judge it there."""
    first = np.stack([reference.homography for reference in references])
    drafts = [
        _Draft(site, first, *seen)
        for site, seen in zip(sites, _judge(sites, references, [first] * len(sites)), strict=True)
    ]
    parallax = Parallax(references)
    shifts = [parallax.at(site) for site in sites]
    if any(shift.any() for shift in shifts):
        _improve(drafts, references, shifts)
    for _ in range(_REFINEMENTS):
        _improve(drafts, references, [draft.step() for draft in drafts])
    return [draft.fit() for draft in drafts]


def _improve(
    drafts: Sequence[_Draft],
    references: Sequence[Reference],
    shifts: Sequence[NDArray[np.float64]],
) -> None:
    tried = [
        draft.maps @ draft.site.shift(shift) for draft, shift in zip(drafts, shifts, strict=True)
    ]
    judged = _judge([draft.site for draft in drafts], references, tried)
    for draft, maps, seen in zip(drafts, tried, judged, strict=True):
        draft.take(_Draft(draft.site, maps, *seen))


def _judge(
    sites: Sequence[Site], references: Sequence[Reference], maps: Sequence[Homography]
) -> list[tuple[Floats, Floats]]:
    """Sample every ring in every reference.

    Returns:
        For each site the errors (3, references, m), and 1 where they are known (references, m).
    """
    ends = np.cumsum([len(site.ring) for site in sites])
    parts = [slice(end - len(site.ring), end) for site, end in zip(sites, ends, strict=True)]
    errors = np.empty((3, len(references), int(ends[-1])), np.float32)
    known = np.empty(errors.shape[1:], np.float32)
    truth = np.concatenate([site.truth for site in sites])
    at = np.concatenate(
        [project(each, site.ring) for site, each in zip(sites, maps, strict=True)], axis=1
    )
    for index, reference in enumerate(references):
        colours, known[index] = sample(reference.held.image, reference.held.known, at[index])
        np.subtract(truth.T, colours.T, out=errors[:, index])
    return [(errors[..., part], known[:, part]) for part in parts]


def _distance(errors: Floats, offsets: Floats) -> Floats:
    total = np.zeros(errors.shape[1:], np.float32)
    for channel, plane in enumerate(errors):
        total += np.abs(plane - offsets[:, channel, None])
    return total / np.float32(3)


def _lowest(values: Floats, known: Floats, share: float) -> tuple[Floats, Floats]:
    """Return the quantile of each row (references, m) over what is known, and the mean below it."""
    if not values.shape[1]:
        return np.zeros(len(values), np.float32), np.zeros(len(values), np.float32)
    ranked = np.sort(np.where(known > 0, values, np.float32(np.inf)), axis=1)
    count = np.maximum(np.ceil(share * known.sum(axis=1)).astype(np.intp), 1)
    rows = np.arange(len(ranked))
    bounded = np.where(np.isfinite(ranked), ranked, np.float32(0))
    return bounded[rows, count - 1], bounded.cumsum(axis=1)[rows, count - 1] / count


def _means(values: Floats, weights: Floats) -> Floats:
    """Average (c, references, m) over the pixels to (references, c)."""
    total = np.maximum(weights.sum(axis=1), 1)
    return np.asarray(np.einsum("crm,rm->rc", values, weights) / total[:, None], np.float32)
