import re

import numpy as np
import pytest

from outtake.core.errors import ConfigError
from outtake.data.class_file import read_class_file
from outtake.data.folder import Folder
from outtake.data.read_mask_values import read_mask_values
from outtake.data.source import DataChoice
from tests.data.generated import label_map, labels_of, make_folder

COLOURS = np.array([[0, 0, 0], [255, 0, 0], [0, 128, 255]], np.uint8)


def test_names_and_colours_from_the_yaml(tmp_path):
    yaml = "names: [ground, roof, pool]\ncolours: [[0, 0, 0], [255, 0, 0], [0, 128, 255]]\n"
    mask = label_map(0)
    source = make_folder(tmp_path, [COLOURS[mask], mask], yaml)
    assert source.labels.names == ("ground", "roof", "pool")
    assert source.labels.colours[2] == (0, 128, 255)
    assert np.array_equal(labels_of(source, 0), mask)
    assert np.array_equal(labels_of(source, 1), mask)


def test_colors_may_be_spelled_so(tmp_path):
    yaml = "names: [a, b, c]\ncolors: [[0, 0, 0], [255, 0, 0], [0, 128, 255]]\n"
    assert make_folder(tmp_path, [label_map(0)], yaml).labels.colours[1] == (255, 0, 0)


def test_an_ignored_colour(tmp_path):
    yaml = "names: [roof, pool]\ncolours: [[255, 0, 0], [0, 128, 255]]\nignore: [0, 0, 0]\n"
    mask = label_map(0)
    source = make_folder(tmp_path, [COLOURS[mask]], yaml)
    assert np.array_equal(labels_of(source), np.array([255, 0, 1])[mask])


def test_names_are_the_ids_without_the_ignored_one(tmp_path):
    mask = label_map(0, classes=4)
    last = make_folder(tmp_path / "last", [mask], "names: [a, b, c]\nignore: 3\n")
    assert np.array_equal(labels_of(last), np.array([0, 1, 2, 255])[mask])
    first = make_folder(tmp_path / "first", [mask], "names: [a, b, c]\nignore: 0\n")
    assert np.array_equal(labels_of(first), np.array([255, 0, 1, 2])[mask])


def test_black_and_white_masks_do_not_make_a_class_of_the_ignored_number(tmp_path):
    binary = label_map(0, classes=2) * 255
    source = make_folder(tmp_path, [binary], "names: [a, b]\nignore: 0\n")
    assert (labels_of(source) == 255).all()


def test_names_by_number(tmp_path):
    mask = label_map(0)
    yaml = "names: {7: road, 300: car, 0: void}\n"
    source = make_folder(tmp_path, [np.array([0, 7, 300], np.uint16)[mask]], yaml)
    assert source.labels.names == ("void", "road", "car")
    assert np.array_equal(labels_of(source), mask)


def test_two_names_read_0_255_masks_and_0_1_masks(tmp_path):
    mask = label_map(0, classes=2)
    yaml = "names: [background, cat]\n"
    binary = make_folder(tmp_path / "binary", [mask * 255], yaml)
    assert np.array_equal(labels_of(binary), mask)
    ids = mask.copy()
    ids[:2] = 255
    numbered = make_folder(tmp_path / "ids", [ids], yaml)
    assert np.array_equal(labels_of(numbered), ids)


def count_labels(source):
    """How many pixels of training each label has."""
    masks = [source.read_mask(sample) for sample in source.samples("train")]
    return np.bincount(np.stack(masks).ravel(), minlength=256)


def test_a_rare_class_of_black_and_white_masks_keeps_its_name(tmp_path):
    masks = [np.zeros((8, 8), np.uint8) for _ in range(150)]
    masks[77][2:5, 2:5] = 255
    make_folder(tmp_path, masks)
    with pytest.warns(DataChoice, match=r"0 and 255 and no 1: 255 is 'defect'; where it is unlabe"):
        source = Folder(str(tmp_path), classes=["background", "defect"])
    counts = count_labels(source)
    assert counts[1] == 9 and counts[255] == 0


def test_a_rare_class_beside_unlabelled_pixels_is_an_id(tmp_path):
    masks = [np.zeros((8, 8), np.uint8) for _ in range(150)]
    for mask in masks:
        mask[:2] = 255
    masks[77][4:7, 2:5] = 1
    make_folder(tmp_path, masks)
    source = Folder(str(tmp_path), classes=["background", "defect"])
    counts = count_labels(source)
    assert counts[1] == 9 and counts[255] == 150 * 16


def test_masks_of_ids_are_not_all_read(tmp_path, monkeypatch):
    read = []
    monkeypatch.setattr(
        "outtake.data.read_mask_values.read_mask_values",
        lambda path: read.append(path) or read_mask_values(path),
    )
    make_folder(tmp_path, [label_map(0, (8, 8), classes=2)] * 150)
    read.clear()
    Folder(str(tmp_path), classes=["background", "defect"])
    assert len(read) == 64


def test_names_and_another_file_may_be_given_as_an_option(tmp_path):
    make_folder(tmp_path, [label_map(0)])
    assert Folder(str(tmp_path), classes=["x", "y", "z"]).labels.names == ("x", "y", "z")
    (tmp_path / "mine.yaml").write_text("names: [k, l, m]")
    assert Folder(str(tmp_path), classes="mine.yaml").labels.names == ("k", "l", "m")


@pytest.mark.parametrize(
    ("yaml", "message"),
    [
        ("", "needs `names"),
        ("names: [a", "is not yaml"),
        ("names: hello", "is a list of names"),
        ("names: [a, b]\nclasses: 3", "unknown key .*classes; the keys are: names"),
        ("names: [a, b]\ncolours: [[0, 0, 0]]", "2 names and 1 colours"),
        ("names: [a, b]\ncolours: [[0, 0, 0], [0, 0, 0]]", "two classes have one colour"),
        ("names: [a, b]\ncolours: [[0, 0, 0], [0, 0, 256]]", r"0 to 255, not \[0, 0, 256\]"),
        ("names: [a, b]\ncolours: 5", "classes.yaml is wrong"),
        ("names: {a: road, b: car}", "its keys are the ids"),
        ("names: [a, b]\nignore: black", "a colour is"),
        ("names: {0: void, 7: road}\nignore: 0", "`ignore: 0` is also the class void; take"),
        (
            "names: [a, b]\ncolours: [[0, 0, 0], [9, 0, 0]]\nignore: [9, 0, 0]",
            r"`ignore: \[9, 0, 0\]` is also the class b",
        ),
        ("names: [a, b]\nignore: 65536", "from 0 to 65535 or a colour, not 65536"),
        ("names: [a, b]\nignore: -1", "from 0 to 65535 or a colour, not -1"),
        ("names: [a, a]", "several are called a; give"),
        ("names: [a]", "there is 1 .a., and 2 to 255 are needed"),
        (
            "names: [sky, no, b]",
            r"wrong: the class name no \(2 of 3\) .* truth value.*in quotes, as \"no\"$",
        ),
        ("names: [Yes, b]", r"class name Yes \(1 of 2\)"),
        ("names: {7: road, 0: off}", r"class name off \(1 of 2\)"),
        ("names: [a, null]", r"class name null \(2 of 2\) is read as a missing value"),
        ("names: [a, ~]", r"class name ~"),
        ("names: [a, 1.10]", r"class name 1.10 .* fraction"),
        ("names: [a, 2024-01-01]", r"class name 2024-01-01 .* date"),
        ("names: [a, {b: no}]", r"class name {'b': 'no'} .* dict"),
        ("names: !!python/object/apply:os.getcwd []", "is not yaml"),
    ],
)
def test_a_wrong_classes_file(tmp_path, yaml, message):
    with pytest.raises(ConfigError, match=message):
        make_folder(tmp_path, [label_map(0)], yaml)


def test_quoted_words_and_whole_numbers_are_names(tmp_path):
    yaml = "names: [\"yes\", 'no', 3]\n"
    assert make_folder(tmp_path, [label_map(0)], yaml).labels.names == ("yes", "no", "3")
    assert Folder(str(tmp_path), classes=["yes", "no", 3]).labels.names == ("yes", "no", "3")


@pytest.mark.parametrize(("name", "word"), [(True, "true"), (None, "null"), (1.5, "1.5")])
def test_an_option_that_is_no_name(tmp_path, name, word):
    make_folder(tmp_path, [label_map(0)])
    message = rf"data\.source\.classes: the class name {word} \(2 of 3\) .*in quotes, as "
    quoted = re.escape(f"""'data.source.classes=[x,"{word}",z]'""")
    with pytest.raises(ConfigError, match=f"{message}.*{quoted}$"):
        Folder(str(tmp_path), classes=["x", name, "z"])


def test_a_missing_classes_file(tmp_path):
    make_folder(tmp_path, [label_map(0)])
    with pytest.raises(ConfigError, match=r"cannot read the classes file .*other.yaml"):
        Folder(str(tmp_path), classes="other.yaml")


def test_a_yaml_nested_without_end_is_one_line(tmp_path):
    with pytest.raises(ConfigError, match=r"classes\.yaml"):
        make_folder(tmp_path, [label_map(0)], "names: " + "[" * 5000)


def test_colours_stand_in_the_order_of_the_names(tmp_path):
    path = tmp_path / "classes.yaml"
    path.write_text("names: {7: road, 0: sky}\ncolours: [[128, 64, 128], [70, 130, 180]]\n")
    classes = read_class_file(path)
    assert classes.names == ("sky", "road") and classes.ids == (0, 7)
    assert classes.colours == ((70, 130, 180), (128, 64, 128))
