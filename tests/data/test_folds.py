from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
import pytest
from PIL import Image

from outtake.core.errors import ConfigError
from outtake.core.labels import LabelSpace
from outtake.data.camvid import CamVid
from outtake.data.folder import Folder
from outtake.data.folds import FoldSource, assign_folds
from outtake.data.scenes import Scenes
from outtake.data.source import Sample, find_group


@dataclass
class Named:
    """A data set of names; an image tells its split by its first pixel."""

    names: dict[str, list[str]]
    name = "named"
    channels = 3
    labels = LabelSpace.from_names(("a", "b"))

    def samples(self, split):
        return [Sample(each, f"{split}:{each}", each) for each in self.names[split]]

    def read_image(self, sample):
        assert sample.id == sample.image.partition(":")[2], "a source may read by id"
        value = ["train", "val", "test"].index(sample.image.partition(":")[0])
        return np.full((2, 2, 3), value, np.uint8)

    read_mask = read_image

    def sample_bytes(self, sample):
        return (sample.image.encode(),)


def ids(source, split="val"):
    return {sample.id for sample in source.samples(split)}


def drives(count: int = 12) -> Named:
    frames = [f"drive{n % 4}_{n:03d}" for n in range(count)]
    return Named({"train": frames[:-2], "val": frames[-2:], "test": ["x_0"]})


def test_every_image_is_val_in_one_fold_and_train_in_all_others() -> None:
    found = [FoldSource(drives(), 5, fold, "name") for fold in range(5)]
    parts = [ids(each) for each in found]
    assert sorted(name for part in parts for name in part) == sorted(
        ids(found[0], "train") | parts[0]
    )
    assert sum(map(len, parts)) == 12 and {len(part) for part in parts} == {2, 3}
    for each in found:
        assert not ids(each) & ids(each, "train") and len(each.samples("train")) >= 9
        assert ids(each, "test") == {"x_0"}


def test_folds_do_not_depend_on_the_order_in_which_images_are_listed() -> None:
    turned = Named({split: names[::-1] for split, names in drives().names.items()})
    assert ids(FoldSource(turned, 3, 1, "name")) == ids(FoldSource(drives(), 3, 1, "name"))


def test_frames_of_a_recording_never_fall_on_both_sides() -> None:
    for fold in range(3):
        source = FoldSource(drives(), 3, fold, "(drive[0-9])_")
        sides = [{name[:6] for name in ids(source, split)} for split in ("train", "val")]
        assert not sides[0] & sides[1] and len(sides[0] | sides[1]) == 4
    scenes = Scenes(clips={"train": 3, "val": 2, "test": 1}, frames_per_clip=2)
    clips = [
        {name.rpartition("/")[0] for name in ids(FoldSource(scenes, 5, fold))} for fold in range(5)
    ]
    assert sorted(map(len, clips)) == [1] * 5 and len(set.union(*clips)) == 5


def test_large_groups_are_spread_so_that_folds_are_of_like_size() -> None:
    groups = ["a"] * 10 + ["b"] * 6 + ["c"] * 4 + ["d"] * 1
    place = assign_folds(groups, 2)
    assert place["a"] != place["b"] == place["c"]
    assert {place["a"], place["b"]} == {0, 1}


def test_images_of_one_name_in_both_splits_stay_two() -> None:
    double = Named({"train": ["a", "b"], "val": ["a", "c"], "test": ["a"]})
    source = FoldSource(double, 2, 0, "name")
    everything = [*source.samples("train"), *source.samples("val")]
    assert {sample.id for sample in everything} == {"train/a", "val/a", "b", "c"}
    seen = {sample.id: int(source.read_image(sample)[0, 0, 0]) for sample in everything}
    assert seen == {"train/a": 0, "val/a": 1, "b": 0, "c": 1}
    assert source.read_image(source.samples("test")[0])[0, 0, 0] == 2


@pytest.mark.parametrize(
    ("folds", "fold_by", "message"),
    [
        (5, "(drive[0-9])_", r"folds=5: .*4 groups .*drive0, drive1.*set folds=4"),
        (13, "name", r"folds=13: the data has 12 images .*and 6 more\), .* divided; set folds=12$"),
        (2, "drive[0-9]", r"fold_by=drive\[0-9\]: .*a group"),
        (2, "(drive", "no regular expression"),
        (2, "(town)", "finds nothing in drive0_000"),
    ],
)
def test_what_cannot_be_divided_is_said_in_a_line(folds: int, fold_by: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        FoldSource(drives(), folds, 0, fold_by)


def test_a_fold_needs_no_val_and_does_not_name_one_that_it_does_not_take(tmp_path) -> None:
    for name in "abcdef":
        for folder, value in (("images", 90), ("masks", 1)):
            (tmp_path / "train" / folder).mkdir(parents=True, exist_ok=True)
            pixels = np.full((4, 4), value, np.uint8)
            pixels[:2] = 0
            Image.fromarray(pixels).save(tmp_path / "train" / folder / f"{name}.png")
    for fraction, said in ((0.2, []), (None, ["folds are made of train alone: no split 'val'"])):
        source = Folder(str(tmp_path), classes=["a", "b"], val_fraction=fraction)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            folds = [ids(FoldSource(source, 2, fold)) for fold in (0, 1)]
        assert sorted(folds[0] | folds[1]) == list("abcdef") and len(folds[0]) == 3
        lines = {str(each.message).partition(" in ")[0] for each in caught}
        assert lines == set(said)


def test_camvid_declares_its_drives(tmp_path) -> None:
    source = CamVid.__new__(CamVid)
    assert source.group(Sample("x", str(tmp_path / "0016E5_07959.png"), "")) == "0016E5"


def test_a_view_of_a_data_set_knows_its_recordings() -> None:
    named = drives()
    named.group = lambda sample: sample.id.partition("_")[0]
    folds = FoldSource(named, 2, 0)
    for split in ("train", "val", "test"):
        for sample in folds.samples(split):
            assert find_group(folds, sample) == sample.id.partition("_")[0]
    plain = FoldSource(drives(), 2, 0)
    assert find_group(plain, plain.samples("val")[0]) is None
