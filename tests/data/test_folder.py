import os

import pytest

from outtake.core.errors import ConfigError, DataRootError
from outtake.core.labels import LabelSpace
from outtake.data.folder import Folder
from outtake.data.source import DataChoice
from tests.data.generated import fill, picture, save


def test_without_val_the_message_names_the_option(tmp_path):
    fill(tmp_path / "images", tmp_path / "masks", "abcdefghij")
    with pytest.raises(DataRootError, match=r"no split 'val'.*has: train.*val_fraction"):
        Folder(str(tmp_path)).samples("val")


def test_val_fraction_divides_the_same_way_everywhere(tmp_path):
    for place in ("here", "there"):
        fill(tmp_path / place / "images", tmp_path / place / "masks", "abcdefghij")
    first, second = (Folder(str(tmp_path / place), val_fraction=0.3) for place in ("here", "there"))
    train, val = ([pair.id for pair in first.samples(split)] for split in ("train", "val"))
    assert len(val) == 3
    assert sorted(train + val) == list("abcdefghij")
    assert [pair.id for pair in second.samples("val")] == val


def test_a_val_that_is_made_up_has_its_line(tmp_path):
    fill(tmp_path / "images", tmp_path / "masks", "abcdefghij")
    source = Folder(str(tmp_path), val_fraction=0.3)
    with pytest.warns(
        DataChoice, match=r"has no val: 3 of its 10 .* \(data.source.val_fraction=0.3"
    ):
        source.samples("train")


def test_val_fraction_leaves_a_split_that_is_there(folder):
    source = Folder(str(folder(train=6, val=3)), val_fraction=0.5)
    assert len(source.samples("train")) == 6
    assert len(source.samples("val")) == 3


@pytest.mark.parametrize("fraction", [0, 1, -0.5, 20])
def test_val_fraction_is_a_fraction(folder, fraction):
    with pytest.raises(ConfigError, match="val_fraction"):
        Folder(str(folder()), val_fraction=fraction)


def test_an_unknown_split_lists_the_splits(folder):
    with pytest.raises(ConfigError, match="'dev'; the splits are: train, val, test"):
        Folder(str(folder())).samples("dev")


def test_a_missing_test_split_says_what_is_there(folder):
    with pytest.raises(DataRootError, match=r"no split 'test'.*has: train, val; add it as"):
        Folder(str(folder())).samples("test")


def test_a_folder_with_a_test_split_alone_can_be_scored(tmp_path):
    fill(tmp_path / "test/images", tmp_path / "test/masks")
    with pytest.raises(DataRootError, match=r"no split 'train'.*has: test"):
        Folder(str(tmp_path))
    trained = LabelSpace.from_names([f"class_{n}" for n in range(3)], known_by="value")
    source = Folder(str(tmp_path), trained_labels=trained.to_dict())
    assert len(source.samples("test")) == 3 and source.channels == 3
    with pytest.raises(
        DataRootError, match=r"no split 'val'.*has: test; score another.*split=test"
    ):
        source.samples("val")


def test_other_channels_than_the_first_image(tmp_path):
    fill(tmp_path / "train/images", tmp_path / "train/masks")
    save(tmp_path / "train/images/b.png", picture(0)[..., 0])
    source = Folder(str(tmp_path))
    with pytest.raises(DataRootError, match=r"b.png has 1 channels.*channels=3"):
        source.read_image(source.samples("train")[1])
    converted = Folder(str(tmp_path), channels=3)
    assert converted.read_image(converted.samples("train")[1]).shape == (24, 32, 3)
    assert Folder(str(tmp_path), channels=1).channels == 1


def test_channels_are_one_three_or_found(folder):
    with pytest.raises(ConfigError, match="channels is 2"):
        Folder(str(folder()), channels=2)


def test_names_that_are_no_text_are_divided_like_others(tmp_path):
    fill(tmp_path / "images", tmp_path / "masks", [os.fsdecode(b"caf\xe9"), "b", "c"])
    source = Folder(str(tmp_path), val_fraction=0.4)
    assert len(source.samples("val")) == 1 and len(source.samples("train")) == 2
