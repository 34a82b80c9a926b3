"""Pavement and road."""

from __future__ import annotations

from outtake.data.synthetic import walls
from outtake.data.synthetic.painting import Painting, cover, shade
from outtake.data.synthetic.rng import Dice
from outtake.data.synthetic.scene_layout import (
    CURB_TOP,
    PAVEMENT,
    PAVEMENT_TOP,
    ROAD,
    ROAD_TOP,
    rgb,
)
from outtake.data.synthetic.shapes import ellipse

_SLABS = (rgb(206, 192, 172), rgb(196, 190, 186), rgb(214, 190, 166))
_TARMACS = (rgb(96, 98, 108), rgb(106, 104, 106), rgb(88, 92, 104))
_CURB = rgb(222, 216, 206)
_PAINT = rgb(238, 234, 222)


def ground(painting: Painting, dice: Dice) -> None:
    """Paint pavement, curb and road down to the bottom."""
    stage = painting.stage
    bottom, period = stage.world_height, stage.period_px
    at = painting.window(0, stage.row(PAVEMENT_TOP), period, stage.row(CURB_TOP))
    painting.fill(at, walls.slabs(painting, at, dice.pick(_SLABS), dice.key), PAVEMENT)
    edge = painting.window(0, stage.row(PAVEMENT_TOP), period, stage.row(PAVEMENT_TOP) + 2)
    painting.darken(edge, 0.7)
    at = painting.window(0, stage.row(CURB_TOP), period, stage.row(ROAD_TOP))
    painting.fill(at, shade(0.85 + 0.25 * painting.grain[at], _CURB), PAVEMENT)
    front = painting.window(
        0, (stage.row(CURB_TOP) + stage.row(ROAD_TOP)) / 2, period, stage.row(ROAD_TOP)
    )
    painting.darken(front, 0.72)
    at = painting.window(0, stage.row(ROAD_TOP), period, bottom)
    painting.fill(at, walls.asphalt(painting, at, dice.pick(_TARMACS)), ROAD)
    _markings(painting)
    _manholes(painting, dice)


def _markings(painting: Painting) -> None:
    stage = painting.stage
    unit, period = stage.unit_px, stage.period_px
    dashes = max(1, int(period / (0.46 * unit) + 0.5))
    pitch, top = period / dashes, stage.row(0.888)
    for index in range(dashes):
        left = pitch * (index + 0.2)
        at = painting.window(left, top, left + 0.5 * pitch, top + max(2.0, 0.019 * unit))
        worn = cover(0.8 - 2.2 * painting.soft[at] - 0.6 * painting.grain[at])
        painting.lay(at, worn * 0.9, _PAINT)
    gutter = painting.window(0, stage.row(ROAD_TOP), period, stage.row(ROAD_TOP) + 0.016 * unit)
    painting.darken(gutter, 0.78)


def _manholes(painting: Painting, dice: Dice) -> None:
    stage = painting.stage
    unit = stage.unit_px
    for _ in range(max(1, int(stage.period_px / (1.3 * unit)))):
        middle = dice.between(0.1 * unit, stage.period_px - 0.1 * unit)
        row = stage.row(dice.pick((0.835, 0.955)))
        at = painting.window(
            middle - 0.08 * unit, row - 0.03 * unit, middle + 0.08 * unit, row + 0.03 * unit
        )
        x, y = painting.grid(at)
        rim = ellipse(x, y, (middle, row), (0.066 * unit, 0.022 * unit))
        lid = ellipse(x, y, (middle, row), (0.054 * unit, 0.016 * unit))
        painting.lay(at, cover(rim), (0.22, 0.22, 0.25))
        painting.lay(at, cover(lid), shade(0.7 + 0.6 * painting.grain[at], rgb(120, 116, 112)))
