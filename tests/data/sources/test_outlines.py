"""Formats of drawn outlines: the same objects give the same label map in all of them."""

import json

import numpy as np
import pytest

from outtake.core.errors import DataRootError, LabelValueError, UnreadableImageError
from outtake.data.inspection import inspect_source
from outtake.data.sources.coco import CocoJson
from outtake.data.sources.cvat import Cvat
from outtake.data.sources.labelme import LabelMe
from outtake.data.sources.yolo import Yolo
from tests.data.generated import SIZE, picture, save
from tests.data.sources.trees import POLYGONS, lines, make_tree, open_source
from tests.masking.mask_formats import coco_string


@pytest.mark.parametrize("option", POLYGONS)
def test_the_last_object_lies_on_top_of_the_background(option, tmp_path):
    source = open_source(option, make_tree(option, tmp_path))
    assert source.labels.names == ("background", "cat", "dog")
    mask = source.read_mask(source.samples("train")[0])
    assert mask.shape == SIZE
    square = np.zeros(SIZE, bool)
    square[4:14, 4:14] = True
    assert (mask[square & (mask != 2)] == 1).all()  # each pixel of the square, and no other
    assert not (mask == 1)[~square].any()
    assert mask[10, 20] == 2 and mask[9, 13] == 2
    assert abs(int((mask == 2).sum()) - 84) < 12  # half of 14 by 12


@pytest.mark.parametrize("option", POLYGONS)
def test_a_root_without_annotations_is_one_line(option, tmp_path):
    with pytest.raises(DataRootError, match=str(tmp_path)):
        open_source(option, tmp_path)


@pytest.mark.parametrize("option", ["coco", "labelme", "yolo", "cvat"])
def test_without_val_a_part_of_train_is_chosen(option, tmp_path):
    root = make_tree(option, tmp_path)
    if option == "coco":
        (root / "annotations/instances_val2017.json").unlink()
    elif option == "cvat":
        text = (root / "annotations.xml").read_text()
        (root / "annotations.xml").write_text(text.replace(' subset="Validation"', ""))
        for path in (root / "images/Validation").iterdir():
            path.rename(root / "images" / path.name)
    else:
        for folder in ("val", "images/val", "labels/val"):
            for path in (root / folder).glob("*"):
                path.unlink()
            if (root / folder).is_dir():
                (root / folder).rmdir()
    source = open_source(option, root)
    train, val = ({each.id for each in source.samples(split)} for split in ("train", "val"))
    assert len(train) >= 4 and len(val) >= 1 and not train & val


def coco_file(root, segmentation, **more):
    save(root / "images/a.png", picture(0, (4, 5)))
    record = {"id": 1, "image_id": 7, "category_id": 3, "segmentation": segmentation} | more
    content = {
        "images": [{"id": 7, "file_name": "a.png"}],
        "annotations": [record],
        "categories": [{"id": 0, "name": "all"}, {"id": 3, "name": "cat"}],
    }
    lines(root / "annotations.json", [json.dumps(content)])
    source = CocoJson(str(root), val_fraction=None)
    return source, source.read_mask(source.samples("train")[0])


MASK = np.zeros((4, 5), bool)
MASK[1:3, 2:5] = True


@pytest.mark.parametrize("counts", [[9, 2, 2, 2, 2, 2, 1], "92204200m0"])
def test_run_lengths_of_coco_are_columns(tmp_path, counts):
    """The packed form is what pycocotools.mask.encode gives for the same mask."""
    if isinstance(counts, str):
        counts = coco_string([9, 2, 2, 2, 2, 2, 1])
    source, mask = coco_file(tmp_path, {"size": [4, 5], "counts": counts})
    assert source.labels.names == ("background", "cat")
    assert np.array_equal(mask == 1, MASK)


def test_runs_that_do_not_fill_the_picture_are_refused(tmp_path):
    with pytest.raises(UnreadableImageError, match="run-length mask is damaged"):
        coco_file(tmp_path, {"size": [4, 5], "counts": [3]})


def test_crowds_are_unlabelled(tmp_path):
    shape = {"size": [4, 5], "counts": [9, 2, 2, 2, 2, 2, 1]}
    _, mask = coco_file(tmp_path, shape, iscrowd=1)
    assert np.array_equal(mask == 255, MASK)


def labelme_file(root, *shapes, **options):
    save(root / "a.png", picture(0))
    lines(root / "a.json", [json.dumps({"shapes": list(shapes)})])
    source = LabelMe(str(root), val_fraction=None, **options)
    return source.read_mask(source.samples("train")[0])


def test_shapes_of_labelme(tmp_path):
    mask = labelme_file(
        tmp_path,
        {"label": "a", "points": [[2, 3], [8, 9]], "shape_type": "rectangle"},
        {"label": "b", "points": [[20, 12], [20, 18]], "shape_type": "circle"},
        {"label": "__ignore__", "points": [[0, 20], [32, 20], [32, 24], [0, 24]]},
    )
    assert (mask[3:9, 2:8] == 1).all() and (mask == 1).sum() == 36
    assert abs(int((mask == 2).sum()) - 113) < 8
    assert (mask[20:] == 255).all()


def test_a_shape_without_an_area_and_a_class_of_nobody_are_one_line(tmp_path):
    point = {"label": "a", "points": [[2, 3]], "shape_type": "point"}
    with pytest.raises(UnreadableImageError, match="'point' has no area"):
        labelme_file(tmp_path, point)
    square = {"label": "a", "points": [[2, 3], [8, 9]], "shape_type": "rectangle"}
    with pytest.raises(LabelValueError, match="'a', which is no class"):
        labelme_file(tmp_path, square, classes=["b"])


def test_a_box_of_yolo_is_no_outline(tmp_path):
    root = make_tree("yolo", tmp_path)
    (root / "labels/train/0.txt").write_text("0 0.5 0.5 0.2 0.2\n")
    source = Yolo(str(root))
    with pytest.raises(UnreadableImageError, match=r"0.txt \(line 1\).*as a box has"):
        source.read_mask(source.samples("train")[0])
    (root / "labels/train/0.txt").unlink()
    assert not source.read_mask(source.samples("train")[0]).any()


def test_boxes_and_masks_of_cvat(tmp_path):
    save(tmp_path / "images/a.png", picture(0))
    body = (
        '<box label="a" xtl="2" ytl="3" xbr="8" ybr="9" z_order="1"/>'
        '<mask label="b" rle="1,2,3" left="10" top="5" width="3" height="2" z_order="0"/>'
        '<points label="a" points="1,1"/>'
    )
    lines(
        tmp_path / "annotations.xml",
        [f'<annotations><image name="a.png">{body}</image></annotations>'],
    )
    source = Cvat(str(tmp_path), val_fraction=None)
    mask = source.read_mask(source.samples("train")[0])
    assert (mask == 1).sum() == 36 and mask[5, 10:13].tolist() == [0, 2, 2]


def test_an_object_of_no_class_is_a_defect_like_any_other(tmp_path):
    make_tree("labelme", tmp_path)
    found = inspect_source(LabelMe(str(tmp_path), classes=["cat"])).defects
    assert [each.kind for each in found] == ["illegal_id"] * 8
    assert "'dog', which is no class" in found[0].text
