"""CVAT's own XML: "CVAT for images 1.1" and "CVAT for video 1.1"."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from xml.etree.ElementTree import Element

from outtake.annotations.annotated_shapes import Shape, box_ring, ellipse_ring, to_ring, turn_ring
from outtake.annotations.parse_errors import name_part
from outtake.annotations.run_lengths import runs_to_mask

AREAS = ("polygon", "box", "ellipse", "mask")
WITHOUT_AREA = ("points", "polyline", "skeleton", "cuboid")


@dataclass(frozen=True, slots=True)
class CvatImage:
    """A picture of "CVAT for images".

    Attributes:
        name: The path of its file, as the file has it.
        number: The place in the task, from 0; None if the file does not say.
        size: Its height and width; None if the file does not say.
        subset: The part of the data set that it belongs to; empty for none.
        element: What the file says of it.
    """

    name: str
    number: int | None
    size: tuple[int, int] | None
    subset: str
    element: Element

    def count_without_area(self) -> int:
        """Return how many shapes are points or lines, as a polygon of two points is."""
        return sum(_is_without_area(each) for each in self.element)

    def shapes(self) -> list[Shape]:
        """Return the shapes that have an area, from the lowest to the highest.

        Raises:
            ValueError: One is damaged.
            KeyError: Something is missing.
        """
        drawn = ((place, each) for place, each in enumerate(self.element) if each.tag in AREAS)
        ordered = sorted(drawn, key=lambda each: int(each[1].get("z_order") or 0))
        return [
            _read_shape(each, each.get("label", ""), f"{each.tag} {place + 1}")
            for place, each in ordered
        ]


def cvat_images(root: Element) -> list[CvatImage]:
    """Return the pictures of "CVAT for images"; none for a video.

    Raises:
        ValueError: A number is none.
        KeyError: A name is missing.
    """
    found = []
    for each in root.findall("image"):
        given = each.attrib
        size = (
            (int(given["height"]), int(given["width"])) if {"height", "width"} <= {*given} else None
        )
        number = int(given["id"]) if "id" in given else None
        found.append(CvatImage(given["name"], number, size, given.get("subset", ""), each))
    return found


@dataclass(frozen=True, slots=True)
class CvatTracks:
    """The objects of "CVAT for video".

    Attributes:
        size: The height and width of the video.
        frames: The shapes of each frame in which there is one, in their order.
    """

    size: tuple[int, int]
    frames: Mapping[int, tuple[Shape, ...]]


def read_cvat_tracks(root: Element) -> CvatTracks:
    """Return the objects of "CVAT for video".

    Raises:
        ValueError: There is no track, a shape has no area, or something is damaged.
        KeyError: Something is missing.
    """
    tracks = root.findall("track")
    size = root.find("meta/task/original_size")
    if size is None:
        size = root.find("meta/job/original_size")
    if size is None or not tracks:
        raise ValueError("no image and no track of a known size")
    frames: dict[int, list[Shape]] = defaultdict(list)
    for track in tracks:
        for each in track:
            check_has_area(each)
            if each.tag in AREAS and each.get("outside") != "1":
                origin = f"track {track.get('id')}, frame {each.get('frame')}"
                shape = _read_shape(each, track.get("label", ""), origin)
                frames[int(each.attrib["frame"])].append(shape)
    return CvatTracks(
        (int(size.findtext("height", "")), int(size.findtext("width", ""))),
        {number: tuple(frames[number]) for number in sorted(frames)},
    )


def check_has_area(element: Element) -> None:
    """Raise ValueError for points and lines, as a polygon of two points is."""
    if _is_without_area(element):
        raise ValueError(f"a {element.tag} has no area; use polygons, boxes, ellipses or masks")


def _is_without_area(element: Element) -> bool:
    few = element.tag == "polygon" and element.get("points", "").count(";") < 2
    return few or element.tag in WITHOUT_AREA


def _read_shape(each: Element, label: str, origin: str) -> Shape:
    with name_part(f"{origin} ({label})"):
        return replace(_read_area(each, label), origin=origin)


def _read_area(each: Element, label: str) -> Shape:
    given = each.attrib
    if each.tag == "polygon":
        return Shape(label, rings=(to_ring([p.split(",") for p in given["points"].split(";")]),))
    if each.tag == "mask":
        counts = [int(count) for count in given["rle"].split(",")]
        height, width = int(given["height"]), int(given["width"])
        bitmap = runs_to_mask(counts, height, width, by_columns=False)
        at = {key: int(float(given[key])) for key in ("left", "top")}
        return Shape(label, bitmap=bitmap, left=at["left"], top=at["top"])
    if each.tag == "box":
        left, top, right, bottom = (float(given[key]) for key in ("xtl", "ytl", "xbr", "ybr"))
        ring, x, y = box_ring(left, top, right, bottom), (left + right) / 2, (top + bottom) / 2
    else:
        x, y, radius_x, radius_y = (float(given[key]) for key in ("cx", "cy", "rx", "ry"))
        ring = ellipse_ring(x, y, radius_x, radius_y)
    return Shape(label, rings=(turn_ring(ring, x, y, float(given.get("rotation", 0))),))
