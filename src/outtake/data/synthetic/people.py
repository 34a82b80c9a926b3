"""People who walk."""

from __future__ import annotations

import numpy as np

from outtake.data.synthetic.actors import Extent
from outtake.data.synthetic.rng import Dice, Plane, sine
from outtake.data.synthetic.scene_layout import rgb, scaled
from outtake.data.synthetic.shapes import box, capsule, convex, disc
from outtake.data.synthetic.sprite import Sprite

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
    """Somebody walking, one unit tall, sturdily built; ``facing`` is 1 or -1."""

    extent: Extent = (-0.26, 0.26, 1.06)

    def __init__(self, dice: Dice, facing: int) -> None:
        self._facing = facing
        self._skin, self._hair = dice.pick(_SKINS), dice.pick(_HAIRS)
        self._top, self._trousers = dice.pick(_TOPS), dice.pick(_TROUSERS)
        self._second = dice.pick(_TOPS)
        self._shoes = dice.pick((rgb(250, 246, 240), rgb(60, 40, 34), rgb(190, 40, 44)))
        self._pattern = dice.pick(("plain", "stripes", "coat", "stripes"))
        self._head = dice.pick(("short", "long", "cap", "bobble"))
        self._pack = dice.chance(0.35)

    def paint(self, sprite: Sprite, travelled: float) -> None:
        """Paint from the far arm to the near one."""
        x, y = sprite.x * self._facing, sprite.y
        swing = sine(travelled / 0.62)
        y = y - (0.012 * (1.0 - swing * swing))
        self._arm(sprite, x, y, -swing, 0.72)
        self._leg(sprite, x, y, -swing, 0.72)
        self._leg(sprite, x, y, swing, 1.0)
        if self._pack:
            sprite.part(box(x, y, (-0.15, 0.64), (0.075, 0.12), 0.05), scaled(self._second, 0.85))
        self._torso(sprite, x, y)
        self._face(sprite, x, y)
        self._arm(sprite, x, y, swing, 0.90)
        if not sprite.detailed:
            return
        lit = 1.02 - 1.1 * sprite.x
        sprite.light(np.minimum(np.maximum(lit, 0.78), 1.16))

    def _leg(self, sprite: Sprite, x: Plane, y: Plane, swing: float, dim: float) -> None:
        foot = (0.135 * swing, 0.045 + 0.035 * max(0.0, -swing))
        sprite.part(capsule(x, y, (0.01, 0.42), foot, 0.062), scaled(self._trousers, dim))
        sprite.part(
            box(x, y, (foot[0] + 0.028, foot[1] - 0.008), (0.082, 0.04), 0.035),
            scaled(self._shoes, dim),
        )

    def _arm(self, sprite: Sprite, x: Plane, y: Plane, swing: float, dim: float) -> None:
        hand = (-0.125 * swing + 0.015, 0.455)
        sprite.part(capsule(x, y, (0.0, 0.725), hand, 0.047), scaled(self._top, dim * 0.86))
        sprite.part(disc(x, y, hand, 0.042), scaled(self._skin, dim))

    def _torso(self, sprite: Sprite, x: Plane, y: Plane) -> None:
        hem = 0.30 if self._pattern == "coat" else 0.40
        wide = 0.165 if self._pattern == "coat" else 0.135
        outline = convex(x, y, ((-wide, hem), (wide, hem), (0.115, 0.80), (-0.115, 0.80)), 0.06)
        sprite.part(outline, self._top)
        if self._pattern == "stripes":
            wave = y * 9.0
            band = (np.abs(wave - np.floor(wave) - 0.5) - 0.25) * (1 / 9.0)
            sprite.detail(np.maximum(band, outline), self._second)
        elif self._pattern == "coat":
            sprite.detail(np.abs(y - 0.52) - 0.022, scaled(self._top, 0.6))
            sprite.detail(np.maximum(np.abs(x - 0.05) - 0.006, outline), scaled(self._top, 0.6))

    def _face(self, sprite: Sprite, x: Plane, y: Plane) -> None:
        if self._head == "long":
            sprite.part(box(x, y, (-0.035, 0.84), (0.105, 0.13), 0.09), self._hair)
        sprite.part(disc(x, y, (0.01, 0.885), 0.105), self._skin)
        sprite.detail(disc(x, y, (0.065, 0.885), 0.015), (0.12, 0.09, 0.09))
        sprite.detail(disc(x, y, (0.05, 0.845), 0.022), (0.90, 0.45, 0.42), 0.6)
        skull = disc(x, y, (0.005, 0.895), 0.116)
        if self._head in ("cap", "bobble"):
            sprite.part(np.maximum(skull, 0.905 - y + x * 0.1), self._second)
            if self._head == "cap":
                sprite.part(
                    box(x, y, (0.12, 0.915), (0.07, 0.018), 0.016), scaled(self._second, 0.8)
                )
            else:
                sprite.part(disc(x, y, (0.0, 1.015), 0.038), (0.96, 0.95, 0.92))
        else:
            sprite.part(np.maximum(skull, 0.89 - y + x * 0.75), self._hair)
