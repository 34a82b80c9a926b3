"""Where an object of a scene is in a frame, and the frame's pixels in its coordinates."""

from __future__ import annotations

from math import ceil, floor

import numpy as np

from outtake.data.synthetic.camera import CameraView
from outtake.data.synthetic.rng import Plane
from outtake.data.synthetic.scene_layout import SceneLayout
from outtake.data.synthetic.traffic import ObjectState

Box = tuple[slice, slice]


def frame_window(
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


def object_coordinates(
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
