"""Which references are good enough for a hole, and which of many are looked at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from outtake.motion.warp import Points
from outtake.removal.clean_plate.alignment import AlignmentResult
from outtake.removal.clean_plate.frame_buffer import (
    Reference,
    hides_points,
    mark_known,
    show_foreground,
)
from outtake.removal.clean_plate.hole_regions import Floats, HoleRegion
from outtake.removal.clean_plate.tile_sampling import show_points

# Residuals this close are equal: noise decides which of them is smaller.
SAME_RESIDUAL_GREY = 0.15
# For pixels whose samples are few or disagree.
_MANY_SAMPLES, _WIDE_TOLERANCE = 25, 3.0
# References that show nearly as many positions as the best one are as good.
_MAX_PROBES, _NEARLY_BEST = 256, 0.9


@dataclass(frozen=True, slots=True)
class ReferenceFilter:
    """Decides which references are good enough.

    Attributes:
        max_samples: The largest number of samples per pixel.
        tolerance: The largest residual, as a multiple of the best residual among the references
            that show the pixel.
        max_error: The largest residual in grey levels.
        max_contrast_share: The largest residual as a share of the standard deviation of the ring.
        accepted_error: A residual that is accepted at any contrast, in grey levels.
    """

    max_samples: int = 5
    tolerance: float = 1.2
    max_error: float = 12.0
    max_contrast_share: float = 0.6
    accepted_error: float = 4.0

    def usable_references(self, region: HoleRegion, alignment: AlignmentResult) -> NDArray[np.intp]:
        """Return the indices of the usable references of an alignment, the best first."""
        contrast_limit = max(self.max_contrast_share * region.contrast, self.accepted_error)
        usable = alignment.trimmed_scores <= min(self.max_error, contrast_limit)
        return alignment.order[usable[alignment.order]]

    def widen(self) -> ReferenceFilter:
        """Return a filter for pixels whose samples are few or disagree."""
        tolerance = max(self.tolerance, _WIDE_TOLERANCE)
        return replace(self, max_samples=max(self.max_samples, _MANY_SAMPLES), tolerance=tolerance)

    def residual_limit(self, score: Floats) -> Floats:
        """Return the largest residual that counts as good as the best one."""
        return np.asarray(score * self.tolerance + SAME_RESIDUAL_GREY, np.float32)


def choose_references(
    references: Sequence[Reference], points: Points, times: int, max_count: int
) -> list[Reference]:
    """Choose references that show positions, each as often as wanted and at different moments.

    Args:
        references: The references to choose from.
        points: The positions, float32 (n, 2); 256 of them are looked at.
        times: How often each is to be shown, if there are so many that show it.
        max_count: The largest number of references that are chosen.
    """
    probes = _take_probes(points)
    visible = [show_points(one.frame.brightness, one.homography, probes) for one in references]
    return _choose_by_visibility(references, visible, times, max_count)


def show_foregrounds(
    references: Sequence[Reference], points: Points, max_count: int
) -> list[Reference]:
    """Return references whose foreground hides some positions, with frames that show it.

    Args:
        references: The references to choose from.
        points: The positions, float32 (n, 2); 256 of them are looked at.
        max_count: The largest number of references: each takes the memory of a brightness more.
    """
    probes = _take_probes(points)
    hiding = [one for one in references if hides_points(one, probes)]
    visible = [
        # One brightness at a time.
        show_points(mark_known(one.frame.brightness, one.frame.mask), one.homography, probes)
        for one in hiding
    ]
    chosen = _choose_by_visibility(hiding, visible, 1, max_count)
    return [replace(one, frame=show_foreground(one.frame)) for one in chosen]


def _take_probes(points: Points) -> Points:
    return points[:: max(1, -(-len(points) // _MAX_PROBES))]


def _choose_by_visibility(
    references: Sequence[Reference],
    visible_points: Sequence[NDArray[np.bool_]],
    times: int,
    max_count: int,
) -> list[Reference]:
    if not references:
        return []
    visible = np.array(visible_points, bool)
    numbers = np.array([one.frame.number for one in references])
    lacking = np.full(visible.shape[1], times)
    chosen: list[int] = []
    while len(chosen) < max_count:
        gains = (visible & (lacking > 0)).sum(axis=1)
        if not gains.any():
            break
        best = int(gains.argmax())
        if chosen:  # what passes by is in frames that follow each other
            good = np.flatnonzero(gains >= _NEARLY_BEST * gains[best])
            apart = np.abs(numbers[good, None] - numbers[chosen]).min(axis=1)
            best = int(good[apart.argmax()])
        chosen.append(best)
        lacking -= visible[best]
        visible[best] = False
    return [references[index] for index in chosen]
