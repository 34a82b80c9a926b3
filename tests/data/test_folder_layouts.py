import numpy as np
import pytest

from outtake.core.errors import ConfigError, DataRootError
from outtake.data.folder import Folder
from outtake.data.source import DataWarning
from tests.data.generated import fill, label_map, picture, save

LAYOUTS = {
    "split first": ("{0}/images", "{0}/masks"),
    "split last": ("images/{0}", "masks/{0}"),
    "labels": ("images/{0}", "labels/{0}"),
    "annotations": ("images/{0}", "annotations/{0}"),
    "like CamVid": ("{0}", "{0}annot"),
    "beside": ("{0}", "{0}_masks"),
    "image-segmentation-keras": ("images_prepped_{0}", "annotations_prepped_{0}"),
    "MMSegmentation": ("img_dir/{0}", "ann_dir/{0}"),
    "kinds beside": ("{0}_images", "{0}_masks"),
}


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS.keys())
def test_layouts(tmp_path, layout):
    for split in ("train", "val"):
        fill(*(tmp_path / part.format(split) for part in layout))
    source = Folder(str(tmp_path))
    assert [pair.id for pair in source.samples("val")] == ["a", "b", "c"]
    assert source.channels == 3
    for seed, pair in enumerate(source.samples("train")):
        assert np.array_equal(source.read_image(pair), picture(seed))
        assert np.array_equal(source.read_mask(pair), label_map(seed))


def test_splits_by_other_names(tmp_path):
    fill(tmp_path / "images/training", tmp_path / "annotations/training")
    fill(tmp_path / "images/validation", tmp_path / "annotations/validation")
    assert len(Folder(str(tmp_path)).samples("val")) == 3


def test_no_such_root(tmp_path):
    with pytest.raises(DataRootError, match=r"no such data root: .*nowhere; set data.root"):
        Folder(str(tmp_path / "nowhere"))


def test_a_root_without_any_layout_says_what_it_holds(tmp_path):
    (tmp_path / "stuff").mkdir()
    with pytest.raises(DataRootError, match=r"which holds: stuff; the layouts are: train/images"):
        Folder(str(tmp_path))


def test_images_without_a_folder_of_masks(tmp_path):
    save(tmp_path / "train/images/a.png", picture(0))
    with pytest.raises(DataRootError, match="no folder of masks"):
        Folder(str(tmp_path))


def test_voc_lists_name_the_images_of_a_split(tmp_path):
    fill(tmp_path / "JPEGImages", tmp_path / "SegmentationClass", "abcd")
    save(tmp_path / "JPEGImages/not_segmented.png", picture(9))
    lists = tmp_path / "ImageSets" / "Segmentation"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_text("c\na\n")
    (lists / "val.txt").write_text("b\n")
    source = Folder(str(tmp_path))
    assert [pair.id for pair in source.samples("train")] == ["a", "c"]
    assert [pair.id for pair in source.samples("val")] == ["b"]


@pytest.mark.parametrize("kind", ["labelIds", "labelTrainIds"])
def test_cityscapes_endings_are_known(tmp_path, kind):
    for split in ("train", "val"):
        images, masks = (
            tmp_path / "leftImg8bit" / split / "bonn",
            tmp_path / "gtFine" / split / "bonn",
        )
        for seed, name in enumerate(("bonn_0", "bonn_1")):
            save(images / f"{name}_leftImg8bit.png", picture(seed))
            save(masks / f"{name}_gtFine_{kind}.png", label_map(seed))
            save(masks / f"{name}_gtFine_color.png", picture(seed))
            (masks / f"{name}_gtFine_polygons.json").write_text("{}")
    with pytest.warns(DataWarning, match=f"NAME_gtFine_{kind}"):
        source = Folder(str(tmp_path))
    assert [pair.id for pair in source.samples("train")] == ["bonn/bonn_0", "bonn/bonn_1"]
    assert source.labels.names == ("class_0", "class_1", "class_2")


def test_pictures_beside_the_folder_of_a_split_are_not_train_with_it(tmp_path):
    fill(tmp_path / "images", tmp_path / "masks")
    fill(tmp_path / "images/test", tmp_path / "masks/test")
    with pytest.raises(DataRootError, match="pictures beside the folder test, which is a split"):
        Folder(str(tmp_path))


def test_any_two_folders_can_be_named(tmp_path):
    fill(tmp_path / "photos", tmp_path / "elsewhere/drawn")
    source = Folder(images=str(tmp_path / "photos"), masks=str(tmp_path / "elsewhere/drawn"))
    assert [pair.id for pair in source.samples("train")] == ["a", "b", "c"]
    below = Folder(str(tmp_path), images="photos", masks="elsewhere/drawn")
    assert below.samples("train") == source.samples("train")


def test_named_folders_may_have_one_for_each_split(tmp_path):
    for split in ("training", "val"):
        fill(tmp_path / "p" / split, tmp_path / "q" / split)
    source = Folder(str(tmp_path), images="p", masks="q")
    assert [len(source.samples(split)) for split in ("train", "val")] == [3, 3]


def test_one_named_folder_alone_and_none_at_all_are_one_line(tmp_path):
    with pytest.raises(ConfigError, match="go together"):
        Folder(str(tmp_path), images="photos")
    with pytest.raises(ConfigError, match=r"data.root has no value.*data.source.images"):
        Folder()
    with pytest.raises(DataRootError, match=r"data.source.masks=.*nowhere: no such folder"):
        (tmp_path / "photos").mkdir()
        Folder(str(tmp_path), images="photos", masks="nowhere")


CAPITALS, YEARS = ("Train", "Validation", "Test"), ("train2017", "val2017", "test2017")
# A year is a part of the name of a folder that a split has for itself.
OWN_FOLDERS = [each for each in LAYOUTS.values() if "_" not in each[0].replace("_dir", "")]


@pytest.mark.parametrize(
    ("layout", "names"),
    [
        *((layout, CAPITALS) for layout in (*LAYOUTS.values(), None)),
        *((layout, YEARS) for layout in (*OWN_FOLDERS, None)),
    ],
)
def test_splits_by_other_spellings_are_not_trained_on(tmp_path, layout, names):
    for number, name in enumerate(names):
        parts = layout or ("photos/{0}", "drawn/{0}")
        fill(*(tmp_path / part.format(name) for part in parts), "abcdefgh"[number * 2 :][:2])
    options = {} if layout else {"images": "photos", "masks": "drawn"}
    source = Folder(str(tmp_path), val_fraction=0.2, **options)
    ids = {split: [each.id for each in source.samples(split)] for split in ("train", "val", "test")}
    assert ids == {"train": ["a", "b"], "val": ["c", "d"], "test": ["e", "f"]}


def test_a_folder_that_may_be_a_split_is_not_trained_on(tmp_path):
    fill(tmp_path / "photos/mine", tmp_path / "drawn/mine")
    fill(tmp_path / "photos/test-dev", tmp_path / "drawn/test-dev", "xyz")
    with pytest.raises(DataRootError, match=r"test-dev may be a split.*; rename it"):
        Folder(str(tmp_path), images="photos", masks="drawn")
    for kind in ("photos", "drawn"):
        (tmp_path / kind / "test-dev").rename(tmp_path / kind / "tester")
    assert len(Folder(str(tmp_path), images="photos", masks="drawn").samples("train")) == 6


@pytest.mark.parametrize(
    "names",
    [
        ["train_0000", "train_0001"],
        ["training_data", "other"],
        ["TESTBED", "VALLEY", "tests"],
        ["here/train", "there/train"],
    ],
)
def test_folders_that_hold_no_other_split_are_all_train(tmp_path, names):
    for name in names:
        fill(tmp_path / "photos" / name, tmp_path / "drawn" / name, "ab")
    source = Folder(str(tmp_path), images="photos", masks="drawn")
    ids = [each.id for each in source.samples("train")]
    assert ids == sorted(f"{name}/{each}" for name in names for each in "ab")


@pytest.mark.parametrize("name", ["test_0001", "valImages", "TEST-2", "here/val"])
def test_folders_that_may_hold_another_split_are_named(tmp_path, name):
    for each in ("mine", name):
        fill(tmp_path / "photos" / each, tmp_path / "drawn" / each, "ab")
    with pytest.raises(DataRootError, match=rf"photos/{name} .*would be trained on"):
        Folder(str(tmp_path), images="photos", masks="drawn")


def test_two_folders_of_one_split_are_refused(tmp_path):
    for name in ("train2014", "train2017"):
        fill(tmp_path / "photos" / name, tmp_path / "drawn" / name)
    with pytest.raises(DataRootError, match="several folders of the split train: train2014, train"):
        Folder(str(tmp_path), images="photos", masks="drawn")


def test_images_that_are_divided_and_masks_that_are_not_are_refused(tmp_path):
    fill(tmp_path / "photos/Train", tmp_path / "drawn")
    with pytest.raises(
        DataRootError, match=r"photos has a folder for a split and .*drawn has none"
    ):
        Folder(str(tmp_path), images="photos", masks="drawn")
