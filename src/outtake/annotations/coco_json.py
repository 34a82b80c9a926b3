"""COCO's JSON (Lin et al., 2014), and YouTube-VIS's (Yang et al., 2019)."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from outtake.annotations.annotated_shapes import Shape, box_ring, to_ring
from outtake.annotations.parse_errors import name_part
from outtake.annotations.run_lengths import decode_coco_runs


@dataclass(frozen=True, slots=True)
class CocoImage:
    """A picture that a file lists.

    Attributes:
        key: Its id, as text.
        name: The path of its file, as the file has it.
        size: Its height and width; None if the file does not say.
    """

    key: str
    name: str
    size: tuple[int, int] | None


class CocoFile:
    """The pictures of a file of COCO; their shapes are made when they are asked for.

    Args:
        tree: The content of the file.

    Attributes:
        images: The pictures by their keys, in the order of the file.
        names: The name of each category's id.
        flaws: What is wrong and does not stop anybody, one line each.

    Raises:
        ValueError: Two pictures have one id.
        KeyError: Something is missing.
    """

    def __init__(self, tree: Mapping[str, Any]) -> None:
        listed = [
            CocoImage(_to_key(each["id"]), str(each["file_name"]), _size_of(each))
            for each in tree["images"]
        ]
        self.images = {image.key: image for image in listed}
        keys = Counter(image.key for image in listed)
        if repeated := [key for key, count in keys.items() if count > 1]:
            raise ValueError(
                f"{len(repeated)} ids are of several images (the first: {repeated[0]}), so that "
                "nobody can tell whose the annotations are"
            )
        self.names = category_names(tree)
        self._records: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
        for each in tree["annotations"]:
            self._records[_to_key(each["image_id"])].append(each)
        self.flaws = tuple(self._find_flaws(tree["annotations"]))

    def records(self, image: CocoImage) -> Sequence[Mapping[str, Any]]:
        """Return the annotations of a picture as the file has them."""
        return self._records.get(image.key, ())

    def shapes(self, image: CocoImage, *, boxes: bool) -> list[Shape]:
        """Return the shapes of a picture, the larger ones first.

        Args:
            image: The picture.
            boxes: Whether a box stands for an object that has nothing else; else it is left out.
        """
        areas = []
        for each in self.records(image):
            with name_part(_name_record(each)):
                shape = _read_shape(each, self.names, image.size, boxes=boxes)
            if shape is not None:
                areas.append((float(each.get("area") or 0) or shape.area(), shape))
        return [shape for _, shape in sorted(areas, key=lambda each: -each[0])]

    def without_outline(self) -> list[str]:
        """Return the ids of the annotations that have a box at most."""
        return [
            str(each.get("id"))
            for records in self._records.values()
            for each in records
            if not each.get("segmentation")
        ]

    def used_categories(self) -> set[Any]:
        """Return the ids of the categories that an annotation has."""
        return {each.get("category_id") for found in self._records.values() for each in found}

    def _find_flaws(self, records: Sequence[Mapping[str, Any]]) -> Iterator[str]:
        lost = [each for each in records if _to_key(each["image_id"]) not in self.images]
        if lost:
            yield (
                f"{len(lost)} annotations are of images that it does not list (the first: "
                f"{lost[0].get('id')}, of image {lost[0]['image_id']}) and are left out"
            )
        if thin := [each for each in records if _has_thin_outline(each)]:
            yield (
                f"{len(thin)} annotations have outlines of fewer than three points (the first: "
                f"{thin[0].get('id')}, of image {thin[0]['image_id']}), which are not drawn"
            )
        ids = Counter(str(each["id"]) for each in records if each.get("id") is not None)
        if repeated := [number for number, count in ids.items() if count > 1]:
            yield (
                f"{len(repeated)} ids are of several annotations (the first: {repeated[0]}), and "
                "all of them are drawn: perhaps files were merged, or one of them twice"
            )


@dataclass(frozen=True, slots=True)
class VideoFrame:
    """A frame of YouTube-VIS.

    Attributes:
        name: The path of its file.
        size: Its height and width.
        shapes: What is marked in it.
    """

    name: str
    size: tuple[int, int]
    shapes: tuple[Shape, ...]


def read_video_instances(tree: Mapping[str, Any]) -> Iterator[VideoFrame]:
    """Yield the frames of the only video of a file of YouTube-VIS.

    Raises:
        ValueError: There are several videos, or a shape is damaged.
        KeyError, IndexError: Something is missing.
    """
    if len(tree["videos"]) != 1:
        raise ValueError(f"{len(tree['videos'])} videos in one file")
    (video,) = tree["videos"]
    names, size = category_names(tree), (int(video["height"]), int(video["width"]))
    for number, name in enumerate(video["file_names"]):
        found = (
            {
                "id": each.get("id"),
                "category_id": each["category_id"],
                "segmentation": each["segmentations"][number],
            }
            for each in tree["annotations"]
        )
        shapes = (_read_shape(each, names, size, boxes=False) for each in found)
        yield VideoFrame(str(name), size, tuple(shape for shape in shapes if shape is not None))


def category_names(tree: Mapping[str, Any]) -> dict[Any, str]:
    """Return the name of each category's id."""
    return {each["id"]: str(each.get("name", "")) for each in tree.get("categories") or ()}


def _read_shape(
    record: Mapping[str, Any],
    names: Mapping[Any, str],
    size: tuple[int, int] | None,
    *,
    boxes: bool,
) -> Shape | None:
    number, found = record.get("category_id"), record.get("segmentation")
    label, crowd = names.get(number, ""), bool(record.get("iscrowd"))
    origin = _name_record(record)
    if isinstance(found, Mapping):
        bitmap = decode_coco_runs(found)
        if size not in (None, bitmap.shape):
            raise ValueError(
                f"run lengths of {bitmap.shape[1]}x{bitmap.shape[0]} in an image of "
                f"{size[1]}x{size[0]}"
            )
        return Shape(label, number, bitmap=bitmap, whole=True, crowd=crowd, origin=origin)
    if found:
        return Shape(label, number, tuple(map(to_ring, found)), crowd=crowd, origin=origin)
    if not boxes:
        return None
    if not record.get("bbox"):
        raise ValueError("an annotation without segmentation and bbox")
    left, top, across, down = map(float, record["bbox"])
    ring = box_ring(left, top, left + across, top + down)
    return Shape(label, number, (ring,), crowd=crowd, origin=origin)


def _name_record(record: Mapping[str, Any]) -> str:
    return f"annotation {record['id']}" if record.get("id") is not None else "an annotation"


def _has_thin_outline(record: Mapping[str, Any]) -> bool:
    found = record.get("segmentation")
    rings = found if isinstance(found, list) else ()
    return any(isinstance(ring, list) and 0 < _count_numbers(ring) < 6 for ring in rings)


def _count_numbers(ring: Sequence[Any]) -> int:
    return sum(len(each) if isinstance(each, list) else 1 for each in ring)


def _to_key(number: Any) -> str:
    """Return an id as text: some tools write 7 as 7.0 or as "7"."""
    return str(int(number) if isinstance(number, float) and number.is_integer() else number)


def _size_of(image: Mapping[str, Any]) -> tuple[int, int] | None:
    if image.get("height") is None or image.get("width") is None:
        return None
    return int(image["height"]), int(image["width"])
