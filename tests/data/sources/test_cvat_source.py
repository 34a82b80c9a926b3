"""CVAT's own export: subsets, shapes of other kinds, and what is left out."""

import numpy as np
import pytest

from outtake.core.errors import UnreadableImageError
from outtake.data.sources.cvat import Cvat
from tests.data.generated import picture, save
from tests.data.sources.said import said_of
from tests.data.sources.trees import lines, make_tree, open_source


def test_boxes_and_masks_of_cvat(tmp_path):
    save(tmp_path / "images/a.png", picture(0))
    body = (
        '<box label="a" xtl="2" ytl="3" xbr="8" ybr="9" z_order="1"/>'
        '<mask label="b" rle="1,2,3" left="10" top="5" width="3" height="2" z_order="0"/>'
        '<points label="a" points="1,1"/>'
    )
    lines(
        tmp_path / "annotations.xml",
        [f'<annotations><image name="a.png">{body}</image></annotations>'],
    )
    source = Cvat(str(tmp_path), val_fraction=None)
    mask = source.read_mask(source.samples("train")[0])
    assert (mask == 1).sum() == 36 and mask[5, 10:13].tolist() == [0, 2, 2]


def test_the_path_of_a_task_of_cvat_may_hold_its_number(tmp_path):
    source = open_source("cvat", make_tree("cvat", tmp_path / "task #3"))
    assert source.read_mask(source.samples("train")[0]).any()


def cvat_file(root, *images):
    body = "".join(images)
    (root / "annotations.xml").write_text(f"<annotations>{body}</annotations>")
    return Cvat(str(root))


def cvat_image(subset, label, more=""):
    box = f'<box label="{label}" xtl="2" ytl="3" xbr="8" ybr="9"/>'
    return f'<image name="0.png" subset="{subset}">{box}{more}</image>'


def test_two_subsets_of_cvat_may_have_images_of_one_name(tmp_path):
    for number, subset in enumerate(("Train", "Validation")):
        save(tmp_path / f"images/{subset}/0.png", picture(number))
    source = cvat_file(tmp_path, cvat_image("Train", "a"), cvat_image("Validation", "b"))
    train, val = (source.samples(split)[0] for split in ("train", "val"))
    assert set(np.unique(source.read_mask(train))) == {0, 1}
    assert set(np.unique(source.read_mask(val))) == {0, 2}
    assert not np.array_equal(source.read_image(train), source.read_image(val))
    with pytest.raises(UnreadableImageError, match="1 images are listed twice"):
        cvat_file(tmp_path, cvat_image("Train", "a"), cvat_image("Train", "a"))


def test_what_cvat_has_that_is_no_area_is_named_and_entities_are_refused(tmp_path):
    save(tmp_path / "images/Train/0.png", picture(0))
    line = '<polyline label="a" points="1,1;5,5"/>'
    lines = said_of(lambda: cvat_file(tmp_path, cvat_image("Train", "a", line)))
    assert any("1 points and lines have no area" in each and "0.png" in each for each in lines)
    bomb = '<!DOCTYPE a [<!ENTITY b "bb">]><annotations>&b;</annotations>'
    (tmp_path / "annotations.xml").write_text(bomb)
    with pytest.raises(UnreadableImageError, match="declares entities"):
        Cvat(str(tmp_path))
    (tmp_path / "annotations.xml").write_text("<annotations><track/></annotations>")
    with pytest.raises(UnreadableImageError, match="CVAT for images"):
        Cvat(str(tmp_path))


def test_a_subset_of_cvat_that_is_no_split_is_named(tmp_path):
    root = make_tree("cvat", tmp_path)
    text = (root / "annotations.xml").read_text()
    (root / "annotations.xml").write_text(text.replace('subset="Validation"', 'subset="Later"'))
    lines = said_of(lambda: Cvat(str(root)))
    assert any("images are of a subset that is no split and are left out" in x for x in lines)


@pytest.mark.parametrize("place", ["images", "."])
def test_images_that_cvat_does_not_list_are_named(place, tmp_path):
    for name in ("0.png", "1.png"):
        save(tmp_path / place / name, picture(0))
    lines = said_of(lambda: cvat_file(tmp_path, cvat_image("", "a")))
    assert len(lines) == 1
    assert "1 images are not in annotations.xml and are left out: 1.png" in lines.pop()


def test_pictures_that_cvat_shows_beside_others_are_not_named(tmp_path):
    for name in ("0.png", "related_images/0_png/near.png"):
        save(tmp_path / "images" / name, picture(0))
    assert not said_of(lambda: cvat_file(tmp_path, cvat_image("", "a")))


@pytest.mark.parametrize(
    ("stored", "written"), [("a/0.png", r"a\0.png"), ("cafe\u0301.png", "caf\u00e9.png")]
)
def test_names_of_cvat_may_be_spelt_as_on_another_system(tmp_path, stored, written):
    save(tmp_path / "images" / stored, picture(0))
    image = cvat_image("", "a").replace("0.png", written)
    source = cvat_file(tmp_path, image)
    (sample,) = source.samples("train")
    assert source.read_image(sample).any() and not source.flaws
