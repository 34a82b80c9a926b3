"""What watches over a fit: throughput and pictures."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.loggers import TensorBoardLogger, WandbLogger

from outtake.training.ranks import gathered
from outtake.training.task import SegmentationTask
from outtake.types import Batch
from outtake.visualize import colourise, overlay, save_png

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
        assert isinstance(pl_module, SegmentationTask)
        self._samples += pl_module.images_in_step
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

    Written to ``images/`` of the run folder as PNG and shown by the dashboards.

    Args:
        count: how many, spread evenly over the split.
        folder: where; None leaves the pictures to the dashboards. Set by the application.
    """

    def __init__(self, count: int = 4, folder: str | Path | None = None) -> None:
        self.count = count
        self.folder = None if folder is None else Path(folder)
        self._rows: dict[int, NDArray[np.uint8]] = {}

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
        size = _samples_of(trainer)
        wanted = {round(i * (size - 1) / max(self.count - 1, 1)) for i in range(self.count)}
        for position, index in enumerate(batch["index"].tolist()):
            if index in wanted:
                self._rows[index] = _row(pl_module, batch, outputs, position)

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the picture."""
        # Each rank has seen images that no other has.
        parts, self._rows = gathered(self._rows), {}
        named = {index: row for part in parts for index, row in part.items()}
        if not named or not trainer.is_global_zero:
            return
        rows = [named[index] for index in sorted(named)]
        width = min(row.shape[1] for row in rows)
        picture = np.concatenate([row[:, :width] for row in rows])
        if self.folder is not None:
            save_png(self.folder / f"val_epoch_{trainer.current_epoch:04d}.png", picture)
        for logger in trainer.loggers:
            if isinstance(logger, TensorBoardLogger):
                logger.experiment.add_image(
                    "val/images", picture, trainer.global_step, dataformats="HWC"
                )
            elif isinstance(logger, WandbLogger):
                logger.log_image("val/images", [picture], step=trainer.global_step)


def _samples_of(trainer: Trainer) -> int:
    loaders: Any = trainer.val_dataloaders
    loader = loaders[0] if isinstance(loaders, list) else loaders
    return sum(len(batch) for batch in loader.batch_sampler.all)


def _row(
    task: SegmentationTask, batch: Batch, predicted: torch.Tensor, position: int
) -> NDArray[np.uint8]:
    truth = batch["mask"][position].cpu().numpy().astype(np.uint8)
    guess = predicted[position].cpu().numpy().astype(np.uint8)
    image = batch["image"][position].cpu().permute(1, 2, 0).numpy()
    image = image[..., :3] if image.shape[2] >= 3 else np.repeat(image[..., :1], 3, 2)
    rows = (np.arange(truth.shape[0]) * image.shape[0] // truth.shape[0])[:, None]
    columns = (np.arange(truth.shape[1]) * image.shape[1] // truth.shape[1])[None]
    image = np.ascontiguousarray(image[rows, columns])
    palette = task.labels.palette()
    return np.concatenate([image, colourise(truth, palette), overlay(image, guess, palette)], 1)
