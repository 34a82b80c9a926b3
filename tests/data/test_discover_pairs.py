import csv

import numpy as np
import pytest

from outtake.core.errors import DataRootError, EmptySplitError, PairingError
from outtake.data.folder import Folder
from tests.data.generated import label_map, picture, save


def fill(images, masks, names="abc", ending="", extension="png"):
    for seed, name in enumerate(names):
        save(images / f"{name}.{extension}", picture(seed))
        save(masks / f"{name}{ending}.png", label_map(seed))


LAYOUTS = {
    "split first": ("{0}/images", "{0}/masks"),
    "split last": ("images/{0}", "masks/{0}"),
    "labels": ("images/{0}", "labels/{0}"),
    "annotations": ("images/{0}", "annotations/{0}"),
    "like CamVid": ("{0}", "{0}annot"),
    "beside": ("{0}", "{0}_masks"),
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


def test_subfolders_are_part_of_the_id(tmp_path):
    for town in ("one", "two"):
        fill(tmp_path / "train/images" / town, tmp_path / "train/masks" / town, "ab")
    ids = [pair.id for pair in Folder(str(tmp_path)).samples("train")]
    assert ids == ["one/a", "one/b", "two/a", "two/b"]


def test_formats_may_be_mixed_and_other_files_lie_about(tmp_path):
    images, masks = tmp_path / "train/images", tmp_path / "train/masks"
    for name, extension in zip("abcd", ("png", "JPG", "bmp", "tiff"), strict=True):
        fill(images, masks, name, extension=extension)
    (images / "readme.txt").write_text("notes")
    (images / "._a.png").write_bytes(b"junk of a file system")
    source = Folder(str(tmp_path))
    assert [source.read_image(pair).shape for pair in source.samples("train")] == [(24, 32, 3)] * 4


def test_mask_names_may_have_an_ending(tmp_path):
    fill(tmp_path / "train/images", tmp_path / "train/masks", ending="_gt")
    with pytest.raises(PairingError, match="mask_suffix=_gt"):
        Folder(str(tmp_path))
    source = Folder(str(tmp_path), mask_suffix="_gt")
    assert [pair.id for pair in source.samples("train")] == ["a", "b", "c"]


def write_csv(path, rows, header=("split", "image", "mask")):
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8-sig") as file:
        csv.writer(file).writerows([header, *rows])
    return path


def test_a_csv_lists_samples_relative_to_itself(tmp_path):
    fill(tmp_path / "pictures", tmp_path / "drawings")
    rows = [
        (split, f"pictures/{name}.png", f"drawings/{name}.png")
        for split, name in [("train", "b"), ("train", "a"), ("valid", "c")]
    ]
    table = write_csv(tmp_path / "list.csv", rows)
    source = Folder(str(tmp_path), csv="list.csv")
    assert [pair.id for pair in source.samples("train")] == ["pictures/a", "pictures/b"]
    assert [pair.id for pair in source.samples("val")] == ["pictures/c"]
    assert len(Folder(str(tmp_path), csv=str(table)).samples("train")) == 2


def test_a_csv_without_splits_is_divided(tmp_path):
    fill(tmp_path / "i", tmp_path / "m", "abcd")
    rows = [(f"i/{name}.png", f"m/{name}.png") for name in "abcd"]
    write_csv(tmp_path / "list.csv", rows, ("image", "mask"))
    source = Folder(str(tmp_path), csv="list.csv", val_fraction=0.25)
    assert (len(source.samples("train")), len(source.samples("val"))) == (3, 1)


@pytest.mark.parametrize(
    ("header", "rows", "error", "message"),
    [
        (("split", "image"), [("train", "i/a.png")], DataRootError, "needs split, image, mask"),
        (("split", "image", "mask"), [], EmptySplitError, "no rows"),
        (("split", "image", "mask"), [("dev", "i/a.png", "m/a.png")], DataRootError, "'dev'"),
        (("split", "image", "mask"), [("train", "i/x.png", "m/a.png")], PairingError, r"line 2"),
        (
            ("split", "image", "mask"),
            [("train", "i/a.png", "m/a.png")] * 2,
            PairingError,
            "more than once: i/a",
        ),
        (("split", "image", "mask"), [("train", "", "m/a.png")], PairingError, "line 2"),
    ],
)
def test_a_wrong_csv(tmp_path, header, rows, error, message):
    fill(tmp_path / "i", tmp_path / "m")
    write_csv(tmp_path / "list.csv", rows, header)
    with pytest.raises(error, match=message):
        Folder(str(tmp_path), csv="list.csv")


def test_a_missing_csv(tmp_path):
    with pytest.raises(DataRootError, match=r"list.csv.*data.source.csv"):
        Folder(str(tmp_path), csv="list.csv")


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


def test_an_image_without_mask_and_a_mask_without_image(tmp_path):
    images, masks = tmp_path / "train/images", tmp_path / "train/masks"
    fill(images, masks, "abcdefg")
    for name in "abcde":
        (masks / f"{name}.png").unlink()
    (images / "g.png").unlink()
    message = r"5 of 6 images .*: a, b, c and 2 more; 1 of 2 masks .*: g; add what is missing"
    with pytest.raises(PairingError, match=message):
        Folder(str(tmp_path))


def test_two_images_of_one_name(tmp_path):
    fill(tmp_path / "train/images", tmp_path / "train/masks")
    save(tmp_path / "train/images/a.bmp", picture(0))
    with pytest.raises(PairingError, match=r"two images named 'a': a.bmp and a.png"):
        Folder(str(tmp_path))


def test_an_empty_split(folder):
    root = folder(val=0)
    (root / "val/images").mkdir(parents=True)
    (root / "val/masks").mkdir()
    with pytest.raises(EmptySplitError, match="val/images"):
        Folder(str(root)).samples("val")


def test_jpeg_masks_are_refused(tmp_path):
    save(tmp_path / "train/images/a.png", picture(0))
    save(tmp_path / "train/masks/a.jpg", label_map(0))
    with pytest.raises(PairingError, match="JPEG"):
        Folder(str(tmp_path))
