"""LabelMe's JSON files, one beside each image."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from outtake.core.errors import DataRootError, UnreadableImageError
from outtake.data.list_pictures import list_pictures
from outtake.data.source import Sample
from outtake.data.sources.polygon_source import (
    IGNORED_NAMES,
    DrawnObject,
    PolygonSource,
    corners_of,
    find_split_folder,
    read_json_file,
    say_images_without_record,
)

_BACKGROUND_NAMES = ("_background_", "background")


class LabelMe(PolygonSource):
    """Outlines drawn with LabelMe: polygons, rectangles, circles and masks.

    Layout: ``root/{train,val,test}/NAME.jpg`` with ``NAME.json`` beside it, or both in ``root``
    itself, which is ``train``. ``__ignore__`` is unlabelled, ``_background_`` is background.

    Args:
        root: The folder.
        classes: The classes in their order; None takes those of the training files, in the order
            of the alphabet.
        val_fraction: The part of ``train`` that becomes ``val`` where there is none.

    Raises:
        DataRootError: ``root`` is not a folder, or holds no such file.
    """

    def __init__(
        self,
        root: str,
        classes: Sequence[str] | None = None,
        val_fraction: float | None = 0.2,
    ) -> None:
        self._classes = classes
        super().__init__("labelme", root, val_fraction)

    def class_names(self) -> Sequence[str]:
        """Return the classes that were named, or those of the training files."""
        if self._classes is not None:
            return list(self._classes)
        samples = self.stored_samples("train")
        if not samples:
            raise DataRootError(
                f"no images with a JSON file of LabelMe beside them in {self.root} or "
                f"{self.root / 'train'}"
            )
        found = {
            str(shape.get("label")) for sample in samples for shape in _read_shapes(sample.mask)
        }
        return sorted(found - IGNORED_NAMES - set(_BACKGROUND_NAMES))

    def stored_samples(self, split: str) -> list[Sample] | None:
        """Return the images of a split that have a JSON file beside them."""
        folder = find_split_folder(self.root, split)
        if folder is None:
            if split != "train" or find_split_folder(self.root, "val") is not None:
                return None
            folder = self.root
        images = list_pictures(folder).pictures
        pairs = {name: (path, path.with_suffix(".json")) for name, path in images.items()}
        found = {name: pair for name, pair in pairs.items() if pair[1].is_file()}
        say_images_without_record("LabelMe", len(pairs) - len(found), folder)
        return [Sample(name, str(image), str(record)) for name, (image, record) in found.items()]

    def read_objects(self, sample: Sample, size: tuple[int, int]) -> Sequence[DrawnObject]:
        """Return what is drawn on an image."""
        return [_read_shape(shape, sample.mask, size) for shape in _read_shapes(sample.mask)]

    def record_of(self, sample: Sample) -> bytes:
        """Return the bytes of the JSON file."""
        return Path(sample.mask).read_bytes()


def _read_shapes(path: str) -> list[dict[str, Any]]:
    content = read_json_file(Path(path))
    if not isinstance(content, dict) or not isinstance(content.get("shapes"), list):
        raise UnreadableImageError(f"{path} is not a file of LabelMe: it has no list `shapes`")
    return list(content["shapes"])


def _read_shape(shape: dict[str, Any], path: str, size: tuple[int, int]) -> DrawnObject:
    name = str(shape.get("label"))
    name = "background" if name in _BACKGROUND_NAMES else name
    points = corners_of(shape.get("points", []), path)
    kind = shape.get("shape_type") or "polygon"
    if kind == "polygon":
        return DrawnObject(name, (points,))
    if kind == "rectangle" and len(points) == 2:
        (left, top), (right, bottom) = points
        corners = np.array([(left, top), (right, top), (right, bottom), (left, bottom)])
        return DrawnObject(name, (corners,))
    if kind == "circle" and len(points) == 2:
        centre, radius = points[0], float(np.hypot(*(points[1] - points[0])))
        angles = np.linspace(0, 2 * np.pi, 72, endpoint=False)
        circle = centre + radius * np.stack([np.cos(angles), np.sin(angles)], 1)
        return DrawnObject(name, (circle,))
    if kind == "mask" and len(points) == 2 and shape.get("mask"):
        return DrawnObject(name, mask=_place_mask(str(shape["mask"]), points, size, path))
    raise UnreadableImageError(
        f"cannot read {path}: a shape of the kind {kind!r} has no area; draw a polygon, rectangle, "
        "circle or mask, or remove it"
    )


def _place_mask(
    packed: str, points: np.ndarray[Any, Any], size: tuple[int, int], path: str
) -> np.ndarray[Any, np.dtype[np.bool_]]:
    try:
        with Image.open(BytesIO(base64.b64decode(packed))) as picture:
            part = np.array(picture) > 0
    except (OSError, ValueError) as error:
        raise UnreadableImageError(f"cannot read {path}: a mask is damaged; redraw it") from error
    left, top = (int(value) for value in points[0])
    whole = np.zeros(size, np.bool_)
    room = whole[max(top, 0) : top + part.shape[0], max(left, 0) : left + part.shape[1]]
    room[:] = part[max(-top, 0) :, max(-left, 0) :][: room.shape[0], : room.shape[1]]
    return whole
