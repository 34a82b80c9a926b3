import warnings

import numpy as np
import pytest
from PIL import Image

from outtake.core.errors import LabelValueError
from outtake.data.folder import Folder
from outtake.data.source import DataChoice
from tests.data.generated import label_map, labels_of, make_folder, picture, save

COLOURS = np.array([[0, 0, 0], [255, 0, 0], [0, 128, 255]], np.uint8)


def test_ids_are_discovered(tmp_path):
    source = make_folder(tmp_path, [label_map(0, classes=4)])
    assert source.labels.names == ("class_0", "class_1", "class_2", "class_3")
    assert np.array_equal(labels_of(source), label_map(0, classes=4))


def test_255_beside_ids_is_unlabelled(tmp_path):
    mask = label_map(0, classes=3)
    mask[:3] = 255
    source = make_folder(tmp_path, [mask])
    assert len(source.labels.names) == 3
    assert np.array_equal(labels_of(source), mask)


def test_only_0_and_255_is_background_and_foreground(tmp_path):
    mask = label_map(0, classes=2)
    source = make_folder(tmp_path, [np.zeros_like(mask), mask * 255])
    assert source.labels.names == ("background", "foreground")
    assert np.array_equal(labels_of(source, 1), mask)


def test_one_bit_masks_are_two_classes(tmp_path):
    mask = label_map(0, classes=2)
    source = make_folder(tmp_path, [mask.astype(bool)])
    assert np.array_equal(labels_of(source), mask)


def test_palette_masks_are_their_indices(tmp_path):
    mask = label_map(0)
    source = make_folder(tmp_path, [mask])
    picture_of_mask = Image.fromarray(mask)
    picture_of_mask.putpalette([9, 8, 7, 200, 100, 0, 1, 2, 3])
    picture_of_mask.save(tmp_path / "train/masks/0.png")
    assert np.array_equal(labels_of(source), mask)
    assert np.array_equal(labels_of(Folder(str(tmp_path))), mask)


def test_colours_are_discovered_in_the_order_of_their_values(tmp_path):
    mask = label_map(0)
    source = make_folder(tmp_path, [COLOURS[mask]])
    assert source.labels.colours == ((0, 0, 0), (0, 128, 255), (255, 0, 0))
    assert np.array_equal(labels_of(source), np.array([0, 2, 1])[mask])


@pytest.mark.parametrize("scale", [1, 255])
def test_gray_masks_stored_as_rgb_are_read_as_gray(tmp_path, scale):
    mask = label_map(0, classes=2)
    source = make_folder(tmp_path, [np.stack([mask * scale] * 3, 2)])
    assert np.array_equal(labels_of(source), mask)


@pytest.mark.parametrize(
    ("masks", "message"),
    [
        ([np.zeros((8, 8), np.uint8)], "only one class"),
        ([np.full((8, 8), 255, np.uint8)], "only one class"),
        ([np.repeat(np.array([[0, 40, 90, 200]], np.uint8), 4, 0)], r"0, 40, 90, 200; name them"),
        ([COLOURS[label_map(0)], label_map(0)], "two kinds"),
        ([np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)], "colours, which"),
    ],
)
def test_what_cannot_be_discovered_says_how_to_declare_it(tmp_path, masks, message):
    with pytest.raises(LabelValueError, match=message):
        make_folder(tmp_path, masks)


def test_masks_that_a_network_is_scored_on_have_the_classes_that_it_was_trained_on(tmp_path):
    mask = label_map(0)
    trained = make_folder(tmp_path / "one", [COLOURS[mask]]).labels
    assert trained.known_by == "colour"
    # A class less: the others must not take its place.
    make_folder(tmp_path / "two", [COLOURS[np.minimum(mask, 1)]])
    source = Folder(str(tmp_path / "two"), trained_labels=trained.to_dict())
    assert source.labels == trained
    assert np.array_equal(labels_of(source), np.array([0, 2])[np.minimum(mask, 1)])


def test_colours_that_mean_something_else_are_not_scored(tmp_path):
    mask = label_map(0)
    trained = make_folder(tmp_path / "one", [COLOURS[mask]]).labels
    make_folder(tmp_path / "two", [COLOURS[mask][..., ::-1].copy()])
    source = Folder(str(tmp_path / "two"), trained_labels=trained.to_dict())
    with pytest.raises(LabelValueError, match=r"colour \[.*\], which is no class"):
        labels_of(source)
    assert trained.difference(Folder(str(tmp_path / "two")).labels)


def test_values_keep_their_meaning_where_one_is_missing(tmp_path):
    trained = make_folder(tmp_path / "one", [label_map(0, classes=4)]).labels
    assert trained.known_by == "value"
    mask = label_map(0, classes=2)
    make_folder(tmp_path / "two", [mask])
    source = Folder(str(tmp_path / "two"), trained_labels=trained.to_dict())
    assert source.labels == trained and np.array_equal(labels_of(source), mask)


def test_an_empty_mask_of_background_and_foreground_can_be_scored(tmp_path):
    trained = make_folder(tmp_path / "one", [label_map(0, classes=2) * 255]).labels
    save(tmp_path / "two/test/images/0.png", picture(0))
    save(tmp_path / "two/test/masks/0.png", np.zeros((24, 32), np.uint8))
    source = Folder(str(tmp_path / "two"), trained_labels=trained.to_dict())
    assert not source.read_mask(source.samples("test")[0]).any()


def test_names_that_are_made_up_have_a_line_with_what_names_them(tmp_path):
    with pytest.warns(
        DataChoice, match=r"values, 0 to 2, .*class_0 to class_2: data.source.classes"
    ):
        make_folder(tmp_path / "a", [label_map(0)])
    colours = np.array([(255, 0, 0), (0, 0, 8)], np.uint8)
    with pytest.warns(
        DataChoice, match=r"colours, \[0, 0, 8\], \[255, 0, 0\], .*`colours:` in classes.yaml"
    ):
        make_folder(tmp_path / "b", [colours[label_map(0, classes=2)]])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        make_folder(tmp_path / "c", [label_map(0, classes=2) * 255])
        make_folder(tmp_path / "d", [label_map(0)], "names: [a, b, c]")
