"""The street behind the objects: one flat picture that repeats along x."""

from __future__ import annotations

from outtake.core.types import Frame, LabelMap
from outtake.data.synthetic import walls
from outtake.data.synthetic.houses import paint_houses
from outtake.data.synthetic.nature import paint_plants, paint_sky
from outtake.data.synthetic.painting import Painting, pixel_coverage, shade
from outtake.data.synthetic.rng import Rng
from outtake.data.synthetic.scene_layout import (
    CURB_TOP,
    PAVEMENT,
    PAVEMENT_TOP,
    ROAD,
    ROAD_TOP,
    Light,
    SceneLayout,
    rgb,
)
from outtake.data.synthetic.shapes import ellipse


def paint_street(layout: SceneLayout, light: Light, rng: Rng) -> tuple[Frame, LabelMap]:
    """Return a street, sky, houses, plants, pavement and road, and the class of every pixel.

    Args:
        layout: The sizes of the scene.
        light: The light.
        rng: The random numbers of the street.

    Returns:
        The picture, uint8 (h, period, 3), and its classes, uint8 (h, period).
    """
    painting = Painting(layout, rng.key)
    paint_sky(painting, light)
    paint_houses(painting, rng)
    paint_plants(painting, rng)
    paint_ground(painting, rng)
    return painting.to_image(light.tint), painting.labels


_SLABS = (rgb(206, 192, 172), rgb(196, 190, 186), rgb(214, 190, 166))
_ASPHALTS = (rgb(96, 98, 108), rgb(106, 104, 106), rgb(88, 92, 104))
_CURB = rgb(222, 216, 206)
_PAINT = rgb(238, 234, 222)


def paint_ground(painting: Painting, rng: Rng) -> None:
    """Paint pavement, curb and road down to the bottom."""
    layout = painting.layout
    bottom, period = layout.backdrop_height, layout.period_px
    at = painting.window(0, layout.row(PAVEMENT_TOP), period, layout.row(CURB_TOP))
    painting.fill(at, walls.slab_texture(painting, at, rng.choice(_SLABS), rng.key), PAVEMENT)
    edge = painting.window(0, layout.row(PAVEMENT_TOP), period, layout.row(PAVEMENT_TOP) + 2)
    painting.darken(edge, 0.7)
    at = painting.window(0, layout.row(CURB_TOP), period, layout.row(ROAD_TOP))
    painting.fill(at, shade(0.85 + 0.25 * painting.grain[at], _CURB), PAVEMENT)
    front = painting.window(
        0, (layout.row(CURB_TOP) + layout.row(ROAD_TOP)) / 2, period, layout.row(ROAD_TOP)
    )
    painting.darken(front, 0.72)
    at = painting.window(0, layout.row(ROAD_TOP), period, bottom)
    painting.fill(at, walls.asphalt_texture(painting, at, rng.choice(_ASPHALTS)), ROAD)
    _paint_markings(painting)
    _paint_manholes(painting, rng)


def _paint_markings(painting: Painting) -> None:
    layout = painting.layout
    unit, period = layout.unit_px, layout.period_px
    dashes = max(1, int(period / (0.46 * unit) + 0.5))
    pitch, top = period / dashes, layout.row(0.888)
    for index in range(dashes):
        left = pitch * (index + 0.2)
        at = painting.window(left, top, left + 0.5 * pitch, top + max(2.0, 0.019 * unit))
        worn = pixel_coverage(0.8 - 2.2 * painting.soft[at] - 0.6 * painting.grain[at])
        painting.composite(at, worn * 0.9, _PAINT)
    gutter = painting.window(0, layout.row(ROAD_TOP), period, layout.row(ROAD_TOP) + 0.016 * unit)
    painting.darken(gutter, 0.78)


def _paint_manholes(painting: Painting, rng: Rng) -> None:
    layout = painting.layout
    unit = layout.unit_px
    for _ in range(max(1, int(layout.period_px / (1.3 * unit)))):
        middle = rng.uniform(0.1 * unit, layout.period_px - 0.1 * unit)
        row = layout.row(rng.choice((0.835, 0.955)))
        at = painting.window(
            middle - 0.08 * unit, row - 0.03 * unit, middle + 0.08 * unit, row + 0.03 * unit
        )
        x, y = painting.grid(at)
        rim = ellipse(x, y, (middle, row), (0.066 * unit, 0.022 * unit))
        lid = ellipse(x, y, (middle, row), (0.054 * unit, 0.016 * unit))
        painting.composite(at, pixel_coverage(rim), (0.22, 0.22, 0.25))
        painting.composite(
            at, pixel_coverage(lid), shade(0.7 + 0.6 * painting.grain[at], rgb(120, 116, 112))
        )
