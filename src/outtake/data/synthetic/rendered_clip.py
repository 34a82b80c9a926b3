"""A clip: frames with their classes, their shadows and the background behind objects."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from outtake.core.errors import UnknownClassError
from outtake.core.types import Frame, LabelMap, Mask
from outtake.data.synthetic.camera import Backdrop, Camera, CameraView
from outtake.data.synthetic.object_window import frame_window, object_coordinates
from outtake.data.synthetic.rng import Plane, Rng
from outtake.data.synthetic.scene_layout import (
    CAR,
    FRAMES_PER_SECOND,
    LABELS,
    OBJECTS,
    Light,
    SceneLayout,
)
from outtake.data.synthetic.shapes import capsule
from outtake.data.synthetic.sprite import Silhouette, Sprite
from outtake.data.synthetic.street import paint_street
from outtake.data.synthetic.traffic import ObjectState, Traffic
from outtake.data.synthetic.wet_road import WetRoad

# A lighter shadow is not drawn at all: pixels that are not marked as shadow are untouched.
_MIN_SHADOW = 24
# Roads are wet under clouds: shadows take this share of the light that they take under the sun.
_WET_SHADOW = 0.5


@dataclass(frozen=True)
class SceneFrame:
    """One frame and its ground truth.

    Attributes:
        image: The picture, uint8 (H, W, 3) RGB.
        labels: Class ids, uint8 (H, W); an object owns a pixel that it covers at least half.
        background: The picture as it would be without objects, their shadows and reflections,
            uint8 (H, W, 3).
        shadow: bool (H, W), True where a shadow falls and no object stands.
        reflection: bool (H, W), True where the road mirrors an object and no object stands.
    """

    image: Frame
    labels: LabelMap
    background: Frame
    shadow: Mask
    reflection: Mask


class Scene:
    """The backdrop, light, camera and traffic of a clip: all that does not depend on the frame.

    Args:
        layout: The sizes of the scene.
        key: What all is drawn from.
        wet: Whether the road is wet and mirrors what stands on it.
    """

    def __init__(self, layout: SceneLayout, key: int, wet: bool = False) -> None:
        self.layout = layout
        self.light = Light.random(Rng(key, "light"))
        image, labels = paint_street(layout, self.light, Rng(key, "backdrop"))
        self.wet_road: WetRoad | None = None
        if wet:
            self.light = replace(self.light, shadow=_WET_SHADOW * self.light.shadow)
            self.wet_road = WetRoad(image, labels, layout, Rng(key, "wet"))
            image = self.wet_road.image
        self.backdrop = Backdrop(image, labels, layout)
        self.camera = Camera(layout, Rng(key, "camera"))
        self.traffic = Traffic(layout, Rng(key, "traffic"))

    @property
    def bytes_held(self) -> int:
        """The memory that its pictures take."""
        return self.backdrop.bytes_held + (self.wet_road.bytes_held if self.wet_road else 0)


class SceneClip:
    """The frames of one scene, each computed on its own: any order gives the same bytes.

    Attributes:
        fps: The frames per second.
        labels: The classes.
    """

    fps = Fraction(FRAMES_PER_SECOND)
    labels = LABELS

    def __init__(self, world: Scene, frames: int) -> None:
        self._scene = world
        self._frames = frames

    def __len__(self) -> int:
        return self._frames

    def __iter__(self) -> Iterator[SceneFrame]:
        return (self.frame(t) for t in range(self._frames))

    def frame(self, t: int, without: Iterable[str] = ()) -> SceneFrame:
        """Render a frame.

        Args:
            t: The number of the frame, from 0.
            without: The object classes that are left out together with their shadows and
                reflections, so that the background or another object behind them shows.

        Raises:
            IndexError: There is no such frame.
            UnknownClassError: A name is not a class of objects.
        """
        if not 0 <= t < self._frames:
            raise IndexError(f"frame {t} of a clip of {self._frames}")
        absent = _object_ids(without)
        world = self._scene
        view = world.camera.view_at(t)
        background, labels = world.backdrop.render(view)
        cast = world.traffic.objects_at(t, view.centre_x / (1 << 16))
        present = [one for one in cast if one.label not in absent]
        shadow = _render_shadows(present, view, world)
        image = background.copy()
        dark = np.nonzero(shadow)
        keep = np.uint16(256) - shadow[dark].astype(np.uint16)
        image[dark] = (image[dark] * keep[:, None]) >> np.uint16(8)
        reflection = np.zeros(labels.shape, np.bool_)
        if world.wet_road is not None:
            reflection = world.wet_road.draw_reflections(present, view, world.light, image)
        for one in present:
            _draw_object(one, view, world, image, labels)
        free = labels < len(LABELS.names) - len(OBJECTS)
        return SceneFrame(image, labels, background, (shadow > 0) & free, reflection & free)


def _object_ids(names: Iterable[str]) -> tuple[int, ...]:
    ids = []
    for name in names:
        if name not in OBJECTS:
            raise UnknownClassError(
                f"{name!r} is no object of a scene; the objects are: {', '.join(OBJECTS)}"
            )
        ids.append(LABELS.names.index(name))
    return tuple(ids)


def _draw_object(
    obj: ObjectState, view: CameraView, scene: Scene, image: Frame, labels: LabelMap
) -> None:
    left, right, top = obj.actor.extent
    at = frame_window(obj, view, scene.layout, (left, right), (-0.03, top))
    if at is None:
        return
    x, y = object_coordinates(obj, view, scene.layout, at)
    sprite = Sprite(x, y, obj.scale_px * view.zoom)
    obj.actor.paint(sprite, obj.travelled)
    alpha = sprite.alpha[..., None]
    tint = np.array(scene.light.tint, np.float32) * 255.0
    under = image[at].astype(np.float32) * (1.0 - alpha)
    colour = np.minimum(under + sprite.colour * tint + 0.5, 255.0)
    # Where the object is not, the sum is an integer plus a half: the cast returns the same byte.
    image[at] = colour.astype(np.uint8)
    labels[at][sprite.alpha >= 0.5] = obj.label


def _render_shadows(objects: list[ObjectState], view: CameraView, scene: Scene) -> Frame:
    layout, light = scene.layout, scene.light
    shadow = np.zeros((layout.height, layout.width), np.uint8)
    for one in objects:
        left, right, top = one.actor.extent
        at = frame_window(
            one,
            view,
            layout,
            (left - 0.1, right + light.shear * top),
            (-light.squash * top - 0.1, 0.12),
        )
        if at is None:
            continue
        x, y = object_coordinates(one, view, layout, at)
        height = (-y) * (1 / light.squash)
        softness = np.maximum(height, 0.0) * 0.07 + 0.03
        cast_here = Silhouette(x - light.shear * height, height, one.scale_px, softness)
        one.actor.paint(cast_here, one.travelled)
        alpha = cast_here.alpha * (y <= 0)
        alpha = np.maximum(alpha, _contact_shadow(one, x, y))
        amount = (alpha * (light.shadow * 256.0)).astype(np.uint8)
        amount[amount < _MIN_SHADOW] = 0
        np.maximum(shadow[at], amount, out=shadow[at])
    return shadow


def _contact_shadow(obj: ObjectState, x: Plane, y: Plane) -> Plane:
    """Return the dark line right under an object that stands on the ground."""
    if obj.label != CAR:
        return np.zeros(x.shape, np.float32)
    line = capsule(x, y, (-0.40, -0.005), (0.44, -0.005), 0.02)
    out: Plane = np.minimum(np.maximum(0.6 - line * 22.0, 0.0), 1.0)
    return out
