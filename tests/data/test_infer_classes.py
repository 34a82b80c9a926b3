import numpy as np
import pytest
from PIL import Image

from outtake.core.errors import LabelValueError
from outtake.data.folder import Folder
from tests.data.generated import label_map, labels_of, make_folder

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
