"""The fill of one hole region while it is being made."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from outtake.core.frames import OBSERVED, PROPAGATED, SYNTHESISED, UNTOUCHED
from outtake.core.types import Frame, Mask
from outtake.motion.warp import Points
from outtake.removal.clean_plate.alignment import AlignmentResult
from outtake.removal.clean_plate.frame_buffer import BufferedFrame, Reference
from outtake.removal.clean_plate.hole_regions import Floats, HoleRegion
from outtake.removal.clean_plate.previous_fill import (
    PreviousFill,
    blend_previous,
    sample_previous,
)
from outtake.removal.clean_plate.reference_selection import ReferenceFilter
from outtake.removal.clean_plate.rim_motion import NOT_BACKGROUND_GREY, count_moving_with_hole
from outtake.removal.clean_plate.sample_selection import (
    SPREAD_STEP,
    collect_samples,
    outvote_colours,
)
from outtake.removal.clean_plate.seam import seam_correction
from outtake.removal.clean_plate.tile_sampling import place_tiles
from outtake.removal.clean_plate.uncertainty import (
    blend_surface,
    find_shaded,
    uncertainty_blend,
)
from outtake.removal.clean_plate.wrong_detail import (
    find_foreign,
    measure_wrong_share,
    smooth_wrong_detail,
)

# Samples of one pixel whose mean deviation is smaller agree.
_AGREED_GREY = 5.0
# The largest share of a rim that moves by itself.
_MOST_MOVING = 0.5
# A pixel with a larger share of a smooth surface counts as synthesised.
_SYNTHESISED_SHARE = 0.5


class RegionFill:
    """Collects colours for one hole region, tile by tile.

    Attributes:
        region: The region, covered by k tiles of n pixels.
        hole: True for the pixels to be filled, bool (k, n).
        colours: The colours, float32 (k, n, 3).
        filled: True for pixels with a colour, in the hole and at its rim, bool (k, n).
        propagated: True for pixels taken over from the previous frame that had been observed
            before, bool (k, n).
        doubted: True for pixels of the hole in tiles whose samples disagree and that few references
            could vote on, bool (k, n).
        synthesised: True for pixels that are mostly a smooth surface, or were synthesised in the
            frame that they were taken over from, bool (k, n).
        vague: True for pixels with less than half of the detail that was sampled, bool (k, n).
        drift: The error in grey levels that propagation may have accumulated, float32 (k, n).
        spread: How far the samples of every ``SPREAD_STEP``-th pixel disagree, in grey levels,
            float32 (k, m); NaN where there were not two.
        dissent: The mean squared deviation of the samples of each tile from their medians, but for
            the largest of each pixel, in squared grey levels, float32 (k,); NaN where there were
            not two of a pixel.
        residual: The ring residual of the best reference in grey levels; infinite without one.
        previous: The colours of the previous frame, float32 (k, n, 3), and the tiles that it
            shows, bool (k,); None if unknown.
    """

    def __init__(self, region: HoleRegion) -> None:
        self.region = region
        self.hole = region.tiles.gather(region.hole)
        self._rim = region.tiles.gather(region.rim)
        self._needed = self.hole | self._rim
        self.colours: Floats = np.zeros((*self.hole.shape, 3), np.float32)
        self.filled: NDArray[np.bool_] = np.zeros(self.hole.shape, bool)
        self.doubted: NDArray[np.bool_] = np.zeros(self.hole.shape, bool)
        self.propagated: NDArray[np.bool_] = np.zeros(self.hole.shape, bool)
        self.synthesised: NDArray[np.bool_] = np.zeros(self.hole.shape, bool)
        self.vague: NDArray[np.bool_] = np.zeros(self.hole.shape, bool)
        self.drift: Floats = np.zeros(self.hole.shape, np.float32)
        self.spread: Floats = np.full(self.hole[:, ::SPREAD_STEP].shape, np.nan, np.float32)
        self.dissent: Floats = np.full(len(self.hole), np.nan, np.float32)
        self.residual = float("inf")
        self._rim_errors: tuple[Points, Floats] | None = None
        self.previous: tuple[Floats, NDArray[np.bool_]] | None = None
        # By frame number: an alignment, and the index of the frame in it.
        self._alignments: dict[int, tuple[AlignmentResult, int]] = {}
        # The references that were sampled last.
        self._sampled: tuple[AlignmentResult, Sequence[Reference]] | None = None

    def is_complete(self) -> bool:
        """Return True if every pixel of the hole has a colour."""
        return bool((self.filled | ~self.hole).all())

    def unfilled_points(self) -> Points:
        """Return the positions of pixels without a colour, float32 (n, 2)."""
        return self._points_of(self.hole & ~self.filled)

    def doubted_points(self) -> Points:
        """Return the positions of pixels whose colour is doubted, float32 (n, 2)."""
        return self._points_of(self.doubted)

    def _points_of(self, pixels: NDArray[np.bool_]) -> Points:
        rows = np.flatnonzero(pixels.any(axis=1))
        return self.region.tiles.pixel_positions(rows)[pixels[rows]]

    def sample_references(
        self,
        alignment: AlignmentResult,
        references: Sequence[Reference],
        reference_filter: ReferenceFilter,
    ) -> list[int]:
        """Take colours from references for pixels that have none, or a doubted one.

        Returns:
            The indices of the references that are good enough.
        """
        order = reference_filter.usable_references(self.region, alignment)
        usable: list[int] = order.tolist()
        if not usable:
            return usable
        for index in usable:
            self._alignments[references[index].frame.number] = (alignment, index)
        self._vote_on_doubted(alignment, references, reference_filter)
        self._sample(self._needed & ~self.filled, alignment, order, references, reference_filter)
        self._sampled = alignment, references
        return usable

    def _vote_on_doubted(
        self,
        alignment: AlignmentResult,
        references: Sequence[Reference],
        reference_filter: ReferenceFilter,
    ) -> None:
        """Replace doubted colours that old and new references together outvote."""
        rows = np.flatnonzero(self.doubted.any(axis=1))
        if not len(rows) or self._sampled is None:
            return
        joined, colours = self._sampled[0].join(alignment), self.colours[rows]
        outvote_colours(
            self.region.tiles.subset(rows), colours, self.doubted[rows], joined,
            reference_filter.usable_references(self.region, joined),
            [*self._sampled[1], *references], reference_filter,
        )  # fmt: skip
        self.colours[rows] = colours
        self.doubted[:] = False

    def end_voting(self) -> None:
        """Doubt no colour any more, and let go of the references that were sampled."""
        self.doubted[:] = False
        self._sampled = None

    def _sample(
        self,
        wanted: NDArray[np.bool_],
        alignment: AlignmentResult,
        order: NDArray[np.intp],
        references: Sequence[Reference],
        reference_filter: ReferenceFilter,
    ) -> None:
        """Take colours for some pixels, bool (k, n), from the references of an alignment."""
        rows = np.flatnonzero(wanted.any(axis=1))
        if not len(rows):
            return
        colours, known, spread, dissent, is_doubted = collect_samples(
            self.region.tiles.subset(rows), wanted[rows], alignment, order, references,
            reference_filter,
        )  # fmt: skip
        best = float(alignment.trimmed_scores.min())
        self.residual = min(self.residual, best)
        if len(rows) == len(wanted) and not self.filled.any():
            self.colours, self.filled = colours, known
            self.spread, self.dissent = spread, dissent
            self.drift[known] = best
        else:
            found, columns = np.nonzero(known)
            self.colours[rows[found], columns] = colours[found, columns]
            self.filled[rows[found], columns] = True
            self.drift[rows[found], columns] = best
            self.spread[rows] = np.where(known[:, ::SPREAD_STEP], spread, self.spread[rows])
            self.dissent[rows] = np.where(known.any(axis=1), dissent, self.dissent[rows])
        self.doubted[rows] = known & is_doubted[:, None] & self.hole[rows]

    def meet_rim(self, reach_px: float, height: int, noise: float) -> None:
        """Correct what the rim shows to be wrong, and shift the colours towards the frame there.

        Args:
            reach_px: How far inside colours are shifted.
            height: The height of the frame.
            noise: The noise of the frame's coding in grey levels.
        """
        rim = self._rim & self.filled
        if reach_px <= 0 or not rim.any():
            return
        rows = np.flatnonzero(rim.any(axis=1))
        truth = self.region.tiles.subset(rows).gather(self.region.image)[rim[rows]]
        points = self.region.tiles.pixel_positions(rows)[rim[rows]]
        errors = truth - self.colours[rows][rim[rows]]
        self._rim_errors = points, errors
        still = ~self._find_moving(rows, rim[rows], errors)
        points, truth, errors = points[still], truth[still], errors[still]
        if self._correct_wrong(points, truth.astype(np.float32), errors, height, noise):
            errors = truth - self.colours[rows][rim[rows]][still]
        which, correction = seam_correction(self.region.tiles, points, errors, reach_px)
        self.colours[which] += correction

    def _find_moving(
        self, rows: NDArray[np.intp], rim: NDArray[np.bool_], errors: Floats
    ) -> NDArray[np.bool_]:
        """Return which rim pixels of some tiles show something that moves by itself, bool (m,).

        Other frames agree there on a background that the frame does not show. Where most of the rim
        is like that, the references are wrong alike, and nothing counts as moving.
        """
        agree = np.all(self.spread[rows] < _AGREED_GREY, axis=1, keepdims=True)
        foreign = np.abs(errors).mean(axis=1) > NOT_BACKGROUND_GREY
        moving = np.asarray((agree & rim)[rim] & foreign, bool)
        return moving if moving.mean() < _MOST_MOVING else np.zeros_like(moving)

    def _correct_wrong(
        self, rim: Points, truth: Floats, errors: Floats, height: int, noise: float
    ) -> bool:
        """Correct the colours where the rim, or the samples themselves, show that they are wrong.

        Wrong detail is smoothed, and a smooth surface is blended in where all is wrong.

        Returns:
            Whether any colour was changed.
        """
        tiles, shape = self.region.tiles, self.region.hole.shape
        corner = np.array(tiles.box[:2], np.float32)
        pixels = (rim - corner).astype(np.intp).T[::-1]
        predicted = truth - errors
        surface = uncertainty_blend(self.region, pixels, truth, errors, self.residual, noise)
        telling = ~(find_shaded(truth, predicted) | find_foreign(errors, self.dissent))
        wrong = measure_wrong_share(
            pixels[:, telling], truth[telling], predicted[telling], shape, height
        )
        kept = np.zeros(shape, bool)
        if surface is not None:
            # What is synthesised has little detail as it is.
            kept = surface[..., 3] > _SYNTHESISED_SHARE
        is_smoothed = smooth_wrong_detail(
            tiles, self.colours, self.filled, wrong, self.dissent, height, kept, self.vague
        )
        if surface is None:
            return is_smoothed
        mostly = np.empty(self.filled.shape, bool)
        blend_surface(surface, *tiles.index, tiles.side, _SYNTHESISED_SHARE, self.colours, mostly)
        self.synthesised = self.filled & mostly
        self.vague |= self.synthesised
        return True

    def propagate(self, previous: PreviousFill | None, stability: float, max_drift: float) -> None:
        """Take over what the previous frame observed, and blend its fill in elsewhere.

        Pixels that were propagated too often, or too inexactly, are not propagated again.
        """
        if previous is None or previous.frame.number not in self._alignments:
            return
        alignment, index = self._alignments[previous.frame.number]
        shape = self.hole.shape
        places, shown = np.empty((shape[0], 6), np.float32), np.empty(shape[0], np.uint8)
        place_tiles(
            alignment.homographies[index], self.region.tiles.centres, self.region.tiles.side,
            previous.frame.clearance, previous.frame.brightness, places, shown,
        )  # fmt: skip
        colours, visible = np.empty((*shape, 3), np.float32), np.empty(shape[0], bool)
        drifts, invented = np.empty(shape, np.float32), np.empty(shape, bool)
        sample_previous(
            previous.image, previous.origin, previous.drift, places, self.region.tiles.side,
            alignment.gains[index], alignment.offsets[index], colours, visible, drifts, invented,
        )  # fmt: skip
        self.previous = (colours, visible)
        missing = self.hole & ~self.filled
        blend_previous(self.colours, colours, self.filled, visible, stability)
        if missing.any():
            residual = np.float32(alignment.trimmed_scores[index])
            drift = np.sqrt(np.square(drifts) + residual**2)
            taken = missing & visible[:, None] & (drift <= max_drift) & ~invented
            self.colours[taken] = colours[taken]
            self.drift = np.where(taken, drift, self.drift)
            self.filled |= taken
            self.propagated = taken

    def take_synthesised(self, colours: Floats, found: NDArray[np.bool_]) -> None:
        """Take colours (n, 3) that were synthesised for the ``unfilled_points`` that have one."""
        rows, columns = np.nonzero(self.hole & ~self.filled)
        rows, columns = rows[found], columns[found]
        self.colours[rows, columns] = colours[found]
        self.filled[rows, columns] = True
        self.synthesised[rows, columns] = True

    def write_to(self, image: Frame, drift: Floats, origin: NDArray[np.uint8], vague: Mask) -> None:
        """Write the colours, their drift, origin and vagueness into arrays as large as the frame.

        Where nothing is known, ``origin`` is UNTOUCHED.
        """
        inside, part = self.region.frame_slices(*image.shape[:2])
        own = self.region.hole[part]
        colours = np.zeros_like(self.region.image)
        self.region.tiles.scatter(np.clip(np.rint(self.colours), 0, 255).astype(np.uint8), colours)
        cv2.copyTo(colours[part], own.view(np.uint8), image[inside])
        source = np.where(self.filled, np.uint8(OBSERVED), np.uint8(UNTOUCHED))
        source[self.synthesised] = SYNTHESISED
        source[self.propagated] = PROPAGATED
        for values, target in ((source, origin), (self.drift, drift), (self.vague, vague)):
            box = np.zeros(self.region.hole.shape, target.dtype)
            self.region.tiles.scatter(values, box)
            np.copyto(target[inside], box[part], where=own)

    def observed_spread(self) -> Floats:
        """Return the spread at the pixels of the hole where it is known, float32 (n,)."""
        spread = self.spread[self.hole[:, ::SPREAD_STEP] & self.filled[:, ::SPREAD_STEP]]
        return spread[np.isfinite(spread)]

    def count_rim_motion(
        self, frame: BufferedFrame, previous: PreviousFill | None
    ) -> tuple[int, int]:
        """Count the pixels at the rim that move with the hole; see ``count_moving_with_hole``."""
        if previous is None or self._rim_errors is None:
            return 0, 0
        alignment = self._alignments.get(previous.frame.number)
        if alignment is None:
            return 0, 0
        homography = alignment[0].homographies[alignment[1]]
        return count_moving_with_hole(
            self.region, *self._rim_errors, frame, previous.frame, homography
        )

    def flicker_sum(self) -> tuple[float, int]:
        """Return the sum of absolute differences to the previous fill, and the pixel count."""
        if self.previous is None:
            return 0.0, 0
        before, visible = self.previous
        compared = self.hole & visible[:, None] & self.filled
        # One channel is enough: colours change together.
        difference = np.abs(self.colours[..., 1] - before[..., 1])
        count = int(np.count_nonzero(compared))
        return float(difference.sum(where=compared, dtype=np.float64)), count
