"""Which pixels of a picture belong together, without any network: superpixels joined to groups."""

from __future__ import annotations

import heapq

import cv2
import numpy as np
from numpy.typing import NDArray

from outtake.core.types import Frame
from outtake.core.validate import check_number
from outtake.refine.join_regions import number_values
from outtake.refine.region_map import RegionMap

# How much a strong edge between two regions counts beside the difference of their colours.
_CONTRAST_WEIGHT = 0.5


def cluster(image: Frame, superpixels: RegionMap, groups: int) -> RegionMap:
    """Join neighbouring superpixels, the most alike first, until so many groups are left.

    Ward, "Hierarchical Grouping to Optimize an Objective Function", JASA 1963, on Lab colours: two
    groups cost what joining adds to the squared distances from their means, so that small ones join
    first; a strong edge along their border adds to the distance.

    Args:
        image: uint8 (H, W, C), grey or RGB; channels behind the third are not looked at.
        superpixels: A division of the picture, whose borders are kept or dropped, never moved.
        groups: How many are wanted; each is of one piece, and so more are left where the
            superpixels do not touch.

    Returns:
        The groups, numbered as they come in the rows of the picture.
    """
    check_number("groups", groups, 1, whole=True)
    lab = _to_lab(image)
    tree = _Groups(superpixels, lab)
    while tree.count > groups and tree.join_cheapest():
        pass
    return number_values(_in_order(tree.members[superpixels.ids]))


class _Groups:
    """Groups that grow: their sizes, mean colours and borders."""

    def __init__(self, regions: RegionMap, lab: NDArray[np.float32]) -> None:
        self.count = regions.count
        self.members = np.arange(regions.count)
        self._sizes = regions.sizes.astype(np.float64)
        self._means = regions.means(np.ascontiguousarray(lab.transpose(2, 0, 1))).T.astype(float)
        # Of each group its neighbours, with the length of their border and the sum of its contrast.
        self._borders: list[dict[int, tuple[float, float]]] = [{} for _ in range(regions.count)]
        found = regions.borders(lab)
        for (one, other), length, contrast in zip(
            found.pairs.tolist(), found.length.tolist(), found.contrast.tolist(), strict=True
        ):
            self._borders[one][other] = self._borders[other][one] = (length, length * contrast)
        self._age = [0] * regions.count
        self._queue = [
            self._entry(one, other) for one in range(regions.count) for other in self._borders[one]
            if one < other
        ]  # fmt: skip
        heapq.heapify(self._queue)

    def join_cheapest(self) -> bool:
        """Join the two neighbours that cost least; False if no two groups touch."""
        while self._queue:
            _, one, other, age_one, age_other = heapq.heappop(self._queue)
            if self._age[one] == age_one and self._age[other] == age_other:
                self._join(one, other)
                return True
        return False

    def _entry(self, one: int, other: int) -> tuple[float, int, int, int, int]:
        length, contrast = self._borders[one][other]
        step = self._means[one] - self._means[other]
        distance = float(step @ step) + _CONTRAST_WEIGHT * (contrast / length) ** 2
        size = self._sizes[one] * self._sizes[other] / (self._sizes[one] + self._sizes[other])
        return float(size) * distance, one, other, self._age[one], self._age[other]

    def _join(self, one: int, other: int) -> None:
        total = self._sizes[one] + self._sizes[other]
        self._means[one] += (self._means[other] - self._means[one]) * self._sizes[other] / total
        self._sizes[one] = total
        self._age[one] += 1
        self._age[other] = -1  # no entry of it counts any more
        self.members[self.members == other] = one
        self.count -= 1
        for near, (length, contrast) in self._borders[other].items():
            del self._borders[near][other]
            if near != one:
                before = self._borders[one].get(near, (0.0, 0.0))
                joined = before[0] + length, before[1] + contrast
                self._borders[one][near] = self._borders[near][one] = joined
        self._borders[other] = {}
        for near in self._borders[one]:
            heapq.heappush(self._queue, self._entry(min(one, near), max(one, near)))


def _to_lab(image: Frame) -> NDArray[np.float32]:
    colour = image[..., :3] if image.shape[2] >= 3 else np.repeat(image[..., :1], 3, axis=2)
    found = cv2.cvtColor(np.ascontiguousarray(colour, np.float32) / 255, cv2.COLOR_RGB2LAB)
    return np.asarray(found, np.float32)


def _in_order(ids: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return the same groups, numbered as they first come in the rows of the picture."""
    values, first, place = np.unique(ids, return_index=True, return_inverse=True)
    rank = np.empty(len(values), np.intp)
    rank[np.argsort(first)] = np.arange(len(values))
    return rank[place].reshape(ids.shape)
