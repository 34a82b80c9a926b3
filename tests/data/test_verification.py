import re
import warnings

import numpy as np
import pytest

from outtake.core.errors import (
    EmptySplitError,
    LabelValueError,
    SizeMismatchError,
    UnreadableImageError,
)
from outtake.core.labels import LabelSpace
from outtake.data.folder import Folder
from outtake.data.source import DataWarning
from outtake.data.verification import (
    describe_class_shares,
    verify_split,
    warn_class_shares,
    warn_duplicates,
)
from tests.data.generated import label_map, picture, save


@pytest.mark.parametrize("threads", [1, 4])
def test_a_report_counts_what_is_there(folder, threads):
    root = folder(size=lambda number: (24 + 4 * number, 32))
    mask = label_map(0)
    mask[:5] = 255
    save(root / "train/masks/train00.png", mask)
    source = Folder(str(root))
    report = verify_split(source, "train", threads)
    masks = np.concatenate([source.read_mask(pair).ravel() for pair in source.samples("train")])
    assert report.class_pixels.dtype == np.int64
    assert report.class_pixels.tolist() == [int((masks == label).sum()) for label in range(3)]
    assert report.ignored_pixels == 5 * 32
    assert list(report.sizes.values()) == [(24 + 4 * number, 32) for number in range(6)]
    assert report.class_frequencies.dtype == np.float64
    assert report.class_frequencies.sum() == pytest.approx(1)


def test_different_sizes_are_named(folder):
    root = folder()
    source = Folder(str(root))
    save(root / "train/masks/train02.png", label_map(0, (24, 40)))
    with pytest.raises(SizeMismatchError, match=r"train02.png is 32x24 and .* is 40x24; make"):
        verify_split(source, "train")
    save(root / "train/masks/train02.png", label_map(0, (32, 24)))
    with pytest.raises(SizeMismatchError, match="EXIF"):
        verify_split(source, "train")


def test_a_label_outside_the_classes_is_named(folder):
    root = folder()
    source = Folder(str(root))
    mask = label_map(0)
    mask[0, :7] = 50
    save(root / "val/masks/val01.png", mask)
    with pytest.raises(LabelValueError, match=r"7 pixels of the mask .*val01.png .*value 50"):
        verify_split(source, "val")


def test_a_source_that_does_not_check_its_labels_is_checked(folder):
    source = Folder(str(folder()))
    source.read_mask = lambda pair: np.full((24, 32), 3, np.uint8)
    with pytest.raises(LabelValueError, match=r"768 pixels .* the label 3"):
        verify_split(source, "train")


def test_an_unreadable_image_is_named(folder):
    root = folder()
    source = Folder(str(root))
    path = root / "train/images/train04.png"
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(UnreadableImageError, match=r"train04.png"):
        verify_split(source, "train")


def test_the_first_error_is_reported_whatever_thread_meets_it(folder):
    root = folder(train=12)
    source = Folder(str(root))
    for number in (3, 5, 9):
        (root / f"train/images/train{number:02}.png").write_text("no image")
    for _ in range(5):
        with pytest.raises(UnreadableImageError, match="train03"):
            verify_split(source, "train", threads=4)


def test_a_split_without_labels_or_samples(folder):
    source = Folder(str(folder()))
    source.read_mask = lambda pair: np.full((24, 32), 255, np.uint8)
    with pytest.raises(LabelValueError, match="no pixel"):
        verify_split(source, "train")
    source.samples = lambda split: []
    with pytest.raises(EmptySplitError, match="'train'"):
        verify_split(source, "train")


def test_an_image_in_two_splits_gives_one_warning(folder):
    root = folder()
    for number in (0, 2):
        save(root / f"val/images/val{number:02}.png", picture(number))
    source = Folder(str(root))
    reports = [verify_split(source, split) for split in ("train", "val")]
    with pytest.warns(DataWarning, match="2 images are in both train and val.*'train0") as caught:
        warn_duplicates(reports)
    assert len(caught) == 1


def test_no_warning_where_all_images_differ(folder):
    source = Folder(str(folder()))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_duplicates([verify_split(source, split) for split in ("train", "val")])


LABELS = LabelSpace.from_names(("sky", "road", "car"))


@pytest.mark.parametrize(
    ("train", "val", "line"),
    [
        ([50, 50, 0], [50, 40, 10], "without a pixel in train are in val.*: car"),
        ([50, 50, 0], [50, 50, 0], "without a pixel in train or val: car"),
        ([990, 5, 5], [50, 40, 10], "sky has 99.0% of the labelled pixels in train"),
    ],
)
def test_how_classes_are_spread_is_told(train, val, line):
    pixels = {"train": np.array(train), "val": np.array(val)}
    (found,) = describe_class_shares(pixels, LABELS)
    assert re.search(line, found)


def test_no_line_where_classes_are_spread_well(folder):
    source = Folder(str(folder()))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_class_shares({split: verify_split(source, split) for split in ("train", "val")})
