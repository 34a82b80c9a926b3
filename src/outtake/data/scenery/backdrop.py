"""The world behind the objects: one flat picture that repeats along x."""

from __future__ import annotations

from outtake.data.scenery.camera import Film
from outtake.data.scenery.dice import Dice
from outtake.data.scenery.ground import ground
from outtake.data.scenery.houses import street
from outtake.data.scenery.nature import greenery, sky
from outtake.data.scenery.painting import Painting
from outtake.data.scenery.stage import Light, Stage


def backdrop(stage: Stage, light: Light, dice: Dice) -> Film:
    """Paint a street: sky, houses, plants, pavement, road."""
    painting = Painting(stage, dice.key)
    sky(painting, light)
    street(painting, dice)
    greenery(painting, dice)
    ground(painting, dice)
    return Film(painting.finished(light.tint), painting.labels, stage)
