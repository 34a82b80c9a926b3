"""What watches over a fit: throughput and the pictures of validation."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from pytorch_lightning import Callback, LightningModule, Trainer

from outtake.core.types import Batch
from outtake.core.validate import check_number
from outtake.training.artifact_names import artifact_stem
from outtake.training.collectives import all_gather
from outtake.training.media import Picture, log_media
from outtake.training.sample_view import SampleView, sample_view
from outtake.training.task import SegmentationTask


class Throughput(Callback):
    """Log ``train/samples_per_second`` of every epoch, and add up the time of all of a run's fits.

    Validation time does not count. The first epoch of a process has its warm-up in it, and is left
    out of :meth:`mean` where there are others.
    """

    def __init__(self) -> None:
        self._samples = 0
        self._epoch_started_s = 0.0
        self._epochs_done = 0  # of this process
        self._first_epoch, self._later_epochs = (
            (0, 0.0),
            (0, 0.0),
        )  # samples and seconds of whole epochs
        self._earlier_wall_time_s = 0.0
        self._fit_started_s: float | None = None

    def state_dict(self) -> dict[str, Any]:
        """Return what was counted so far."""
        return {
            "first": self._first_epoch,
            "later": self._later_epochs,
            "wall_s": self.wall_time_s(),
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from what was counted."""
        self._first_epoch, self._later_epochs = state_dict["first"], state_dict["later"]
        self._earlier_wall_time_s = state_dict["wall_s"]

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Start the clock of the fit."""
        self._fit_started_s = time.perf_counter()

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the clock: a run that goes on inside an epoch does not begin one."""
        self._samples, self._epoch_started_s = 0, time.perf_counter()

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the clock."""
        self._samples, self._epoch_started_s = 0, time.perf_counter()

    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Batch,
        batch_idx: int,
    ) -> None:
        """Count, and stop the clock after the last batch, before validation begins."""
        assert isinstance(pl_module, SegmentationTask)
        self._samples += pl_module.images_in_last_batch
        if batch_idx + 1 == trainer.num_training_batches:
            took_s = time.perf_counter() - self._epoch_started_s
            samples, seconds = self._later_epochs if self._epochs_done else self._first_epoch
            counted = (samples + self._samples, seconds + took_s)
            if self._epochs_done:
                self._later_epochs = counted
            else:
                self._first_epoch = counted
            self._epochs_done += 1
            # Of the epoch: what is logged of a step is kept every log_every_n_steps only.
            pl_module.log(
                "train/samples_per_second",
                self._samples / took_s,
                on_step=False,
                on_epoch=True,
                batch_size=1,
            )

    def samples_per_second(self) -> float | None:
        """Return samples per second over the epochs so far, None before the first ended."""
        samples, seconds = self._later_epochs if self._later_epochs[0] else self._first_epoch
        return samples / seconds if seconds else None

    def wall_time_s(self) -> float:
        """Return the seconds of this fit and of those that it goes on from."""
        began_s = self._fit_started_s
        return self._earlier_wall_time_s + (
            0.0 if began_s is None else time.perf_counter() - began_s
        )


class ValidationImages(Callback):
    """Bake the same few validation images at every validation: image, truth, prediction.

    Args:
        count: how many, spread evenly over the split.
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
        """Show the picture."""
        # Each rank has seen images that no other has.
        parts, self._views = all_gather(self._views), {}
        by_index = {index: each for part in parts for index, each in part.items()}
        if not by_index:
            return
        assert isinstance(pl_module, SegmentationTask)
        palette = pl_module.labels.palette()
        shown = [by_index[index] for index in sorted(by_index)]
        rows = [np.concatenate(each.columns(palette), 1) for each in shown]
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
    batches = getattr(loader.batch_sampler, "all", loader.batch_sampler)
    return sum(len(batch) for batch in batches)
