"""The labels of a project or a training set as masks: 255 is unlabelled there, and not removed."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.pipeline.square import HEIGHT, WIDTH
from tests.programs.removal_scene import FRAMES
from tests.programs.test_masks_offset import find_masked

CLASSES = "names: [background, object]\n"


def write_labels(root: Path, *values: int) -> Path:
    """Write a mask of two halves for each frame: background, and a value in turn."""
    folder = root / "train" / "masks"
    folder.mkdir(parents=True)
    for number in range(FRAMES):
        labels = np.zeros((HEIGHT, WIDTH), np.uint8)
        labels[:, WIDTH // 2 :] = values[number % len(values)]
        cv2.imwrite(str(folder / f"{number:06d}.png"), labels)
    return folder


@pytest.mark.parametrize("named", ["train/masks", "train", "train/masks/*.png"])
def test_what_is_unlabelled_in_a_project_is_not_removed(scene, caplog, named):
    root = scene / "project"
    write_labels(root, 255, 1)
    (root / "project.json").write_text(json.dumps({"source": "in.mkv"}))
    with caplog.at_level(logging.INFO):
        masked = find_masked(scene, root / named)
    assert masked == [number % 2 == 1 for number in range(FRAMES)]
    assert "all but 0 is removed, but 255 (unlabelled) never" in caplog.text
    assert "where 255 is unlabelled: it is not removed" in caplog.text
    assert f"labels={root} takes them" in caplog.text


def test_a_training_set_says_so_by_its_classes(scene, caplog):
    root = scene / "set"
    masks = write_labels(root, 255)
    assert all(find_masked(scene, masks))
    (root / "classes.yaml").write_text(CLASSES + "ignore: 255\n")
    assert not any(find_masked(scene, masks))
    assert "nothing is marked" in caplog.text and "labels=" not in caplog.text
    (root / "classes.yaml").write_text(CLASSES)
    assert all(find_masked(scene, masks))


@pytest.mark.parametrize(
    ("override", "expected"),
    [("masks.ids=[255]", True), ("masks.threshold=0.5", True), ("masks.ids=[1]", False)],
)
def test_what_the_user_says_of_values_wins(scene, override, expected):
    root = scene / "project"
    masks = write_labels(root, 255)
    (root / "project.json").write_text("{}")
    assert set(find_masked(scene, masks, override)) == {expected}
