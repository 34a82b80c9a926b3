"""Walking people."""

from __future__ import annotations

import numpy as np

from outtake.data.synthetic.rng import Plane, Rng, sine
from outtake.data.synthetic.scene_layout import rgb, scale_colour
from outtake.data.synthetic.shapes import box, capsule, convex, disc
from outtake.data.synthetic.sprite import Extent, Sprite

_SKINS = (rgb(250, 212, 182), rgb(226, 172, 132), rgb(176, 118, 82), rgb(116, 76, 56))
_HAIRS = (
    rgb(44, 32, 30),
    rgb(112, 68, 38),
    rgb(222, 180, 96),
    rgb(160, 70, 40),
    rgb(196, 196, 200),
)
_TOPS = (
    rgb(214, 62, 76),
    rgb(248, 202, 70),
    rgb(66, 92, 180),
    rgb(232, 128, 170),
    rgb(92, 62, 132),
    rgb(244, 240, 230),
    rgb(236, 124, 60),
    rgb(50, 160, 172),
)
_TROUSERS = (rgb(46, 56, 92), rgb(84, 66, 58), rgb(56, 58, 66), rgb(120, 108, 92), rgb(92, 46, 70))


class Person:
    """A walking person, one unit tall; ``facing`` is 1 or -1."""

    extent: Extent = (-0.26, 0.26, 1.06)

    def __init__(self, rng: Rng, facing: int) -> None:
        self._facing = facing
        self._skin, self._hair = rng.choice(_SKINS), rng.choice(_HAIRS)
        self._top, self._trousers = rng.choice(_TOPS), rng.choice(_TROUSERS)
        self._second = rng.choice(_TOPS)
        self._shoes = rng.choice((rgb(250, 246, 240), rgb(60, 40, 34), rgb(190, 40, 44)))
        self._pattern = rng.choice(("plain", "stripes", "coat", "stripes"))
        self._head = rng.choice(("short", "long", "cap", "bobble"))
        self._pack = rng.bernoulli(0.35)

    def paint(self, sprite: Sprite, travelled: float) -> None:
        """Paint from the far arm to the near one."""
        x, y = sprite.x * self._facing, sprite.y
        swing = sine(travelled / 0.62)
        y = y - (0.012 * (1.0 - swing * swing))
        self._paint_arm(sprite, x, y, -swing, 0.72)
        self._paint_leg(sprite, x, y, -swing, 0.72)
        self._paint_leg(sprite, x, y, swing, 1.0)
        if self._pack:
            sprite.add_part(
                box(x, y, (-0.15, 0.64), (0.075, 0.12), 0.05), scale_colour(self._second, 0.85)
            )
        self._paint_torso(sprite, x, y)
        self._paint_face(sprite, x, y)
        self._paint_arm(sprite, x, y, swing, 0.90)
        if not sprite.detailed:
            return
        lit = 1.02 - 1.1 * sprite.x
        sprite.multiply_brightness(np.minimum(np.maximum(lit, 0.78), 1.16))

    def _paint_leg(self, sprite: Sprite, x: Plane, y: Plane, swing: float, dim: float) -> None:
        foot = (0.135 * swing, 0.045 + 0.035 * max(0.0, -swing))
        sprite.add_part(capsule(x, y, (0.01, 0.42), foot, 0.062), scale_colour(self._trousers, dim))
        sprite.add_part(
            box(x, y, (foot[0] + 0.028, foot[1] - 0.008), (0.082, 0.04), 0.035),
            scale_colour(self._shoes, dim),
        )

    def _paint_arm(self, sprite: Sprite, x: Plane, y: Plane, swing: float, dim: float) -> None:
        hand = (-0.125 * swing + 0.015, 0.455)
        sprite.add_part(
            capsule(x, y, (0.0, 0.725), hand, 0.047), scale_colour(self._top, dim * 0.86)
        )
        sprite.add_part(disc(x, y, hand, 0.042), scale_colour(self._skin, dim))

    def _paint_torso(self, sprite: Sprite, x: Plane, y: Plane) -> None:
        hem = 0.30 if self._pattern == "coat" else 0.40
        wide = 0.165 if self._pattern == "coat" else 0.135
        outline = convex(x, y, ((-wide, hem), (wide, hem), (0.115, 0.80), (-0.115, 0.80)), 0.06)
        sprite.add_part(outline, self._top)
        if self._pattern == "stripes":
            wave = y * 9.0
            band = (np.abs(wave - np.floor(wave) - 0.5) - 0.25) * (1 / 9.0)
            sprite.add_detail(np.maximum(band, outline), self._second)
        elif self._pattern == "coat":
            sprite.add_detail(np.abs(y - 0.52) - 0.022, scale_colour(self._top, 0.6))
            sprite.add_detail(
                np.maximum(np.abs(x - 0.05) - 0.006, outline), scale_colour(self._top, 0.6)
            )

    def _paint_face(self, sprite: Sprite, x: Plane, y: Plane) -> None:
        if self._head == "long":
            sprite.add_part(box(x, y, (-0.035, 0.84), (0.105, 0.13), 0.09), self._hair)
        sprite.add_part(disc(x, y, (0.01, 0.885), 0.105), self._skin)
        sprite.add_detail(disc(x, y, (0.065, 0.885), 0.015), (0.12, 0.09, 0.09))
        sprite.add_detail(disc(x, y, (0.05, 0.845), 0.022), (0.90, 0.45, 0.42), 0.6)
        skull = disc(x, y, (0.005, 0.895), 0.116)
        if self._head in ("cap", "bobble"):
            sprite.add_part(np.maximum(skull, 0.905 - y + x * 0.1), self._second)
            if self._head == "cap":
                sprite.add_part(
                    box(x, y, (0.12, 0.915), (0.07, 0.018), 0.016), scale_colour(self._second, 0.8)
                )
            else:
                sprite.add_part(disc(x, y, (0.0, 1.015), 0.038), (0.96, 0.95, 0.92))
        else:
            sprite.add_part(np.maximum(skull, 0.89 - y + x * 0.75), self._hair)
