"""Augmentation that hides what the labels are about is measured, and said before training."""

from __future__ import annotations

import warnings
from pathlib import Path

import albumentations as A
import numpy as np
import pytest

from outtake.data.augmentation import Augmentation
from outtake.data.clipped_pixels import measure_clipping
from outtake.data.datamodule import DataModule
from outtake.data.dataset import SegmentationDataset
from outtake.data.folder import Folder
from outtake.data.source import DataWarning
from tests.data.generated import save

DARKER = A.RandomBrightnessContrast(brightness_limit=(-0.5, -0.5), contrast_limit=0, p=1)
EXPOSED_LESS = A.RandomBrightnessContrast(brightness_limit=0, contrast_limit=(-0.5, -0.5), p=1)
BRIGHTER = A.RandomBrightnessContrast(brightness_limit=(0.9, 0.9), contrast_limit=0, p=1)


@pytest.fixture
def source(tmp_path: Path) -> Folder:
    """Two images: of each labelled half a quarter is black, the rest is dark; no label below."""
    image, mask = np.full((8, 8, 3), 100, np.uint8), np.zeros((8, 8), np.uint8)
    image[:4, :2] = 0
    mask[4:] = 255
    mask[0, 0] = 1
    for split, names in (("train", "ab"), ("val", "c")):
        for name in names:
            save(tmp_path / split / "images" / f"{name}.png", image)
            save(tmp_path / split / "masks" / f"{name}.png", mask)
    (tmp_path / "classes.yaml").write_text("names: [road, car]\n")
    return Folder(str(tmp_path))


@pytest.mark.parametrize(
    ("steps", "share"),
    [([], 0), ([DARKER], 0.75), ([EXPOSED_LESS], 0), ([BRIGHTER], 0.5)],
)
def test_what_was_black_or_white_before_is_taken_off(
    source: Folder, steps: list[A.BasicTransform], share: float
) -> None:
    dataset = SegmentationDataset(
        source, source.samples("train"), augmentation=Augmentation(steps, None, 255, 0)
    )
    assert measure_clipping(dataset, source, [0, 1], 2) == pytest.approx(share)


@pytest.mark.parametrize(("step", "said"), [(DARKER, True), (EXPOSED_LESS, False)])
def test_training_says_what_nothing_can_be_learnt_from(
    source: Folder, step: A.BasicTransform, said: bool
) -> None:
    data = DataModule(source, steps=[step], seed=0, batch_size=1)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        data.setup("fit")
    found = [str(each.message) for each in caught if issubclass(each.category, DataWarning)]
    assert any("augment.steps make 75% of the labelled pixels black" in each for each in found) is (
        said
    )
