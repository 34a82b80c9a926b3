"""The world behind the objects: one flat picture that repeats along x."""

from __future__ import annotations

from outtake.data.synthetic.camera import Film
from outtake.data.synthetic.ground import ground
from outtake.data.synthetic.houses import street
from outtake.data.synthetic.nature import greenery, sky
from outtake.data.synthetic.painting import Painting
from outtake.data.synthetic.rng import Dice
from outtake.data.synthetic.scene_layout import Light, Stage


def backdrop(stage: Stage, light: Light, dice: Dice) -> Film:
    """Paint a street: sky, houses, plants, pavement, road."""
    painting = Painting(stage, dice.key)
    sky(painting, light)
    street(painting, dice)
    greenery(painting, dice)
    ground(painting, dice)
    return Film(painting.finished(light.tint), painting.labels, stage)
