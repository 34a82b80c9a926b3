"""Contours: label maps as polygons, and back, without the loss of a pixel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from outtake.annotations.annotated_shapes import Points, Shape
from outtake.annotations.labelme_json import labelme_tree
from outtake.annotations.raster import draw_shape
from outtake.core.types import LabelMap
from outtake.refine.join_regions import number_pieces

# East, south, west, north: the steps along the sides of pixels, x and y.
_STEPS = ((1, 0), (0, 1), (-1, 0), (0, -1))


@dataclass(frozen=True, eq=False)
class Contour:
    """The contour of a connected region of one label.

    Attributes:
        label: The label.
        outer: Its outer ring, float64 (N, 2) of x and y, clockwise, along the sides of pixels: a
            pixel covers x to x + 1. The last corner is joined to the first.
        holes: The rings of its holes, counterclockwise.
        area_px: The number of its pixels.
    """

    label: int
    outer: Points
    holes: tuple[Points, ...]
    area_px: int

    def as_ring(self) -> Points:
        """Return one ring with the same inside: each hole hangs on a path of no width.

        Formats of annotation tools have no holes. The path runs along rows and columns of pixels'
        sides, so that it encloses nothing however exactly it is computed.
        """
        return _hang_holes(self.outer, self.holes)

    def as_shape(self, name: str) -> Shape:
        """Return it as a shape of annotation tools."""
        return Shape(label=name, rings=(self.as_ring(),))


def find_contours(
    labels: LabelMap, tolerance_px: float = 0, ignore_index: int = 255
) -> list[Contour]:
    """Return the contours of the connected regions of a label map, the largest first.

    Pixels that touch at a corner alone are regions of their own.

    Args:
        labels: uint8 (H, W).
        tolerance_px: How far a contour may be from the true one (Douglas and Peucker 1973); 0:
            it is the true one.
        ignore_index: The label of pixels that have none.
    """
    pieces = number_pieces(labels)
    rings: dict[int, list[Points]] = {}
    for piece, ring in _trace_rings(pieces.ids):
        rings.setdefault(piece, []).append(ring)
    label_of = np.zeros(pieces.count, np.uint8)
    label_of[pieces.ids] = labels
    found = []
    for piece, own in rings.items():
        label = int(label_of[piece])
        if label == ignore_index:
            continue
        own.sort(key=_signed_area, reverse=True)
        outer, *holes = (_simplify(ring, tolerance_px) for ring in own)
        found.append(Contour(label, outer, tuple(holes), int(pieces.sizes[piece])))
    return sorted(found, key=lambda each: -each.area_px)


def draw_contours(
    contours: Sequence[Contour], size: tuple[int, int], ignore_index: int = 255
) -> LabelMap:
    """Return the label map of contours, uint8 (H, W), one drawn over the other.

    Args:
        contours: The contours.
        size: Height and width.
        ignore_index: The label of pixels that lie in none.
    """
    labels = np.full(size, ignore_index, np.uint8)
    for each in contours:
        draw_shape(labels, each.as_shape(""), each.label, "centres")
    return labels


def contours_to_labelme(
    contours: Sequence[Contour], size: tuple[int, int], names: Sequence[str], image_path: str
) -> dict[str, Any]:
    """Return contours as the JSON of LabelMe, each a polygon with its ``area_px`` too.

    Args:
        contours: The contours.
        size: The height and width of the picture.
        names: What each label is called.
        image_path: The picture as seen from the JSON file.
    """
    polygons = ((names[each.label], each.as_ring(), {"area_px": each.area_px}) for each in contours)
    return labelme_tree(polygons, size, image_path)


def to_svg(
    contours: Sequence[Contour],
    size: tuple[int, int],
    names: Sequence[str],
    colours: Sequence[Sequence[int]],
) -> str:
    """Return contours as a picture in SVG, each a path that is named by its title.

    Args:
        contours: The contours.
        size: Height and width.
        names: What each label is called.
        colours: The RGB colour of each label, 0 to 255.
    """
    height, width = size
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}">'
    ]
    for each in contours:
        path = "".join(_svg_ring(ring) for ring in (each.outer, *each.holes))
        red, green, blue = (int(value) for value in colours[each.label])
        lines.append(
            f'<path fill="rgb({red},{green},{blue})" fill-rule="evenodd" d="{path}">'
            f"<title>{escape(names[each.label])}</title></path>"
        )
    return "\n".join([*lines, "</svg>\n"])


def _svg_ring(ring: Points) -> str:
    return "M" + "L".join(f"{x:g} {y:g}" for x, y in ring) + "Z"


def _trace_rings(ids: NDArray[np.int32]) -> list[tuple[int, Points]]:
    """Return the rings around each region, with its inside to the right of each step."""
    region, corner, step = _list_sides(ids)
    width = ids.shape[1] + 1
    following = _link_sides(region, corner, step, width, (ids.shape[0] + 1) * width).tolist()
    left = bytearray(b"\x01") * len(following)
    rings = []
    for first in range(len(following)):
        if not left[first]:
            continue
        ring, side = [], first
        while left[side]:
            left[side] = 0
            ring.append(side)
            side = following[side]
        sides = np.array(ring)
        # Only where it turns there is a corner.
        turns = sides[step[sides] != step[np.roll(sides, 1)]]
        y, x = np.divmod(corner[turns], width)
        rings.append((int(region[first]), np.stack([x, y], axis=1).astype(np.float64)))
    return rings


def _list_sides(
    ids: NDArray[np.int32],
) -> tuple[NDArray[np.int32], NDArray[np.int64], NDArray[np.int8]]:
    """Return the sides of pixels on which another region lies.

    For each its region, the number of the corner where it begins, and its step.
    """
    framed = np.pad(ids, 1, constant_values=-1)
    width = ids.shape[1] + 1
    regions, corners, steps = [], [], []
    for step, (beyond, right, down) in enumerate(
        (
            (framed[:-2, 1:-1], 0, 0),
            (framed[1:-1, 2:], 1, 0),
            (framed[2:, 1:-1], 1, 1),
            (framed[1:-1, :-2], 0, 1),
        )
    ):
        y, x = np.nonzero(beyond != ids)
        regions.append(ids[y, x])
        corners.append((y + down) * width + x + right)
        steps.append(np.full(len(y), step, np.int8))
    return np.concatenate(regions), np.concatenate(corners), np.concatenate(steps)


def _link_sides(
    region: NDArray[np.int32],
    corner: NDArray[np.int64],
    step: NDArray[np.int8],
    width: int,
    corners: int,
) -> NDArray[np.intp]:
    """Return which side follows each."""
    begins = region.astype(np.int64) * corners + corner
    order = np.argsort(begins, kind="stable")
    ordered = begins[order]
    ends = begins + np.array([x + y * width for x, y in _STEPS])[step]
    place = np.searchsorted(ordered, ends)
    one = order[place]
    # Where a region meets itself at a corner, two begin: it turns right, towards its own pixel.
    second = np.minimum(place + 1, len(order) - 1)
    double = (second > place) & (ordered[second] == ends)
    right = step[one] == (step + 1) % 4
    return np.asarray(np.where(double & ~right, order[second], one), np.intp)


def _signed_area(ring: Points) -> float:
    x, y = ring[:, 0], ring[:, 1]
    return float((x * np.roll(y, -1) - np.roll(x, -1) * y).sum() / 2)


def _simplify(ring: Points, tolerance_px: float) -> Points:
    if not tolerance_px:
        return ring
    simple = cv2.approxPolyDP(ring.astype(np.float32)[:, None], tolerance_px, True)[:, 0]
    return np.asarray(simple, np.float64) if len(simple) > 2 else ring


def _hang_holes(outer: Points, holes: Sequence[Points]) -> Points:
    """Return a ring that runs from the outer one to each hole, round it, and back the same way."""
    hanging: dict[int, list[Points]] = {}
    for hole in holes:
        at = int(np.abs(outer - hole[0]).sum(axis=1).argmin())
        bend = np.array([[hole[0, 0], outer[at, 1]]])
        path = np.concatenate([bend, hole, hole[:1], bend, outer[at : at + 1]])
        hanging.setdefault(at, []).append(path)
    parts, done = [], 0
    for at in sorted(hanging):
        parts += [outer[done : at + 1], *hanging[at]]
        done = at + 1
    return np.concatenate([*parts, outer[done:]])
