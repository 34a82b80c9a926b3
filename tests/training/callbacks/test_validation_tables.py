from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from outtake.training.callbacks.hard_examples import HardExamples
from outtake.training.callbacks.validation_images import ValidationImages
from outtake.training.callbacks.validation_tables import ConfusionMatrixWriter, ValidationTables
from outtake.training.media import Picture
from outtake.training.task import SegmentationTask
from tests.training.callbacks.fake_trainer import Seen, batch, trainer, wrong
from tests.training.test_trainer_info import OF_SEVERAL


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
