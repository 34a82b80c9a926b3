"""Contours: label maps as polygons, and back, without the loss of a pixel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import cv2
import numpy as np
from numpy.typing import NDArray

from outtake.annotations.annotated_shapes import Points, Shape
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
        ring = self.outer
        for hole in self.holes:
            ring = _hang_hole(ring, hole)
        return ring

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
    _, first = np.unique(pieces.ids, return_index=True)
    found = []
    for piece, own in rings.items():
        label = int(labels.ravel()[first[piece]])
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
    framed = np.pad(ids, 1, constant_values=-1)
    inside = framed[1:-1, 1:-1]
    # For each side of a pixel that borders on another region: its first corner, and the step.
    sides = (
        (framed[:-2, 1:-1], 0, 0, 0),
        (framed[1:-1, 2:], 1, 0, 1),
        (framed[2:, 1:-1], 1, 1, 2),
        (framed[1:-1, :-2], 0, 1, 3),
    )
    width = ids.shape[1] + 1
    steps: dict[tuple[int, int], list[int]] = {}
    for beyond, right, down, step in sides:
        y, x = np.nonzero(beyond != inside)
        corners = ((y + down) * width + x + right).tolist()
        for key in zip(ids[y, x].tolist(), corners, strict=True):
            steps.setdefault(key, []).append(step)
    offsets = [x + y * width for x, y in _STEPS]
    rings = []
    while steps:
        (piece, start), directions = next(iter(steps.items()))
        step, corner, ring = directions[0], start, [start]
        while True:
            _take(steps, (piece, corner), step)
            corner += offsets[step]
            going = steps.get((piece, corner))
            if going is None:
                break
            # Where a region meets itself at a corner, it turns towards its own pixel.
            turn = min(going, key=lambda other: (step - other + 1) % 4)
            if corner == start and (turn - step) % 4 == 3:
                break
            if turn != step:
                ring.append(corner)
            step = turn
        rings.append((piece, _corner_points(ring, width)))
    return rings


def _take(steps: dict[tuple[int, int], list[int]], key: tuple[int, int], step: int) -> None:
    steps[key].remove(step)
    if not steps[key]:
        del steps[key]


def _corner_points(corners: list[int], width: int) -> Points:
    y, x = np.divmod(np.array(corners), width)
    return np.stack([x, y], axis=1).astype(np.float64)


def _signed_area(ring: Points) -> float:
    x, y = ring[:, 0], ring[:, 1]
    return float((x * np.roll(y, -1) - np.roll(x, -1) * y).sum() / 2)


def _simplify(ring: Points, tolerance_px: float) -> Points:
    if not tolerance_px:
        return ring
    simple = cv2.approxPolyDP(ring.astype(np.float32)[:, None], tolerance_px, True)[:, 0]
    return np.asarray(simple, np.float64) if len(simple) > 2 else ring


def _hang_hole(ring: Points, hole: Points) -> Points:
    """Return a ring that runs to a hole, round it, and back the same way."""
    distance = np.abs(ring[:, None] - hole[None]).sum(axis=2)
    at, start = np.unravel_index(int(distance.argmin()), distance.shape)
    bend = np.array([[hole[start, 0], ring[at, 1]]])
    around = np.concatenate([hole[start:], hole[: start + 1]])
    return np.concatenate([ring[: at + 1], bend, around, bend, ring[at:]])
