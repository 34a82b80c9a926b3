"""CVAT's own export, "CVAT for images 1.1": one XML file with the images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from outtake.core.errors import DataRootError, UnreadableImageError
from outtake.core.run_lengths import runs_to_mask
from outtake.data.source import Sample
from outtake.data.sources.polygon_source import (
    IGNORED_NAMES,
    DrawnObject,
    PolygonSource,
    corners_of,
)

_DEFAULT_SUBSETS = {"default", ""}


class Cvat(PolygonSource):
    """Polygons, boxes, ellipses and masks of CVAT.

    Layout: ``root/annotations.xml`` with ``root/images/NAME``, or with ``root/images/SUBSET/NAME``.
    An image's ``subset`` is its split (``Train``, ``Validation``, ``Test``); without one all
    are ``train``. Objects of a higher ``z_order`` lie on top.

    Args:
        root: The folder.
        val_fraction: The part of ``train`` that becomes ``val`` where there is none.

    Raises:
        DataRootError: ``root`` is not a folder, or holds no such file.
        UnreadableImageError: The file is not of this format.
    """

    def __init__(self, root: str, val_fraction: float | None = 0.2) -> None:
        self._images: dict[str, ElementTree.Element] = {}
        super().__init__("cvat", root, val_fraction)

    def class_names(self) -> Sequence[str]:
        """Return the labels of the task in their order, or those of the objects."""
        path = self.root / "annotations.xml"
        if not path.is_file():
            raise DataRootError(f"{self.root} has no annotations.xml: export CVAT for images 1.1")
        try:
            tree = ElementTree.parse(path).getroot()
        except ElementTree.ParseError as error:
            raise UnreadableImageError(f"cannot read {path}: {error}; export it again") from error
        self._images = {str(each.get("name")): each for each in tree.iter("image")}
        named = [
            str(each.findtext("name"))
            for each in tree.iter("label")
            if each.find("name") is not None
        ]
        drawn = {str(e.get("label")) for image in self._images.values() for e in image}
        names = list(dict.fromkeys(named)) or sorted(drawn)
        return [name for name in names if name not in IGNORED_NAMES]

    def stored_samples(self, split: str) -> list[Sample] | None:
        """Return the images of a split."""
        subsets = {name: (each.get("subset") or "") for name, each in self._images.items()}
        wanted = {"train": "train", "val": "val", "test": "test"}[split]
        chosen = [
            name
            for name, subset in subsets.items()
            if subset.lower().startswith(wanted)
            or (split == "train" and subset.lower() in _DEFAULT_SUBSETS)
        ]
        if not chosen:
            return None
        return [
            Sample(
                Path(name).with_suffix("").as_posix(),
                str(self._find_image(name, subsets[name])),
                f"{self.root / 'annotations.xml'}#{name}",
            )
            for name in chosen
        ]

    def read_objects(self, sample: Sample, size: tuple[int, int]) -> Sequence[DrawnObject]:
        """Return what is drawn on an image."""
        shapes = sorted(self._element(sample), key=lambda each: int(each.get("z_order") or 0))
        try:
            objects = [_read_shape(each, sample.mask, size) for each in shapes]
        except (TypeError, ValueError) as error:
            raise UnreadableImageError(
                f"cannot read {sample.mask}: a shape is damaged ({error}); export it again"
            ) from error
        return [each for each in objects if each is not None]

    def record_of(self, sample: Sample) -> bytes:
        """Return the part of the file that describes an image."""
        return ElementTree.tostring(self._element(sample))

    def _element(self, sample: Sample) -> ElementTree.Element:
        return self._images[sample.mask.partition("#")[2]]

    def _find_image(self, name: str, subset: str) -> Path:
        images = self.root / "images"
        places = (images / name, images / subset / name, self.root / name)
        return next((place for place in places if place.is_file()), places[0])


def _read_shape(shape: ElementTree.Element, path: str, size: tuple[int, int]) -> DrawnObject | None:
    name = str(shape.get("label"))

    def number(key: str) -> float:
        return float(str(shape.get(key)))

    if shape.tag == "polygon":
        points = [pair.split(",") for pair in str(shape.get("points")).split(";")]
        return DrawnObject(name, (corners_of(points, path),))
    if shape.tag == "box":
        left, top, right, bottom = (number(key) for key in ("xtl", "ytl", "xbr", "ybr"))
        corners = np.array([(left, top), (right, top), (right, bottom), (left, bottom)])
        return DrawnObject(name, (corners,))
    if shape.tag == "ellipse":
        angles = np.linspace(0, 2 * np.pi, 72, endpoint=False)
        x = number("cx") + number("rx") * np.cos(angles)
        y = number("cy") + number("ry") * np.sin(angles)
        return DrawnObject(name, (np.stack([x, y], 1),))
    if shape.tag == "mask":
        height, width = int(number("height")), int(number("width"))
        top, left = int(number("top")), int(number("left"))
        runs = [int(run) for run in str(shape.get("rle")).split(",")]
        whole = np.zeros(size, np.bool_)
        part = runs_to_mask(runs, height, width, by_columns=False)
        whole[top : top + height, left : left + width] = part
        return DrawnObject(name, mask=whole)
    return None  # points, lines and tags have no area
