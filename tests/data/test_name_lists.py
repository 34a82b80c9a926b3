import pytest

from outtake.core.errors import DataRootError, PairingError
from outtake.data.folder import Folder
from outtake.data.name_lists import choose_listed, read_lines
from tests.data.generated import fill


def voc(root, names, train, val="other\n"):
    """A folder like VOC's whose lists are these bytes."""
    fill(root / "JPEGImages", root / "SegmentationClass", [*names, "other"])
    lists = root / "ImageSets/Segmentation"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_bytes(train if isinstance(train, bytes) else train.encode())
    (lists / "val.txt").write_text(val)
    return [each.id for each in Folder(str(root)).samples("train")]


def test_a_whole_line_is_a_name(tmp_path):
    names = ["cat", "cat 1", "cat 2"]
    assert voc(tmp_path, names, "cat 1\ncat 2\n\n cat \ncat 1\n") == names


def test_a_list_may_have_further_columns(tmp_path):
    assert voc(tmp_path, ["cat_1", "cat_2"], "cat_1 1 1 1\ncat_2 -1\n") == ["cat_1", "cat_2"]


def test_a_list_of_a_windows_editor_is_read(tmp_path):
    assert voc(tmp_path, ["a", "b"], b"\xef\xbb\xbfa\r\nb\r\n") == ["a", "b"]


def test_accents_of_a_list_may_be_decomposed(tmp_path):
    assert voc(tmp_path, ["caf\u00e9"], "cafe\u0301\n") == ["caf\u00e9"]


def test_a_line_that_is_no_image_is_named_wholly(tmp_path):
    with pytest.raises(PairingError, match=r"1 images that the list of the split names .*: cat 3;"):
        voc(tmp_path, ["cat 1"], "cat 1\ncat 3\n")


def test_a_list_that_cannot_be_read_is_one_line(tmp_path):
    path = tmp_path / "train.txt"
    with pytest.raises(DataRootError, match=r"cannot read the list .*train\.txt: No such file"):
        read_lines(path)
    path.write_bytes(b"\xff\xfea\x00")
    with pytest.raises(DataRootError, match=r"train\.txt: .*; save it as text in UTF-8"):
        read_lines(path)


def test_a_name_is_chosen_before_its_first_word():
    assert choose_listed(["a b", "a c", "d e"], {"a", "a b"}) == ["a b", "a", "d e"]
