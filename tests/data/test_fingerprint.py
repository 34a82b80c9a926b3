import os
import shutil

import pytest

from outtake.data.fingerprint import make_data_record
from outtake.data.folder import Folder
from outtake.data.verification import verify_split
from tests.data.generated import label_map, save


def test_the_fingerprint_is_of_the_content_alone(folder, tmp_path):
    root = folder()
    copy = shutil.copytree(root, tmp_path / "elsewhere")
    for path in copy.rglob("*.png"):
        os.utime(path, (1, 1))
    first, second = (
        verify_split(Folder(str(place)), "train").fingerprint for place in (root, copy)
    )
    assert first == second
    save(copy / "train/masks/train03.png", label_map(99))
    assert verify_split(Folder(str(copy)), "train").fingerprint != first
    (root / "train/images/train05.png").rename(root / "train/images/renamed.png")
    (root / "train/masks/train05.png").rename(root / "train/masks/renamed.png")
    assert verify_split(Folder(str(root)), "train").fingerprint != first


def test_the_record_is_plain_and_complete(folder):
    source = Folder(str(folder()))
    record = make_data_record([verify_split(source, split) for split in ("train", "val")])
    train = record["splits"]["train"]
    assert train["count"] == 6
    assert train["classes"] == ["class_0", "class_1", "class_2"]
    assert sum(train["class_frequencies"].values()) == pytest.approx(1)
    assert train["unlabelled"] == 0
    assert all(len(hashes) == 2 for hashes in train["files"].values())
    assert len(record["fingerprint"]) == 64
    assert str(source.root) not in repr(record)
