from __future__ import annotations

from types import SimpleNamespace

import numpy as np

from outtake.training.callbacks.validation_images import ValidationImages
from outtake.training.task import SegmentationTask
from tests.training.callbacks.fake_trainer import LABELS, Seen, batch, trainer, wrong


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
