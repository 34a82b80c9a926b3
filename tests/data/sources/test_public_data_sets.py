"""Each public data set on a tree of its official layout: names, splits and what is ignored."""

import numpy as np
import pytest
from PIL import Image

from outtake.config.compose import CONF_DIR
from outtake.core.errors import ConfigError, DataRootError, PairingError, UnreadableImageError
from outtake.data.sources.pascal_voc import PascalVOC
from tests.data.generated import label_map
from tests.data.sources.trees import (
    POLYGONS,
    TRAIN,
    TREES,
    VAL,
    make_tree,
    mat,
    open_source,
    sbd,
    stored,
)

IGNORED = 255
# The number of classes, and the class of each value that the tree stores, in its order.
WANTED = {
    "cityscapes": (19, [IGNORED, "road", "car", "bicycle"]),
    "kitti": (19, [IGNORED, "road", "car", "bicycle"]),
    "kitti_road": (2, ["background", "road", IGNORED]),
    "pascal_voc": (21, ["background", "person", "tvmonitor", IGNORED]),
    "pascal_context": (60, ["background", "bicycle", "wood"]),
    "ade20k": (150, [IGNORED, "wall", "flag"]),
    "coco_stuff": (171, ["person", "fire hydrant", "stop sign", "wood", IGNORED]),
    "camvid32": (31, [IGNORED, "animal", "wall"]),
    "oxford_pet": (2, ["background", "pet", IGNORED]),
    "polyps": (2, ["background", "polyp"]),
    "nyu_depth": (40, [IGNORED, "wall", "other prop"]),
    "sift_flow": (33, [IGNORED, "awning", "window"]),
}


def test_every_option_has_a_tree():
    options = {path.stem for path in (CONF_DIR / "data").glob("*.yaml")}
    assert TREES.keys() == options - {"camvid", "clip", "combined", "folder", "packed", "scenes"}


@pytest.mark.parametrize("option", WANTED)
def test_names_and_ids_are_those_of_the_data_set(option, tmp_path):
    source = open_source(option, make_tree(option, tmp_path))
    classes, meaning = WANTED[option]
    assert len(source.labels.names) == classes and source.channels == 3
    wanted = [IGNORED if each == IGNORED else source.labels.names.index(each) for each in meaning]
    for sample in source.samples("train"):
        number = int("".join(filter(str.isdigit, sample.id.split("_")[-1])) or 0)
        number = int(sample.id.split("_")[-2]) if option in ("cityscapes", "kitti") else number
        found = source.read_mask(sample)
        expected = np.array(wanted, np.uint8)[label_map(number, classes=len(wanted))]
        assert (found == expected).mean() > (0.95 if option == "polyps" else 0.999)


@pytest.mark.parametrize("option", TREES)
def test_splits_do_not_overlap(option, tmp_path):
    source = open_source(option, make_tree(option, tmp_path))
    train, val = ({each.id for each in source.samples(split)} for split in ("train", "val"))
    assert train and val and not train & val
    if option not in ("kitti", "kitti_road", "polyps", "oxford_pet", "sift_flow", "nyu_depth"):
        assert (len(train), len(val)) == (TRAIN, VAL)


@pytest.mark.parametrize(
    "option", ["cityscapes", "oxford_pet", "camvid32", "sift_flow", "nyu_depth"]
)
def test_the_official_test_split_is_there(option, tmp_path):
    source = open_source(option, make_tree(option, tmp_path))
    test = {each.id for each in source.samples("test")}
    assert test and not test & {each.id for each in source.samples("train")}


@pytest.mark.parametrize("option", ["ade20k", "pascal_voc", "coco_stuff"])
def test_a_split_without_public_masks_is_one_line(option, tmp_path):
    with pytest.raises(DataRootError, match="has no split 'test' with masks"):
        open_source(option, make_tree(option, tmp_path)).samples("test")


@pytest.mark.parametrize("option", [name for name in TREES if name not in POLYGONS])
def test_an_empty_root_is_one_line_that_names_what_is_missing(option, tmp_path):
    with pytest.raises(DataRootError, match=r"missing|cannot read the list"):
        open_source(option, tmp_path).samples("train")


def test_a_class_more_by_choice(tmp_path):
    pets = open_source("oxford_pet", make_tree("oxford_pet", tmp_path / "p"), border=True)
    assert pets.labels.names == ("background", "pet", "border")
    context = make_tree("pascal_context", tmp_path / "c")
    source = open_source("pascal_context", context, background=False)
    assert len(source.labels.names) == 59
    assert (source.read_mask(source.samples("train")[0]) == IGNORED).any()


def test_seg11valid_leaves_out_what_sbd_trains_on(tmp_path):
    make_tree("pascal_voc", tmp_path)  # train 0 to 4, val 5 to 7
    sbd(tmp_path / "sbd", train=(0, 5, 20), val=(6, 21))
    source = PascalVOC(str(tmp_path), str(tmp_path / "sbd"))
    assert [each.id[-2:] for each in source.samples("train")] == ["00", "05", "20"]
    assert [each.id[-2:] for each in source.samples("val")] == ["06", "07"]
    sample = source.samples("train")[2]
    assert np.array_equal(source.read_mask(sample), stored(20, [0, 3, 20]))
    mat(tmp_path / "sbd/cls/2007_000020.mat", GTcls=1)
    with pytest.raises(UnreadableImageError, match=r"000020.mat: .*restore the file"):
        source.read_mask(sample)


def test_trainaug_is_all_but_val(tmp_path):
    make_tree("pascal_voc", tmp_path)
    sbd(tmp_path / "sbd", train=(0, 5, 20), val=(6, 21))
    source = PascalVOC(str(tmp_path), str(tmp_path / "sbd"), "trainaug")
    train = [each.id[-2:] for each in source.samples("train")]
    assert train == ["00", "01", "02", "03", "04", "20", "21"]
    assert [each.id[-2:] for each in source.samples("val")] == ["05", "06", "07"]
    assert source.samples("train")[0].mask.endswith(".png")  # VOC's own is the finer one
    (tmp_path / "sbd/cls/2007_000020.mat").unlink()
    with pytest.raises(PairingError, match="1 images that SBD lists"):
        source.samples("train")
    with pytest.raises(ConfigError, match="seg11valid or trainaug"):
        PascalVOC(str(tmp_path), rule="all")


@pytest.mark.parametrize("option", ["cityscapes", "nyu_depth"])
def test_samples_of_more_than_8_bits_are_refused(option, tmp_path):
    source = open_source(option, make_tree(option, tmp_path))
    sample = source.samples("train")[0]
    Image.fromarray(np.full((24, 32), 4000, np.uint16)).save(sample.image)
    message = (
        "stores uint16, and this data set's release 8 bits; with data=folder data.source.range"
    )
    with pytest.raises(UnreadableImageError, match=message):
        source.read_image(sample)


def test_no_option_is_advised_that_a_public_data_set_does_not_have(tmp_path):
    make_tree("pascal_voc", tmp_path)
    listed = tmp_path / "ImageSets" / "Segmentation" / "train.txt"
    before = listed.read_text()
    listed.write_text(f"{before}\nnowhere\n")
    with pytest.raises(PairingError, match=r": nowhere; add them, or take them out of the list$"):
        PascalVOC(str(tmp_path)).samples("train")
    listed.write_text(before)
    next((tmp_path / "SegmentationClass").glob(f"{before.split()[0]}*")).unlink()
    with pytest.raises(PairingError, match=r"; add what is missing, or remove the partner$"):
        PascalVOC(str(tmp_path)).samples("train")
