"""Search the background of a hole: what was painted, then near in time, then wherever it lacks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from outtake.removal.clean_plate.alignment import align_references
from outtake.removal.clean_plate.coding_noise import measure_coding_noise
from outtake.removal.clean_plate.frame_buffer import (
    REFERENCE_DISTANCES,
    BufferedFrame,
    Reference,
    ReferenceWindow,
    chained_references,
    match_places,
    reference_between,
)
from outtake.removal.clean_plate.hole_regions import find_hole_regions
from outtake.removal.clean_plate.painted_pictures import PaintedPictures
from outtake.removal.clean_plate.reference_selection import (
    ReferenceFilter,
    choose_references,
    show_foregrounds,
)
from outtake.removal.clean_plate.region_fill import RegionFill

# The number of references that are sampled for what the regular ones lack.
_MAX_COMPLEMENTARY = 8
# How many references are asked about each doubted colour, and about all of them together.
_VOTERS_OF_COLOUR, _MAX_VOTERS = 5, 12


@dataclass(frozen=True, slots=True)
class ReferenceSearch:
    """Fills the hole of a frame from the frames of a window, and from nothing else.

    Args:
        reference_filter: The limits for references.
        ring: The width of the ring around the hole, as a fraction of the frame's height.
        seam: The reach of the seam correction, as a fraction of the frame's height.
        painted: The pictures that are trusted most.
    """

    reference_filter: ReferenceFilter
    ring: float
    seam: float
    painted: PaintedPictures

    def __call__(
        self, window: ReferenceWindow, moving: NDArray[np.uint8] | None = None
    ) -> list[RegionFill]:
        """Return the regions of the hole, filled as far as frames of the window show them.

        Args:
            window: The frame and its neighbours.
            moving: 1 where something moves by itself, of any size, uint8 (h, w): that part of the
                rim says nothing about the background.
        """
        if not window.needs_fill:
            return []
        centre = window.centre
        height = len(centre.mask)
        regions = find_hole_regions(centre, max(2, round(self.ring * height)), moving)
        if not regions:
            return []
        fills = [RegionFill(region) for region in regions]
        painted = self.painted.references_for(window)
        used = self._sample_references(fills, list(painted.values()))
        self.painted.say_what_is_used(window, painted, used)
        for fill in fills:
            fill.end_voting()  # what somebody painted is not voted on
        near = _nearest_neighbours(window.neighbours)
        references = [reference_between(centre, frame) for frame in near]
        self._sample_references(fills, references)
        if references:
            others = (frame for frame in window.neighbours.values() if frame not in near)
            self._sample_complementary(fills, chained_references(references, others))
        self._sample_complementary(fills, match_places(window, window.keyframes))
        # Better somebody who stands there in every frame than what nobody has seen.
        unfilled = np.concatenate([fill.unfilled_points() for fill in fills])
        self._sample_complementary(
            fills, show_foregrounds(references, unfilled, _MAX_COMPLEMENTARY)
        )
        noise = measure_coding_noise(centre.brightness, centre.mask)
        for fill in fills:
            fill.meet_rim(self.seam * height, height, noise)
        return fills

    def _sample_complementary(
        self, fills: Sequence[RegionFill], references: Iterable[Reference]
    ) -> None:
        """Sample those of many references that show unfilled pixels, or doubted ones.

        No colour is doubted afterwards, also where none of them could vote.
        """
        incomplete = [fill for fill in fills if not fill.is_complete() or fill.doubted.any()]
        found = list(references) if incomplete else []
        if found:
            unfilled = np.concatenate([fill.unfilled_points() for fill in incomplete])
            doubted = np.concatenate([fill.doubted_points() for fill in incomplete])
            chosen = choose_references(found, unfilled, 1, _MAX_COMPLEMENTARY)
            voters = choose_references(found, doubted, _VOTERS_OF_COLOUR, _MAX_VOTERS)
            chosen += [reference for reference in voters if reference not in chosen]
            self._sample_references(incomplete, chosen)
        for fill in fills:
            fill.end_voting()

    def _sample_references(
        self, fills: Sequence[RegionFill], references: Sequence[Reference]
    ) -> list[bool]:
        """Return which references were good enough for a region."""
        used = [False] * len(references)
        if not references:
            return used
        alignments = align_references([fill.region for fill in fills], references)
        for fill, alignment in zip(fills, alignments, strict=True):
            for index in fill.sample_references(alignment, references, self.reference_filter):
                used[index] = True
        return used


def _nearest_neighbours(neighbours: Mapping[int, BufferedFrame]) -> list[BufferedFrame]:
    """Choose the neighbours whose distances are closest to the regular ones."""
    chosen: dict[int, BufferedFrame] = {}
    for distance in REFERENCE_DISTANCES:
        for target in (-distance, distance):
            for offset in (target, target - 1, target + 1, target - 2, target + 2):
                if offset in neighbours and (offset > 0) == (target > 0):
                    chosen[offset] = neighbours[offset]
                    break
    return list(chosen.values())
