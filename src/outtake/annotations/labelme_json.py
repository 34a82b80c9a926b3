"""LabelMe's JSON: the shapes of one picture."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from outtake.annotations.annotated_shapes import Shape, box_ring, ellipse_ring, to_ring
from outtake.annotations.parse_errors import name_part

_VERSION = "5.5.0"
_MAX_BITMAP_PIXELS = 1 << 27


def labelme_records(tree: Any) -> Sequence[Mapping[str, Any]]:
    """Return the shapes as the file has them.

    Raises:
        ValueError: It is no file of LabelMe.
    """
    if not isinstance(tree, Mapping) or not isinstance(tree.get("shapes"), list):
        raise ValueError("it is not a file of LabelMe, which has a list `shapes`")
    for each in tree["shapes"]:
        if not isinstance(each, Mapping):
            raise ValueError(f"{each!r} is no shape")
    return list(tree["shapes"])


def read_labelme_size(tree: Mapping[str, Any]) -> tuple[int, int] | None:
    """Return the (height, width) of the picture on which was drawn; None if the file lacks it."""
    height, width = tree.get("imageHeight"), tree.get("imageWidth")
    return (height, width) if isinstance(height, int) and isinstance(width, int) else None


def read_labelme_shapes(tree: Any) -> list[Shape]:
    """Return the shapes of a file.

    Raises:
        ValueError: It is no file of LabelMe, or a shape is damaged or has no area.
    """
    shapes = []
    for place, record in enumerate(labelme_records(tree), start=1):
        origin = f"shape {place} ({record.get('label')})"
        with name_part(origin):
            shapes.append(replace(read_labelme_shape(record), origin=origin))
    return shapes


def read_labelme_shape(record: Mapping[str, Any]) -> Shape:
    """Return one shape.

    Raises:
        ValueError: It is damaged, or has no area.
        KeyError: Something is missing.
    """
    label, kind = str(record["label"]), record.get("shape_type") or "polygon"
    if kind not in ("polygon", "rectangle", "circle", "mask"):
        raise ValueError(f"a {kind} has no area; use polygons, rectangles, circles or masks")
    points = to_ring(record["points"])
    if kind == "polygon" and len(points) < 3:
        raise ValueError(f"a polygon of {len(points)} points has no area; it needs three")
    if kind == "polygon":
        return Shape(label, rings=(points,))
    if len(points) < 2:
        raise ValueError(f"a {kind} has two points")
    (left, top), (right, bottom) = points.min(axis=0), points.max(axis=0)
    if kind == "rectangle":
        return Shape(label, rings=(box_ring(left, top, right, bottom),))
    if kind == "circle":  # its centre, and a point on it
        (x, y), radius = points[0], float(np.hypot(*(points[1] - points[0])))
        return Shape(label, rings=(ellipse_ring(x, y, radius, radius),))
    with Image.open(BytesIO(base64.b64decode(record["mask"]))) as image:
        # A few bytes can promise any number of them.
        if image.width * image.height > _MAX_BITMAP_PIXELS:
            raise ValueError(f"a mask of {image.width}x{image.height} pixels")
        bitmap = np.asarray(image.convert("L")) > 0
    return Shape(label, bitmap=bitmap, left=int(left), top=int(top))


def labelme_tree(
    polygons: Iterable[tuple[str, NDArray[Any], Mapping[str, Any]]],
    size: tuple[int, int],
    image_path: str,
) -> dict[str, Any]:
    """Return the JSON of LabelMe for polygons of one picture.

    Args:
        polygons: For each the name of its class, its corners (N, 2) of x and y, and further keys of
            its shape, which LabelMe keeps. Those that enclose others come first.
        size: The (height, width) of the picture.
        image_path: The picture as seen from the JSON file.
    """
    return {
        "version": _VERSION,
        "flags": {},
        "shapes": [
            {
                "label": name,
                "points": [[float(x), float(y)] for x, y in corners],
                "group_id": None,
                "description": "",
                "shape_type": "polygon",
                "flags": {},
                **further,
            }
            for name, corners, further in polygons
        ],
        "imagePath": image_path,
        "imageData": None,
        "imageHeight": size[0],
        "imageWidth": size[1],
    }
