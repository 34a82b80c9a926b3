"""Look for what is behind a hole: near in time first, then wherever something is lacking."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from outtake.removal.clean_plate.alignment import align_references
from outtake.removal.clean_plate.collect_samples import greedy_cover
from outtake.removal.clean_plate.frame_buffer import (
    REFERENCE_DISTANCES,
    BufferedFrame,
    ReferenceWindow,
)
from outtake.removal.clean_plate.hole_regions import find_hole_regions
from outtake.removal.clean_plate.memory_budget import KEYFRAME_STEP
from outtake.removal.clean_plate.references import Reference, chained_reference, reference_between
from outtake.removal.clean_plate.region_fill import RegionFill
from outtake.removal.clean_plate.sample_selection import ReferenceFilter

# References that are looked at for what the regular ones lack.
_MAX_COMPLEMENTARY = 8


@dataclass(frozen=True, slots=True)
class ReferenceSearch:
    """Fills the hole of a frame from a window of frames, and from nothing else.

    Args:
        reference_filter: which references are good enough.
        ring: width of the ring around the hole, as a fraction of the frame's height.
        seam: how far the fill is bent towards its surroundings, as a fraction of the height.
    """

    reference_filter: ReferenceFilter
    ring: float
    seam: float

    def __call__(self, window: ReferenceWindow) -> list[RegionFill]:
        """Return the parts of the hole, as far as frames of the window show them."""
        if not window.needs_fill:
            return []
        centre = window.centre
        height = len(centre.mask)
        patches = [
            RegionFill(site)
            for site in find_hole_regions(centre, max(2, round(self.ring * height)))
        ]
        if not patches:
            return []
        near = _nearest_neighbours(window.neighbours)
        references = [reference_between(centre, held) for held in near]
        self._sample_references(patches, references)
        if references:
            others = (held for held in window.neighbours.values() if held not in near)
            self._sample_complementary(
                patches, (chained_reference(references, held) for held in others)
            )
        self._sample_complementary(patches, _match_keyframes(window))
        for patch in patches:
            patch.correct_seam(self.seam * height)
        return patches

    def _sample_complementary(
        self, patches: Sequence[RegionFill], references: Iterable[Reference]
    ) -> None:
        """Look in those of many references that show what is still unseen, if anything is."""
        incomplete = [patch for patch in patches if not patch.is_complete()]
        found = list(references) if incomplete else []
        if found:
            unseen = np.concatenate([patch.unfilled_points() for patch in incomplete])
            self._sample_references(incomplete, greedy_cover(found, unseen, _MAX_COMPLEMENTARY))

    def _sample_references(
        self, patches: Sequence[RegionFill], references: Sequence[Reference]
    ) -> None:
        if not references:
            return
        judged = align_references([patch.region for patch in patches], references)
        for patch, fit in zip(patches, judged, strict=True):
            patch.sample_references(fit, references, self.reference_filter)


def _nearest_neighbours(neighbours: Mapping[int, BufferedFrame]) -> list[BufferedFrame]:
    """Choose the neighbours whose distances come closest to the regular ones."""
    chosen: dict[int, BufferedFrame] = {}
    for distance in REFERENCE_DISTANCES:
        for target in (-distance, distance):
            for offset in (target, target - 1, target + 1, target - 2, target + 2):
                if offset in neighbours and (offset > 0) == (target > 0):
                    chosen[offset] = neighbours[offset]
                    break
    return list(chosen.values())


def _match_keyframes(window: ReferenceWindow) -> Iterator[Reference]:
    """Yield the keyframes in which the place is recognised.

    A keyframe is matched to one near the current frame, whose matches serve many frames.
    """
    centre = window.centre
    if not window.keyframes:
        return
    near = [one for one in (centre, *window.neighbours.values()) if one.number % KEYFRAME_STEP == 0]
    via = min(near, key=lambda one: abs(one.number - centre.number), default=centre)
    there = np.eye(3) if via is centre else reference_between(centre, via).homography
    for held in window.keyframes:
        jump = via.features.homography_to(held.number, held.features)
        if jump is not None:
            yield Reference(centre, held, np.asarray(jump @ there, np.float64))
