"""Which pictures of the formats of drawn outlines are train, val and test."""

import pytest

from outtake.core.errors import DataRootError
from tests.data.sources.trees import make_tree, open_source


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
