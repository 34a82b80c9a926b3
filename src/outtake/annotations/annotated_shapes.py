"""Shapes that annotation tools store: polygons, boxes, ellipses and masks."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from outtake.core.types import Mask

Points = NDArray[np.float64]
_ELLIPSE_STEPS = 72
# No vertex lies farther out, in pixels or in fractions of a picture: OpenCV counts in 32 bits.
_FARTHEST = 1e6


@dataclass(frozen=True, slots=True)
class Shape:
    """One object in one picture.

    Attributes:
        label: The name of its class; empty if it has none.
        number: The number of its class; None if it has none.
        rings: Polygons, each (N, 2) of x and y in pixels, counted from the corner of the picture.
        bitmap: A mask, bool (h, w); None for a shape of polygons.
        left: Where the bitmap begins, in pixels.
        top: Where the bitmap begins, in pixels.
        whole: Whether the bitmap is a mask of the whole picture, and so of its size.
        crowd: Whether it is many objects whose outlines nobody drew one by one.
        origin: Which object of its file it is, for messages, as ``annotation 17``.
    """

    label: str = ""
    number: int | None = None
    rings: tuple[Points, ...] = ()
    bitmap: Mask | None = None
    left: int = 0
    top: int = 0
    whole: bool = False
    crowd: bool = False
    origin: str = ""

    def __post_init__(self) -> None:
        """Refuse vertices that cannot be drawn.

        Raises:
            ValueError: A vertex is no number, or too far out.
        """
        for ring in self.rings:
            if not (np.abs(ring) <= _FARTHEST).all():
                raise ValueError("a point that lies nowhere near the picture")

    def area(self) -> float:
        """Return its pixels; where its polygons overlap, those of all of them."""
        drawn = 0 if self.bitmap is None else int(np.count_nonzero(self.bitmap))
        return drawn + sum(map(_ring_area, self.rings))

    def scale(self, size: tuple[int, int]) -> Shape:
        """Return a shape of fractions of a picture as one of pixels.

        Args:
            size: The picture's height and width.
        """
        sides = np.array([size[1], size[0]], np.float64)
        rings = (np.clip(ring * sides, -_FARTHEST, _FARTHEST) for ring in self.rings)
        return replace(self, rings=tuple(rings))


def to_ring(values: Any) -> Points:
    """Return a polygon, float64 (N, 2), of the numbers of a file.

    Raises:
        ValueError: They are no pairs of numbers, or none at all.
    """
    points = np.asarray(values, np.float64)
    if points.size % 2:
        raise ValueError("an outline is not made of pairs of numbers")
    points = points.reshape(-1, 2)
    if not len(points) or not np.isfinite(points).all():
        raise ValueError("a shape without points")
    return points


def _ring_area(ring: Points) -> float:
    x, y = ring[:, 0], ring[:, 1]
    return abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1))) / 2


def box_ring(left: float, top: float, right: float, bottom: float) -> Points:
    """Return a box as a polygon."""
    return np.array([[left, top], [right, top], [right, bottom], [left, bottom]], np.float64)


def ellipse_ring(x: float, y: float, radius_x: float, radius_y: float) -> Points:
    """Return an ellipse as a polygon."""
    angles = np.linspace(0, 2 * np.pi, _ELLIPSE_STEPS, endpoint=False)
    return np.stack([x + radius_x * np.cos(angles), y + radius_y * np.sin(angles)], axis=1)


def turn_ring(ring: Points, x: float, y: float, degrees: float) -> Points:
    """Return a polygon turned about a point, clockwise as pictures are seen."""
    if not degrees:
        return ring
    angle = np.deg2rad(degrees)
    across, down = ring[:, 0] - x, ring[:, 1] - y
    return np.stack(
        [
            x + across * np.cos(angle) - down * np.sin(angle),
            y + across * np.sin(angle) + down * np.cos(angle),
        ],
        axis=1,
    )
