"""Shapes that annotation tools store: polygons, boxes, ellipses and run lengths, as masks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from outtake.masking.class_selection import BinaryMask

Points = NDArray[np.float64]
_ELLIPSE_STEPS = 72
# Vertices are drawn to 1/16 of a pixel.
_SHIFT = 4
# No vertex lies farther out, in pixels or in fractions of a picture: OpenCV counts in 32 bits.
_FARTHEST = 1e6


@dataclass(frozen=True, slots=True)
class Shape:
    """One object in one frame.

    Attributes:
        label: The name of its class; empty if it has none.
        number: The number of its class; None if it has none.
        rings: Polygons, each (N, 2) of x and y in pixels, counted from the corner of the picture.
        bitmap: A mask, uint8 (h, w), 0 or 1; None for a shape of polygons.
        left: Where the bitmap begins, in pixels.
        top: Where the bitmap begins, in pixels.
    """

    label: str = ""
    number: int | None = None
    rings: tuple[Points, ...] = ()
    bitmap: BinaryMask | None = None
    left: int = 0
    top: int = 0

    def __post_init__(self) -> None:
        """Refuse vertices that cannot be drawn.

        Raises:
            ValueError: A vertex is no number, or too far out.
        """
        for ring in self.rings:
            if not (np.abs(ring) <= _FARTHEST).all():
                raise ValueError("a point that lies nowhere near the picture")


@dataclass(frozen=True, slots=True)
class AnnotatedFrame:
    """What is marked in one frame.

    Attributes:
        name: The picture that was annotated.
        size: Its height and width; None if the shapes are fractions of both.
        shapes: The objects.
        number: The frame that it is, from 0; None if only the name tells.
    """

    name: str
    size: tuple[int, int] | None
    shapes: tuple[Shape, ...] = field(default=())
    number: int | None = None

    def draw(self, size: tuple[int, int], ids: Sequence[int | str] | None = None) -> BinaryMask:
        """Return the mask, uint8 (H, W), of the shapes whose class is among ``ids``.

        Args:
            size: Height and width for shapes that have no size of their own.
            ids: Numbers or names of classes; None for all.
        """
        height, width = self.size or size
        scale = np.array([1, 1] if self.size else [width, height], np.float64)
        mask = np.zeros((height, width), np.uint8)
        for shape in self.shapes:
            if ids is None or shape.number in ids or shape.label in ids:
                _draw_shape(mask, shape, scale)
        return mask


def _draw_shape(mask: BinaryMask, shape: Shape, scale: Points) -> None:
    for ring in shape.rings:
        # A pixel covers x to x + 1; OpenCV draws through the middle of pixels.
        corners = np.clip(ring * scale, -_FARTHEST, _FARTHEST)
        corners = np.round((corners - 0.5) * (1 << _SHIFT)).astype(np.int32)
        if len(corners) > 2:
            cv2.fillPoly(mask, [corners], 1, shift=_SHIFT)
    if shape.bitmap is not None:
        top, left = max(shape.top, 0), max(shape.left, 0)
        part = shape.bitmap[top - shape.top :, left - shape.left :]
        part = part[: max(mask.shape[0] - top, 0), : max(mask.shape[1] - left, 0)]
        mask[top : top + part.shape[0], left : left + part.shape[1]] |= part


def box_ring(left: float, top: float, right: float, bottom: float) -> Points:
    """Return a box as a polygon."""
    return np.array([[left, top], [right, top], [right, bottom], [left, bottom]], np.float64)


def ellipse_ring(x: float, y: float, radius_x: float, radius_y: float) -> Points:
    """Return an ellipse as a polygon."""
    angles = np.linspace(0, 2 * np.pi, _ELLIPSE_STEPS, endpoint=False)
    return np.stack([x + radius_x * np.cos(angles), y + radius_y * np.sin(angles)], axis=1)
