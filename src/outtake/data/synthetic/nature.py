"""Sky with clouds, trees, hedges and grass."""

from __future__ import annotations

import numpy as np

from outtake.data.synthetic.painting import Painting, blend, pixel_coverage, shade
from outtake.data.synthetic.rng import Rng
from outtake.data.synthetic.scene_layout import GRASS_TOP, PAVEMENT_TOP, PLANT, SKY, Light, Rgb, rgb
from outtake.data.synthetic.shapes import capsule, disc

_LEAVES = (
    rgb(86, 146, 62),
    rgb(58, 122, 66),
    rgb(124, 158, 62),
    rgb(72, 134, 92),
)
_BLOSSOMS = (rgb(236, 128, 150), rgb(250, 226, 120), rgb(244, 240, 240), rgb(214, 106, 196))
_GRASS = (rgb(116, 170, 74), rgb(100, 160, 84), rgb(142, 172, 80))
_BARK = rgb(104, 76, 56)


def paint_sky(painting: Painting, light: Light) -> None:
    """Paint the sky from the top to behind the houses."""
    bottom = painting.layout.row(GRASS_TOP)
    at = painting.window(0, 0, painting.layout.period_px, bottom)
    _, y = painting.grid(at)
    t = y * (1 / bottom) * np.ones((1, painting.layout.period_px), np.float32)
    painting.fill(at, blend(light.zenith, light.horizon, t), SKY)
    # Clouds are lit from the left: the noise minus itself some pixels further gives their relief.
    puff = painting.soft[at]
    shift = max(1, int(0.02 * painting.layout.unit_px))
    relief = puff - np.roll(puff, shift, axis=1)
    cloud = np.minimum(np.maximum((puff - 0.50) * 5.0, 0.0), 0.92)
    tone = 0.97 + 0.9 * relief
    painting.composite(at, cloud, shade(tone, (1.0, 1.0, 1.0)))


def paint_plants(painting: Painting, rng: Rng) -> None:
    """Paint grass, a row of bushes and some trees in front of the houses."""
    _paint_lawn(painting, rng.choice(_GRASS))
    unit, period = painting.layout.unit_px, painting.layout.period_px
    ground = painting.layout.row(GRASS_TOP) + 0.02 * unit
    at = rng.uniform(0.3, 0.6) * unit
    while at < period - 0.3 * unit:
        paint_tree(painting, rng, at, ground)
        at += rng.uniform(0.62, 1.15) * unit
    at = 0.12 * unit
    while at < period - 0.12 * unit:
        if rng.bernoulli(0.72):
            paint_bush(painting, rng, at, ground + 0.02 * unit)
        at += rng.uniform(0.13, 0.24) * unit


def _paint_lawn(painting: Painting, colour: Rgb) -> None:
    layout = painting.layout
    at = painting.window(0, layout.row(GRASS_TOP), layout.period_px, layout.row(PAVEMENT_TOP))
    blades = painting.grain[at] - 0.5
    tone = 0.74 + 0.5 * painting.leafy[at] + 0.6 * blades
    painting.fill(at, shade(tone, colour), PLANT)


def paint_tree(painting: Painting, rng: Rng, middle: float, ground: float) -> None:
    """Paint a tree: a short trunk and a crown of overlapping puffs, lit from the upper left."""
    unit = painting.layout.unit_px
    colour, size = rng.choice(_LEAVES), rng.uniform(0.125, 0.165) * unit
    heart = ground - rng.uniform(0.22, 0.29) * unit
    at = painting.window(middle - 0.06 * unit, heart, middle + 0.06 * unit, ground + 3)
    x, y = painting.grid(at)
    trunk = capsule(x, y, (middle, heart), (middle, ground), 0.026 * unit)
    tone = 0.75 + 0.6 * painting.grain[at] - (x - middle) * (5.0 / unit)
    painting.composite(at, pixel_coverage(trunk), shade(tone, _BARK), PLANT)
    for index in range(8):
        turn = (0.0, 0.62, -0.62, 0.30, -0.34, 0.85, -0.85, 0.0)[index]
        lift = (-0.62, -0.42, -0.40, -0.05, 0.0, 0.14, 0.16, 0.28)[index]
        spot = middle + turn * size * rng.uniform(0.85, 1.1), heart + lift * size
        _paint_puff(painting, spot, size * rng.uniform(0.50, 0.66), colour, None)


def paint_bush(painting: Painting, rng: Rng, middle: float, ground: float) -> None:
    """Paint a bush of three puffs, some in bloom."""
    unit = painting.layout.unit_px
    colour = rng.choice(_LEAVES)
    bloom = rng.choice(_BLOSSOMS) if rng.bernoulli(0.45) else None
    size = rng.uniform(0.055, 0.078) * unit
    for offset, lift in ((-0.7, 0.5), (0.7, 0.5), (0.0, 0.75)):
        spot = middle + offset * size, ground - lift * size
        _paint_puff(painting, spot, size * rng.uniform(0.85, 1.05), colour, bloom)


def _paint_puff(
    painting: Painting, centre: tuple[float, float], radius: float, colour: Rgb, bloom: Rgb | None
) -> None:
    cx, cy = centre
    reach = radius * 1.25 + 2
    at = painting.window(cx - reach, cy - reach, cx + reach, cy + reach)
    x, y = painting.grid(at)
    leaves = painting.leafy[at] - 0.5
    ragged = disc(x, y, centre, radius) + leaves * (0.36 * radius)
    slope = ((x - cx) * 0.55 + (y - cy)) * (1 / radius)
    tone = 0.94 - 0.30 * slope + 0.95 * leaves
    tone += 0.5 * (painting.grain[at] - 0.5)
    colours = shade(np.maximum(tone, 0.32), colour)
    if bloom:
        flowers = (painting.leafy[at] > 0.66) & (slope < 0.5)
        colours[flowers] = np.array(bloom, np.float32)
    painting.composite(at, pixel_coverage(ragged), colours, PLANT)
