"""Beach balls."""

from __future__ import annotations

from math import floor

import numpy as np

from outtake.data.synthetic.painting import blend, pixel_coverage
from outtake.data.synthetic.rng import Rng, cosine, sine
from outtake.data.synthetic.scene_layout import rgb
from outtake.data.synthetic.shapes import disc, ellipse
from outtake.data.synthetic.sprite import Extent, Sprite

_BALLS = (
    (rgb(230, 52, 56), rgb(250, 246, 236)),
    (rgb(36, 110, 214), rgb(252, 214, 56)),
    (rgb(240, 96, 160), rgb(250, 246, 236)),
    (rgb(36, 160, 96), rgb(252, 232, 90)),
    (rgb(242, 128, 36), rgb(60, 84, 180)),
)


class Ball:
    """A bouncing beach ball whose radius is one unit."""

    def __init__(self, rng: Rng, facing: int) -> None:
        self._facing = facing
        self._colours = rng.choice(_BALLS)
        self._height = rng.uniform(0.6, 2.6)
        self._phase = rng.random()
        self.extent: Extent = (-1.05, 1.05, 2.1 + self._height)

    def paint(self, sprite: Sprite, travelled: float) -> None:
        """Paint six panels, a cap and a highlight on a sphere."""
        height, turn = self.position_at(travelled)
        x, y = sprite.x, sprite.y - height
        outline = disc(x, y, (0.0, 0.0), 1.0)
        if not sprite.detailed:
            sprite.add_part(outline, self._colours[0])
            return
        side = np.ones(x.shape, np.float32)
        pole_x, pole_y = 0.25 * cosine(turn), 0.25 * sine(turn)
        dx, dy = x - pole_x, y - pole_y
        for panel in range(3):
            angle = turn + panel / 6
            seam = (dx * cosine(angle) - dy * sine(angle)) * sprite.scale_px
            side = side * (1.0 - 2.0 * pixel_coverage(seam.astype(np.float32, copy=False)))
        sprite.add_part(outline, blend(*self._colours, 0.5 + 0.5 * side))
        sprite.add_detail(disc(x, y, (pole_x, pole_y), 0.17), (0.97, 0.96, 0.92))
        lit = 1.06 - 0.30 * (x * 0.6 - y * 0.8)
        lit -= 0.34 * np.maximum(outline + 0.36, 0.0)
        sprite.multiply_brightness(np.minimum(np.maximum(lit, 0.45), 1.12))
        sprite.add_detail(ellipse(x, y, (-0.38, 0.45), (0.2, 0.14)), (1.0, 1.0, 1.0), 0.75)

    def position_at(self, travelled: float) -> tuple[float, float]:
        """Return the height of its centre in its own units, and how far it has turned, in turns."""
        hop = travelled / 5.5 + self._phase
        hop = 2.0 * (hop - floor(hop)) - 1.0
        turn = -self._facing * travelled / 6.2832 + self._phase
        return 1.0 + self._height * (1.0 - hop * hop), turn
