"""The one file in which NYU Depth V2 is released."""

import importlib.util
import pickle
import sys

import numpy as np
import pytest
from scipy.io import savemat

from outtake.core.errors import ConfigError, DataRootError, UnreadableImageError
from outtake.data.sources.nyu_depth import NyuDepth
from tests.data.generated import SIZE, label_map, picture

RAW_LABELS, COUNT = 5, 12
MAPPING = [40, 1, 22, 1, 40]  # the class of each raw label from 1 on


def raw_labels(number):
    return label_map(number, classes=RAW_LABELS + 1).astype(np.uint16)


def beside(root):
    splits = {"trainNdxs": np.arange(1, 11)[:, None], "testNdxs": np.array([[11], [12]])}
    savemat(root / "splits.mat", splits)
    savemat(root / "classMapping40.mat", {"mapClass": np.array([MAPPING], np.uint8)})


@pytest.fixture
def root(tmp_path):
    h5py = pytest.importorskip("h5py")
    beside(tmp_path)
    with h5py.File(tmp_path / "nyu_depth_v2_labeled.mat", "w") as file:
        pictures = [picture(number).transpose(2, 1, 0) for number in range(1, COUNT + 1)]
        file["images"] = np.stack(pictures)
        file["labels"] = np.stack([raw_labels(number).T for number in range(1, COUNT + 1)])
    return tmp_path


def test_images_labels_and_the_official_split_are_read(root):
    source = pickle.loads(pickle.dumps(NyuDepth(str(root))))
    found = {split: source.samples(split) for split in ("train", "val", "test")}
    assert {split: len(each) for split, each in found.items()} == {"train": 9, "val": 1, "test": 2}
    assert [each.id for each in found["test"]] == ["0011", "0012"]
    sample = found["test"][1]
    assert np.array_equal(source.read_image(sample), picture(12))
    wanted = np.array([256, *MAPPING])[raw_labels(12)] - 1
    assert source.read_mask(sample).shape == SIZE
    assert np.array_equal(source.read_mask(sample), wanted)
    assert source.sample_bytes(sample) != source.sample_bytes(found["test"][0])


def test_what_is_missing_or_damaged_is_one_line(root):
    (root / "splits.mat").rename(root / "away.mat")
    with pytest.raises(DataRootError, match=r"needs splits.mat beside it"):
        NyuDepth(str(root))
    (root / "away.mat").rename(root / "splits.mat")
    savemat(root / "classMapping40.mat", {"mapClass": np.array([[1, 2]], np.uint8)})
    source = NyuDepth(str(root))
    sample = source.samples("test")[0]
    with pytest.raises(UnreadableImageError, match=r"holds the label 5 .* lists 2"):
        source.read_mask(sample)
    (root / "nyu_depth_v2_labeled.mat").write_bytes(b"torn")
    with pytest.raises(UnreadableImageError, match="cannot read image 11"):
        source.read_image(sample)


def test_without_h5py_the_line_names_the_extra(tmp_path, monkeypatch):
    beside(tmp_path)
    (tmp_path / "nyu_depth_v2_labeled.mat").write_bytes(b"")
    monkeypatch.setitem(sys.modules, "h5py", None)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"pip install 'outtake\[nyu\]'"):
        NyuDepth(str(tmp_path))
