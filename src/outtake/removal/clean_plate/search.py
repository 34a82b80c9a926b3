"""Look for what is behind a hole: near in time first, then wherever something is lacking."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from outtake.removal.clean_plate.alignment import fits
from outtake.removal.clean_plate.collect_samples import complementary
from outtake.removal.clean_plate.frame_buffer import DISTANCES, Held, Window
from outtake.removal.clean_plate.hole_regions import sites
from outtake.removal.clean_plate.memory_budget import KEYFRAME_STEP
from outtake.removal.clean_plate.references import Reference, between, by_way_of
from outtake.removal.clean_plate.region_fill import Patch
from outtake.removal.clean_plate.sample_selection import Choice

# References that are looked at for what the regular ones lack.
_COMPLEMENTARY = 8


@dataclass(frozen=True, slots=True)
class Search:
    """Fills the hole of a frame from a window of frames, and from nothing else.

    Args:
        choice: which references are good enough.
        ring: width of the ring around the hole, as a fraction of the frame's height.
        seam: how far the fill is bent towards its surroundings, as a fraction of the height.
    """

    choice: Choice
    ring: float
    seam: float

    def __call__(self, window: Window) -> list[Patch]:
        """Return the parts of the hole, as far as frames of the window show them."""
        if not window.fill:
            return []
        centre = window.centre
        height = len(centre.mask)
        patches = [Patch(site) for site in sites(centre, max(2, round(self.ring * height)))]
        if not patches:
            return []
        near = _near(window.neighbours)
        references = [between(centre, held) for held in near]
        self._look(patches, references)
        if references:
            others = (held for held in window.neighbours.values() if held not in near)
            self._look_further(patches, (by_way_of(references, held) for held in others))
        self._look_further(patches, _recognised(window))
        for patch in patches:
            patch.mend(self.seam * height)
        return patches

    def _look_further(self, patches: Sequence[Patch], references: Iterable[Reference]) -> None:
        """Look in those of many references that show what is still unseen, if anything is."""
        incomplete = [patch for patch in patches if not patch.complete()]
        found = list(references) if incomplete else []
        if found:
            unseen = np.concatenate([patch.unseen() for patch in incomplete])
            self._look(incomplete, complementary(found, unseen, _COMPLEMENTARY))

    def _look(self, patches: Sequence[Patch], references: Sequence[Reference]) -> None:
        if not references:
            return
        judged = fits([patch.site for patch in patches], references)
        for patch, fit in zip(patches, judged, strict=True):
            patch.look(fit, references, self.choice)


def _near(neighbours: Mapping[int, Held]) -> list[Held]:
    """Choose the neighbours whose distances come closest to the regular ones."""
    chosen: dict[int, Held] = {}
    for distance in DISTANCES:
        for wanted in (-distance, distance):
            for offset in (wanted, wanted - 1, wanted + 1, wanted - 2, wanted + 2):
                if offset in neighbours and (offset > 0) == (wanted > 0):
                    chosen[offset] = neighbours[offset]
                    break
    return list(chosen.values())


def _recognised(window: Window) -> Iterator[Reference]:
    """Yield the keyframes in which the place is recognised.

    A keyframe is matched to one near the current frame, whose matches serve many frames.
    """
    centre = window.centre
    if not window.keyframes:
        return
    near = [one for one in (centre, *window.neighbours.values()) if one.number % KEYFRAME_STEP == 0]
    via = min(near, key=lambda one: abs(one.number - centre.number), default=centre)
    there = np.eye(3) if via is centre else between(centre, via).homography
    for held in window.keyframes:
        jump = via.features.to(held.number, held.features)
        if jump is not None:
            yield Reference(centre, held, np.asarray(jump @ there, np.float64))
