from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np

from outtake.annotations.labelme_json import labelme_records, read_labelme_shape
from outtake.annotations.raster import draw_shape
from outtake.core.labels import LabelSpace
from outtake.pictures.find_pictures import PictureFile
from outtake.pictures.write_predictions import write_label_outputs

SPACE = LabelSpace.from_names(("ground", "ring", "dot"))


def nested() -> np.ndarray:
    """A ring with ground, a dot and a pixel inside, a line at the border, a part without label."""
    labels = np.zeros((60, 80), np.uint8)
    cv2.circle(labels, (35, 30), 24, 1, -1)
    cv2.circle(labels, (35, 30), 15, 0, -1)
    cv2.circle(labels, (36, 31), 8, 2, -1)
    labels[30, 36] = 1
    labels[0, 50:] = 2
    labels[20:30, 60:70] = 255
    return labels


def shapes_of(folder: Path, labels: np.ndarray, **options: float) -> list[dict]:
    file = PictureFile(folder / "a.png", Path("a.png"), "a")
    image = np.zeros((*labels.shape, 3), np.uint8)
    write_label_outputs(folder, file, image, labels, SPACE, ("polygons",), **options)
    return [*labelme_records(json.loads((folder / "polygons" / "a.json").read_text()))]


def test_polygons_are_read_as_the_labels_that_they_were_made_of(tmp_path: Path) -> None:
    """What ``predict`` writes, ``data=labelme`` and masks of shapes read: not a pixel is lost."""
    labels = nested()
    again = np.full(labels.shape, 255, np.uint8)
    found = shapes_of(tmp_path, labels)
    for record in found:
        shape = read_labelme_shape(record)
        draw_shape(again, shape, SPACE.names.index(shape.label), "centres")
    assert np.array_equal(again, labels)
    for index, name in enumerate(SPACE.names):
        area = sum(each["area_px"] for each in found if each["label"] == name)
        assert area == (labels == index).sum()


def test_small_regions_are_dropped_and_outlines_simplified(tmp_path: Path) -> None:
    labels = nested()
    exact = shapes_of(tmp_path, labels)
    rough = shapes_of(tmp_path, labels, min_area=0.02, simplify_px=1)
    assert min(each["area_px"] for each in rough) >= 0.02 * labels.size
    assert len(rough) < len(exact)
    corners = [sum(len(each["points"]) for each in found) for found in (rough, exact)]
    assert corners[0] < corners[1] / 2
