"""What ``data.yaml`` of YOLO says of the classes, and the text files that use their numbers."""

import numpy as np
import pytest

from outtake.core.errors import DataRootError, UnreadableImageError
from outtake.data.sources.yolo import Yolo
from outtake.data.sources.yolo_yaml import read_yolo_yaml
from tests.data.generated import picture, save
from tests.data.sources.trees import lines


def class_of(root, names, number):
    """The name of what a text file draws as a class of this number."""
    save(root / "images/train/0.png", picture(0))
    lines(root / "labels/train/0.txt", [f"{number} 0.1 0.1 0.9 0.1 0.5 0.9"])
    (root / "data.yaml").write_bytes(b"\xef\xbb\xbf" + f"names: {names}\n".encode())
    source = Yolo(str(root))
    found = np.unique(source.read_mask(source.samples("train")[0]))
    return [source.labels.names[label] for label in found if label]


@pytest.mark.parametrize(
    ("names", "number", "name"),
    [
        ("{1: cat, 2: dog}", 1, "cat"),
        ("{0: person, 2: car, 7: truck}", 2, "car"),
        ("{'0': a, '10': b, '2': c}", 10, "b"),
        ("{2: c, 0: a}", 2, "c"),
        ("[yes, no]", 1, "no"),
    ],
)
def test_the_key_of_a_name_is_the_number_of_the_class(tmp_path, names, number, name):
    assert class_of(tmp_path, names, number) == [name]


def test_classes_are_in_the_order_of_their_numbers(tmp_path):
    class_of(tmp_path, "{'10': k, '2': c, '0': a}", 2)
    assert Yolo(str(tmp_path)).labels.names == ("background", "a", "c", "k")
    assert dict(read_yolo_yaml(tmp_path).names) == {0: "a", 2: "c", 10: "k"}


def test_a_class_without_a_name_is_one_line(tmp_path):
    said = r"0\.txt: .*class 1 has no name in .*data\.yaml, which has 0 \(a\), 2 \(c\)"
    with pytest.raises(UnreadableImageError, match=said):
        class_of(tmp_path, "{0: a, 2: c}", 1)


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ("{cat: 0}", "key 'cat' of `names` is no whole number"),
        ("{-1: cat}", "key '-1' of"),
        ("{1.5: cat}", "key '1.5' of"),
        ("{01: cat, 1: dog}", "class 1 twice"),
        ("[[cat]]", "which is no word"),
        ("", "no list or map `names`"),
        ("5", "no list or map `names`"),
        ("{", "line 2, column 1"),
    ],
)
def test_names_that_are_none_are_one_line(tmp_path, names, said):
    with pytest.raises(DataRootError, match=rf"data\.yaml: [^\n]*{said}[^\n]*; correct it$"):
        class_of(tmp_path, names, 0)


def test_a_text_file_of_a_windows_editor_is_read(tmp_path):
    class_of(tmp_path, "[cat]", 0)
    path = tmp_path / "labels/train/0.txt"
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    source = Yolo(str(tmp_path))
    assert source.read_mask(source.samples("train")[0]).any()


def test_text_files_in_a_linked_folder_are_found(tmp_path):
    class_of(tmp_path, "[cat]", 0)
    save(tmp_path / "images/train/far/1.png", picture(1))
    lines(tmp_path / "elsewhere/1.txt", ["0 0.1 0.1 0.9 0.1 0.5 0.9"])
    (tmp_path / "labels/train/far").symlink_to(tmp_path / "elsewhere")
    source = Yolo(str(tmp_path))
    assert all(source.read_mask(each).any() for each in source.samples("train"))
    assert not source.flaws
