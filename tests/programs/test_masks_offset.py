"""Masks that begin before or after the clip."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from hydra import compose, initialize_config_dir

from outtake.core.errors import ConfigError
from outtake.programs.infer_video import infer_video
from tests.pipeline.square import HEIGHT, WIDTH, frames
from tests.programs.removal_scene import FRAMES, ROOT


def find_masked(scene: Path, masks: Path, *overrides: str) -> list[bool]:
    """Return for each frame whether it has a mask."""
    given = [
        f"input={scene / 'in.mkv'}", f"masks.path={masks}", f"output={scene / 'o.mkv'}",
        "overwrite=true", "remover=mask", "encode.codec=ffv1", *overrides,
    ]  # fmt: skip
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        cfg = compose("infer_video", overrides=given)
    return [bool(frame.image.any()) for frame in frames(infer_video(cfg)[0])]


def write_masks(folder: Path, *numbers: int) -> Path:
    folder.mkdir()
    for number in numbers:
        cv2.imwrite(str(folder / f"{number:05d}.png"), np.full((HEIGHT, WIDTH), 255, np.uint8))
    return folder


def write_boxes(path: Path, *numbers: int) -> Path:
    """Write annotations of CVAT that mark these frames."""
    place = f'xtl="0" ytl="0" xbr="{WIDTH}" ybr="{HEIGHT}" occluded="0" keyframe="1"'
    boxes = "".join(
        f'<box frame="{number}" outside="0" {place}/>'
        f'<box frame="{number + 1}" outside="1" {place}/>'
        for number in numbers
    )
    path.write_text(
        f"<annotations><meta><task><size>{FRAMES}</size><original_size><width>{WIDTH}</width>"
        f"<height>{HEIGHT}</height></original_size></task></meta>"
        f'<track id="0" label="thing">{boxes}</track></annotations>'
    )
    return path


@pytest.mark.parametrize(
    ("place", "part"),
    [("read.start=0.2", range(5, 40)), ("read.every=2", range(0, 40, 2))],
)
def test_masks_that_begin_later_stay_on_their_frames_where_a_part_is_read(scene, place, part):
    masks = write_masks(scene / "masks", *range(4))
    masked = find_masked(scene, masks, "masks.offset=10", place)
    assert masked == [10 <= n < 14 for n in part]


@pytest.mark.parametrize(
    ("offset", "masked", "said"),
    [
        (10, [10, 12, 15], "the first mask is of frame 10, counted from 0; in frames without"),
        (-2, [0, 3], "the first mask is of the frame 2 before that of the clip; in frames without"),
    ],
)
def test_masks_whose_names_have_gaps_begin_where_the_offset_says(
    scene, caplog, offset, masked, said
):
    masks = write_masks(scene / "masks", 10, 12, 15)
    with caplog.at_level("INFO", "outtake"):
        found = find_masked(scene, masks, f"masks.offset={offset}")
    assert found == [n in masked for n in range(FRAMES)]
    assert "3 masks by the numbers in their names, counted from 00010.png" in caplog.text
    assert f"masks.offset={offset}: {said}" in caplog.text


def test_numbers_of_annotations_count_from_the_offset(scene, caplog):
    masks = write_boxes(scene / "masks.xml", 2, 7)
    with caplog.at_level("INFO", "outtake"):
        found = find_masked(scene, masks, "masks.offset=10")
    assert found == [n in (12, 17) for n in range(FRAMES)]
    assert "masks.xml is frame 10 of the clip, and its first mask, of frame 2, is of frame 12" in (
        caplog.text
    )


@pytest.mark.parametrize("kind", ["picture", "annotations"])
def test_one_mask_of_every_frame_has_no_offset(scene, kind):
    masks = scene / "one.json"
    if kind == "picture":
        masks = write_masks(scene / "masks", 0) / "00000.png"
    else:
        shape = {"label": "a", "shape_type": "rectangle", "points": [[1, 1], [9, 9]]}
        size = {"imageHeight": HEIGHT, "imageWidth": WIDTH, "imagePath": "one.png"}
        masks.write_text(json.dumps({"version": "5", "shapes": [shape], **size}))
    with pytest.raises(
        ConfigError, match=r"^masks\.offset=10: .* is one mask, which is that of ev"
    ):
        find_masked(scene, masks, "masks.offset=10")


def test_one_mask_may_be_of_one_frame(scene):
    masks = write_masks(scene / "masks", 10)
    assert find_masked(scene, masks, "masks.first=0") == [n == 10 for n in range(FRAMES)]
