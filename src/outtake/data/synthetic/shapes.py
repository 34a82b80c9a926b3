"""Signed distances to simple shapes: negative inside, in the units of the coordinates.

Every function takes coordinate planes float32 (H, W), or planes that broadcast to it. Python
numbers keep them float32 (NumPy 2 promotion).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from math import sqrt

import numpy as np

from outtake.data.synthetic.rng import Plane

Point = tuple[float, float]

_ZERO, _ONE = np.float32(0.0), np.float32(1.0)


def disc(x: Plane, y: Plane, centre: Point, radius: float) -> Plane:
    """Return the distance to a disc."""
    dx, dy = x - centre[0], y - centre[1]
    dx = dx * dx
    dx = dx + dy * dy
    out: Plane = np.sqrt(dx) - radius
    return out


def ellipse(x: Plane, y: Plane, centre: Point, radii: Point) -> Plane:
    """Return the distance to an ellipse; exact on the outline, approximate away from it."""
    small = min(radii)
    dx, dy = (x - centre[0]) * (1 / radii[0]), (y - centre[1]) * (1 / radii[1])
    out: Plane = (np.sqrt(dx * dx + dy * dy) - 1.0) * small
    return out


def box(x: Plane, y: Plane, centre: Point, half: Point, radius: float = 0.0) -> Plane:
    """Return the distance to an upright box with round corners; ``half`` reaches the outline."""
    dx = np.abs(x - centre[0]) - (half[0] - radius)
    dy = np.abs(y - centre[1]) - (half[1] - radius)
    inside = np.minimum(np.maximum(dx, dy), _ZERO)
    dx, dy = np.maximum(dx, _ZERO), np.maximum(dy, _ZERO)
    out: Plane = np.sqrt(dx * dx + dy * dy) + inside - radius
    return out


def capsule(x: Plane, y: Plane, start: Point, end: Point, radius: float) -> Plane:
    """Return the distance to a thick line with round ends."""
    along_x, along_y = end[0] - start[0], end[1] - start[1]
    square = along_x * along_x + along_y * along_y or 1.0
    dx, dy = x - start[0], y - start[1]
    t = np.clip(dx * (along_x / square) + dy * (along_y / square), _ZERO, _ONE)
    off_x, off_y = dx - t * along_x, dy - t * along_y
    out = np.sqrt(off_x * off_x + off_y * off_y) - radius
    return out.astype(np.float32, copy=False)


def convex(x: Plane, y: Plane, corners: Sequence[Point], radius: float = 0.0) -> Plane:
    """Return the distance to a convex polygon, corners in either order, with rounded corners."""
    ahead = [*corners[1:], corners[0]]
    area = sum(a[0] * b[1] - b[0] * a[1] for a, b in zip(corners, ahead, strict=True))
    sign = 1.0 if area > 0 else -1.0
    sides: list[Plane] = []
    for (ax, ay), (bx, by) in zip(corners, ahead, strict=True):
        nx, ny = sign * (by - ay), -sign * (bx - ax)
        length = sqrt(nx * nx + ny * ny)
        nx, ny = nx / length, ny / length
        side: Plane = x * nx + (y * ny - (nx * ax + ny * ay - radius))
        sides.append(side)
    worst: Plane = reduce(np.maximum, sides)
    if not radius:
        return worst
    beyond = [np.maximum(side, _ZERO) for side in sides]
    squares = reduce(np.add, [side * side for side in beyond])
    rounded: Plane = np.sqrt(squares) + np.minimum(worst, _ZERO) - radius
    return rounded
