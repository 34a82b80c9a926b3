"""The picture of one object: colours with coverage, or the silhouette that casts its shadow."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from outtake.data.synthetic.painting import Colours, Slices, pixel_coverage
from outtake.data.synthetic.rng import Plane
from outtake.data.synthetic.scene_layout import Rgb


class Sprite:
    """Parts that are painted over each other, with premultiplied colours.

    Args:
        x: The position across the object, in its own units, float32 (h, w).
        y: The height above its ground, in its own units, float32 (h, w), positive upwards.
        scale_px: The number of pixels per unit.

    Attributes:
        detailed: True if details show; an actor may skip them otherwise.
    """

    detailed = True

    def __init__(self, x: Plane, y: Plane, scale_px: float) -> None:
        self.x, self.y = x, y
        self.scale_px = scale_px
        self.colour: Colours = np.zeros((*x.shape, 3), np.float32)
        self.alpha: Plane = np.zeros(x.shape, np.float32)

    def add_part(self, distance: Plane, colour: Colours | Rgb) -> None:
        """Add a solid part, given the distance to its outline in the object's units."""
        at, here = self._find_coverage(distance)
        self._composite(at, here, _crop_colour(colour, at))
        alpha = self.alpha[at]
        alpha += here * (1.0 - alpha)

    def add_detail(self, distance: Plane, colour: Colours | Rgb, strength: float = 1.0) -> None:
        """Paint on the parts so far, never beyond their outline."""
        at, here = self._find_coverage(distance)
        self._composite(at, here * strength, self.alpha[at][..., None] * _crop_colour(colour, at))

    def _composite(self, at: Slices, weight: Plane, colour: Colours) -> None:
        below = self.colour[at]
        below += weight[..., None] * (colour - below)

    def _find_coverage(self, distance: Plane) -> tuple[Slices, Plane]:
        """Return the window that a shape reaches and its coverage there."""
        near = distance < 0.5 / self.scale_px
        rows, columns = np.flatnonzero(near.any(axis=1)), np.flatnonzero(near.any(axis=0))
        if not len(rows):
            return (slice(0, 0), slice(0, 0)), distance[:0, :0]
        at = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
        return at, pixel_coverage(distance[at] * self.scale_px)

    def multiply_brightness(self, brightness: Plane) -> None:
        """Multiply the colours so far."""
        self.colour *= brightness[..., None]


class Silhouette(Sprite):
    """The same parts seen by the light: their union, with an edge that softens with height."""

    detailed = False

    def __init__(self, x: Plane, y: Plane, scale_px: float, softness: Plane) -> None:
        super().__init__(x, y, scale_px)
        self._blur = 1.0 / softness

    def add_part(self, distance: Plane, colour: Colours | Rgb) -> None:
        """Add the part to the union."""
        del colour
        here = pixel_coverage(distance * self._blur)
        np.maximum(self.alpha, here, out=self.alpha)

    def add_detail(self, distance: Plane, colour: Colours | Rgb, strength: float = 1.0) -> None:
        """Do nothing: details cast no shadow of their own."""

    def multiply_brightness(self, brightness: Plane) -> None:
        """Do nothing: a shadow has no shading."""


def _crop_colour(colour: Colours | Rgb, at: Slices) -> Colours:
    return np.array(colour, np.float32) if isinstance(colour, tuple) else colour[at]


Extent = tuple[float, float, float]  # left, right and top in the actor's units; the ground is 0


class Actor(Protocol):
    """An object of a scene.

    It paints itself in its own units: x to the right, y up from the ground on which it stands.
    """

    extent: Extent

    def paint(self, sprite: Sprite, travelled: float) -> None:
        """Paint the object after it moved by ``travelled`` of its own units."""
        ...
