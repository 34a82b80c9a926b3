"""Gather what the references saw behind a hole."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from outtake.removal.plate.alignment import Fit
from outtake.removal.plate.references import Reference
from outtake.removal.plate.sampling import LATER, Points, known_at, middle, project, sample
from outtake.removal.plate.sites import Floats, Site

# Residuals this close are the same: noise decides which of them is the smaller.
_SAME_GREY = 0.15
_PROBES = 256


@dataclass(frozen=True, slots=True)
class Choice:
    """Which references are good enough.

    Attributes:
        samples: at most this many are taken for each pixel.
        tolerance: a reference may have this many times the residual of the best that sees the
            pixel.
        max_error: and never more than this, in grey levels,
        max_share: nor more than this share of the ring's standard deviation.
        always: a residual as small as this is fine on any ring.
    """

    samples: int = 5
    tolerance: float = 1.2
    max_error: float = 12.0
    max_share: float = 0.6
    always: float = 4.0

    def limit(self, site: Site) -> float:
        """Return the largest residual of a usable reference."""
        return min(self.max_error, max(self.max_share * site.contrast, self.always))


def collect(
    site: Site, fit: Fit, references: Sequence[Reference], choice: Choice, hole: Points
) -> tuple[Floats, NDArray[np.intp]]:
    """Return the median of the best samples for positions of a site.

    Returns:
        Colours, float32 (n, 3), and how many samples each comes from, (n,); 0 means unseen.
    """
    count = len(hole)
    samples = np.full((choice.samples, count, 3), LATER, np.float32)
    # Row by row in one go is how a pixel's next sample is put away quickest.
    flat = samples.reshape(-1, 3)
    found = np.zeros(count, np.intp)
    limits = np.full(count, np.inf, np.float32)
    active = np.arange(count)
    for index in fit.order:
        score = fit.scores[index]
        if fit.trusted[index] > choice.limit(site):
            continue
        depth = found.take(active)
        active = active.compress((depth < choice.samples) & (limits.take(active) >= score))
        if not len(active):
            break
        held = references[index].held
        at = project(fit.maps[index], hole.take(active, axis=0))
        colours, seen = sample(held.image, held.known, at)
        now = active.compress(seen)
        depth = found.take(now)
        first = now.compress(depth == 0)
        limits[first] = choice.tolerance * score + _SAME_GREY
        flat[depth * count + now] = colours.compress(seen, axis=0) + fit.offsets[index]
        found[now] = depth + 1
    deepest = max(int(found.max(initial=0)), 1)
    return middle(samples[:deepest], found), found


def complementary(references: Sequence[Reference], unseen: Points, at_most: int) -> list[Reference]:
    """Choose references that together see the most of what is still unseen."""
    probes = unseen[:: max(1, -(-len(unseen) // _PROBES))]
    chosen: list[Reference] = []
    sights = np.array(
        [known_at(one.held.known, project(one.homography, probes)) for one in references]
    ).reshape(len(references), len(probes))
    while len(chosen) < at_most and sights.any():
        best = int(sights.sum(axis=1).argmax())
        chosen.append(references[best])
        sights = sights & ~sights[best]
    return chosen
