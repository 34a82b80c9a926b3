import io
import struct
import warnings
import zlib

import numpy as np
import pytest
from PIL import Image

from outtake.core.errors import LabelValueError
from outtake.data.folder import Folder
from outtake.data.image_files import read_stored_mask
from outtake.data.source import DataChoice, DataWarning
from outtake.data.sources.camvid_colours import CamVidColours
from tests.data.generated import label_map, labels_of, make_folder, picture, save

COLOURS = [(0, 0, 0), (200, 30, 30), (30, 200, 30), (30, 30, 200)]
YAML = "names: [ground, red, green, blue]\ncolours: " + str([list(each) for each in COLOURS])


def save_indexed(path, labels, colours):
    """Write a PNG with a palette in which each index has a colour."""
    image = Image.fromarray(np.asarray(labels, np.uint8))
    image.putpalette([part for colour in colours for part in colour])
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)


def make_indexed(root, palettes, yaml=None):
    """Three masks of four classes; ``palettes`` say at which index each class is stored."""
    stored = []
    for number, order in enumerate(palettes):
        labels = label_map(number, classes=4)
        stored.append(labels)
        save(root / f"train/images/{number}.png", picture(number))
        save_indexed(
            root / f"train/masks/{number}.png",
            np.argsort(order)[labels],
            [COLOURS[n] for n in order],
        )
    if yaml is not None:
        (root / "classes.yaml").write_text(yaml)
    return stored


def test_the_colours_of_a_palette_count_where_classes_have_them(tmp_path):
    stored = make_indexed(tmp_path, [(3, 1, 0, 2), (0, 1, 2, 3), (1, 0, 2, 3)], YAML)
    with pytest.warns(DataWarning, match="masks differ: index 0 is .*colours are the classes"):
        source = Folder(str(tmp_path))
    for number, labels in enumerate(stored):
        assert np.array_equal(labels_of(source, number), labels)


def test_one_palette_in_another_order_counts_by_its_colours(tmp_path):
    stored = make_indexed(tmp_path, [(3, 1, 0, 2)] * 2, YAML)
    with pytest.warns(DataChoice, match=r"count, not indices, as they differ: . in .*0.png is \["):
        source = Folder(str(tmp_path))
    for number, labels in enumerate(stored):
        assert np.array_equal(labels_of(source, number), labels)


def test_the_border_of_voc_leaves_the_colours_of_a_palette(tmp_path):
    (labels,) = make_indexed(tmp_path, [(3, 1, 0, 2)], YAML)
    path = tmp_path / "train/masks/0.png"
    indices, border = np.argsort((3, 1, 0, 2))[labels], np.zeros(labels.shape, bool)
    border[0], indices[0] = True, 255
    save_indexed(path, indices, [COLOURS[n] for n in (3, 1, 0, 2)] + [(224, 224, 192)] * 252)
    with pytest.warns(DataChoice, match="colours of palettes count, not indices"):
        source = Folder(str(tmp_path))
    assert np.array_equal(labels_of(source, 0), np.where(border, 255, labels))


def test_palettes_that_differ_without_colours_are_refused_or_said(tmp_path):
    make_indexed(tmp_path, [(0, 1, 2, 3), (1, 0, 2, 3)])
    with pytest.raises(LabelValueError, match=r"index 0 is \[0, 0, 0\] in .* and \[200, 30, 30"):
        Folder(str(tmp_path))
    with pytest.warns(DataWarning, match="index 0 is .*indices are read as ids; list `col"):
        source = Folder(str(tmp_path), classes=["a", "b", "c", "d"])
    assert np.array_equal(labels_of(source), label_map(0, classes=4))


@pytest.mark.parametrize("ids", ["[ground, red, green]", "{0: ground, 1: red, 2: green}"])
@pytest.mark.parametrize("colours", ["", "colours: [[0, 0, 0], [128, 0, 0], [0, 128, 0]]"])
def test_indices_that_agree_with_their_colours_stay_ids(tmp_path, ids, colours):
    palette = [(0, 0, 0), (128, 0, 0), (0, 128, 0)] + [(7, 7, 7)] * 252 + [(224, 224, 192)]
    labels = label_map(0)
    labels[0] = 255  # as the border of objects in PASCAL VOC, whose colour is of no class
    make_folder(tmp_path, [label_map(0), label_map(1)], f"names: {ids}\n{colours}\n")
    save_indexed(tmp_path / "train/masks/0.png", labels, palette)
    save_indexed(tmp_path / "train/masks/1.png", label_map(1), palette[:3])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        source = Folder(str(tmp_path))
    assert np.array_equal(labels_of(source), labels)
    assert np.array_equal(labels_of(source, 1), label_map(1))


def test_colours_that_are_of_no_class_leave_the_index(tmp_path):
    make_folder(tmp_path, [label_map(0)], YAML)
    save_indexed(tmp_path / "train/masks/0.png", label_map(0), [(9, 9, 9), (8, 0, 0), (0, 7, 0)])
    assert np.array_equal(labels_of(Folder(str(tmp_path))), label_map(0))


def test_an_index_and_its_colour_that_contradict_each_other_are_refused(tmp_path):
    make_folder(tmp_path, [label_map(0)], YAML)
    save_indexed(tmp_path / "train/masks/0.png", label_map(0), [(9, 9, 9), COLOURS[2], (0, 7, 0)])
    message = r"stores 1, which is \[30, 200, 30\] .* the number is red, the colour green"
    with pytest.raises(LabelValueError, match=message):
        labels_of(Folder(str(tmp_path)))


def test_a_data_set_that_knows_colours_alone_reads_palettes(tmp_path):
    for split in ("train", "val"):
        save(tmp_path / split / "a.png", picture(0))
        labels = label_map(0, classes=2)
        place = tmp_path / f"{split}_labels/a_L.png"
        save_indexed(place, labels, [(128, 64, 128), (0, 0, 0)])
    source = CamVidColours(str(tmp_path))
    road = source.labels.colours.index((128, 64, 128))
    assert np.array_equal(labels_of(source), np.where(labels == 0, road, 255))
    save_indexed(tmp_path / "train_labels/a_L.png", labels, [(128, 64, 128), (1, 2, 3)])
    with pytest.raises(LabelValueError, match=r"the colour \[1, 2, 3\], which is no class"):
        labels_of(source)


def test_masks_in_colours_and_with_a_palette_are_of_one_kind(tmp_path):
    mask = label_map(0, classes=4)
    make_folder(tmp_path, [np.array(COLOURS, np.uint8)[mask]] * 2)
    save_indexed(tmp_path / "train/masks/1.png", np.array([3, 2, 1, 0])[mask], COLOURS[::-1])
    source = Folder(str(tmp_path))
    assert np.array_equal(labels_of(source, 0), labels_of(source, 1))


def gray_png(labels, bits):
    """A gray PNG of 1, 2 or 4 bits; its width is a multiple of eight."""
    height, width = labels.shape
    rows = labels.astype(np.uint8)
    packed = np.zeros((height, width * bits // 8), np.uint8)
    for place in range(8 // bits):
        packed |= rows[:, place :: 8 // bits] << (8 - bits * (place + 1))
    lines = b"".join(b"\0" + row.tobytes() for row in packed)
    file = io.BytesIO(b"\x89PNG\r\n\x1a\n")
    file.seek(8)
    head = struct.pack(">IIBBBBB", width, height, bits, 0, 0, 0, 0)
    for kind, content in ((b"IHDR", head), (b"IDAT", zlib.compress(lines)), (b"IEND", b"")):
        check = zlib.crc32(kind + content)
        file.write(struct.pack(">I", len(content)) + kind + content + struct.pack(">I", check))
    return file.getvalue()


@pytest.mark.parametrize(("bits", "classes"), [(1, 2), (2, 4), (4, 7)])
def test_gray_masks_of_few_bits_hold_the_stored_numbers(tmp_path, bits, classes):
    labels = label_map(0, classes=classes)
    make_folder(tmp_path, [labels])
    (tmp_path / "train/masks/0.png").write_bytes(gray_png(labels, bits))
    assert np.array_equal(read_stored_mask(tmp_path / "train/masks/0.png").values, labels)
    source = Folder(str(tmp_path))
    assert len(source.labels.names) == classes
    assert np.array_equal(labels_of(source), labels)


def test_the_values_of_a_pgm_are_those_in_the_file(tmp_path):
    labels = label_map(0, classes=3)
    (tmp_path / "a.pgm").write_bytes(b"P5 32 24 2\n" + labels.tobytes())
    assert np.array_equal(read_stored_mask(tmp_path / "a.pgm").values, labels)


@pytest.mark.parametrize("bits", [2, 4])
@pytest.mark.parametrize("classes", [None, ["background", "cat"]])
def test_black_and_white_of_few_bits_is_black_and_white(tmp_path, bits, classes):
    labels = label_map(0, classes=2)
    make_folder(tmp_path, [labels])
    (tmp_path / "train/masks/0.png").write_bytes(gray_png(labels * (2**bits - 1), bits))
    assert np.array_equal(labels_of(Folder(str(tmp_path), classes=classes)), labels)


@pytest.mark.parametrize("classes", [None, ["background", "cat"]])
@pytest.mark.parametrize("stored", ["bit", "bits", "palette", "npy"])
def test_white_is_white_beside_masks_of_0_and_255(tmp_path, classes, stored):
    labels = label_map(1, classes=2)
    make_folder(tmp_path, [label_map(0, classes=2) * 255, labels])
    place = tmp_path / "train/masks/1.png"
    if stored == "npy":
        place.unlink()
        np.save(place.with_suffix(".npy"), labels.astype(bool))
    elif stored == "palette":
        save_indexed(place, 1 - labels, [(255, 255, 255), (0, 0, 0)])
    else:
        bits = 1 if stored == "bit" else 4
        place.write_bytes(gray_png(labels * (2**bits - 1), bits))
    with pytest.warns(DataWarning, match="white is 255 in all of them"):
        source = Folder(str(tmp_path), classes=classes)
    assert np.array_equal(labels_of(source, 0), label_map(0, classes=2))
    assert np.array_equal(labels_of(source, 1), labels)
    assert np.array_equal(labels_of(Folder(str(tmp_path), threshold=128), 1), labels)


def test_one_bit_beside_ids_is_an_id(tmp_path):
    ids = label_map(0)
    ids[0] = 255
    make_folder(tmp_path, [ids, label_map(1, classes=2).astype(bool)])
    with pytest.warns(DataChoice):
        source = Folder(str(tmp_path))
    assert np.array_equal(labels_of(source, 0), ids)
    assert np.array_equal(labels_of(source, 1), label_map(1, classes=2))
