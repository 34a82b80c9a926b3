import unicodedata

import numpy as np
import pytest
from PIL import Image

from outtake.core.errors import EmptySplitError, PairingError
from outtake.data.folder import Folder
from outtake.data.pair_files import pair_folders
from outtake.data.source import DataWarning
from tests.data.generated import fill, label_map, picture, save

FIND = {"image_suffix": None, "mask_suffix": None}


def test_subfolders_are_part_of_the_id(tmp_path):
    for town in ("one", "two"):
        fill(tmp_path / "train/images" / town, tmp_path / "train/masks" / town, "ab")
    ids = [pair.id for pair in Folder(str(tmp_path)).samples("train")]
    assert ids == ["one/a", "one/b", "two/a", "two/b"]


def test_formats_may_be_mixed_and_other_files_lie_about(tmp_path):
    images, masks = tmp_path / "train/images", tmp_path / "train/masks"
    for name, extension in zip("abcd", ("png", "JPG", "bmp", "tiff"), strict=True):
        fill(images, masks, name, extension=extension)
    (images / "readme.txt").write_text("notes")
    (images / "._a.png").write_bytes(b"junk of a file system")
    source = Folder(str(tmp_path))
    assert [source.read_image(pair).shape for pair in source.samples("train")] == [(24, 32, 3)] * 4


def test_mask_names_may_have_an_ending(tmp_path):
    fill(tmp_path / "train/images", tmp_path / "train/masks", ending="_gt")
    with pytest.warns(DataWarning, match="the mask of NAME is taken to be NAME_gt"):
        found = Folder(str(tmp_path))
    source = Folder(str(tmp_path), mask_suffix="_gt")
    assert [pair.id for pair in source.samples("train")] == ["a", "b", "c"]
    assert found.samples("train") == source.samples("train")
    with pytest.raises(PairingError, match="mask_suffix=_gt"):
        Folder(str(tmp_path), mask_suffix="")


def test_both_endings_are_found_in_two_folders_and_in_one(tmp_path):
    for name in "ab":
        save(tmp_path / f"i/{name}_sat.png", picture(0))
        save(tmp_path / f"m/{name}_mask.png", label_map(0))
        save(tmp_path / f"one/{name}.png", picture(0))
        save(tmp_path / f"one/{name}_seg.png", label_map(0))
    assert [pair.id for pair in pair_folders(tmp_path / "i", tmp_path / "m", **FIND)] == ["a", "b"]
    one = pair_folders(tmp_path / "one", tmp_path / "one", mask_suffix="_seg")
    assert [pair.id for pair in one] == ["a", "b"]


def test_an_image_without_mask_and_a_mask_without_image(tmp_path):
    images, masks = tmp_path / "train/images", tmp_path / "train/masks"
    fill(images, masks, "abcdefg")
    for name in "abcde":
        (masks / f"{name}.png").unlink()
    (images / "g.png").unlink()
    message = r"5 of 6 images .*: a, b, c and 2 more; 1 of 2 masks .*: g; add what is missing"
    with pytest.raises(PairingError, match=message):
        Folder(str(tmp_path))


def test_two_images_of_one_name(tmp_path):
    fill(tmp_path / "train/images", tmp_path / "train/masks")
    save(tmp_path / "train/images/a.bmp", picture(0))
    with pytest.raises(PairingError, match=r"two images named 'a': a.bmp and a.png"):
        Folder(str(tmp_path))


def test_an_empty_split(folder):
    root = folder(val=0)
    (root / "val/images").mkdir(parents=True)
    (root / "val/masks").mkdir()
    with pytest.raises(EmptySplitError, match="val/images"):
        Folder(str(root)).samples("val")


def test_jpeg_masks_are_refused(tmp_path):
    save(tmp_path / "train/images/a.png", picture(0))
    save(tmp_path / "train/masks/a.jpg", label_map(0))
    with pytest.raises(PairingError, match="JPEG"):
        Folder(str(tmp_path))


def test_images_without_a_mask_by_choice(tmp_path):
    images, masks = tmp_path / "images", tmp_path / "masks"
    fill(images, masks, "abcd")
    (masks / "b.png").unlink()
    with pytest.raises(PairingError, match="missing_masks"):
        Folder(str(tmp_path))
    with pytest.warns(DataWarning, match="1 images .* have no mask and are left out: b"):
        skipping = Folder(str(tmp_path), missing_masks="skip")
    assert [pair.id for pair in skipping.samples("train")] == ["a", "c", "d"]
    for choice, label in (("background", 0), ("unlabelled", 255)):
        with pytest.warns(DataWarning, match=f"are {choice}"):
            source = Folder(str(tmp_path), missing_masks=choice)
        sample = source.samples("train")[1]
        assert source.read_mask(sample).shape == (24, 32)
        assert set(np.unique(source.read_mask(sample))) == {label}
        assert len(source.sample_bytes(sample)) == 2


def test_masks_without_an_image_are_left_out_by_skip_alone(tmp_path):
    fill(tmp_path / "images", tmp_path / "masks", "abc")
    (tmp_path / "images/c.png").unlink()
    with pytest.warns(DataWarning, match="1 masks .* have no image and are left out: c"):
        assert len(Folder(str(tmp_path), missing_masks="skip").samples("train")) == 2
    with pytest.raises(PairingError, match="1 of 3 masks"):
        Folder(str(tmp_path), missing_masks="background")


def test_linked_folders_are_searched_and_loops_end(tmp_path):
    fill(tmp_path / "real/images/day", tmp_path / "real/masks/day")
    (tmp_path / "set").mkdir()
    for kind in ("images", "masks"):
        (tmp_path / "set" / kind).mkdir()
        (tmp_path / "set" / kind / "linked").symlink_to(tmp_path / "real" / kind)
        (tmp_path / "real" / kind / "back").symlink_to(tmp_path / "real" / kind)
        save(tmp_path / "set" / kind / "z.png", picture(0) if kind == "images" else label_map(0))
    ids = [pair.id for pair in Folder(str(tmp_path / "set")).samples("train")]
    assert ids == ["linked/day/a", "linked/day/b", "linked/day/c", "z"]


def test_webp_gif_and_npy_are_read(tmp_path):
    mask = label_map(0)
    for name in "abc":
        (tmp_path / "images").mkdir(exist_ok=True)
        Image.fromarray(picture(0)).save(tmp_path / f"images/{name}.webp", lossless=True)
    save(tmp_path / "masks/a.gif", mask)
    Image.fromarray(mask).save(tmp_path / "masks/b.webp", lossless=True)
    np.save(tmp_path / "masks/c.npy", mask)
    source = Folder(str(tmp_path))
    for sample in source.samples("train"):
        assert np.array_equal(source.read_image(sample), picture(0))
        assert np.array_equal(source.read_mask(sample), mask)


def test_a_lossy_webp_is_no_mask(tmp_path):
    fill(tmp_path / "images", tmp_path / "masks", "ab")
    (tmp_path / "masks/a.png").unlink()
    Image.fromarray(picture(0)).save(tmp_path / "masks/a.webp", quality=80)
    with pytest.raises(PairingError, match="lossy webp"):
        Folder(str(tmp_path))


def test_accents_may_be_composed_or_not(tmp_path):
    for seed, name in enumerate(("caf\u00e9", "na\u00efve")):
        save(tmp_path / f"images/{unicodedata.normalize('NFC', name)}.png", picture(seed))
        save(tmp_path / f"masks/{unicodedata.normalize('NFD', name)}.png", label_map(seed))
    ids = [pair.id for pair in Folder(str(tmp_path)).samples("train")]
    assert ids == ["caf\u00e9", "na\u00efve"]


def test_names_that_differ_in_case_only_are_told(tmp_path):
    save(tmp_path / "images/Cat.png", picture(0))
    save(tmp_path / "masks/cat.png", label_map(0))
    with pytest.raises(PairingError, match="'Cat' differs from a mask in upper case"):
        Folder(str(tmp_path))


def test_what_is_left_out_is_counted_and_named(tmp_path):
    images, masks = tmp_path / "images", tmp_path / "masks"
    fill(images, masks)
    fill(images / ".ipynb_checkpoints", masks / ".ipynb_checkpoints", "a")
    (images / "b.psd").write_bytes(b"8BPS")
    (images / "c.psd").write_bytes(b"8BPS")
    (images / "gone.png").symlink_to(tmp_path / "nowhere.png")
    (images / "notes.txt").write_text("not worth a line")
    with pytest.warns(DataWarning, match="left out in .*images") as caught:
        source = Folder(str(tmp_path))
    line = next(str(each.message) for each in caught if "images:" in str(each.message))
    assert "1 copies in .ipynb_checkpoints" in line and "notes" not in line
    assert "2 .psd files, which cannot be read (as b.psd)" in line
    assert "1 links to files that do not exist (as gone.png)" in line
    assert [pair.id for pair in source.samples("train")] == ["a", "b", "c"]
