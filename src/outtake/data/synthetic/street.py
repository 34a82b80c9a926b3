"""The world behind the objects: one flat picture that repeats along x."""

from __future__ import annotations

from outtake.data.synthetic.camera import Backdrop
from outtake.data.synthetic.ground import paint_ground
from outtake.data.synthetic.houses import paint_houses
from outtake.data.synthetic.nature import paint_plants, paint_sky
from outtake.data.synthetic.painting import Painting
from outtake.data.synthetic.rng import Rng
from outtake.data.synthetic.scene_layout import Light, SceneLayout


def paint_backdrop(layout: SceneLayout, light: Light, rng: Rng) -> Backdrop:
    """Paint a street: sky, houses, plants, pavement, road."""
    painting = Painting(layout, rng.key)
    paint_sky(painting, light)
    paint_houses(painting, rng)
    paint_plants(painting, rng)
    paint_ground(painting, rng)
    return Backdrop(painting.to_image(light.tint), painting.labels, layout)
