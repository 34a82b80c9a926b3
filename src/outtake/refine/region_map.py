"""Regions of a picture: which pixels belong together, and what is known of each group."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from outtake.core.types import Frame, LabelMap

Ids = NDArray[np.int32]
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Borders:
    """Which regions touch, by four neighbours.

    Attributes:
        pairs: The two regions of each border, the lower number first, int32 (N, 2), in order.
        length: The pairs of pixels that lie on each border, int64 (N,).
        contrast: The mean distance of the colours of these pairs, float32 (N,).
    """

    pairs: NDArray[np.int32]
    length: NDArray[np.int64]
    contrast: Floats


@dataclass(frozen=True)
class RegionMap:
    """A division of a picture.

    Attributes:
        ids: The region of each pixel, int32 (H, W), from 0 to ``count - 1``.
        count: The number of regions; each has a pixel.
    """

    ids: Ids
    count: int

    @classmethod
    def of_labels(cls, labels: NDArray[np.integer]) -> RegionMap:
        """Return the regions of any integers (H, W): each value is one, numbered in their order."""
        values, ids = np.unique(labels, return_inverse=True)
        return cls(ids.reshape(labels.shape).astype(np.int32), len(values))

    @cached_property
    def sizes(self) -> NDArray[np.int64]:
        """The number of pixels of each region, int64 (count,)."""
        return np.bincount(self.ids.ravel(), minlength=self.count)

    def means(self, planes: Floats) -> Floats:
        """Return the mean of each region.

        Args:
            planes: float32 (C, H, W).

        Returns:
            float32 (C, count).
        """
        flat = self.ids.ravel()
        sums = [np.bincount(flat, plane.ravel(), self.count) for plane in planes]
        return (np.array(sums).reshape(len(planes), self.count) / self.sizes).astype(np.float32)

    def spread(self, values: NDArray[np.generic]) -> NDArray[np.generic]:
        """Return a value for each pixel (..., H, W) from one for each region (..., count)."""
        return values[..., self.ids]

    def vote(self, probabilities: Floats) -> Floats:
        """Return the mean probabilities of the region that a pixel lies in.

        Args:
            probabilities: float32 (classes, H, W).

        Returns:
            float32 (classes, H, W).
        """
        return np.ascontiguousarray(self.spread(self.means(probabilities)), np.float32)

    def majority(self, labels: LabelMap, ignore_index: int = 255) -> LabelMap:
        """Return the commonest label of the region that a pixel lies in, uint8 (H, W).

        Of two that are as common it is the lower; a region without labels has ``ignore_index``.
        """
        counts = np.bincount(self.ids.ravel() * 256 + labels.ravel(), minlength=self.count * 256)
        counts = counts.reshape(self.count, 256)
        counts[:, ignore_index] = 0
        best = counts.argmax(axis=1).astype(np.uint8)
        best[counts.max(axis=1) == 0] = ignore_index
        return np.asarray(self.spread(best), np.uint8)

    def borders(self, image: Frame | Floats) -> Borders:
        """Return which regions touch, how far, and how strong the edge between them is.

        Args:
            image: The picture, uint8 or float32 (H, W, C).
        """
        samples = image.astype(np.float32)
        codes, steps = [], []
        for one, other in (
            (np.s_[:-1], np.s_[1:]),
            (np.s_[:, :-1], np.s_[:, 1:]),
        ):
            first, second = self.ids[one], self.ids[other]
            apart = first != second
            low = np.minimum(first[apart], second[apart]).astype(np.int64)
            codes.append(low * self.count + np.maximum(first[apart], second[apart]))
            step = samples[one][apart] - samples[other][apart]
            steps.append(np.sqrt((step * step).sum(axis=1)))
        found, place = np.unique(np.concatenate(codes), return_inverse=True)
        length = np.bincount(place, minlength=len(found))
        contrast = np.bincount(place, np.concatenate(steps), len(found)) / np.maximum(length, 1)
        pairs = np.stack(np.divmod(found, self.count), axis=1).astype(np.int32)
        return Borders(pairs, length, contrast.astype(np.float32))
