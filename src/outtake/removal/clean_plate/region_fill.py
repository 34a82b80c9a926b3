"""The fill of one part of a hole, while it is being made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from outtake.core.frames import CARRIED, INVENTED, SEEN, UNTOUCHED
from outtake.core.types import Frame
from outtake.motion.homography import Homography
from outtake.motion.warp import Points
from outtake.removal.clean_plate.alignment import Fit
from outtake.removal.clean_plate.collect_samples import collect
from outtake.removal.clean_plate.hole_regions import Floats, Site
from outtake.removal.clean_plate.propagate import Shown, seam, steadied
from outtake.removal.clean_plate.references import Reference
from outtake.removal.clean_plate.sample_selection import Choice
from outtake.removal.clean_plate.uncertainty import doubted

# With more of a surface than this, a pixel is invented.
_MOSTLY = 0.5


@dataclass(frozen=True, slots=True)
class _Way:
    """How to get from the site to another frame."""

    homography: Homography
    gain: Floats
    offset: Floats
    score: float


class Patch:
    """Collects colours for one part of a hole, square by square.

    Attributes:
        site: the part.
        hole: which pixels of its k cells are to be filled, bool (k, n).
        colours: float32 (k, n, 3).
        filled: which pixels have one, in the hole and in its rim, bool (k, n).
        carried: which were taken over from the frame before, bool (k, n).
        made_up: which are mostly a surface spanned over the hole, bool (k, n).
        drift: how far colours may be off by having been moved, in grey levels, float32 (k, n).
        residual: of the best reference on the ring, in grey levels; infinite without one.
        before: what the frame before shows there, float32 (k, n, 3), and where; None if unknown.
    """

    def __init__(self, site: Site) -> None:
        self.site = site
        self.hole = site.cells.take(site.hole)
        self._rim = site.cells.take(site.rim)
        self._wanted = self.hole | self._rim
        self.colours: Floats = np.zeros((*self.hole.shape, 3), np.float32)
        self.filled: NDArray[np.bool_] = np.zeros(self.hole.shape, bool)
        self.carried: NDArray[np.bool_] = np.zeros(self.hole.shape, bool)
        self.drift: Floats = np.zeros(self.hole.shape, np.float32)
        self.residual = float("inf")
        self.made_up: NDArray[np.bool_] = np.zeros(self.hole.shape, bool)
        self.before: tuple[Floats, NDArray[np.bool_]] | None = None
        self._ways: dict[int, _Way] = {}

    def complete(self) -> bool:
        """Return whether every pixel of the hole has a colour."""
        return bool((self.filled | ~self.hole).all())

    def unseen(self) -> Points:
        """Return the positions of pixels without a colour, float32 (n, 2)."""
        rows = np.flatnonzero((self.hole & ~self.filled).any(axis=1))
        return self.site.cells.pixels(rows)[(self.hole & ~self.filled)[rows]]

    def look(self, fit: Fit, references: Sequence[Reference], choice: Choice) -> None:
        """Take what references saw of the pixels that have no colour yet."""
        order = choice.usable(self.site, fit)
        if not len(order):
            return
        best = float(fit.trusted.min())
        self.residual = min(self.residual, best)
        for index in order:
            self._ways[references[index].held.number] = _Way(
                fit.maps[index], fit.gains[index], fit.offsets[index], float(fit.trusted[index])
            )
        lacking = self._wanted & ~self.filled
        rows = np.flatnonzero(lacking.any(axis=1))
        part = self.site.cells.some(rows)
        colours, known = collect(part, lacking[rows], fit, order, references, choice)
        if len(rows) == len(lacking) and not self.filled.any():
            self.colours, self.filled = colours, known
            self.drift[known] = best
            return
        into = np.nonzero(known)
        at = (rows[into[0]], into[1])
        self.colours[at] = colours[into]
        self.filled[at] = True
        self.drift[at] = best

    def mend(self, reach_px: float) -> None:
        """Bend the colours towards the frame at the edge, as far as the edge was predicted."""
        rim = self._rim & self.filled
        if reach_px <= 0 or not rim.any():
            return
        rows = np.flatnonzero(rim.any(axis=1))
        truth = self.site.cells.some(rows).take(self.site.picture)[rim[rows]]
        at = self.site.cells.pixels(rows)[rim[rows]]
        errors = truth - self.colours[rows][rim[rows]]
        if self._doubt(at, truth, errors):
            errors = truth - self.colours[rows][rim[rows]]
        which, bent = seam(self.site.cells, at, errors, reach_px)
        self.colours[which] += bent

    def _doubt(self, rim: Points, truth: NDArray[np.uint8], errors: Floats) -> bool:
        """Mix colours with a smooth surface where the rim tells that they are wrong."""
        corner = np.array(self.site.cells.box[:2], np.float32)
        at = (rim - corner).astype(np.intp).T[::-1]
        surface = doubted(self.site, at, truth.astype(np.float32), errors, self.residual)
        if surface is None:
            return False
        squares = self.site.cells.take(surface)
        share = squares[..., 3:]
        self.colours += share * (squares[..., :3] - self.colours)
        self.made_up = self.filled & (share[..., 0] > _MOSTLY)
        return True

    def carry(self, shown: Shown | None, stability: float, max_drift: float) -> None:
        """Take over what the frame before shows, where nothing is known; mix it in elsewhere.

        What was moved along too often, or too inexactly, is not taken over any more.
        """
        way = None if shown is None else self._ways.get(shown.held.number)
        if shown is None or way is None:
            return
        colours, visible, drift = shown.at(way.homography, self.site.cells)
        before = np.asarray(colours * way.gain + way.offset, np.float32)
        self.before = (before, visible)
        whole = bool(visible.all())
        missing = self.hole & ~self.filled
        mixed = self.filled if whole else visible[:, None] & self.filled
        steadied(self.colours, before, mixed, stability)
        if missing.any():
            moved = np.sqrt(np.square(drift()) + np.float32(way.score) ** 2)
            taken = missing & visible[:, None] & (moved <= max_drift)
            self.colours[taken] = before[taken]
            self.drift = np.where(taken, moved, self.drift)
            self.carried = taken
            self.filled |= taken

    def show(self, image: Frame, drift: Floats, origin: NDArray[np.uint8]) -> None:
        """Write what is known into a frame, and where it comes from.

        Where nothing is known, ``origin`` says UNTOUCHED.
        """
        inside, part = self.site.window(*image.shape[:2])
        own = self.site.hole[part]
        colours = np.zeros_like(self.site.picture)
        self.site.cells.put(np.clip(np.rint(self.colours), 0, 255).astype(np.uint8), colours)
        cv2.copyTo(colours[part], own.view(np.uint8), image[inside])
        source = np.where(self.filled, np.uint8(SEEN), np.uint8(UNTOUCHED))
        source[self.made_up] = INVENTED
        source[self.carried] = CARRIED
        for squares, picture in ((source, origin), (self.drift, drift)):
            box = np.zeros(self.site.hole.shape, picture.dtype)
            self.site.cells.put(squares, box)
            np.copyto(picture[inside], box[part], where=own)

    def flicker(self) -> tuple[float, int]:
        """Return the sum of the differences to the frame before, and of how many pixels."""
        if self.before is None:
            return 0.0, 0
        before, visible = self.before
        compared = self.hole & visible[:, None] & self.filled
        # One channel tells: colours change together.
        difference = np.abs(self.colours[..., 1] - before[..., 1])
        count = int(np.count_nonzero(compared))
        return float(difference.sum(where=compared, dtype=np.float64)), count
