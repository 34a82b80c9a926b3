"""A row of houses: walls, gables, windows, doors and awnings."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from outtake.data.synthetic import walls
from outtake.data.synthetic.painting import Colours, Painting, Slices, pixel_coverage
from outtake.data.synthetic.rng import Rng
from outtake.data.synthetic.scene_layout import BUILDING, GRASS_TOP, Rgb, rgb
from outtake.data.synthetic.shapes import convex

Wall = Callable[[Painting, Slices, Rgb, int], Colours]

_BRICKS = (rgb(176, 84, 62), rgb(150, 72, 58), rgb(196, 122, 84), rgb(122, 74, 66))
_PAINTS = (
    rgb(236, 196, 122),
    rgb(226, 152, 124),
    rgb(238, 224, 198),
    rgb(162, 190, 196),
    rgb(206, 164, 178),
    rgb(170, 186, 148),
)
_ROOFS = (rgb(142, 68, 54), rgb(98, 76, 84), rgb(86, 92, 108), rgb(168, 96, 62))
_TRIMS = (rgb(246, 240, 228), rgb(238, 230, 212), rgb(232, 236, 238))
_DOORS = (rgb(46, 92, 84), rgb(132, 44, 48), rgb(52, 70, 118), rgb(92, 62, 44))
_AWNINGS = (rgb(200, 66, 58), rgb(54, 118, 108), rgb(220, 150, 56), rgb(70, 98, 150))


def paint_houses(painting: Painting, rng: Rng) -> None:
    """Paint houses side by side over the whole period."""
    unit, period = painting.layout.unit_px, painting.layout.period_px
    left, tall = 0.0, rng.bernoulli(0.5)
    while left < period:
        width = rng.uniform(0.46, 0.74) * unit
        if period - left - width < 0.42 * unit:
            width = period - left
        gap = rng.uniform(0.10, 0.26) * unit if rng.bernoulli(0.30) else 0.0
        House(painting, rng, left, left + width - min(gap, 0.3 * width), tall).paint()
        left += width
        tall = not tall if rng.bernoulli(0.75) else tall


class House:
    """One house, from ``left`` to ``right`` in backdrop pixels."""

    def __init__(self, painting: Painting, rng: Rng, left: float, right: float, tall: bool) -> None:
        self._painting, self._rng = painting, rng
        self._left, self._right = int(left + 0.5), int(right + 0.5)
        self._unit = painting.layout.unit_px
        self._ground = painting.layout.row(GRASS_TOP + 0.03)
        rise = rng.uniform(0.36, 0.42) if tall else rng.uniform(0.28, 0.35)
        self._eaves = painting.layout.row(GRASS_TOP + 0.03 - rise)
        wall: Wall = rng.choice(
            (walls.brick_texture, walls.brick_texture, walls.plaster_texture, walls.plank_texture)
        )
        self._wall = wall
        self._colour = rng.choice(_BRICKS if wall is walls.brick_texture else _PAINTS)
        self._trim, self._roof = rng.choice(_TRIMS), rng.choice(_ROOFS)

    def paint(self) -> None:
        """Paint the house."""
        at = self._painting.window(self._left, self._eaves, self._right, self._ground)
        self._painting.fill(
            at, self._wall(self._painting, at, self._colour, self._texture_key()), BUILDING
        )
        self._paint_corners()
        self._paint_roof()
        self._paint_windows()

    def _texture_key(self) -> int:
        return self._rng.integer(0, 1 << 40)

    def _paint_corners(self) -> None:
        strip = max(2.0, 0.014 * self._unit)
        left, right = self._left, self._right
        for start, dim in ((left, 1.12), (right - strip, 0.74)):
            at = self._painting.window(start, self._eaves, start + strip, self._ground)
            self._painting.darken(at, dim)

    def _paint_roof(self) -> None:
        kind = self._rng.choice(("gable", "mansard", "steps", "flat"))
        if kind == "steps":
            self._paint_stepped_gable()
        elif kind == "flat":
            self._paint_cornice(0.034)
        else:
            self._paint_pitched_roof(kind == "gable")

    def _paint_pitched_roof(self, gable: bool) -> None:
        left, right = float(self._left), float(self._right)
        rise = (0.40 if gable else 0.26) * min(right - left, 0.6 * self._unit)
        rise = min(rise, 0.17 * self._unit)
        inset = (right - left) * (0.5 if gable else 0.16)
        eaves = self._eaves + 0.012 * self._unit
        corners = [
            (left, eaves),
            (right, eaves),
            (right - inset + 0.01, self._eaves - rise),
            (left + inset - 0.01, self._eaves - rise),
        ]
        at = self._painting.window(left, self._eaves - rise - 2, right, eaves + 1)
        x, y = self._painting.grid(at)
        texture = walls.roof_tile_texture(self._painting, at, self._roof, self._texture_key())
        if gable:
            lit = np.where(x < (left + right) / 2, 1.06, 0.88).astype(np.float32)
            texture = texture * lit[..., None]
        self._painting.composite(at, pixel_coverage(convex(x, y, corners)), texture, BUILDING)
        under = self._painting.window(left, eaves, right, eaves + 0.022 * self._unit)
        self._painting.darken(under, 0.66)

    def _paint_stepped_gable(self) -> None:
        steps, width = 4, self._right - self._left
        step = 0.036 * self._unit
        for index in range(1, steps + 1):
            inset = width * 0.5 * index / (steps + 0.8)
            top = self._eaves - index * step
            left, right = self._left + inset, self._right - inset
            at = self._painting.window(left, top, right, top + step)
            wall = self._wall(self._painting, at, self._colour, self._texture_key())
            self._painting.fill(at, wall, BUILDING)
            cap = self._painting.window(left - 1, top, right + 1, top + max(2, 0.011 * self._unit))
            self._painting.fill(cap, self._trim, BUILDING)
        self._paint_cornice(0.016)

    def _paint_cornice(self, depth: float) -> None:
        depth_px = max(2.0, depth * self._unit)
        at = self._painting.window(self._left, self._eaves - depth_px, self._right, self._eaves)
        self._painting.fill(at, self._trim, BUILDING)
        half = self._painting.window(
            self._left, self._eaves - depth_px / 2, self._right, self._eaves
        )
        self._painting.darken(half, 0.90)
        under = self._painting.window(
            self._left, self._eaves, self._right, self._eaves + 0.018 * self._unit
        )
        self._painting.darken(under, 0.70)

    def _paint_windows(self) -> None:
        unit, rng = self._unit, self._rng
        width = self._right - self._left
        columns = max(2, int(width / (0.185 * unit)))
        pitch = width / columns
        floors = 2 if self._ground - self._eaves < 0.36 * self._painting.layout.height else 3
        storey = (self._ground - self._eaves) / floors
        door, shop = rng.integer(0, columns - 1), rng.bernoulli(0.4)
        shutters = rng.choice(_DOORS) if rng.bernoulli(0.5) else None
        for floor in range(floors):
            top = self._eaves + storey * (floor + 0.24)
            for column in range(columns):
                middle = self._left + pitch * (column + 0.5)
                half = min(0.054 * unit, 0.30 * pitch)
                if floor < floors - 1:
                    self._paint_window(middle, top, half, 0.58 * storey, shutters)
                elif column == door:
                    self._paint_door(middle, top, half)
                elif not shop:
                    self._paint_window(middle, top, half, 0.55 * storey, shutters)
                else:
                    self._paint_window(middle, top, 0.40 * pitch, 0.62 * storey, None)
        if shop:
            self._paint_awning(self._eaves + storey * (floors - 1 + 0.02), 0.26 * storey)

    def _paint_window(
        self, middle: float, top: float, half: float, tall: float, shutters: Rgb | None
    ) -> None:
        painting, unit = self._painting, self._unit
        trim = max(1.0, 0.010 * unit)
        if shutters:
            at = painting.window(middle - 1.55 * half, top, middle + 1.55 * half, top + tall)
            painting.fill(at, shutters)
            painting.darken(painting.window(middle, top, middle + 1.55 * half, top + tall), 0.86)
        at = painting.window(middle - half, top - trim, middle + half, top + tall + trim)
        painting.fill(at, self._trim)
        pane = painting.window(middle - half + trim, top, middle + half - trim, top + tall)
        painting.fill(pane, walls.glass_texture(pane, self._rng.uniform(0.6, 1.3)))
        shadow = painting.window(middle - half + trim, top, middle + half - trim, top + trim)
        painting.darken(shadow, 0.55)
        bar = painting.window(middle - trim / 2, top, middle + trim / 2, top + tall)
        painting.fill(bar, self._trim)
        cross = top + 0.4 * tall
        painting.fill(
            painting.window(middle - half, cross, middle + half, cross + trim), self._trim
        )
        sill = painting.window(
            middle - 1.2 * half, top + tall + trim, middle + 1.2 * half, top + tall + 2.4 * trim
        )
        painting.fill(sill, self._trim)
        below = painting.window(
            middle - 1.2 * half, top + tall + 2.4 * trim, middle + 1.2 * half, top + tall + 4 * trim
        )
        painting.darken(below, 0.72)

    def _paint_door(self, middle: float, top: float, half: float) -> None:
        painting, colour = self._painting, self._rng.choice(_DOORS)
        trim = max(1.0, 0.012 * self._unit)
        at = painting.window(middle - half - trim, top - trim, middle + half + trim, self._ground)
        painting.fill(at, self._trim)
        at = painting.window(middle - half, top, middle + half, self._ground)
        painting.fill(at, colour)
        light = painting.window(
            middle - half + trim, top + trim, middle + half - trim, top + 4 * trim
        )
        painting.fill(light, walls.glass_texture(light, 0.8))
        right = painting.window(middle, top + 5 * trim, middle + half, self._ground)
        painting.darken(right, 0.86)

    def _paint_awning(self, top: float, depth: float) -> None:
        painting = self._painting
        at = painting.window(self._left + 2, top, self._right - 2, top + depth)
        x, y = painting.grid(at)
        stripe = max(3, int(0.032 * self._unit + 0.5))
        red = (np.arange(x.shape[1])[None, :] // stripe) % 2 == 0
        colour = np.where(
            red[..., None], np.array(self._rng.choice(_AWNINGS)), np.array(self._trim)
        )
        fall = 1.08 - 0.34 * (y - top) * (1 / depth)
        painting.fill(at, colour.astype(np.float32) * fall[..., None])
        under = painting.window(
            self._left + 2, top + depth, self._right - 2, top + depth + 0.02 * self._unit
        )
        painting.darken(under, 0.58)
