"""The outlines of a label map as polygons, in the JSON that LabelMe reads and writes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from outtake.annotations.labelme_json import labelme_tree
from outtake.core.types import LabelMap

_MIN_POINTS = 3  # of a polygon, also of a single pixel


@dataclass(frozen=True, slots=True)
class Polygon:
    """The outer outline of a connected region of one class.

    Attributes:
        class_name: The class.
        points: x and y of the outermost pixels of the region, int (N, 2), N at least 3.
        area_px: The number of pixels of the region, without the holes in it.
    """

    class_name: str
    points: NDArray[np.int32]
    area_px: int


def find_polygons(
    labels: LabelMap, names: Sequence[str], *, min_area: float = 0.0, simplify_px: float = 0.0
) -> list[Polygon]:
    """Return the regions of a label map, those that enclose others first.

    A polygon has no hole: what lies in a hole follows as a polygon of its own. Drawn one over the
    other in this order, all polygons give the label map again, if none is dropped or simplified.

    Args:
        labels: uint8 (H, W).
        names: The class names in the order of their ids; other ids have no polygons.
        min_area: Regions of a smaller share of the picture are dropped.
        simplify_px: How far a simplified outline may be from the true one, in pixels.
    """
    found: list[tuple[int, Polygon]] = []
    for index in np.flatnonzero(np.bincount(labels.ravel(), minlength=256)).tolist():
        if index >= len(names):
            continue
        mask = np.asarray(labels == index).astype(np.uint8)
        _, regions, statistics, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
        contours, hierarchy = cv2.findContours(mask, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
        for contour, links in zip(contours, hierarchy[0], strict=True):
            if links[3] >= 0:  # the outline of a hole
                continue
            x, y = contour[0, 0]
            box = statistics[regions[y, x]]
            area_px = int(box[cv2.CC_STAT_AREA])
            if area_px < min_area * labels.size:
                continue
            # What encloses a region has a larger box.
            extent = int(box[cv2.CC_STAT_WIDTH]) * int(box[cv2.CC_STAT_HEIGHT])
            polygon = Polygon(names[index], _outline(contour, simplify_px), area_px)
            found.append((extent, polygon))
    found.sort(key=lambda each: -each[0])
    return [polygon for _, polygon in found]


def _outline(contour: NDArray[Any], simplify_px: float) -> NDArray[np.int32]:
    points = cv2.approxPolyDP(contour, simplify_px, True) if simplify_px else contour
    points = np.asarray(points, np.int32).reshape(-1, 2)
    missing = max(0, _MIN_POINTS - len(points))
    return np.concatenate([points, np.repeat(points[-1:], missing, axis=0)])


def to_labelme(
    polygons: Sequence[Polygon], size: tuple[int, int], image_path: str
) -> dict[str, Any]:
    """Return the JSON of LabelMe for one picture.

    Each shape has its ``area_px`` too, which LabelMe keeps.

    Args:
        polygons: The polygons, those that enclose others first.
        size: The (height, width) of the picture.
        image_path: The picture as seen from the JSON file.
    """
    shapes = ((each.class_name, each.points, {"area_px": each.area_px}) for each in polygons)
    return labelme_tree(shapes, size, image_path)
