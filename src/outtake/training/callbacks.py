"""What watches over a fit: throughput and the pictures of validation."""

from __future__ import annotations

import time
from typing import Any, TypeVar

import numpy as np
from pytorch_lightning import Callback, LightningModule, Trainer

from outtake.training.exhibits import Picture, show
from outtake.training.shown import Shown, shown_sample
from outtake.training.task import SegmentationTask
from outtake.types import Batch

Kind = TypeVar("Kind")


def callbacks_of(trainer: Trainer, kind: type[Kind]) -> list[Kind]:
    """Return the callbacks of a kind."""
    # Lightning sets it where a type checker does not see it.
    every: list[Any] = trainer.callbacks  # type: ignore[attr-defined]
    return [callback for callback in every if isinstance(callback, kind)]


class Throughput(Callback):
    """Log ``train/samples_per_second`` of every epoch; validation time does not count.

    The first epoch of a process has its warm-up in it, and is left out of :meth:`mean`.
    """

    def __init__(self) -> None:
        self._samples = 0
        self._began_s = 0.0
        self._epochs: list[tuple[int, float]] = []

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the clock: a run that goes on inside an epoch does not begin one."""
        self._samples, self._began_s = 0, time.perf_counter()

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the clock."""
        self._samples, self._began_s = 0, time.perf_counter()

    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Batch,
        batch_idx: int,
    ) -> None:
        """Count, and stop the clock after the last batch, before validation begins."""
        self._samples += len(batch["image"]) * trainer.world_size
        if batch_idx + 1 == trainer.num_training_batches:
            self._epochs.append((self._samples, time.perf_counter() - self._began_s))
            pl_module.log("train/samples_per_second", self._samples / self._epochs[-1][1])

    def mean(self) -> float | None:
        """Return samples per second over the epochs so far, None before the first ended."""
        counted = self._epochs[1:] or self._epochs
        seconds = sum(duration for _, duration in counted)
        return sum(samples for samples, _ in counted) / seconds if seconds else None


class ValidationImages(Callback):
    """Bake the same few validation images at every validation: image, truth, prediction.

    Args:
        count: how many, spread evenly over the split.
    """

    def __init__(self, count: int = 4) -> None:
        self.count = count
        self._shown: list[Shown] = []

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
        if not trainer.is_global_zero or self.count <= 0:
            return
        assert isinstance(pl_module, SegmentationTask)
        size = sum(len(sampled) for sampled in _batches_of(trainer))
        wanted = {round(i * (size - 1) / max(self.count - 1, 1)) for i in range(self.count)}
        for position, index in enumerate(batch["index"].tolist()):
            if index in wanted:
                self._shown.append(shown_sample(trainer, batch, outputs, position))

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Show the picture."""
        if not self._shown:
            return
        assert isinstance(pl_module, SegmentationTask)
        palette = pl_module.labels.palette()
        rows = [np.concatenate(each.columns(palette), 1) for each in self._shown]
        width = min(row.shape[1] for row in rows)
        picture = Picture(
            "val/images",
            f"val_epoch_{trainer.current_epoch:04d}.png",
            np.concatenate([row[:, :width] for row in rows]),
            tuple(each.overlay() for each in self._shown),
            pl_module.labels.names,
        )
        self._shown.clear()
        show(trainer, picture)


def _batches_of(trainer: Trainer) -> list[list[int]]:
    loaders: Any = trainer.val_dataloaders
    loader = loaders[0] if isinstance(loaders, list) else loaders
    return list(loader.batch_sampler)
