"""The fill of one part of a hole, while it is being made."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from outtake.removal.plate.alignment import Fit
from outtake.removal.plate.camera import Homography
from outtake.removal.plate.carry import Shown, seam, steadied
from outtake.removal.plate.collect import Choice, collect
from outtake.removal.plate.references import Reference
from outtake.removal.plate.sites import Floats, Site


class Patch:
    """Collects colours for one part of a hole.

    Attributes:
        site: the part.
        colours: of its pixels, float32 (n, 3).
        filled: which of them have one, bool (n,).
        drift: how far their colours may be off by having been moved, in grey levels, (n,).
        residual: of the best reference on the ring, in grey levels; infinite without one.
    """

    def __init__(self, site: Site) -> None:
        self.site = site
        self.colours: Floats = np.zeros((len(site.hole), 3), np.float32)
        self.filled: NDArray[np.bool_] = np.zeros(len(site.hole), bool)
        self.residual = float("inf")
        self.drift: Floats = np.zeros(len(site.hole), np.float32)
        self._rim: Floats = np.zeros((len(site.rim), 3), np.float32)
        self._rim_filled: NDArray[np.bool_] = np.zeros(len(site.rim), bool)
        self._maps: dict[int, tuple[Homography, Floats, float]] = {}

    def look(self, fit: Fit, references: Sequence[Reference], choice: Choice) -> None:
        """Take what references saw of the pixels that have no colour yet."""
        usable = np.flatnonzero(fit.trusted <= choice.limit(self.site))
        if not len(usable):
            return
        best = float(fit.trusted.min())
        self.residual = min(self.residual, best)
        for index in usable:
            number = references[int(index)].held.number
            self._maps[number] = (fit.maps[index], fit.offsets[index], float(fit.trusted[index]))
        rest, rim = np.flatnonzero(~self.filled), np.flatnonzero(~self._rim_filled)
        wanted = np.concatenate((self.site.hole[rest], self.site.rim[rim]))
        colours, found = collect(self.site, fit, references, choice, wanted)
        for target, filled, at, part in (
            (self.colours, self.filled, rest, slice(None, len(rest))),
            (self._rim, self._rim_filled, rim, slice(len(rest), None)),
        ):
            seen = at[found[part] > 0]
            target[seen] = colours[part][found[part] > 0]
            filled[seen] = True
        self.drift[rest[found[: len(rest)] > 0]] = best

    def mend(self, reach_px: float) -> None:
        """Bend the colours towards the frame at the edge, as far as the edge was predicted."""
        if reach_px <= 0 or not self._rim_filled.any() or not self.filled.any():
            return
        rim = self._rim_filled
        errors = self.site.rim_truth[rim] - self._rim[rim]
        bent = seam(self.site.hole[self.filled], self.site.rim[rim], errors, reach_px)
        self.colours[self.filled] += bent

    def carry(self, shown: Shown | None, stability: float, max_drift: float) -> int:
        """Take over what the frame before shows, where nothing is known; mix it in elsewhere.

        What was moved along too often, or too inexactly, is not taken over any more.

        Returns:
            How many pixels were taken over.
        """
        if shown is None or shown.held.number not in self._maps:
            return 0
        homography, offset, score = self._maps[shown.held.number]
        before, visible, drift = shown.at(homography, self.site.hole)
        before += offset
        steady = steadied(self.colours, before, visible & self.filled, stability)
        moved = np.sqrt(np.square(drift) + score**2)
        taken = visible & ~self.filled & (moved <= max_drift)
        self.colours = np.where(taken[:, None], before, steady)
        self.drift[taken] = moved[taken]
        self.filled = self.filled | taken
        return int(np.count_nonzero(taken))
