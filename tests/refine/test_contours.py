from __future__ import annotations

import json
from xml.etree import ElementTree

import numpy as np
import pytest

from outtake.annotations.labelme_json import labelme_records, read_labelme_shape
from outtake.annotations.raster import draw_shape
from outtake.refine.contours import contours_to_labelme, draw_contours, find_contours, to_svg


def noise(seed: int, size: tuple[int, int] = (23, 31), labels: int = 3) -> np.ndarray:
    """A label map full of holes, corners that touch, and single pixels."""
    return np.random.default_rng(seed).integers(0, labels, size).astype(np.uint8)


@pytest.mark.parametrize("seed", range(8))
def test_contours_there_and_back_lose_no_pixel(seed: int) -> None:
    labels = noise(seed, labels=2 + seed % 3)
    labels[:4, :9] = 255
    labels[10:20, 10:20] = 1
    labels[12:18, 12:18] = 255
    found = draw_contours(find_contours(labels), labels.shape)
    assert np.array_equal(found, labels)


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (7, 1), (2, 2)])
def test_small_pictures_lose_none_either(size: tuple[int, int]) -> None:
    labels = noise(3, size)
    assert np.array_equal(draw_contours(find_contours(labels), size), labels)


def test_a_ring_is_a_square_with_a_hole() -> None:
    labels = np.zeros((9, 9), np.uint8)
    labels[1:8, 1:8] = 1
    labels[3:5, 3:6] = 0
    [ring, _, _] = find_contours(labels)
    assert (ring.label, ring.area_px, len(ring.outer), len(ring.holes)) == (1, 43, 4, 1)
    assert ring.outer.min() == 1 and ring.outer.max() == 8
    assert sorted(map(tuple, ring.holes[0])) == [(3, 3), (3, 5), (6, 3), (6, 5)]


def test_without_exactness_a_contour_has_fewer_corners_and_is_near() -> None:
    y, x = np.mgrid[:80, :80]
    labels = ((y - 40) ** 2 + (x - 40) ** 2 < 900).astype(np.uint8)
    exact, simple = find_contours(labels), find_contours(labels, tolerance_px=1)
    corners = [sum(len(each.outer) for each in found) for found in (exact, simple)]
    assert corners[1] < corners[0] / 2
    wrong = (draw_contours(simple, labels.shape) != labels).mean()
    assert 0 < wrong < 0.02


def test_labelme_reads_what_is_written_and_holes_stay_open() -> None:
    labels, names = noise(5), ("road", "car", "tree")
    labels[4:15, 4:20] = 1
    labels[7:12, 7:15] = 255
    tree = contours_to_labelme(find_contours(labels), labels.shape, names, "a.png")
    assert sum(shape["area_px"] for shape in tree["shapes"]) == (labels != 255).sum()
    assert tree["imageHeight"] == 23 and tree["imagePath"] == "a.png"
    canvas = np.full(labels.shape, 255, np.uint8)
    for record in labelme_records(json.loads(json.dumps(tree))):
        shape = read_labelme_shape(record)
        draw_shape(canvas, shape, names.index(shape.label), "centres")
    assert np.array_equal(canvas, labels)


def test_svg_is_xml_whose_paths_bear_their_names() -> None:
    labels = np.zeros((4, 6), np.uint8)
    labels[1:3, 2:4] = 1
    tree = ElementTree.fromstring(
        to_svg(find_contours(labels), (4, 6), ("a<b", "c"), [(1, 2, 3)] * 2)
    )
    space = "{http://www.w3.org/2000/svg}"
    paths = tree.findall(f"{space}path")
    assert tree.get("viewBox") == "0 0 6 4"
    assert [each.findtext(f"{space}title") for each in paths] == ["a<b", "c"]
    assert paths[1].get("d") == "M2 1L4 1L4 3L2 3Z" and paths[0].get("fill") == "rgb(1,2,3)"
