"""Draw shapes into label maps and masks."""

from __future__ import annotations

from typing import Literal

import cv2
import numpy as np

from outtake.annotations.annotated_shapes import Points, Shape
from outtake.core.types import LabelMap

Rule = Literal["centres", "touched"]
# Vertices are drawn to 1/16 of a pixel.
_SHIFT = 4


def draw_shape(canvas: LabelMap, shape: Shape, value: int, rule: Rule) -> None:
    """Paint a shape, which may reach beyond the picture.

    Args:
        canvas: uint8 (H, W), which is changed.
        shape: The shape, in pixels. Each of its polygons is painted by the even-odd rule.
        value: What its pixels become.
        rule: Which pixels a polygon has. ``centres``: those whose centres are inside, so that of
            two objects with one border each pixel belongs to exactly one, as labels need it.
            ``touched``: all that it touches: what is removed leaves no rim of itself behind.
    """
    fill = _fill_centres if rule == "centres" else _fill_touched
    for ring in shape.rings:
        if len(ring) > 2:
            fill(canvas, ring, value)
    if shape.bitmap is not None:
        top, left = max(shape.top, 0), max(shape.left, 0)
        part = shape.bitmap[top - shape.top :, left - shape.left :]
        room = canvas[top : top + part.shape[0], left : left + part.shape[1]]
        room[part[: room.shape[0], : room.shape[1]]] = value


def _fill_touched(canvas: LabelMap, ring: Points, value: int) -> None:
    # A pixel covers x to x + 1; OpenCV draws through the middle of pixels.
    corners = np.round((ring - 0.5) * (1 << _SHIFT)).astype(np.int32)
    cv2.fillPoly(canvas, [corners], value, shift=_SHIFT)


def _fill_centres(canvas: LabelMap, ring: Points, value: int) -> None:
    # (OpenCV and Pillow paint the border too: a square of ten pixels becomes eleven wide.)
    height, width = canvas.shape
    (left, top), (right, bottom) = np.floor(ring.min(0)), np.ceil(ring.max(0))
    first, last = max(int(top), 0), min(int(bottom), height)
    start, end = max(int(left), 0), min(int(right), width)
    if first >= last or start >= end:
        return
    x, y = ring[:, 0], ring[:, 1]
    next_x, next_y = np.roll(x, -1), np.roll(y, -1)
    centres = np.arange(first, last) + 0.5
    edge, row = np.nonzero((y[:, None] <= centres) != (next_y[:, None] <= centres))
    share = (centres[row] - y[edge]) / (next_y[edge] - y[edge])
    crossing = x[edge] + share * (next_x[edge] - x[edge])
    column = np.clip(np.ceil(crossing - 0.5), start, end).astype(np.int64) - start
    toggles = np.zeros((last - first, end - start + 1), np.int32)
    np.add.at(toggles, (row, column), 1)
    inside = toggles.cumsum(1)[:, :-1] % 2 == 1
    canvas[first:last, start:end][inside] = value
