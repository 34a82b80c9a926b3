"""A wet road, which mirrors the street behind it and what stands on it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from outtake.core.types import Frame, LabelMap, Mask
from outtake.data.synthetic.camera import Backdrop, CameraView
from outtake.data.synthetic.noise import fractal_noise
from outtake.data.synthetic.object_window import frame_window, object_coordinates
from outtake.data.synthetic.rng import Rng
from outtake.data.synthetic.scene_layout import PAVEMENT_TOP, ROAD, Light, SceneLayout
from outtake.data.synthetic.sprite import Sprite
from outtake.data.synthetic.traffic import ObjectState

# The share of its light that asphalt sends back when it is wet: water darkens it.
_WET_ASPHALT = 184  # of 256
# The share of the light that comes from the mirror, between a damp spot and a puddle, of 256.
_DAMP, _PUDDLE = 36.0, 116.0
# A mirrored edge is this much softer than the edge itself.
_SHARPNESS = 0.4
# A weaker reflection is not drawn at all: pixels that are not marked are untouched. Of 256.
_MIN_AMOUNT = 8


class WetRoad:
    """A road under a film of water, seen by a level camera.

    What is at a height above the ground is mirrored as far below the point of the ground that it is
    above. So houses are mirrored along the line where they stand, and each object along its own.
    The mirrored picture is mixed with that of the asphalt; how much of it, changes from place to
    place.

    Args:
        image: The dry street, uint8 (h, period, 3).
        labels: The classes of its pixels, uint8 (h, period).
        layout: The sizes of the scene.
        rng: The random numbers of the water.

    Attributes:
        image: The wet street without objects, uint8 (h, period, 3).
    """

    def __init__(self, image: Frame, labels: LabelMap, layout: SceneLayout, rng: Rng) -> None:
        self._layout = layout
        height, width = labels.shape
        water = fractal_noise(rng.key, height, width, 0.16 * layout.unit_px, 3)
        depth = np.minimum(np.maximum((water - 0.38) * 5.0, 0.0), 1.0)
        strength = (_DAMP + (_PUDDLE - _DAMP) * depth).astype(np.uint8)
        strength[labels != ROAD] = 0
        mirrored = _mirror_street(image, layout)
        # The mirrored street and the share of the light that comes from it, in one backdrop.
        self._mirror = Backdrop(mirrored, strength, layout)
        share = strength.astype(np.uint32)[..., None]
        asphalt = image.astype(np.uint32) * _WET_ASPHALT >> 8
        mixed = (asphalt * (256 - share) + mirrored * share) >> 8
        self.image: Frame = np.where(labels[..., None] == ROAD, mixed, image).astype(np.uint8)

    @property
    def bytes_held(self) -> int:
        """The memory that it takes."""
        return self._mirror.bytes_held + self.image.nbytes

    def draw_reflections(
        self, objects: Sequence[ObjectState], view: CameraView, light: Light, image: Frame
    ) -> Mask:
        """Draw what the road mirrors of objects into a frame.

        Args:
            objects: The objects of the frame, farthest first.
            view: The view of the frame.
            light: The light.
            image: The frame without objects, uint8 (H, W, 3), which is written to.

        Returns:
            Where it was, bool (H, W).
        """
        street, strength = self._mirror.render(view)
        colour = np.zeros(image.shape, np.float32)
        cover = np.zeros(strength.shape, np.float32)
        tint = np.array(light.tint, np.float32) * 255.0
        for one in objects:
            left, right, top = one.actor.extent
            at = frame_window(one, view, self._layout, (left, right), (-top, 0.03))
            if at is None:
                continue
            x, y = object_coordinates(one, view, self._layout, at)
            sprite = Sprite(x, -y, one.scale_px * view.zoom * _SHARPNESS)
            one.actor.paint(sprite, one.travelled)
            below = (y <= 0).astype(np.float32)
            seen = 1.0 - sprite.alpha * below
            colour[at] *= seen[..., None]
            colour[at] += sprite.colour * tint * below[..., None]
            cover[at] = 1.0 - (1.0 - cover[at]) * seen
        mirrored = cover * strength.astype(np.float32) >= _MIN_AMOUNT
        share = strength[mirrored].astype(np.float32)[:, None] * (1.0 / 256.0)
        # The object is seen in the mirror in front of the street, not added to it.
        change = share * (colour[mirrored] - cover[mirrored][:, None] * street[mirrored])
        mixed = image[mirrored].astype(np.float32) + change + 0.5
        image[mirrored] = np.minimum(np.maximum(mixed, 0.0), 255.0).astype(np.uint8)
        return mirrored


def _mirror_street(image: Frame, layout: SceneLayout) -> Frame:
    """Return what a mirror on the ground shows of the street, uint8 (h, period, 3).

    Rows are averaged with their neighbours: the water is not quite even.
    """
    height = image.shape[0]
    reach = max(1, int(0.012 * layout.unit_px + 0.5))
    rows = np.arange(height)
    source = np.clip(2 * layout.row(PAVEMENT_TOP) - 1 - rows, 0, height - 1)
    total = np.zeros(image.shape, np.uint32)
    for step in range(-reach, reach + 1):
        total += image[np.clip(source + step, 0, height - 1)]
    return (total // (2 * reach + 1)).astype(np.uint8)
