"""The fill of one part of a hole, while it is being made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from outtake.core.frames import OBSERVED, PROPAGATED, SYNTHESISED, UNTOUCHED
from outtake.core.types import Frame
from outtake.motion.homography import Homography
from outtake.motion.warp import Points
from outtake.removal.clean_plate.alignment import AlignmentResult
from outtake.removal.clean_plate.collect_samples import collect_samples
from outtake.removal.clean_plate.hole_regions import Floats, HoleRegion
from outtake.removal.clean_plate.propagate import PreviousFill, blend_previous, seam_correction
from outtake.removal.clean_plate.references import Reference
from outtake.removal.clean_plate.sample_selection import ReferenceFilter
from outtake.removal.clean_plate.uncertainty import uncertainty_blend

# With more of a surface than this, a pixel is invented.
_SYNTHESISED_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class Transform:
    """How to get from the site to another frame."""

    homography: Homography
    gain: Floats
    offset: Floats
    score: float


class RegionFill:
    """Collects colours for one part of a hole, square by square.

    Attributes:
        region: the part.
        hole: which pixels of its k cells are to be filled, bool (k, n).
        colours: float32 (k, n, 3).
        filled: which pixels have one, in the hole and in its rim, bool (k, n).
        propagated: which were taken over from the frame before, bool (k, n).
        synthesised: which are mostly a surface spanned over the hole, bool (k, n).
        drift: how far colours may be off by having been moved, in grey levels, float32 (k, n).
        residual: of the best reference on the ring, in grey levels; infinite without one.
        previous: what the frame before shows there, float32 (k, n, 3), and where; None if unknown.
    """

    def __init__(self, site: HoleRegion) -> None:
        self.region = site
        self.hole = site.tiles.gather(site.hole)
        self._rim = site.tiles.gather(site.rim)
        self._needed = self.hole | self._rim
        self.colours: Floats = np.zeros((*self.hole.shape, 3), np.float32)
        self.filled: NDArray[np.bool_] = np.zeros(self.hole.shape, bool)
        self.propagated: NDArray[np.bool_] = np.zeros(self.hole.shape, bool)
        self.drift: Floats = np.zeros(self.hole.shape, np.float32)
        self.residual = float("inf")
        self.synthesised: NDArray[np.bool_] = np.zeros(self.hole.shape, bool)
        self.previous: tuple[Floats, NDArray[np.bool_]] | None = None
        self._transforms: dict[int, Transform] = {}

    def is_complete(self) -> bool:
        """Return whether every pixel of the hole has a colour."""
        return bool((self.filled | ~self.hole).all())

    def unfilled_points(self) -> Points:
        """Return the positions of pixels without a colour, float32 (n, 2)."""
        rows = np.flatnonzero((self.hole & ~self.filled).any(axis=1))
        return self.region.tiles.pixel_positions(rows)[(self.hole & ~self.filled)[rows]]

    def sample_references(
        self,
        alignment: AlignmentResult,
        references: Sequence[Reference],
        reference_filter: ReferenceFilter,
    ) -> None:
        """Take what references saw of the pixels that have no colour yet."""
        order = reference_filter.usable_references(self.region, alignment)
        if not len(order):
            return
        best = float(alignment.trimmed_scores.min())
        self.residual = min(self.residual, best)
        for index in order:
            self._transforms[references[index].frame.number] = Transform(
                alignment.homographies[index],
                alignment.gains[index],
                alignment.offsets[index],
                float(alignment.trimmed_scores[index]),
            )
        lacking = self._needed & ~self.filled
        rows = np.flatnonzero(lacking.any(axis=1))
        part = self.region.tiles.subset(rows)
        colours, known = collect_samples(
            part, lacking[rows], alignment, order, references, reference_filter
        )
        if len(rows) == len(lacking) and not self.filled.any():
            self.colours, self.filled = colours, known
            self.drift[known] = best
            return
        into = np.nonzero(known)
        at = (rows[into[0]], into[1])
        self.colours[at] = colours[into]
        self.filled[at] = True
        self.drift[at] = best

    def correct_seam(self, reach_px: float) -> None:
        """Bend the colours towards the frame at the edge, as far as the edge was predicted."""
        rim = self._rim & self.filled
        if reach_px <= 0 or not rim.any():
            return
        rows = np.flatnonzero(rim.any(axis=1))
        truth = self.region.tiles.subset(rows).gather(self.region.image)[rim[rows]]
        at = self.region.tiles.pixel_positions(rows)[rim[rows]]
        errors = truth - self.colours[rows][rim[rows]]
        if self._blend_uncertain(at, truth, errors):
            errors = truth - self.colours[rows][rim[rows]]
        which, bent = seam_correction(self.region.tiles, at, errors, reach_px)
        self.colours[which] += bent

    def _blend_uncertain(self, rim: Points, truth: NDArray[np.uint8], errors: Floats) -> bool:
        """Mix colours with a smooth surface where the rim tells that they are wrong."""
        corner = np.array(self.region.tiles.box[:2], np.float32)
        at = (rim - corner).astype(np.intp).T[::-1]
        surface = uncertainty_blend(
            self.region, at, truth.astype(np.float32), errors, self.residual
        )
        if surface is None:
            return False
        squares = self.region.tiles.gather(surface)
        share = squares[..., 3:]
        self.colours += share * (squares[..., :3] - self.colours)
        self.synthesised = self.filled & (share[..., 0] > _SYNTHESISED_SHARE)
        return True

    def propagate(
        self, previous_fill: PreviousFill | None, stability: float, max_drift: float
    ) -> None:
        """Take over what the frame before shows, where nothing is known; mix it in elsewhere.

        What was moved along too often, or too inexactly, is not taken over any more.
        """
        transform = (
            None if previous_fill is None else self._transforms.get(previous_fill.frame.number)
        )
        if previous_fill is None or transform is None:
            return
        colours, visible, drift = previous_fill.sample_at(transform.homography, self.region.tiles)
        before = np.asarray(colours * transform.gain + transform.offset, np.float32)
        self.previous = (before, visible)
        whole = bool(visible.all())
        missing = self.hole & ~self.filled
        mixed = self.filled if whole else visible[:, None] & self.filled
        blend_previous(self.colours, before, mixed, stability)
        if missing.any():
            moved = np.sqrt(np.square(drift()) + np.float32(transform.score) ** 2)
            taken = missing & visible[:, None] & (moved <= max_drift)
            self.colours[taken] = before[taken]
            self.drift = np.where(taken, moved, self.drift)
            self.propagated = taken
            self.filled |= taken

    def write_to(self, image: Frame, drift: Floats, origin: NDArray[np.uint8]) -> None:
        """Write what is known into a frame, and where it comes from.

        Where nothing is known, ``origin`` says UNTOUCHED.
        """
        inside, part = self.region.frame_slices(*image.shape[:2])
        own = self.region.hole[part]
        colours = np.zeros_like(self.region.image)
        self.region.tiles.scatter(np.clip(np.rint(self.colours), 0, 255).astype(np.uint8), colours)
        cv2.copyTo(colours[part], own.view(np.uint8), image[inside])
        source = np.where(self.filled, np.uint8(OBSERVED), np.uint8(UNTOUCHED))
        source[self.synthesised] = SYNTHESISED
        source[self.propagated] = PROPAGATED
        for squares, picture in ((source, origin), (self.drift, drift)):
            box = np.zeros(self.region.hole.shape, picture.dtype)
            self.region.tiles.scatter(squares, box)
            np.copyto(picture[inside], box[part], where=own)

    def flicker_sum(self) -> tuple[float, int]:
        """Return the sum of the differences to the frame before, and of how many pixels."""
        if self.previous is None:
            return 0.0, 0
        before, visible = self.previous
        compared = self.hole & visible[:, None] & self.filled
        # One channel tells: colours change together.
        difference = np.abs(self.colours[..., 1] - before[..., 1])
        count = int(np.count_nonzero(compared))
        return float(difference.sum(where=compared, dtype=np.float64)), count
