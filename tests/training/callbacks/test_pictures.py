"""What is drawn, from batches whose content is known."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from torch import nn

from outtake.core.labels import LabelSpace
from outtake.training.callbacks.confusion_matrix import ConfusionMatrixWriter, ValidationTables
from outtake.training.callbacks.data_pictures import AugmentedSamples
from outtake.training.callbacks.hard_examples import HardExamples
from outtake.training.callbacks.validation_images import ValidationImages
from outtake.training.media import Overlay, Picture, Table, log_media
from outtake.training.task import SegmentationTask
from outtake.training.trainer_info import artifact_stem, validation_title

LABELS = LabelSpace.from_names(["road", "car", "sky"], [(90, 60, 90), (0, 0, 200), (120, 180, 230)])


class Seen:
    """A logger that keeps what it is shown."""

    def __init__(self) -> None:
        self.exhibits: list[tuple[Any, int]] = []

    def log_media(self, media: Any, step: int) -> None:
        self.exhibits.append((media, step))


def trainer(seen: Seen, **more: Any) -> Any:
    plain = {"is_global_zero": True, "sanity_checking": False, "current_epoch": 2}
    plain |= {"global_step": 30, "datamodule": None, "loggers": [object(), seen]}
    plain |= {"val_check_batch": 10, "num_training_batches": 10, "check_val_every_n_epoch": 1}
    plain |= {"fit_loop": fit_loop(10, 30)}
    return SimpleNamespace(**plain | more)


def fit_loop(of_epoch: int, of_run: int) -> Any:
    """Return a loop after so many batches."""
    tallies = {"current": SimpleNamespace(completed=of_epoch)}
    tallies["total"] = SimpleNamespace(completed=of_run)
    return SimpleNamespace(epoch_loop=SimpleNamespace(batch_progress=SimpleNamespace(**tallies)))


@pytest.fixture
def task() -> SegmentationTask:
    return SegmentationTask(nn.Identity(), nn.Identity(), LABELS, nn.Identity())


def batch(masks: np.ndarray, first: int = 0) -> dict[str, torch.Tensor]:
    count, height, width = masks.shape
    dice = np.random.default_rng(0)
    image = dice.integers(0, 255, (count, 3, height // 2, width // 2), dtype=np.uint8)
    return {
        "image": torch.from_numpy(image),
        "mask": torch.from_numpy(masks.astype(np.int64)),
        "index": torch.arange(first, first + count),
    }


def wrong(masks: np.ndarray, shares: list[float]) -> torch.Tensor:
    """Predict the truth, but the first share of each image's rows as the next class."""
    predicted = masks.copy()
    for guess, share in zip(predicted, shares, strict=True):
        rows = round(share * len(guess))
        guess[:rows] = (guess[:rows] + 1) % 3
    return torch.from_numpy(predicted.astype(np.int64))


def test_the_worst_images_are_those_with_the_lowest_miou_worst_first(
    task: SegmentationTask,
) -> None:
    masks = np.random.default_rng(1).integers(0, 3, (3, 20, 30)).astype(np.uint8)
    masks[1, :10] = 255  # not scored
    seen, worst = Seen(), HardExamples(count=3)
    for first, shares in ((0, [0.1, 0.9, 0.5]), (3, [0.0, 0.7, 0.2])):
        outputs = wrong(masks, shares)
        worst.on_validation_batch_end(trainer(seen), task, outputs, batch(masks, first), 0)
    unlabelled = np.full((1, 20, 30), 255, np.uint8)
    outputs = torch.zeros(1, 20, 30, dtype=torch.int64)
    worst.on_validation_batch_end(trainer(seen), task, outputs, batch(unlabelled, 6), 0)
    worst.on_validation_epoch_end(trainer(seen), task)
    ((picture, step),) = seen.exhibits
    assert (picture.name, picture.file, step) == ("val/worst", "worst_epoch_0002.png", 30)
    # Of images 1 and 4 only the lower half counts: 80% and 40% of it are wrong; of image 2, 50%.
    assert [each.name for each in picture.overlays] == ["1", "2", "4"]
    first = picture.overlays[0]
    assert (first.masks["truth"] == masks[1]).all() and first.image.shape == (20, 30, 3)
    assert (first.masks["prediction"][:18] == (masks[1, :18].astype(int) + 1) % 3)[10:].all()
    worst.on_validation_epoch_end(trainer(seen), task)
    assert len(seen.exhibits) == 1, "the next validation begins with none"


def test_the_same_validation_images_in_three_columns(task: SegmentationTask) -> None:
    masks = np.zeros((4, 20, 30), np.uint8)
    masks[:, :, 15:] = 1
    seen, images = Seen(), ValidationImages(count=2)
    loaders = SimpleNamespace(batch_sampler=[[0, 1, 2, 3], [4, 5, 6, 7]])
    for first in (0, 4):
        here = trainer(seen, val_dataloaders=loaders)
        images.on_validation_batch_end(here, task, wrong(masks, [0.0] * 4), batch(masks, first), 0)
    images.on_validation_epoch_end(trainer(seen), task)
    ((picture, _),) = seen.exhibits
    assert picture.file == "val_epoch_0002.png" and picture.image.shape == (40, 90, 3)
    assert [each.name for each in picture.overlays] == ["0", "7"], "the first and the last"
    assert (picture.image[:20, 30:45] == LABELS.colours[0]).all()
    assert (picture.image[:20, 45:60] == LABELS.colours[1]).all()
    assert picture.classes == LABELS.names


ALONE = {
    "at the end of an epoch": {},
    "once, before its end": {"val_check_batch": 6, "fit_loop": fit_loop(6, 26)},
    "at the end of a source without a length": {"val_check_batch": float("inf")},
    "every so many batches, seldom": {"val_check_batch": 13, "fit_loop": fit_loop(6, 26)}
    | {"check_val_every_n_epoch": None},
    "before the first step": {"val_check_batch": None, "sanity_checking": True},
}
OF_SEVERAL = {
    "twice an epoch": {"val_check_batch": 5, "fit_loop": fit_loop(5, 25)},
    "twice an epoch, at its end": {"val_check_batch": 5},
    "every so many batches": {"val_check_batch": 6, "fit_loop": fit_loop(10, 30)}
    | {"check_val_every_n_epoch": None},
    "by the clock": {"val_check_batch": None},
    "at a limit of time": {"fit_loop": fit_loop(7, 27)},
    "at a limit of time, seldom": {"val_check_batch": 13, "fit_loop": fit_loop(7, 27)}
    | {"check_val_every_n_epoch": None},
}


@pytest.mark.parametrize("when", [*ALONE, *OF_SEVERAL])
def test_a_validation_has_its_step_in_its_name_where_its_epoch_may_have_several(when: str) -> None:
    here = trainer(Seen(), **(ALONE | OF_SEVERAL)[when])
    several = when in OF_SEVERAL
    assert artifact_stem(here) == ("epoch_0002_step_000030" if several else "epoch_0002")
    assert validation_title(here) == ("epoch 2, step 30" if several else "epoch 2")


def test_pictures_and_matrices_of_one_validation_have_one_name(
    task: SegmentationTask, tmp_path: Path
) -> None:
    masks = np.zeros((2, 20, 30), np.uint8)
    seen, images, worst = Seen(), ValidationImages(count=2), HardExamples(count=1)
    loaders = SimpleNamespace(batch_sampler=[[0, 1]])
    here = trainer(seen, val_dataloaders=loaders, **OF_SEVERAL["twice an epoch"])
    for each in (images, worst):
        each.on_validation_batch_end(here, task, wrong(masks, [0.5, 0.2]), batch(masks), 0)
        each.on_validation_epoch_end(here, task)
    task.last_confusion = np.eye(3, dtype=np.int64)
    ValidationTables().on_validation_end(here, task)
    ConfusionMatrixWriter(tmp_path).on_validation_end(here, task)
    files = [each.file for each, _ in seen.exhibits if isinstance(each, Picture)]
    assert files == [f"{k}_epoch_0002_step_000030.png" for k in ("val", "worst", "confusion")]
    (path,) = tmp_path.iterdir()
    assert path.name == "val_epoch_0002_step_000030.json"
    assert json.loads(path.read_text())["step"] == 30


def test_tables_of_a_validation(task: SegmentationTask) -> None:
    task.last_confusion = np.array([[8, 2, 0], [0, 5, 0], [0, 0, 0]])
    seen = Seen()
    ValidationTables().on_validation_end(trainer(seen), task)
    picture, matrix, classes = (media for media, _ in seen.exhibits)
    assert isinstance(picture, Picture) and picture.file == "confusion_epoch_0002.png"
    assert matrix.chart == "matrix" and len(matrix.rows) == 9
    assert ("road", "car", 2) in matrix.rows and ("car", "road", 0) in matrix.rows
    assert classes.columns == ("class", "iou", "precision", "recall", "dice", "pixels")
    assert classes.rows[0] == ("road", 0.8, 1.0, 0.8, pytest.approx(16 / 18), 10)
    assert classes.rows[2] == ("sky", None, None, None, None, 0), "a class that is not there"


def test_augmented_samples_are_shown_before_the_first_step_only(task: SegmentationTask) -> None:
    masks = np.zeros((3, 20, 30), np.uint8)
    given = batch(masks)
    given["image"] = given["image"].repeat_interleave(2, 2).repeat_interleave(2, 3)
    seen, samples = Seen(), AugmentedSamples(count=2)
    samples.on_train_batch_start(trainer(seen, global_step=5), task, given, 0)
    samples.on_train_batch_start(trainer(seen, global_step=0), task, given, 1)
    assert not seen.exhibits
    samples.on_train_batch_start(trainer(seen, global_step=0), task, given, 0)
    ((picture, _),) = seen.exhibits
    assert picture.file == "augmented.png" and picture.image.shape[1] > 4 * 240


def test_only_the_first_process_shows() -> None:
    seen = Seen()
    log_media(trainer(seen, is_global_zero=False), Table("a", ("b",), []))
    assert not seen.exhibits


def test_a_picture_is_made_small_once_and_encoded_once() -> None:
    large = np.zeros((100, 4800, 3), np.uint8)
    large[:, ::2] = 255
    overlay = Overlay("a", large, {"truth": np.ones((100, 4800), np.uint8)})
    picture = Picture("a", "a.png", large, (overlay,))
    assert (
        picture.for_dashboard.image.shape == (50, 2400, 3)
        and picture.for_dashboard is picture.for_dashboard
    )
    assert picture.for_dashboard.overlays[0].masks["truth"].shape == (13, 640)
    assert picture.for_dashboard.for_dashboard is picture.for_dashboard
    assert cv2.imdecode(np.frombuffer(picture.png, np.uint8), 1).shape == large.shape
    assert picture.size_bytes() == 2 * large.nbytes + 480_000
