"""How tracked points near a hole region deviate from the homography of the frame."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from outtake.motion.homography import invert_homography
from outtake.motion.warp import project_points
from outtake.removal.clean_plate.frame_buffer import Reference
from outtake.removal.clean_plate.hole_regions import Floats, HoleRegion

# The number of points near a region, weighted by nearness, that a parallax correction needs...
_MIN_POINTS = 3.0
# ...and the deviation of those points from which it is tried.
_MIN_DEVIATION_PX = 0.5
_MAX_DEVIATION_PX = 20.0
_PRIOR = np.diag([0.01, 0.05, 0.05]).astype(np.float32)


class ParallaxEstimator:
    """Measures how tracked points near a region deviate from the homography of the frame.

    Things that are nearer or farther than most of the frame move by another homography; around one
    region, an affine correction from the points there comes close (after Zaragoza et al. 2013).
    """

    def __init__(self, references: Sequence[Reference]) -> None:
        shared = [one.source.view.shared_points(one.frame.view) for one in references]
        most = max(len(here) for here, _ in shared)
        shape = (len(references), most)
        self._points: Floats = np.zeros((*shape, 2), np.float32)
        self._errors: Floats = np.zeros((*shape, 2), np.float32)
        self._weights: Floats = np.zeros(shape, np.float32)
        for row, (here, there) in enumerate(shared):
            part = (row, slice(len(here)))
            self._points[part], self._errors[part], self._weights[part] = here, there, 1
        back = invert_homography(np.stack([one.homography for one in references]))
        self._errors = project_points(back, self._errors) - self._points
        self._errors *= self._weights[..., None]
        self._sizes = np.minimum(_max_component(self._errors), _MAX_DEVIATION_PX)

    def estimate_shifts(self, region: HoleRegion) -> NDArray[np.float64]:
        """Return a shift for each reference, (references, 6); 0 where none is needed."""
        shifts = np.zeros((len(self._points), 6))
        local = (self._points - region.centre) / np.float32(region.radius_px)
        outside = np.maximum(_max_component(local) - 1, 0)
        near = self._weights * np.exp(-0.5 * np.square(outside))
        total = near.sum(axis=1)
        off = (near * self._sizes).sum(axis=1)
        needed = (total >= _MIN_POINTS) & (off > _MIN_DEVIATION_PX * total)
        if not needed.any():
            return shifts
        near, errors = near[needed], self._errors[needed]
        design = np.concatenate((np.ones_like(local[needed, :, :1]), local[needed]), axis=2)
        found = np.zeros((len(near), 3, 2), np.float32)
        for _ in range(3):
            left = _max_component(errors - np.matmul(design, found))
            typical = (near * left).sum(axis=1) / near.sum(axis=1)
            weights = near / (1 + np.square(left / np.maximum(typical, 0.3)[:, None]))
            weighted = (design * weights[..., None]).transpose(0, 2, 1)
            normal = np.matmul(weighted, design) + _PRIOR
            found = np.linalg.solve(normal, np.matmul(weighted, errors))
        shifts[needed] = found.transpose(0, 2, 1).reshape(-1, 6)
        return shifts


def _max_component(vectors: Floats) -> Floats:
    """Return the larger of |x| and |y| of vectors (..., 2)."""
    return np.asarray(np.maximum(np.abs(vectors[..., 0]), np.abs(vectors[..., 1])), np.float32)
