from __future__ import annotations

import numpy as np
import torch

from outtake.training.callbacks.hard_examples import HardExamples
from outtake.training.task import SegmentationTask
from tests.training.callbacks.fake_trainer import Seen, batch, trainer, wrong


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
