"""A clip: frames with their classes, their shadows and the background behind objects."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor

import numpy as np

from outtake.core.errors import UnknownClassError
from outtake.core.types import Frame, LabelMap, Mask
from outtake.data.synthetic.camera import Backdrop, Camera, CameraView
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
from outtake.data.synthetic.street import paint_backdrop
from outtake.data.synthetic.traffic import ObjectState, Traffic

Box = tuple[slice, slice]

# A lighter shadow is not drawn at all: pixels that are not marked as shadow are untouched.
_MIN_SHADOW = 24


@dataclass(frozen=True)
class SceneFrame:
    """One frame and its ground truth.

    Attributes:
        image: The picture, uint8 (H, W, 3) RGB.
        labels: Class ids, uint8 (H, W); an object owns a pixel that it covers at least half.
        background: The picture as it would be without objects and shadows, uint8 (H, W, 3).
        shadow: bool (H, W), True where a shadow falls and no object stands.
    """

    image: Frame
    labels: LabelMap
    background: Frame
    shadow: Mask


class Scene:
    """The backdrop, light, camera and traffic of a clip: all that does not depend on the frame."""

    def __init__(self, layout: SceneLayout, key: int) -> None:
        self.layout = layout
        self.light = Light.random(Rng(key, "light"))
        self.backdrop: Backdrop = paint_backdrop(layout, self.light, Rng(key, "backdrop"))
        self.camera = Camera(layout, Rng(key, "camera"))
        self.traffic = Traffic(layout, Rng(key, "traffic"))


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
            without: The object classes that are left out together with their shadows, so that the
                background or another object behind them shows.

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
        for one in present:
            _draw_object(one, view, world, image, labels)
        objects = labels >= len(LABELS.names) - len(OBJECTS)
        return SceneFrame(image, labels, background, (shadow > 0) & ~objects)


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
    at = _frame_window(obj, view, scene.layout, (left, right), (-0.03, top))
    if at is None:
        return
    x, y = _object_coordinates(obj, view, scene.layout, at)
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
        at = _frame_window(
            one,
            view,
            layout,
            (left - 0.1, right + light.shear * top),
            (-light.squash * top - 0.1, 0.12),
        )
        if at is None:
            continue
        x, y = _object_coordinates(one, view, layout, at)
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


def _frame_window(
    obj: ObjectState,
    view: CameraView,
    layout: SceneLayout,
    across: tuple[float, float],
    up: tuple[float, float],
) -> Box | None:
    """Return the frame window of a box in the object's units; None if it is out of the frame."""
    corners = [
        view.to_frame(obj.x + u * obj.scale_px, obj.y - v * obj.scale_px, layout)
        for u in across
        for v in up
    ]
    columns, rows = [c for c, _ in corners], [r for _, r in corners]
    left, right = max(0, floor(min(columns)) - 1), min(layout.width, ceil(max(columns)) + 1)
    top, bottom = max(0, floor(min(rows)) - 1), min(layout.height, ceil(max(rows)) + 1)
    if left >= right or top >= bottom:
        return None
    return slice(top, bottom), slice(left, right)


def _object_coordinates(
    obj: ObjectState, view: CameraView, layout: SceneLayout, at: Box
) -> tuple[Plane, Plane]:
    """Return the pixels of a window in the object's coordinates, float32."""
    rows, columns = at
    u = 2 * np.arange(columns.start, columns.stop, dtype=np.int64) + (1 - layout.width)
    v = 2 * np.arange(rows.start, rows.stop, dtype=np.int64)[:, None] + (1 - layout.height)
    origin_x, origin_y = (floor(p * (1 << 16) + 0.5) for p in (obj.x, obj.y))
    x = (view.along * u + (view.centre_x - origin_x)) - view.across * v
    y = view.across * u + (view.along * v + (view.centre_y - origin_y))
    step = 1.0 / (obj.scale_px * (1 << 16))
    return (x * step).astype(np.float32), (y * -step).astype(np.float32)
