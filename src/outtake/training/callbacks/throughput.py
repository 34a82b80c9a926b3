"""Samples per second, and the wall time of a run."""

from __future__ import annotations

import time
from typing import Any

from pytorch_lightning import Callback, LightningModule, Trainer

from outtake.core.types import Batch
from outtake.training.task import SegmentationTask


class Throughput(Callback):
    """Log ``train/samples_per_second`` of every epoch, and add up the time of all fits of a run.

    Validation does not count. The first epoch of a process contains its warm-up, and is left out of
    :meth:`samples_per_second` where there are others. Batches that workers make during a validation
    are ready when the next epoch begins.
    """

    def __init__(self) -> None:
        self._samples = 0
        self._epoch_started_s = 0.0
        self._epochs_done = 0  # of this process
        # Samples and seconds of whole epochs.
        self._first_epoch, self._later_epochs = (0, 0.0), (0, 0.0)
        self._earlier_wall_time_s = 0.0
        self._fit_started_s: float | None = None

    def state_dict(self) -> dict[str, Any]:
        """Return the counts so far."""
        return {
            "first": self._first_epoch,
            "later": self._later_epochs,
            "wall_s": self.wall_time_s(),
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the counts."""
        self._first_epoch, self._later_epochs = state_dict["first"], state_dict["later"]
        self._earlier_wall_time_s = state_dict["wall_s"]

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Start the clock of the fit."""
        self._fit_started_s = time.perf_counter()

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the clock: a run that resumes inside an epoch does not begin one."""
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
        """Count the samples; stop the clock after the last batch, before validation."""
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
            # As a value of the epoch: those of a step are kept every log_every_n_steps only.
            pl_module.log(
                "train/samples_per_second",
                self._samples / took_s,
                on_step=False,
                on_epoch=True,
                batch_size=1,
            )

    def samples_per_second(self) -> float | None:
        """Return samples per second over the epochs so far, None before the first has ended."""
        samples, seconds = self._later_epochs if self._later_epochs[0] else self._first_epoch
        return samples / seconds if seconds else None

    def wall_time_s(self) -> float:
        """Return the seconds of this fit and of the fits that it resumes."""
        started_s = self._fit_started_s
        fit_s = 0.0 if started_s is None else time.perf_counter() - started_s
        return self._earlier_wall_time_s + fit_s
