import numpy as np
import pytest

from outtake.core.errors import (
    ConfigError,
    DataRootError,
    EmptySplitError,
    LabelValueError,
    PairingError,
)
from outtake.data.camvid import CLASSES, CamVid, drive_of
from outtake.data.verification import verify_split
from tests.data.generated import label_map, picture, save


@pytest.fixture
def small_camvid(tmp_path):
    for split in ("train", "val"):
        for number in range(3):
            save(tmp_path / split / f"{number}.png", picture(number))
            save(tmp_path / f"{split}annot" / f"{number}.png", label_map(number, classes=12))
    return tmp_path


def test_eleven_classes_and_unlabelled(small_camvid):
    source = CamVid(str(small_camvid))
    assert source.labels.names == tuple(CLASSES)
    assert source.labels.names[8] == "car"
    assert source.labels.colours[3] == (128, 64, 128)
    mask = source.read_mask(source.samples("train")[0])
    stored = label_map(0, classes=12)
    assert np.array_equal(mask, np.where(stored == 11, 255, stored))


def test_a_missing_test_split_says_which_are_there(small_camvid):
    with pytest.raises(DataRootError, match=r"split 'test' .*are: train, val"):
        CamVid(str(small_camvid)).samples("test")


def test_wrong_input_is_named(small_camvid):
    source = CamVid(str(small_camvid))
    with pytest.raises(ConfigError, match="the splits are"):
        source.samples("dev")
    with pytest.raises(DataRootError, match="no such data root"):
        CamVid(str(small_camvid / "nowhere"))
    save(small_camvid / "trainannot/1.png", np.full((24, 32), 12, np.uint8))
    with pytest.raises(LabelValueError, match=r"768 pixels .*value 12.*0 to 11"):
        verify_split(source, "train")
    (small_camvid / "valannot/2.png").unlink()
    with pytest.raises(PairingError, match="1 of 3 images"):
        source.samples("val")


@pytest.fixture
def two_drives(tmp_path):
    frames = {"train": ["0001TP_1", "0001TP_2", "0016E5_1"], "val": ["0016E5_2"]}
    for split, names in frames.items():
        for number, name in enumerate(names):
            save(tmp_path / split / f"{name}.png", picture(number))
            save(tmp_path / f"{split}annot" / f"{name}.png", label_map(number, classes=12))
    return str(tmp_path)


@pytest.mark.parametrize(
    ("drives", "count"),
    [(None, 3), (["0001TP"], 2), (["0016E5"], 1), ([16e5], 1), (["0001TP", "0016E5"], 3)],
)
def test_frames_of_some_drives(two_drives, drives, count):
    """0016E5 without quotes is a number to YAML and to Hydra."""
    samples = CamVid(two_drives, drives).samples("train")
    assert len(samples) == count
    assert drives is None or {drive_of(s.image) for s in samples} == (
        {"0016E5"} if drives == [16e5] else set(drives)
    )


def test_unknown_drives_are_named(two_drives):
    with pytest.raises(ConfigError, match=r"no 0006R0; .* are 0001TP, 0016E5"):
        CamVid(two_drives, ["0006R0", "0001TP"])
    with pytest.raises(ConfigError, match=r"none is named"):
        CamVid(two_drives, [])
    with pytest.raises(EmptySplitError, match=r"'val' has frames of 0016E5 only"):
        CamVid(two_drives, ["0001TP"]).samples("val")


def test_the_real_one(camvid_root):
    source = CamVid(str(camvid_root))
    report = verify_split(source, "val")
    assert len(report.samples) == 101
    assert set(report.sizes.values()) == {(360, 480)}
    assert (report.class_pixels > 0).all()
    assert report.class_pixels.sum() + report.ignored_pixels == 101 * 360 * 480
    assert report.class_frequencies.argmax() in (1, 3)  # building or road
