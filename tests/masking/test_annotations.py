import json

import numpy as np
import pytest

from outtake.annotations.annotated_shapes import Shape, box_ring
from outtake.core.errors import ConfigError, VideoError
from outtake.masking.annotation_files import AnnotatedFrame, read_annotations
from outtake.masking.build_mask_source import build_mask_source
from outtake.masking.find_mask_files import find_mask_files
from outtake.masking.mask_values import MaskValueOptions


def test_classes_are_chosen_by_number_or_name():
    shapes = (Shape("car", 1, (box_ring(1, 1, 3, 3),)), Shape("man", 2, (box_ring(6, 6, 8, 8),)))
    frame = AnnotatedFrame("0", (10, 10), shapes)
    whole = frame.draw((10, 10))
    for ids in ([1], ["car"]):
        chosen = frame.draw((10, 10), ids)
        assert chosen[1:3, 1:3].all() and not chosen[5:, 5:].any() and whole[6:8, 6:8].all()


def test_a_name_that_no_shape_has_is_refused(tmp_path):
    shape = {"label": "car", "points": [[1, 1], [4, 4]], "shape_type": "rectangle"}
    tree = {"shapes": [shape], "imageHeight": 8, "imageWidth": 8, "imagePath": "0.png"}
    (tmp_path / "0.json").write_text(json.dumps(tree))
    files = find_mask_files(tmp_path / "0.json")
    with pytest.raises(ConfigError, match=r"^masks.ids=\[person\]: no shape in .* there are car$"):
        build_mask_source(files, MaskValueOptions(ids=["person"]))
    build_mask_source(files, MaskValueOptions(ids=["car"]))


def test_a_bitmap_beyond_the_picture_is_cut():
    shape = Shape(bitmap=np.ones((4, 4), bool), left=-2, top=8)
    mask = AnnotatedFrame("0", (10, 10), (shape,)).draw((10, 10))
    assert mask[8:, :2].all() and mask.sum() == 4


def test_a_prediction_without_area_has_a_line_and_is_not_drawn(tmp_path):
    for number in range(2):
        (tmp_path / f"{number}.txt").write_text("0 0.1 0.1 0.5 0.1 0.5 0.5 0.9\n0 0.1 0.1\n")
    found = read_annotations(sorted(tmp_path.iterdir()))
    (flaw,) = found.flaws
    assert flaw.startswith("2 outlines (as line 2 of 0.txt) have fewer than three points")
    assert found.frames[1].draw((10, 10)).sum() < 25


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.json", "{", "Expecting property name .* read are COCO"),
        ("a.json", "[]", "no images with annotations, and no shapes"),
        ("a.json", '{"shapes": []}', "'imageHeight' is missing"),
        ("a.xml", "<annotations/>", "no image and no track"),
        ("a.xml", "<!DOCTYPE x><a/>", "declares entities"),
        ("a.json", "[" * 100_000, "nested too deep"),
        ("a.txt", "0 nothing", "line 1: could not convert"),
        ("a.txt", "0 0.1 0.1 9e99 0.1 0.5 0.5", "9e99 is no share of the picture's width"),
        ("a.txt", "0 nan 0.5 0.2 0.2", "nan is no share of the picture's width"),
        (
            "a.json",
            json.dumps(
                {
                    "shapes": [{"label": "a", "points": [[1, 1], [1e99, 1], [2, 2]]}],
                    "imageHeight": 4,
                    "imageWidth": 4,
                }
            ),
            "nowhere near the picture",
        ),
        (
            "a.json",
            json.dumps(
                {
                    "shapes": [{"label": "a", "points": [[1, 2]], "shape_type": "point"}],
                    "imageHeight": 4,
                    "imageWidth": 4,
                }
            ),
            "a point has no area",
        ),
    ],
)
def test_what_can_not_be_read_says_why(tmp_path, name, text, said):
    (tmp_path / name).write_text(text)
    with pytest.raises(VideoError, match=rf"{name}: .*{said}"):
        read_annotations([tmp_path / name])


def test_annotations_of_no_image_are_warned_of(tmp_path):
    tree = {
        "images": [{"id": 1, "file_name": "0.png", "height": 8, "width": 8}],
        "annotations": [
            {"id": 4, "image_id": 1, "category_id": 1, "bbox": [1, 1, 4, 4]},
            {"id": 5, "image_id": 2, "category_id": 1, "bbox": [1, 1, 4, 4]},
        ],
    }
    (tmp_path / "a.json").write_text(json.dumps(tree))
    found = build_mask_source(find_mask_files(tmp_path / "a.json"), MaskValueOptions())
    (warning,) = found.warnings
    assert warning.startswith("masks: a.json: 1 annotations are of images that it does not list")
