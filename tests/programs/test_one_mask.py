"""A picture that is alone in a folder is of its frame, and one that is named is of every frame."""

import logging

import pytest

from outtake.core.errors import ConfigError
from tests.programs.removal_scene import FRAMES
from tests.programs.test_masks_offset import find_masked, write_masks


@pytest.mark.parametrize(
    ("names", "overrides", "masked", "said"),
    [
        ("masks", [], [25], "00025.png is frame 25, counted from 0"),
        ("masks/*.png", [], [25], "00025.png is frame 25, counted from 0"),
        ("masks/00025.png", [], range(FRAMES), "one picture, and the mask of every frame; if it "
         "is of frame 25 alone, name its folder"),
        ("masks", ["masks.first=20"], [5], "00025.png is frame 5, counted from 0"),
        ("masks", ["masks.offset=3"], [3], "the first mask is of frame 3"),
    ],
)  # fmt: skip
def test_the_frames_of_one_mask(scene, caplog, names, overrides, masked, said):
    write_masks(scene / "masks", 25)
    with caplog.at_level(logging.INFO):
        found = find_masked(scene, scene / names, *overrides)
    assert [number for number, each in enumerate(found) if each] == [*masked]
    assert said in caplog.text


def test_one_mask_is_of_its_frame_where_a_part_is_read(scene):
    masks = write_masks(scene / "masks", 25)
    found = find_masked(scene, masks, "read.start=0.2")
    assert [number for number, each in enumerate(found, 5) if each] == [25]


def test_a_picture_without_a_number_is_of_every_frame_in_a_folder_too(scene, caplog):
    masks = write_masks(scene / "masks", 25)
    (masks / "00025.png").rename(masks / "logo.png")
    with caplog.at_level(logging.INFO):
        assert all(find_masked(scene, masks))
    assert "masks is one picture, and the mask of every frame" in caplog.text


def test_a_number_beyond_the_clip_is_refused_with_what_to_do(scene):
    masks = write_masks(scene / "masks", 2500)
    with pytest.raises(ConfigError, match=r"frame 2500, .*a picture that is named itself"):
        find_masked(scene, masks)
