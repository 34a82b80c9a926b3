"""Cars."""

from __future__ import annotations

import numpy as np

from outtake.data.synthetic.rng import Plane, Rng, cosine, sine
from outtake.data.synthetic.scene_layout import rgb, scale_colour
from outtake.data.synthetic.shapes import box, convex, disc, ellipse
from outtake.data.synthetic.sprite import Extent, Sprite

_CAR_PAINTS = (
    rgb(206, 44, 48),
    rgb(240, 180, 40),
    rgb(40, 110, 190),
    rgb(236, 236, 232),
    rgb(48, 148, 132),
    rgb(232, 118, 46),
    rgb(122, 186, 214),
    rgb(104, 78, 150),
)
_TYRE, _RIM, _CHROME = rgb(28, 28, 34), rgb(206, 208, 214), rgb(190, 194, 202)
_GLASS, _GLARE = rgb(58, 84, 108), rgb(178, 210, 226)


class Car:
    """A car, one unit long: saloon, hatchback, van or beetle; ``facing`` is 1 or -1."""

    extent: Extent = (-0.52, 0.52, 0.60)

    def __init__(self, rng: Rng, facing: int) -> None:
        self._facing = facing
        self._kind = rng.choice(("saloon", "hatchback", "van", "beetle"))
        self._paint = rng.choice(_CAR_PAINTS)
        self._roof = rng.choice(_CAR_PAINTS[3:4]) if rng.bernoulli(0.3) else self._paint
        self._stripe = rng.bernoulli(0.3)

    def paint(self, sprite: Sprite, travelled: float) -> None:
        """Paint wheels, cabin, body and lights."""
        x, y = sprite.x * self._facing, sprite.y
        self._paint_cabin(sprite, x, y)
        self._paint_body(sprite, x, y)
        for axle in (-0.285, 0.295):
            self._paint_wheel(sprite, sprite.x, axle * self._facing, travelled)

    def _paint_cabin(self, sprite: Sprite, x: Plane, y: Plane) -> None:
        outer, inner, pillar = {
            "saloon": (((-0.36, 0.2), (-0.23, 0.425), (0.11, 0.425), (0.28, 0.2)), 0.035, -0.04),
            "hatchback": (((-0.46, 0.2), (-0.40, 0.44), (0.08, 0.44), (0.27, 0.2)), 0.035, -0.12),
            "van": (((-0.49, 0.15), (-0.48, 0.56), (0.27, 0.56), (0.44, 0.2)), 0.045, 0.03),
            "beetle": (((-0.36, 0.2), (-0.25, 0.42), (0.10, 0.46), (0.26, 0.2)), 0.10, 0.0),
        }[self._kind]
        radius = 0.14 if self._kind == "beetle" else 0.06
        outline = convex(x, y, outer, radius)
        sprite.add_part(outline, self._roof)
        if not sprite.detailed:
            return
        pane = np.maximum(outline + 0.75 * inner, 0.265 - y)
        if self._kind == "van":
            pane = np.maximum(pane, -0.30 - x)
        sprite.add_detail(pane, _GLASS)
        streak = np.abs(x + y * 0.7 - 0.25) - 0.035
        sprite.add_detail(np.maximum(streak, pane), _GLARE, 0.75)
        sprite.add_detail(np.abs(x - pillar) - 0.018, self._roof)

    def _paint_body(self, sprite: Sprite, x: Plane, y: Plane) -> None:
        if self._kind == "beetle":
            for middle, size in ((-0.28, 0.22), (0.30, 0.20)):
                wing = np.maximum(disc(x, y, (middle, 0.10), size), 0.09 - y)
                sprite.add_part(wing, self._paint)
        nose = 0.26 if self._kind == "van" else 0.235
        shell = ((-0.5, 0.07), (-0.49, 0.275), (0.22, 0.285), (0.485, nose), (0.5, 0.07))
        hull = convex(x, y, shell, 0.05)
        rise = np.minimum(np.maximum((y - 0.07) * 4.6, 0.0), 1.0)
        tone = 0.70 + 0.38 * rise
        sprite.add_part(hull, tone[..., None] * np.array(self._paint, np.float32))
        for end in (0.47, -0.47):
            sprite.add_part(box(x, y, (end, 0.095), (0.045, 0.022), 0.02), _CHROME)
        if sprite.detailed:
            self._paint_trim(sprite, x, y, hull)

    def _paint_trim(self, sprite: Sprite, x: Plane, y: Plane, hull: Plane) -> None:
        dark = scale_colour(self._paint, 0.55)
        sprite.add_detail(np.maximum(hull, y - 0.105), dark)
        band = np.abs(y - 0.262) - 0.012
        sprite.add_detail(np.maximum(band, hull + 0.02), scale_colour(self._paint, 1.35), 0.8)
        if self._stripe:
            band = np.abs(y - 0.175) - 0.016
            sprite.add_detail(np.maximum(band, hull), (0.95, 0.94, 0.9))
        for seam in (-0.13, 0.12):
            line = np.maximum(np.abs(x - seam) - 0.005, np.abs(y - 0.18) - 0.09)
            sprite.add_detail(line, dark, 0.8)
        sprite.add_detail(box(x, y, (-0.06, 0.215), (0.03, 0.008), 0.005), _CHROME)
        sprite.add_detail(ellipse(x, y, (0.455, 0.20), (0.035, 0.032)), (1.0, 0.97, 0.80))
        sprite.add_detail(box(x, y, (-0.485, 0.21), (0.022, 0.038), 0.01), (0.78, 0.08, 0.10))

    def _paint_wheel(self, sprite: Sprite, x: Plane, axle: float, travelled: float) -> None:
        hub = (axle, 0.095)
        arch = disc(x, sprite.y, hub, 0.118)
        sprite.add_detail(arch, (0.09, 0.09, 0.11))
        sprite.add_part(disc(x, sprite.y, hub, 0.096), _TYRE)
        if not sprite.detailed:
            return
        turns = -travelled / (6.2832 * 0.096)
        sprite.add_detail(disc(x, sprite.y, hub, 0.060), _RIM)
        for hole in range(5):
            turn = turns + hole / 5
            spot = (axle + 0.038 * cosine(turn), 0.095 + 0.038 * sine(turn))
            sprite.add_detail(disc(x, sprite.y, spot, 0.013), (0.20, 0.20, 0.24))
