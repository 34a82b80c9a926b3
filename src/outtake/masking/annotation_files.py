"""Read what annotation tools export: COCO, YouTube-VIS, LabelMe, CVAT and YOLO."""

from __future__ import annotations

import base64
import io
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
from PIL import Image

from outtake.core.errors import VideoError
from outtake.core.run_lengths import decode_coco_runs, runs_to_mask
from outtake.masking.annotation_shapes import (
    AnnotatedFrame,
    Points,
    Shape,
    box_ring,
    ellipse_ring,
)

ANNOTATION_SUFFIXES = (".json", ".xml", ".txt")
_MAX_FILE_BYTES = 1 << 30


def read_annotations(files: Sequence[Path]) -> list[AnnotatedFrame]:
    """Return the annotated frames of one file, or of one file for each frame.

    Raises:
        VideoError: A file cannot be read, or is of no known format.
    """
    return [frame for file in files for frame in _read_file(file)]


def _read_file(file: Path) -> list[AnnotatedFrame]:
    try:
        if file.stat().st_size > _MAX_FILE_BYTES:
            raise VideoError(f"{file} is larger than 1 GB; split it by clips")
        text = file.read_text(encoding="utf-8-sig")
        if file.suffix.lower() == ".xml":
            return list(_read_cvat(text))
        if file.suffix.lower() == ".txt":
            return [_read_yolo(file.stem, text)]
        return list(_read_json(file, json.loads(text)))
    except OSError as error:
        raise VideoError(f"cannot read {file}: {error.strerror or error}") from error
    except RecursionError as error:
        raise VideoError(f"{file}: cannot be read as annotations (nested too deep)") from error
    except (ValueError, KeyError, TypeError, IndexError, ElementTree.ParseError) as error:
        what = f"{error} is missing" if isinstance(error, KeyError) else error
        raise VideoError(
            f"{file}: cannot be read as annotations ({what}); read are COCO, YouTube-VIS and "
            "LabelMe (.json), CVAT for images and video (.xml), and YOLO segmentation (.txt)"
        ) from error


def _read_json(file: Path, tree: Any) -> Iterable[AnnotatedFrame]:
    if isinstance(tree, Mapping):
        if "shapes" in tree:
            return [_read_labelme(file.stem, tree)]
        if "videos" in tree and "annotations" in tree:
            return _read_video_instances(tree)
        if "images" in tree and "annotations" in tree:
            return _read_coco(tree)
        if "image" in tree and "annotations" in tree:  # one picture, as Segment Anything has it
            name = str(tree["image"].get("file_name", file.name))
            image = {"id": 0, **tree["image"], "file_name": name}
            shapes = [{**each, "image_id": image["id"]} for each in tree["annotations"]]
            return _read_coco({"images": [image], "annotations": shapes})
    raise ValueError("no images with annotations, and no shapes")


def _read_coco(tree: Mapping[str, Any]) -> Iterator[AnnotatedFrame]:
    names = _category_names(tree)
    shapes: dict[Any, list[Shape]] = defaultdict(list)
    for each in tree["annotations"]:
        number = each.get("category_id")
        found = each.get("segmentation") or None
        shapes[each["image_id"]].append(
            _coco_shape(found, each.get("bbox"), names.get(number, ""), number)
        )
    for image in sorted(tree["images"], key=lambda image: _natural_key(str(image["file_name"]))):
        size = int(image["height"]), int(image["width"])
        yield AnnotatedFrame(str(image["file_name"]), size, tuple(shapes[image["id"]]))


def _natural_key(name: str) -> Any:
    from outtake.video.read.inputs import natural_sort_key

    return natural_sort_key(Path(name))


def _read_video_instances(tree: Mapping[str, Any]) -> Iterator[AnnotatedFrame]:
    if len(tree["videos"]) != 1:
        raise ValueError(f"{len(tree['videos'])} videos in one file")
    (video,) = tree["videos"]
    names = _category_names(tree)
    size = int(video["height"]), int(video["width"])
    for number, name in enumerate(video["file_names"]):
        shapes = [
            _coco_shape(each["segmentations"][number], None, names.get(each["category_id"], ""),
                        each["category_id"])
            for each in tree["annotations"]
            if each["segmentations"][number]
        ]  # fmt: skip
        yield AnnotatedFrame(str(name), size, tuple(shapes), number)


def _category_names(tree: Mapping[str, Any]) -> dict[Any, str]:
    return {each["id"]: str(each.get("name", "")) for each in tree.get("categories") or ()}


def _coco_shape(found: Any, box: Any, label: str, number: int | None) -> Shape:
    if isinstance(found, Mapping):
        return Shape(label, number, bitmap=decode_coco_runs(found).view(np.uint8))
    if found:
        return Shape(label, number, tuple(_points(ring) for ring in found))
    if box is None:
        raise ValueError("an annotation without segmentation and bbox")
    left, top, across, down = map(float, box)
    return Shape(label, number, (box_ring(left, top, left + across, top + down),))


def _read_labelme(stem: str, tree: Mapping[str, Any]) -> AnnotatedFrame:
    size = int(tree["imageHeight"]), int(tree["imageWidth"])
    shapes = tuple(_labelme_shape(each) for each in tree["shapes"])
    return AnnotatedFrame(stem, size, shapes)


def _labelme_shape(each: Mapping[str, Any]) -> Shape:
    label, kind = str(each["label"]), each.get("shape_type") or "polygon"
    points = _points(each["points"])
    if kind == "polygon":
        return Shape(label, rings=(points,))
    (left, top), (right, bottom) = points.min(axis=0), points.max(axis=0)
    if kind == "rectangle":
        return Shape(label, rings=(box_ring(left, top, right, bottom),))
    if kind == "circle":  # its centre, and a point on it
        radius = float(np.hypot(*(points[1] - points[0])))
        return Shape(label, rings=(ellipse_ring(points[0][0], points[0][1], radius, radius),))
    if kind == "mask":
        with Image.open(io.BytesIO(base64.b64decode(each["mask"]))) as image:
            bitmap = (np.asarray(image.convert("L")) > 0).view(np.uint8)
        return Shape(label, bitmap=bitmap, left=round(left), top=round(top))
    raise ValueError(f"a {kind} has no area; use polygons, rectangles, circles or masks")


def _read_cvat(text: str) -> Iterator[AnnotatedFrame]:
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise ValueError("it declares entities, which are not followed")
    root = ElementTree.fromstring(text)
    images = root.findall("image")
    if images:
        for image in images:
            size = int(image.attrib["height"]), int(image.attrib["width"])
            shapes = [_cvat_shape(each, each.get("label", "")) for each in image]
            name, number = image.attrib["name"], int(image.attrib["id"])
            yield AnnotatedFrame(name, size, tuple(filter(None, shapes)), number)
        return
    tracks = root.findall("track")
    found = root.find("meta/task/original_size")
    if found is None:
        found = root.find("meta/job/original_size")
    if found is None or not tracks:
        raise ValueError("no image and no track of a known size")
    size = int(found.findtext("height", "")), int(found.findtext("width", ""))
    frames: dict[int, list[Shape]] = defaultdict(list)
    for track in tracks:
        for each in track:
            shape = _cvat_shape(each, track.get("label", ""))
            if shape is not None and each.get("outside") != "1":
                frames[int(each.attrib["frame"])].append(shape)
    for number in sorted(frames):
        yield AnnotatedFrame(f"frame {number}", size, tuple(frames[number]), number)


def _cvat_shape(each: ElementTree.Element, label: str) -> Shape | None:
    """Return a shape; None for a tag or an attribute of the picture."""
    given = each.attrib
    if each.tag == "polygon":
        pairs = [pair.split(",") for pair in given["points"].split(";")]
        return Shape(label, rings=(_points(pairs),))
    if each.tag == "box":
        left, top, right, bottom = (float(given[key]) for key in ("xtl", "ytl", "xbr", "ybr"))
        return Shape(label, rings=(box_ring(left, top, right, bottom),))
    if each.tag == "ellipse":
        x, y, radius_x, radius_y = (float(given[key]) for key in ("cx", "cy", "rx", "ry"))
        return Shape(label, rings=(ellipse_ring(x, y, radius_x, radius_y),))
    if each.tag == "mask":
        counts = [int(count) for count in given["rle"].split(",")]
        height, width = int(given["height"]), int(given["width"])
        bitmap = runs_to_mask(counts, height, width, by_columns=False).view(np.uint8)
        return Shape(label, bitmap=bitmap, left=int(given["left"]), top=int(given["top"]))
    if each.tag in ("points", "polyline", "skeleton", "cuboid"):
        raise ValueError(f"a {each.tag} has no area; use polygons, boxes, ellipses or masks")
    return None


def _read_yolo(stem: str, text: str) -> AnnotatedFrame:
    shapes = []
    for line in filter(None, map(str.strip, text.splitlines())):
        first, *rest = line.split()
        numbers = [float(value) for value in rest]
        if len(numbers) in (4, 5):  # a box, and perhaps a confidence
            x, y, width, height = numbers[:4]
            ring = box_ring(x - width / 2, y - height / 2, x + width / 2, y + height / 2)
        else:
            ring = _points(numbers[: len(numbers) // 2 * 2])
        shapes.append(Shape(number=int(first), rings=(ring,)))
    return AnnotatedFrame(stem, None, tuple(shapes))


def _points(values: Any) -> Points:
    points = np.asarray(values, np.float64).reshape(-1, 2)
    if not len(points) or not np.isfinite(points).all():
        raise ValueError("a shape without points")
    return points
