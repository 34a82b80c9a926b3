from __future__ import annotations

import cv2
import numpy as np
from PIL import Image, ImageDraw

from outtake.pictures.polygons import Polygon, find_polygons, to_labelme

NAMES = ("ground", "ring", "dot")


def nested() -> np.ndarray:
    """A ring with ground, a dot and a ring of one pixel inside, and a line at the border."""
    labels = np.zeros((60, 80), np.uint8)
    cv2.circle(labels, (35, 30), 24, 1, -1)
    cv2.circle(labels, (35, 30), 15, 0, -1)
    cv2.circle(labels, (36, 31), 8, 2, -1)
    labels[30, 36] = 1
    labels[0, 50:] = 2
    return labels


def draw(polygons: list[Polygon], size: tuple[int, int]) -> np.ndarray:
    """Draw as LabelMe does: one over the other."""
    canvas = Image.new("L", size[::-1], 255)
    for polygon in polygons:
        points = [tuple(map(int, point)) for point in polygon.points]
        value = NAMES.index(polygon.class_name)
        ImageDraw.Draw(canvas).polygon(points, fill=value, outline=value)
    return np.asarray(canvas)


def test_polygons_that_are_drawn_in_order_give_the_labels_again() -> None:
    labels = nested()
    polygons = find_polygons(labels, NAMES)
    drawn = draw(polygons, labels.shape)
    assert (drawn == labels).mean() > 0.995, "Pillow rounds slanted edges"
    assert drawn[30, 36] == 1 and drawn[31, 37] == 2 and drawn[22, 35] == 0
    for index, name in enumerate(NAMES):
        area = sum(each.area_px for each in polygons if each.class_name == name)
        assert area == (labels == index).sum()


def test_small_regions_are_dropped_and_outlines_simplified() -> None:
    labels = nested()
    rough = find_polygons(labels, NAMES, min_area=0.02, simplify_px=2)
    exact = find_polygons(labels, NAMES)
    assert min(each.area_px for each in rough) >= 0.02 * labels.size
    assert len(rough) < len(exact)
    assert sum(len(each.points) for each in rough) < sum(len(each.points) for each in exact) / 2


def test_unlabelled_pixels_have_no_polygon_and_the_json_is_that_of_labelme() -> None:
    labels = np.full((10, 12), 255, np.uint8)
    labels[4, 5] = 1
    record = to_labelme(find_polygons(labels, NAMES), (10, 12), "../a.png")
    (shape,) = record["shapes"]
    assert shape["label"] == "ring" and shape["points"] == [[5.0, 4.0]] * 3
    assert record["imageHeight"] == 10 and record["imagePath"] == "../a.png"
