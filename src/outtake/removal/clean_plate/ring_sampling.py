"""Sample the rings around all hole regions in other frames, together."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from outtake.motion.homography import Homography
from outtake.motion.warp import project_points
from outtake.removal.clean_plate.frame_buffer import Reference
from outtake.removal.clean_plate.hole_regions import Floats, HoleRegion

# Longer products of matrices start BLAS threads, which cost more here than they gain.
_MATMUL_LENGTH = 256
_UPPER_TRIANGLE = np.triu_indices(7)


class RingBatch:
    """The rings of s hole regions, padded to one length m.

    Args:
        regions: The hole regions.

    Attributes:
        points: The positions of the ring pixels, float32 (s, m, 2).
        colours: The colours of the ring pixels, float32 (s, m, 3).
        grey: The brightness of the ring pixels, float32 (s, m).
        sizes: The number of ring pixels without padding, float32 (s,).
    """

    def __init__(self, regions: Sequence[HoleRegion]) -> None:
        count, longest = len(regions), max(1, *(len(one.ring_points) for one in regions))
        self.points = np.full((count, longest, 2), -1e4, np.float32)
        self.colours = np.zeros((count, longest, 3), np.float32)
        slopes = np.zeros((count, longest, 7), np.float32)
        self.sizes = np.array([len(one.ring_points) for one in regions], np.float32)
        self._is_real = np.arange(longest) < self.sizes[:, None]
        for row, region in enumerate(regions):
            part = (row, slice(len(region.ring_points)))
            self.points[part], self.colours[part] = region.ring_points, region.ring_colours
            slopes[part] = region.steepest_descent
        grey = cv2.cvtColor(self.colours.astype(np.uint8), cv2.COLOR_RGB2GRAY)
        self.grey = grey.astype(np.float32)
        self._steepest_descent = slopes
        self._slope_products = slopes[..., _UPPER_TRIANGLE[0]] * slopes[..., _UPPER_TRIANGLE[1]]

    def sample_references(
        self, references: Sequence[Reference], which: NDArray[np.intp], homographies: Homography
    ) -> tuple[NDArray[np.uint8], Floats]:
        """Sample the rings in other frames.

        Args:
            references: All references.
            which: The indices of r references for each region, (s, r).
            homographies: The homographies to those references, (s, r, 3, 3).

        Returns:
            The colours, uint8 (s, r, m, 3), and 1 where they are known, float32 (s, r, m).
        """
        # Pairs of a region and a reference, sorted by reference: each image is sampled once.
        flat = which.ravel()
        pairs = np.argsort(flat, kind="stable")
        sources = self.points[pairs // which.shape[1]]
        points = project_points(homographies.reshape(-1, 3, 3)[pairs], sources)
        np.clip(points, -16000, 32000, out=points)
        found = np.empty((*points.shape[:2], 3), np.uint8)
        found_known = np.empty(points.shape[:2], np.uint8)
        bounds = np.searchsorted(flat[pairs], np.arange(len(references) + 1)).tolist()
        for reference, begin, end in zip(references, bounds, bounds[1:], strict=False):
            if begin == end:
                continue
            grid, frame = points[begin:end], reference.frame
            into, method = found[begin:end], cv2.INTER_CUBIC
            cv2.remap(frame.image, grid, None, method, into, cv2.BORDER_REPLICATE)
            into, method = found_known[begin:end], cv2.INTER_NEAREST
            cv2.remap(frame.known, grid, None, method, into, cv2.BORDER_CONSTANT)
        colours, known = np.empty_like(found), np.empty(found_known.shape, np.float32)
        colours[pairs], known[pairs] = found, found_known
        shape = (*which.shape, points.shape[1])
        known = known.reshape(shape)
        known *= self._is_real[:, None]
        return colours.reshape(*shape, 3), known

    def normal_equations(
        self, weights: Floats, errors: Floats
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return both sides of the normal equations of the shifts, (s, r, 7, 7) and (s, r, 7)."""
        count, some, longest = weights.shape
        upper = np.zeros((count, some, len(_UPPER_TRIANGLE[0])), np.float32)
        right = np.zeros((count, some, 7), np.float32)
        weighted = weights * errors
        for begin in range(0, longest, _MATMUL_LENGTH):
            part = slice(begin, begin + _MATMUL_LENGTH)
            upper += np.matmul(weights[..., part], self._slope_products[:, part])
            right += np.matmul(weighted[..., part], self._steepest_descent[:, part])
        normal = np.empty((count, some, 7, 7))
        normal[..., _UPPER_TRIANGLE[0], _UPPER_TRIANGLE[1]] = upper
        normal[..., _UPPER_TRIANGLE[1], _UPPER_TRIANGLE[0]] = upper
        return normal, right.astype(np.float64)

    def estimate_log_gains(
        self, colours: NDArray[np.uint8], weights: Floats, noise: float
    ) -> Floats:
        """Return the gain in contrast from each reference to the frame, over all regions.

        Standard deviations are compared, because a regression takes misalignment for less contrast.

        Args:
            colours: The colours of the rings in the references, (s, r, m, 3).
            weights: The weights of the ring pixels, (s, r, m).
            noise: The variance below which contrast cannot be measured.

        Returns:
            The natural logarithm of the gains, float32 (r, 3).
        """
        total = np.maximum(weights.sum(axis=(0, 2)), 1)
        gains = np.empty((colours.shape[1], 3), np.float32)
        for channel in range(3):
            spreads = []
            for values in (self.colours[:, None, :, channel], colours[..., channel]):
                values = np.broadcast_to(values, weights.shape).astype(np.float32)
                average = np.einsum("srm,srm->r", values, weights) / total
                values = np.square(values - average[:, None])
                spreads.append(np.einsum("srm,srm->r", values, weights) / total)
            gains[:, channel] = 0.5 * np.log((spreads[0] + noise) / (spreads[1] + noise))
        return gains


def masked_lower_median(values: Floats, known: Floats) -> Floats:
    """Return the lower median of the known values of each row (..., m); 0 if none is known."""
    ranked = np.sort(np.where(known > 0, values, np.float32(np.inf)), axis=-1)
    count = known.sum(axis=-1).astype(np.intp)
    found = np.take_along_axis(ranked, np.maximum((count + 1) // 2 - 1, 0)[..., None], axis=-1)
    return np.where(count > 0, found[..., 0], np.float32(0))


def trimmed_mean(values: Floats, known: Floats, share: float) -> Floats:
    """Return the mean of the smallest share of the known values of each row (..., m)."""
    ranked = np.sort(np.where(known > 0, values, np.float32(np.inf)), axis=-1)
    count = np.maximum(np.ceil(share * known.sum(axis=-1)).astype(np.intp), 1)[..., None]
    np.copyto(ranked, np.float32(0), where=~np.isfinite(ranked))
    mean = np.take_along_axis(ranked.cumsum(axis=-1), count - 1, axis=-1) / count
    return np.asarray(mean[..., 0], np.float32)


def weighted_mean(values: Floats, weights: Floats) -> Floats:
    """Return the weighted mean of each row (..., m)."""
    total = np.maximum(weights.sum(axis=-1), 1)
    return np.asarray(np.einsum("...m,...m->...", values, weights) / total, np.float32)
