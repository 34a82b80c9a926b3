"""Formats of drawn outlines: the same objects give the same label map in all of them."""

import json
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from outtake.core.errors import (
    ConfigError,
    DataRootError,
    LabelValueError,
    PairingError,
    SizeMismatchError,
    UnreadableImageError,
)
from outtake.data.inspection import inspect_source
from outtake.data.source import DataWarning
from outtake.data.sources.coco import CocoJson
from outtake.data.sources.labelme import LabelMe
from outtake.data.sources.yolo import Yolo
from tests.data.generated import SIZE, picture, save
from tests.data.sources.said import said_of
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


def store_twelve_bits(root):
    """Give every picture samples of 16 bits from 0 to 4000."""
    samples = np.linspace(0, 4000, SIZE[0] * SIZE[1]).astype(np.uint16).reshape(SIZE)
    for path in [*root.rglob("*.png"), *root.rglob("*.jpg")]:
        path.unlink()
        Image.fromarray(samples).save(path.with_suffix(".png"))
    for path in root.rglob("*.json"):
        path.write_text(path.read_text().replace(".jpg", ".png"))
    return samples


@pytest.mark.parametrize("option", ["coco", "labelme", "yolo", "cvat"])
def test_samples_of_more_than_8_bits_have_a_range(option, tmp_path):
    root = make_tree(option, tmp_path)
    samples = store_twelve_bits(root)
    message = r"from 0 to 4000 .* black and 4095 white; set data.source.range=\[low,high\]"
    with pytest.warns(DataWarning, match=message):
        source = open_source(option, root)
    sample = source.samples("train")[0]
    image = source.read_image(sample)
    assert image.shape == (*SIZE, 3)
    assert np.abs(image[..., 0] - samples * (255 / 4095)).max() <= 0.51
    assert source.read_mask(sample).shape == SIZE
    trained = source.sample_range.to_dict() | {"high": 16383.0}
    with pytest.warns(DataWarning, match="0 becomes black and 16383 white, as in training"):
        scored = open_source(option, root, trained_range=trained)
    assert scored.sample_range.high == 16383
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        named = open_source(option, root, range=[0, 8000], channels=1)
    assert named.channels == 1 and named.read_image(sample).max() in (127, 128)
    with pytest.raises(ConfigError, match=r"channels is 4: give 1 \(grayscale\) or 3 \(RGB\)"):
        open_source(option, root, channels=4)


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


def test_the_files_of_roboflow_are_found(tmp_path):
    coco_file(tmp_path, [[1, 1, 3, 1, 3, 3]])
    (tmp_path / "train").mkdir()
    (tmp_path / "annotations.json").rename(tmp_path / "train/_annotations.coco.json")
    (tmp_path / "images/a.png").rename(tmp_path / "train/a.png")
    (sample,) = CocoJson(str(tmp_path)).stored_samples("train")
    assert sample.image == str(tmp_path / "train/a.png")


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
    with pytest.raises(
        UnreadableImageError, match="run lengths do not add up to 5x4; correct the annotation"
    ):
        coco_file(tmp_path, {"size": [4, 5], "counts": [3]})


def test_crowds_are_unlabelled(tmp_path):
    shape = {"size": [4, 5], "counts": [9, 2, 2, 2, 2, 2, 1]}
    _, mask = coco_file(tmp_path, shape, iscrowd=1)
    assert np.array_equal(mask == 255, MASK)


def test_a_category_that_is_unlabelled_is_no_class_and_shifts_no_other(tmp_path):
    coco_file(tmp_path, [[0, 0, 2, 0, 2, 2, 0, 2]])
    tree = json.loads((tmp_path / "annotations.json").read_text())
    tree["categories"].append({"id": 2, "name": "void"})
    void = {"id": 2, "category_id": 2, "segmentation": [[3, 0, 5, 0, 5, 2, 3, 2]]}
    tree["annotations"].append(tree["annotations"][0] | void)
    (tmp_path / "annotations.json").write_text(json.dumps(tree))
    source = CocoJson(str(tmp_path))
    mask = source.read_mask(source.samples("train")[0])
    assert source.labels.names == ("background", "cat")
    assert mask[1, 1] == 1 and mask[1, 3] == 255 and mask[3, 3] == 0

    root = make_tree("yolo", tmp_path / "yolo")
    (described,) = root.glob("*.yaml")
    described.write_text(described.read_text().replace("cat", "ignore"))
    source = Yolo(str(root))
    mask = source.read_mask(source.samples("train")[0])
    assert source.labels.names == ("background", "dog")
    assert mask[10, 20] == 1 and mask[5, 5] == 255


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
    with pytest.raises(UnreadableImageError, match="a point has no area"):
        labelme_file(tmp_path, point)
    square = {"label": "a", "points": [[2, 3], [8, 9]], "shape_type": "rectangle"}
    with pytest.raises(LabelValueError, match="'a', which is no class"):
        labelme_file(tmp_path, square, classes=["b"])


def test_a_box_of_yolo_is_no_outline(tmp_path):
    root = make_tree("yolo", tmp_path)
    (root / "labels/train/0.txt").write_text("0 0.5 0.5 0.2 0.2\n")
    source = Yolo(str(root))
    with pytest.raises(UnreadableImageError, match=r"0.txt: line 1: .*as a box has"):
        source.read_mask(source.samples("train")[0])
    (root / "labels/train/0.txt").unlink()
    assert not source.read_mask(source.samples("train")[0]).any()


def test_an_object_of_no_class_is_a_defect_like_any_other(tmp_path):
    make_tree("labelme", tmp_path)
    found = inspect_source(LabelMe(str(tmp_path), classes=["cat"])).defects
    assert [each.kind for each in found] == ["illegal_id"] * 8
    assert "'dog', which is no class" in found[0].text


def test_annotations_of_coco_that_are_of_no_image_or_only_boxes_are_named(tmp_path):
    root = make_tree("coco", tmp_path)
    path = root / "annotations/instances_train2017.json"
    content = json.loads(path.read_text())
    content["annotations"][0]["image_id"] = 99
    content["annotations"][3] |= {"segmentation": [], "bbox": [1, 1, 4, 4]}
    path.write_text(json.dumps(content))
    lines = said_of(lambda: CocoJson(str(root)))
    assert any(
        "1 annotations are of images that it does not list (the first: 0" in x for x in lines
    )
    assert any("1 annotations have a box at most and are left out: 11" in x for x in lines)
    content["images"].append(content["images"][0])
    path.write_text(json.dumps(content))
    with pytest.raises(UnreadableImageError, match="1 ids are of several images"):
        CocoJson(str(root))


def test_a_text_file_of_yolo_without_its_picture_is_named(tmp_path):
    root = make_tree("yolo", tmp_path)
    (root / "images/train/0.png").unlink()
    (root / "labels/train/1.txt").unlink()
    lines = said_of(lambda: Yolo(str(root)))
    assert any("1 text files are of no image and are left out: 0" in line for line in lines)
    assert any("1 images have no text file and are background throughout: 1" in x for x in lines)


def test_accents_of_yolo_may_be_decomposed(tmp_path):
    root = make_tree("yolo", tmp_path)
    decomposed = "cafe\u0301"
    (root / "images/train/0.png").rename(root / f"images/train/{decomposed}.png")
    (root / "labels/train/0.txt").rename(root / f"labels/train/{decomposed}.txt")
    source = Yolo(str(root))
    (sample,) = (each for each in source.samples("train") if each.id == "caf\u00e9")
    assert source.read_mask(sample).any()


@pytest.mark.parametrize("option", ["labelme", "yolo"])
@pytest.mark.parametrize("split", ["val", "test"])
def test_pictures_beside_the_folder_of_a_split_are_not_train_with_it(option, split, tmp_path):
    root = make_tree(option, tmp_path)
    for parent in {"labelme": [root], "yolo": [root / "images", root / "labels"]}[option]:
        for path in list((parent / "train").iterdir()):
            path.rename(parent / path.name)
        (parent / "train").rmdir()
        (parent / "val").rename(parent / split)
    with pytest.raises(DataRootError, match=f"pictures beside the folder {split}, which is a"):
        open_source(option, root).samples("train")


@pytest.mark.parametrize("option", ["coco", "labelme", "cvat"])
@pytest.mark.parametrize(("size", "hint"), [((12, 16), ""), (SIZE[::-1], "agree when turned")])
def test_a_picture_of_another_size_than_was_drawn_on_is_named(option, size, hint, tmp_path):
    root = make_tree(option, tmp_path)
    name_sizes(root)
    source = open_source(option, root)
    sample = source.samples("train")[0]
    assert source.read_mask(sample).any()
    save(Path(sample.image), picture(0, size))
    message = f"{size[1]}x{size[0]} and .* was drawn on one of {SIZE[1]}x{SIZE[0]}.*{hint}"
    with pytest.raises(SizeMismatchError, match=message):
        source.read_mask(sample)
    assert "size" in {each.kind for each in inspect_source(source).defects}


def name_sizes(root):
    """Let files of JSON name the size of their pictures."""
    height, width = SIZE
    for path in root.rglob("*.json"):
        tree = json.loads(path.read_text())
        for each in tree.get("images", ()):
            each |= {"height": height, "width": width}
        path.write_text(json.dumps(tree | {"imageHeight": height, "imageWidth": width}))


def test_a_file_of_labelme_without_its_picture_is_named(tmp_path):
    root = make_tree("labelme", tmp_path)
    (root / "train/0.png").unlink()
    (root / "train/1.json").unlink()
    lines = said_of(lambda: LabelMe(str(root)))
    assert any(
        "1 JSON files have no image beside them and are left out: 0.json" in x for x in lines
    )
    assert any("1 images have no JSON file beside them and are left out: 1" in x for x in lines)


def test_two_images_of_one_name_are_refused(tmp_path):
    root = make_tree("labelme", tmp_path)
    save(root / "train/0.bmp", picture(0))
    with pytest.raises(PairingError, match="two images named '0'"):
        LabelMe(str(root))


@pytest.mark.parametrize("category", ["a", None, [1]])
def test_a_category_of_coco_that_is_no_number_names_the_file(tmp_path, category):
    with pytest.raises(UnreadableImageError, match=r"annotations\.json: .*; correct the file"):
        coco_file(tmp_path, [[1, 1, 3, 1, 3, 3]], category_id=[1])
    tree = json.loads((tmp_path / "annotations.json").read_text())
    tree["annotations"][0]["category_id"], tree["categories"][0]["id"] = 3, category
    (tmp_path / "annotations.json").write_text(json.dumps(tree))
    with pytest.raises(UnreadableImageError, match=r"annotations\.json: .*; correct the file"):
        CocoJson(str(tmp_path))


def test_a_shape_of_labelme_that_is_none_names_the_file(tmp_path):
    root = make_tree("labelme", tmp_path)
    (root / "train/0.json").write_text(json.dumps({"shapes": ["polygon"]}))
    with pytest.raises(UnreadableImageError, match=r"0\.json: 'polygon' is no shape"):
        LabelMe(str(root))


def test_an_error_about_one_object_names_it(tmp_path):
    with pytest.raises(UnreadableImageError, match=r"json#7: annotation 1: .* pairs of numbers"):
        coco_file(tmp_path, [[1, 2, 3]])
    with pytest.raises(LabelValueError, match=r"json#7 holds annotation 1, an object 9, which is"):
        coco_file(tmp_path, [[1, 1, 3, 1, 3, 3]], category_id=9)
    with pytest.raises(UnreadableImageError, match=r"annotation 1 of .*json#7 is 2x2 and its"):
        coco_file(tmp_path, {"size": [2, 2], "counts": [0, 4]})


def test_json_files_of_labelme_in_a_linked_folder_are_seen(tmp_path):
    root = make_tree("labelme", tmp_path / "set")
    lines(tmp_path / "far/alone.json", ["{}"])
    (root / "train/far").symlink_to(tmp_path / "far")
    said = said_of(lambda: LabelMe(str(root)))
    assert any("no image beside them and are left out: alone.json" in each for each in said)
