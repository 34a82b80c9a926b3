import numpy as np
import pytest

from outtake.core.errors import LabelValueError
from tests.data.generated import label_map, labels_of, make_folder

COLOURS = np.array([[0, 0, 0], [255, 0, 0], [0, 128, 255]], np.uint8)


def test_a_value_that_is_no_class_is_named_with_its_count_and_file(tmp_path):
    mask = label_map(0)
    mask[0, :5] = 9
    mask[1, :2] = 77
    source = make_folder(tmp_path, [mask], "names: [a, b, c]")
    message = r"5 pixels of the mask .*0.png have the value 9, .*1 other values.*0, 1, 2, 255"
    with pytest.raises(LabelValueError, match=message):
        labels_of(source)


def test_a_colour_that_is_no_class_is_named(tmp_path):
    yaml = "names: [a, b, c]\ncolours: [[0, 0, 0], [255, 0, 0], [0, 128, 255]]\n"
    mask = COLOURS[label_map(0)]
    mask[0, :4] = (1, 2, 3)
    source = make_folder(tmp_path, [mask], yaml)
    with pytest.raises(LabelValueError, match=r"4 pixels .*colour \[1, 2, 3\].*\[255, 0, 0\]"):
        labels_of(source)


def test_colours_without_colours_in_the_yaml(tmp_path):
    source = make_folder(tmp_path, [COLOURS[label_map(0)]], "names: [a, b, c]")
    with pytest.raises(LabelValueError, match="in colours, and the classes have none"):
        labels_of(source)
