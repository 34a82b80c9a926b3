"""Read what annotation tools export as masks: COCO, YouTube-VIS, LabelMe, CVAT and YOLO."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from outtake.annotations.annotated_shapes import Shape
from outtake.annotations.coco_json import CocoFile, CocoImage, read_video_instances
from outtake.annotations.cvat_xml import (
    CvatImage,
    check_has_area,
    cvat_images,
    read_cvat_tracks,
)
from outtake.annotations.labelme_json import read_labelme_shapes
from outtake.annotations.parse_errors import name_parse_errors
from outtake.annotations.raster import draw_shape
from outtake.annotations.xml_tree import parse_xml
from outtake.annotations.yolo_text import read_yolo
from outtake.core.errors import VideoError
from outtake.masking.class_selection import BinaryMask
from outtake.video.read.inputs import natural_sort_key

ANNOTATION_SUFFIXES = (".json", ".xml", ".txt")
_MAX_FILE_BYTES = 1 << 30
_Named = TypeVar("_Named", CocoImage, CvatImage)
_ADVICE = (
    "read are COCO, YouTube-VIS and LabelMe (.json), CVAT for images and video (.xml), and YOLO "
    "segmentation (.txt)"
)


@dataclass(frozen=True, slots=True)
class AnnotatedFrame:
    """What is marked in one frame.

    Attributes:
        name: The picture that was annotated, or its file of annotations.
        size: Its height and width; None if the shapes are fractions of both.
        shapes: The objects.
        number: The frame that it is, from 0; None if only the name tells.
    """

    name: str
    size: tuple[int, int] | None
    shapes: tuple[Shape, ...] = ()
    number: int | None = None

    def draw(self, size: tuple[int, int], ids: Sequence[int | str] | None = None) -> BinaryMask:
        """Return the mask, uint8 (H, W), of the shapes whose class is among ``ids``.

        Args:
            size: Height and width for shapes that have no size of their own.
            ids: Numbers or names of classes; None for all.
        """
        mask = np.zeros(self.size or size, np.uint8)
        for shape in self.shapes:
            if ids is None or shape.number in ids or shape.label in ids:
                placed = shape if self.size else shape.scale(size)
                draw_shape(mask, placed, 1, rule="touched")
        return mask


@dataclass
class Annotations:
    """What was read.

    Attributes:
        frames: The annotated frames.
        flaws: What was left out or looks wrong, one line each.
        united_names: The names of frames that several entries are of.
        thin_outlines: The outlines of YOLO that have no area, in words.
    """

    frames: list[AnnotatedFrame] = field(default_factory=list)
    flaws: list[str] = field(default_factory=list)
    united_names: set[str] = field(default_factory=set)
    thin_outlines: list[str] = field(default_factory=list)
    _places: dict[str, int] = field(default_factory=dict)

    def add(self, frame: AnnotatedFrame) -> None:
        """Add a frame, or its shapes to those of the same name, of this file or another.

        Raises:
            ValueError: The two are of different sizes.
        """
        place = self._places.setdefault(frame.name, len(self.frames))
        if place == len(self.frames):
            self.frames.append(frame)
            return
        known = self.frames[place]
        if known.size != frame.size:
            raise ValueError(f"{frame.name} has another size than where it was marked before")
        self.frames[place] = replace(known, shapes=known.shapes + frame.shapes)
        self.united_names.add(frame.name)


def read_annotations(files: Sequence[Path]) -> Annotations:
    """Return the annotated frames of one file, or of one file for each frame.

    Raises:
        VideoError: A file cannot be read, or is of no known format.
    """
    found = Annotations()
    for file in files:
        with name_parse_errors(file, VideoError, _ADVICE):
            _read_file(file, found)
    if found.thin_outlines:
        found.flaws.append(
            f"{len(found.thin_outlines)} outlines (as {found.thin_outlines[0]}) have fewer than "
            "three points and are not drawn"
        )
    if found.united_names:
        found.flaws.append(
            f"{len(found.united_names)} frames (as {min(found.united_names)}) are marked several "
            "times: their shapes are united"
        )
    return found


def _read_file(file: Path, found: Annotations) -> None:
    if file.stat().st_size > _MAX_FILE_BYTES:
        raise VideoError(f"{file} is larger than 1 GB; split it by clips")
    if file.suffix.lower() == ".xml":
        for frame in _read_cvat(file.read_bytes()):
            found.add(frame)
        return
    text = file.read_text(encoding="utf-8-sig")
    if file.suffix.lower() == ".txt":
        shapes = tuple(read_yolo(text, predicted=True))
        found.thin_outlines += [
            f"{each.origin} of {file.name}"
            for each in shapes
            if all(len(ring) < 3 for ring in each.rings)
        ]
        found.frames.append(AnnotatedFrame(file.name, None, shapes))
    else:
        _read_json(file, json.loads(text), found)


def _read_json(file: Path, tree: Any, found: Annotations) -> None:
    if not isinstance(tree, Mapping):
        raise ValueError("no images with annotations, and no shapes")
    if "shapes" in tree:
        size = int(tree["imageHeight"]), int(tree["imageWidth"])
        shapes = tuple(read_labelme_shapes(tree))
        found.frames.append(AnnotatedFrame(file.name, size, shapes))
    elif "videos" in tree and "annotations" in tree:
        for number, each in enumerate(read_video_instances(tree)):
            found.add(AnnotatedFrame(each.name, each.size, each.shapes, number))
    elif "images" in tree and "annotations" in tree:
        _read_coco(file, tree, found)
    elif "image" in tree and "annotations" in tree:  # one picture, as Segment Anything has it
        name = str(tree["image"].get("file_name", file.name))
        image = {"id": 0, **tree["image"], "file_name": name}
        shapes_of_it = [{**each, "image_id": image["id"]} for each in tree["annotations"]]
        _read_coco(file, {"images": [image], "annotations": shapes_of_it}, found)
    else:
        raise ValueError("no images with annotations, and no shapes")


def _read_coco(file: Path, tree: Mapping[str, Any], found: Annotations) -> None:
    content = CocoFile(tree)
    found.flaws += [f"{file.name}: {line}" for line in content.flaws]
    for image in _sort_by_name(content.images.values()):
        if image.size is None:
            raise ValueError(f"the height and width of the image {image.name} are missing")
        shapes = tuple(content.shapes(image, boxes=True))
        found.add(AnnotatedFrame(image.name, image.size, shapes))


def _sort_by_name(images: Iterable[_Named]) -> list[_Named]:
    return sorted(images, key=lambda each: natural_sort_key(Path(each.name)))


def _read_cvat(content: bytes) -> Iterator[AnnotatedFrame]:
    root = parse_xml(content)
    images = _sort_by_name(cvat_images(root))
    for image in images:
        if image.size is None:
            raise ValueError(f"the height and width of the image {image.name} are missing")
        for each in image.element:
            check_has_area(each)
        yield AnnotatedFrame(image.name, image.size, tuple(image.shapes()), image.number)
    if not images:
        tracks = read_cvat_tracks(root)
        for number, shapes in tracks.frames.items():
            yield AnnotatedFrame(f"frame {number}", tracks.size, shapes, number)
