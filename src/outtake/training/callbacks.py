"""What watches over a fit: throughput and the pictures of validation."""

from __future__ import annotations

import time
from collections.abc import Collection
from typing import Any, TypeVar

import numpy as np
import pytorch_lightning.callbacks
from pytorch_lightning import Callback, LightningModule, Trainer

from outtake.errors import ConfigError
from outtake.ranges import check_number
from outtake.training.exhibits import Picture, show
from outtake.training.ranks import gathered
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
        assert isinstance(pl_module, SegmentationTask)
        self._samples += pl_module.images_in_step
        if batch_idx + 1 == trainer.num_training_batches:
            self._epochs.append((self._samples, time.perf_counter() - self._began_s))
            # Of the epoch: what is logged of a step is kept every log_every_n_steps only.
            pl_module.log(
                "train/samples_per_second",
                self._samples / self._epochs[-1][1],
                on_step=False,
                on_epoch=True,
                batch_size=1,
            )

    def mean(self) -> float | None:
        """Return samples per second over the epochs so far, None before the first ended."""
        counted = self._epochs[1:] or self._epochs
        seconds = sum(duration for _, duration in counted)
        return sum(samples for samples, _ in counted) / seconds if seconds else None


class EarlyStopping(pytorch_lightning.callbacks.EarlyStopping):
    """Lightning's, asked after every validation, also of one that is not there at an epoch's end.

    Args:
        monitor: the name of a metric that is logged by the end of a validation.
        **options: Lightning's own: ``mode``, ``patience`` (in validations), ``min_delta``,
            ``stopping_threshold``, ``divergence_threshold``, ...
    """

    def __init__(self, monitor: str, **options: Any) -> None:
        for name, least in (("patience", 1), ("min_delta", 0)):
            if name in options:
                key = f"callbacks.early_stopping.{name}"
                check_number(key, options[name], least, whole=name == "patience")
        # A limit on steps or time may end a run before anything was validated.
        super().__init__(monitor, **options, check_on_train_epoch_end=False)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Stop the fit if the metric no longer improves.

        Raises:
            ConfigError: nothing of that name is logged.
        """
        if not self._should_skip_check(trainer):
            self.check(trainer.callback_metrics)
        super().on_validation_end(trainer, pl_module)

    def check(self, metrics: Collection[str]) -> None:
        """Raise a ConfigError unless the metric is one of these."""
        if self.monitor not in metrics:
            raise ConfigError(
                f"callbacks.early_stopping.monitor={self.monitor}: no such metric; there are "
                f"{', '.join(sorted(metrics))}"
            )


def check_monitored(trainer: Trainer, task: SegmentationTask) -> None:
    """Raise a ConfigError if early stopping waits for what a fit will not log.

    Callbacks from elsewhere may log anything: with them it shows at the first validation.
    """
    ours = ("outtake.", "pytorch_lightning.")
    if all(type(each).__module__.startswith(ours) for each in callbacks_of(trainer, Callback)):
        for stopping in callbacks_of(trainer, EarlyStopping):
            stopping.check(task.validation_metrics())


class ValidationImages(Callback):
    """Bake the same few validation images at every validation: image, truth, prediction.

    Args:
        count: how many, spread evenly over the split.
    """

    def __init__(self, count: int = 4) -> None:
        check_number("callbacks.images.count", count, 0, whole=True)
        self.count = count
        self._shown: dict[int, Shown] = {}

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
                self._shown[index] = shown_sample(trainer, batch, outputs, position)

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Show the picture."""
        # Each rank has seen images that no other has.
        parts, self._shown = gathered(self._shown), {}
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
            f"val_epoch_{trainer.current_epoch:04d}.png",
            np.concatenate([row[:, :width] for row in rows]),
            tuple(each.overlay() for each in shown),
            pl_module.labels.names,
        )
        show(trainer, picture)


def _samples_of(trainer: Trainer) -> int:
    loaders: Any = trainer.val_dataloaders
    loader = loaders[0] if isinstance(loaders, list) else loaders
    # Those of all ranks, where batches are shared.
    batches = getattr(loader.batch_sampler, "all", loader.batch_sampler)
    return sum(len(batch) for batch in batches)
