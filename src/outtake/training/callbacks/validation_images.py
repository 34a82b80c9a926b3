"""A few validation images with truth and prediction, the same at every validation."""

from __future__ import annotations

from typing import Any

import numpy as np
from pytorch_lightning import Callback, LightningModule, Trainer

from outtake.core.types import Batch
from outtake.core.validate import check_number
from outtake.training.collectives import all_gather
from outtake.training.media import Picture, log_media
from outtake.training.sample_view import SampleView, sample_view
from outtake.training.task import SegmentationTask
from outtake.training.trainer_info import artifact_stem


class ValidationImages(Callback):
    """Log the same few images at every validation: image, truth, prediction.

    Args:
        count: The number of images, spread evenly over the split.
    """

    def __init__(self, count: int = 4) -> None:
        check_number("callbacks.images.count", count, 0, whole=True)
        self.count = count
        self._views: dict[int, SampleView] = {}

    def on_validation_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Batch,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Keep the chosen samples of this batch."""
        if self.count <= 0:
            return
        assert isinstance(pl_module, SegmentationTask)
        size = _validation_samples(trainer)
        wanted = {round(i * (size - 1) / max(self.count - 1, 1)) for i in range(self.count)}
        for position, index in enumerate(batch["index"].tolist()):
            if index in wanted:
                self._views[index] = sample_view(trainer, batch, outputs, position)

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Log the picture."""
        # Each rank has seen images that no other has.
        parts, self._views = all_gather(self._views), {}
        by_index = {index: each for part in parts for index, each in part.items()}
        if not by_index:
            return
        assert isinstance(pl_module, SegmentationTask)
        labels = pl_module.labels
        shown = [by_index[index] for index in sorted(by_index)]
        rows = [np.concatenate(each.columns(labels), 1) for each in shown]
        width = min(row.shape[1] for row in rows)
        picture = Picture(
            "val/images",
            f"val_{artifact_stem(trainer)}.png",
            np.concatenate([row[:, :width] for row in rows]),
            tuple(each.to_overlay() for each in shown),
            pl_module.labels.names,
        )
        log_media(trainer, picture)


def _validation_samples(trainer: Trainer) -> int:
    loaders: Any = trainer.val_dataloaders
    loader = loaders[0] if isinstance(loaders, list) else loaders
    # Those of all ranks, where batches are shared.
    batches = getattr(loader.batch_sampler, "all_batches", loader.batch_sampler)
    return sum(len(batch) for batch in batches)
