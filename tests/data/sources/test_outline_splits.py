"""Which pictures of the formats of drawn outlines are train, val and test."""

import json
import warnings
from unicodedata import normalize

import pytest

from outtake.core.errors import DataRootError, PairingError, UnreadableImageError
from outtake.data.source import DataChoice, DataWarning
from outtake.data.sources.coco import CocoJson
from outtake.data.sources.labelme import LabelMe
from outtake.data.sources.yolo import Yolo
from tests.data.generated import picture, save
from tests.data.sources.trees import lines, make_tree, open_source


def ids_of(source):
    """The ids of each split; None for one that is missing."""
    found = {}
    for split in ("train", "val", "test"):
        try:
            found[split] = [each.id for each in source.samples(split)]
        except DataRootError:
            found[split] = None
    return found


def rename_splits(root, names):
    """Rename every folder of a split, with what is in it."""
    for path in sorted(root.rglob("*"), reverse=True):
        if path.is_dir() and path.name in names:
            path.rename(path.with_name(names[path.name]))


@pytest.mark.parametrize("option", ["labelme", "yolo"])
@pytest.mark.parametrize(
    "names", [("Train", "Validation"), ("train2017", "val2017"), ("TRAIN", "VAL")]
)
def test_folders_of_splits_may_be_spelt_otherwise(option, names, tmp_path):
    root = make_tree(option, tmp_path)
    rename_splits(root, dict(zip(("train", "val"), names, strict=True)))
    assert ids_of(open_source(option, root, val_fraction=0.2)) == {
        "train": list("01234"), "val": list("567"), "test": None,
    }  # fmt: skip


def test_a_folder_of_labelme_that_may_be_a_split_is_not_trained_on(tmp_path):
    root = make_tree("labelme", tmp_path)
    rename_splits(root, {"train": "mine", "val": "test-dev"})
    with pytest.raises(DataRootError, match=r"test-dev may be a split"):
        open_source("labelme", root)


def test_pictures_without_a_file_of_labelme_may_lie_in_any_folder(tmp_path):
    root = make_tree("labelme", tmp_path)
    rename_splits(root, {"train": "mine", "val": "train_2"})
    save(root / "test_images/a.png", picture(0))
    source = LabelMe(str(root), val_fraction=0.2)
    assert sorted(len(source.samples(split)) for split in ("train", "val")) == [2, 6]


def yolo_tree(root, content, pictures):
    """A data.yaml, and pictures each with a text file where ``images`` is ``labels``."""
    lines(root / "data.yaml", ["names: [cat, dog]", *content])
    for number, name in enumerate(pictures):
        save(root / name, picture(number))
        text = (root / name.replace("images/", "labels/")).with_suffix(".txt")
        lines(text, ["1 0.1 0.1 0.9 0.1 0.5 0.9"])
    return root


FLAT = [f"images/{number}.png" for number in range(4)]
ROBOFLOW = ["train/images/0.png", "train/images/1.png", "valid/images/2.png", "test/images/3.png"]
PLACES = {
    "folders": (
        ["path: .", "train: images/a", "val: images/b", "test: images/c"],
        ["images/a/0.png", "images/a/1.png", "images/b/2.png", "images/c/3.png"],
    ),
    "some are looked for": (
        ["train: images/a", "val: [images/b]", "test:"],
        ["images/a/0.png", "images/a/1.png", "images/b/2.png", "images/Test/3.png"],
    ),
    "lists": (["path: .", "train: train.txt", "val: [val.txt]", "test: test.txt"], FLAT),
    "roboflow": (
        ["train: ../train/images", "val: ../valid/images", "test: ../test/images"], ROBOFLOW,
    ),
    "another machine": (
        ["path: /content/set", "train: /content/set/train/images", "test: test/images",
         "val: 'C:\\set\\valid\\images'"],
        ROBOFLOW,
    ),
    "beside": (["train: a", "val: b", "test: c"], ["a/0.png", "a/1.png", "b/2.png", "c/3.png"]),
}  # fmt: skip


@pytest.mark.parametrize("kind", PLACES)
def test_data_yaml_says_where_the_splits_of_yolo_are(tmp_path, kind):
    root = yolo_tree(tmp_path / "set", *PLACES[kind])
    if kind == "lists":
        (root / "train.txt").write_bytes(b"\xef\xbb\xbf./images/0.png\r\nimages/1.png\r\n")
        lines(root / "val.txt", ["/home/me/set/images/2.png"])
        lines(root / "test.txt", [r"images\3.png"])
    source = Yolo(str(root), val_fraction=0.2)
    assert ids_of(source) == {"train": ["0", "1"], "val": ["2"], "test": ["3"]}
    for split in ("train", "val", "test"):
        for sample in source.samples(split):
            assert (source.read_mask(sample) == 2).any()


def test_what_is_taken_in_place_of_the_paths_of_another_machine_is_said(tmp_path):
    content, pictures = PLACES["another machine"]
    yolo_tree(tmp_path / "set", content, pictures)
    with pytest.warns(DataChoice, match="train is /content/set/train/images, taken to be"):
        Yolo(str(tmp_path / "set"))
    with pytest.warns(DataChoice, match="the path /content/set is not there, .* is taken"):
        Yolo(str(tmp_path / "set"))


@pytest.mark.parametrize(
    "content", [PLACES["roboflow"][0], ["path: ../datasets/set", *PLACES["roboflow"][0]]]
)
def test_what_tools_write_beside_their_folders_needs_no_line(tmp_path, content):
    source = said_nothing(lambda: Yolo(str(yolo_tree(tmp_path / "set", content, ROBOFLOW))))
    assert ids_of(source) == {"train": ["0", "1"], "val": ["2"], "test": ["3"]}


def said_nothing(open_it):
    with warnings.catch_warnings():
        warnings.simplefilter("error", DataWarning)
        source = open_it()
        for split in ("train", "val", "test"):
            source.samples(split)
    return source


def test_the_usual_folder_stands_for_a_whole_path_of_another_machine(tmp_path):
    content = ["train: /content/set/train/images", r"val: 'C:\set\valid\images'"]
    root = yolo_tree(tmp_path, content, ["images/train/0.png", "images/val/1.png"])
    with pytest.warns(DataWarning, match=r"train is /content/.*, which is not there; .* is taken"):
        source = Yolo(str(root))
    assert ids_of(source) == {"train": ["0"], "val": ["1"], "test": None}


def test_a_val_that_is_train_has_a_line(tmp_path):
    root = yolo_tree(tmp_path, ["train: images", "val: images"], FLAT)
    with pytest.warns(DataWarning, match="val is images, as train is"):
        source = Yolo(str(root))
    assert source.samples("val") == source.samples("train")


def test_a_split_that_data_yaml_names_and_that_is_missing_is_refused(tmp_path):
    content = ["train: images/train", "val: images/valley", "test: ../test/images"]
    root = yolo_tree(tmp_path / "set", content, ["images/train/0.png", "images/val/1.png"])
    source = Yolo(str(root), val_fraction=0.2)
    with pytest.raises(DataRootError, match=r"data\.yaml says that val is images/valley, which is"):
        source.samples("train")
    with pytest.raises(DataRootError, match="no split 'test'"):
        source.samples("test")
    assert any("test is ../test/images, which is not there" in line for line in source.flaws)


def test_the_folder_images_of_another_machine_is_not_that_of_every_split(tmp_path):
    content = ["train: /content/a/images", "val: /content/b/images"]
    with pytest.raises(DataRootError, match="val is /content/b/images, which is not there"):
        Yolo(str(yolo_tree(tmp_path, content, FLAT))).samples("val")


def test_images_of_no_list_and_lines_of_no_image_are_named(tmp_path):
    root = yolo_tree(tmp_path, ["train: train.txt", "val: val.txt"], FLAT)
    lines(root / "train.txt", ["./images/0.png"])
    lines(root / "val.txt", ["./images/1.png"])
    source = Yolo(str(root))
    with pytest.warns(DataWarning, match=r"2 images are in no list and are left out: 2.png, 3.png"):
        source.samples("train")
    lines(root / "val.txt", ["./images/7.png"])
    with pytest.raises(PairingError, match=r"1 images that .*val.txt lists are not there: "):
        Yolo(str(root)).samples("val")


def test_a_train_of_yolo_that_holds_another_split_is_refused(tmp_path):
    root = yolo_tree(tmp_path, ["train: images"], ["images/train/0.png", "images/val/1.png"])
    with pytest.raises(DataRootError, match="which has the folder val of another split in it"):
        Yolo(str(root)).samples("train")


def test_several_folders_of_a_split_of_yolo_are_one(tmp_path):
    places = ["images/a/0.png", "images/b/0.png", "images/b/more/1.png", "images/v/2.png"]
    root = yolo_tree(tmp_path, ["train: [images/a, images/b]", "val: images/v"], places)
    assert ids_of(Yolo(str(root)))["train"] == ["a/0", "b/0", "b/more/1"]


def coco_json(path, names, category=1):
    """A file of COCO with one object on each image."""
    square = [[4, 4, 14, 4, 14, 14, 4, 14]]
    content = {
        "images": [{"id": number, "file_name": name} for number, name in enumerate(names)],
        "annotations": [
            {"id": number, "image_id": number, "category_id": category, "segmentation": square}
            for number in range(len(names))
        ],
        "categories": [{"id": 0, "name": "cat"}, {"id": 1, "name": "dog"}],
    }
    lines(path, [json.dumps(content)])


def coco_images(root, names):
    for number, name in enumerate(names):
        save(root / name, picture(number))


@pytest.mark.parametrize(
    ("train", "val"),
    [
        ("train.json", "val.json"),
        ("annotations/instances_Train.json", "annotations/instances_Validation.json"),
        ("train_annotations.coco.json", "annotations_valid.json"),
        ("annotations/instances_train2014.json", "annotations/instances_val2014.json"),
    ],
)
@pytest.mark.parametrize("general", ["annotations.json", "annotations/instances_default.json"])
def test_a_file_of_coco_named_after_a_split_comes_before_one_of_all(tmp_path, general, train, val):
    names = [f"{number}.png" for number in range(6)]
    coco_images(tmp_path / "images", names)
    coco_json(tmp_path / general, names)
    coco_json(tmp_path / train, names[:3])
    coco_json(tmp_path / val, names[3:5])
    coco_json(tmp_path / "test.json", names[5:])
    with pytest.warns(DataWarning, match=rf"passed over: .* is train: {general}"):
        source = CocoJson(str(tmp_path), 0.2)
    assert ids_of(source) == {"train": ["0", "1", "2"], "val": ["3", "4"], "test": ["5"]}


def test_a_file_of_coco_of_all_images_is_train_without_those_of_other_splits(tmp_path):
    names = [f"{number}.png" for number in range(4)]
    coco_images(tmp_path / "images", names)
    coco_json(tmp_path / "annotations.json", names)
    coco_json(tmp_path / "val.json", names[2:])
    with pytest.warns(DataWarning, match=r"2 images are of the file of another split too.*2.png"):
        source = CocoJson(str(tmp_path))
    assert ids_of(source) == {"train": ["0", "1"], "val": ["2", "3"], "test": None}


def test_a_category_0_of_coco_that_only_val_uses_is_a_class(tmp_path):
    coco_images(tmp_path / "images", ["0.png", "1.png"])
    coco_json(tmp_path / "train.json", ["0.png"])
    coco_json(tmp_path / "val.json", ["1.png"], category=0)
    source = CocoJson(str(tmp_path))
    assert source.labels.names == ("background", "cat", "dog")
    assert (source.read_mask(source.samples("val")[0]) == 1).any()


@pytest.mark.parametrize(
    ("stored", "written"),
    [
        ("a/0.png", r"a\0.png"),
        ("cafe\u0301.png", "caf\u00e9.png"),
        ("caf\u00e9.png", "cafe\u0301.png"),
        ("a/0.png", "../images/./a/0.png"),
    ],
)
def test_names_of_coco_may_be_spelt_as_on_another_system(tmp_path, stored, written):
    coco_images(tmp_path / "images", [stored])
    coco_json(tmp_path / "annotations.json", [written])
    source = CocoJson(str(tmp_path))
    (sample,) = source.samples("train")
    assert source.read_image(sample).any() and not source.flaws
    assert "\\" not in sample.id and sample.id == normalize("NFC", sample.id)


def test_images_that_no_file_of_coco_lists_are_named(tmp_path):
    coco_images(tmp_path / "images", [f"{number}.png" for number in range(5)])
    coco_json(tmp_path / "train.json", ["0.png"])
    coco_json(tmp_path / "val.json", ["1.png"])
    said = r"images: 3 images are listed in no file of COCO and are left out: 2.png, 3.png, 4.png"
    with pytest.warns(DataWarning, match=said):
        CocoJson(str(tmp_path))


def test_a_list_of_test_without_annotations_does_not_stop_training(tmp_path):
    coco_images(tmp_path / "images", ["0.png", "1.png"])
    coco_json(tmp_path / "annotations.json", ["0.png"])
    (tmp_path / "test.json").write_text('{"images": [{"id": 1, "file_name": "1.png"}]}')
    source = CocoJson(str(tmp_path))
    assert [each.id for each in source.samples("train")] == ["0"]
    with pytest.raises(UnreadableImageError, match=r"test\.json is not a file of COCO"):
        source.samples("test")


def test_masks_and_previews_beside_images_in_the_root_are_not_named(tmp_path):
    coco_images(tmp_path, ["0.png", "1.png", "masks/0.png"])
    coco_json(tmp_path / "annotations.json", ["0.png"])
    source = CocoJson(str(tmp_path))
    (line,) = source.flaws
    assert line.endswith("1 images are listed in no file of COCO and are left out: 1.png")


def test_the_images_of_another_split_of_coco_may_be_missing(tmp_path):
    coco_images(tmp_path / "train2017", ["0.png"])
    coco_json(tmp_path / "annotations/instances_train2017.json", ["0.png"])
    coco_json(tmp_path / "annotations/instances_val2017.json", ["1.png"])
    source = CocoJson(str(tmp_path))
    assert ids_of(source) == {"train": ["0"], "val": None, "test": None}


def test_splits_of_labelme_farther_below_the_root_are_not_trained_on(tmp_path):
    make_tree("labelme", tmp_path / "mine")
    with pytest.raises(DataRootError, match=rf"is a split and .*; give {tmp_path}/mine as the"):
        open_source("labelme", tmp_path)
