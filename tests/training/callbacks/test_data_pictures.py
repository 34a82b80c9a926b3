from __future__ import annotations

import numpy as np

from outtake.training.callbacks.data_pictures import AugmentedSamples
from outtake.training.task import SegmentationTask
from tests.training.callbacks.fake_trainer import Seen, batch, trainer


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
