"""Labels that are offered from those that a person has given on the same frame."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from outtake.core.errors import ConfigError
from outtake.core.types import Frame, LabelMap
from outtake.refine.join_regions import join_small
from outtake.refine.region_map import RegionMap
from outtake.refine.superpixels import find_superpixels, grow_seeds
from outtake.studio.strokes import UNLABELLED

# At a larger size superpixels take seconds, and their borders gain nothing.
REGIONS_WIDTH_PX = 640
LEAST_PX = 20


def find_regions(
    image: Frame, count: int, method: str = "watershed", least: int = LEAST_PX
) -> RegionMap:
    """Return about so many superpixels of a frame, found on at most 640 columns.

    Args:
        image: uint8 (H, W, 3).
        count: How many are wanted.
        method: See :func:`outtake.refine.superpixels.find_superpixels`.
        least: Smaller regions, in pixels of the frame, join a neighbour.
    """
    height, width = image.shape[:2]
    if width <= REGIONS_WIDTH_PX:
        return _find_regions(image, count, method, least)
    low = max(1, round(height * REGIONS_WIDTH_PX / width))
    small = cv2.resize(image, (REGIONS_WIDTH_PX, low), interpolation=cv2.INTER_AREA)
    found = _find_regions(small, count, method, max(1, least * REGIONS_WIDTH_PX**2 // width**2))
    rows = np.arange(height) * low // height
    columns = np.arange(width) * REGIONS_WIDTH_PX // width
    return RegionMap.of_labels(found.ids[np.ix_(rows, columns)])


def _find_regions(image: Frame, count: int, method: str, least: int) -> RegionMap:
    return join_small(find_superpixels(image, method, count, least), image, least)


def propose_by_watershed(image: Frame, labels: LabelMap, regions: RegionMap) -> LabelMap:
    """Let what is labelled grow up to the edges of the picture.

    Meyer, "Color image segmentation", IPA 1992, as OpenCV has it.
    """
    return np.asarray(grow_seeds(image, _as_seeds(labels)) - 1, np.uint8)


def propose_by_colour(image: Frame, labels: LabelMap, regions: RegionMap) -> LabelMap:
    """Label regions as Image Eraser does.

    A region with labels of one class takes it; one with several stays unlabelled; one with none
    takes the label of that with the nearest mean colour, the sum of the three differences, of all
    that have one, wherever they are.
    """
    count = regions.count
    known = labels != UNLABELLED
    classes = np.unique(labels[known])
    touched = np.stack(
        [np.bincount(regions.ids[labels == each], minlength=count) > 0 for each in classes]
    )
    number = touched.sum(axis=0)
    given = np.where(number == 1, classes[touched.argmax(axis=0)], UNLABELLED).astype(np.uint8)
    means = regions.means(image.transpose(2, 0, 1).astype(np.float32)).T
    marked, bare = np.flatnonzero(number == 1), np.flatnonzero(number == 0)
    if len(marked):
        for start in range(0, len(bare), 256):
            part = bare[start : start + 256]
            distance = np.abs(means[part, None] - means[None, marked]).sum(axis=2)
            given[part] = given[marked[distance.argmin(axis=1)]]
    return np.asarray(regions.spread(given), np.uint8)


PROPOSALS: dict[str, Callable[[Frame, LabelMap, RegionMap], LabelMap]] = {
    "watershed": propose_by_watershed,
    "colour": propose_by_colour,
}


def propose(by: str, image: Frame, labels: LabelMap, regions: RegionMap) -> LabelMap:
    """Return labels of a whole frame, uint8 (H, W), from those that are there.

    What is labelled keeps its label.

    Raises:
        ConfigError: There is no such way, or fewer than two classes are labelled.
    """
    if by not in PROPOSALS:
        raise ConfigError(f"by: must be one of {', '.join(PROPOSALS)}")
    if len(np.unique(labels[labels != UNLABELLED])) < 2:
        raise ConfigError(
            "a proposal needs strokes of two classes on this frame: the object and the background"
        )
    found = PROPOSALS[by](image, labels, regions)
    return np.where(labels == UNLABELLED, found, labels)


def _as_seeds(labels: LabelMap) -> np.ndarray[tuple[int, ...], np.dtype[np.int32]]:
    seeds = labels.astype(np.int32) + 1
    seeds[labels == UNLABELLED] = 0
    return seeds
