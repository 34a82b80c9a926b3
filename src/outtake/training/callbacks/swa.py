"""Stochastic weight averaging: the mean of the weights at the ends of the last epochs."""

from __future__ import annotations

import logging
import math
from typing import Any

from pytorch_lightning import LightningModule, Trainer

from outtake.core.errors import ConfigError
from outtake.core.validate import check_number
from outtake.training.batchnorm_statistics import measure_batchnorm
from outtake.training.callbacks.weight_average import WeightAverage
from outtake.training.task import SegmentationTask
from outtake.training.trainer_info import find_data_module
from outtake.training.training_length import (
    count_epoch_steps,
    count_steps,
    first_step_of_epoch,
)

log = logging.getLogger(__name__)


class StochasticWeightAveraging(WeightAverage):
    """Average the weights at the end of each epoch of the last part of training, and validate that.

    The mean lies in the middle of a flat valley around whose rim training walks, and generalises
    better than a point of the rim (Izmailov et al. 2018). Until averaging begins the weights of
    training are validated and saved. The statistics of batch normalisation are measured anew, on
    training batches that are always the same, before the mean is validated or saved. A resumed run
    gives the same bits.

    Args:
        start: The share of the steps of training after which averaging begins, 0 to below 1.
        batchnorm_batches: The number of training batches for those statistics.

    Raises:
        ConfigError: A value is out of its range.
    """

    def __init__(self, start: float = 0.75, batchnorm_batches: int = 50) -> None:
        check_number("callbacks.swa.start", start, 0, 1)
        if start >= 1:
            raise ConfigError(f"callbacks.swa.start={start}: must be below 1")
        check_number("callbacks.swa.batchnorm_batches", batchnorm_batches, 1, whole=True)
        # Buffers are copied: their mean would be that of statistics, which are measured instead.
        super().__init__(use_buffers=False)
        self._start = start
        self._batches = batchnorm_batches
        self._start_step = self._steps_per_epoch = self._first_step = 0
        self._measured_step = 0

    @property
    def has_begun(self) -> bool:
        """Whether there is a mean of at least one."""
        return self._average_model is not None and int(self._average_model.n_averaged) > 0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Count the steps of training; a resumed run may be longer than before."""
        steps, of_epoch = count_steps(trainer), count_epoch_steps(trainer)
        if of_epoch is None or not 0 < steps < math.inf:
            raise ConfigError(
                "callbacks.swa.start is a share of the steps of a training, whose number is not "
                "known: set trainer.max_epochs or trainer.max_steps"
            )
        self._steps_per_epoch, self._first_step = of_epoch, first_step_of_epoch(trainer)
        self._start_step = int(self._start * steps)
        if trainer.is_global_zero:
            self._warn_of_few(int(steps), trainer.global_step)

    def should_update(self, step_idx: int | None = None, epoch_idx: int | None = None) -> bool:
        """Return whether a step is the last of an epoch in the last part of training."""
        if step_idx is None:
            return False
        done = step_idx + 1
        return done > self._start_step and (done - self._first_step) % self._steps_per_epoch == 0

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Leave the mean in the network."""
        if self.has_begun:
            self._measure(trainer, pl_module)
            super().on_train_end(trainer, pl_module)

    def on_validation_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Put the mean into the network for the validation."""
        if self.has_begun:
            self._measure(trainer, pl_module)
            super().on_validation_epoch_start(trainer, pl_module)

    def on_save_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Save the mean as the weights, and those of training beside it, once it has begun."""
        if self.has_begun:
            self._measure(trainer, pl_module)
            super().on_save_checkpoint(trainer, pl_module, checkpoint)

    def on_load_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Restore the mean, if it had begun."""
        if "averaging_state" in checkpoint:
            super().on_load_checkpoint(trainer, pl_module, checkpoint)

    def state_dict(self) -> dict[str, Any]:
        """Return at which steps weights were averaged and statistics measured last."""
        return super().state_dict() | {"measured_step": self._measured_step}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore it."""
        super().load_state_dict(state_dict)
        self._measured_step = int(state_dict["measured_step"])

    def _warn_of_few(self, steps: int, done: int) -> None:
        """Say where there is no mean, or one of a single point, because few epochs end in time."""
        last = range(self._first_step + self._steps_per_epoch, steps + 1, self._steps_per_epoch)
        to_come = sum(end > max(done, self._start_step) for end in last)
        before = 0 if self._average_model is None else int(self._average_model.n_averaged)
        if before + to_come > 1:
            return
        how_many, consequence = (
            ("only one epoch ends", "the mean is that of one point")
            if before + to_come
            else ("no epoch ends", "nothing is averaged")
        )
        log.warning(
            "callbacks.swa.start=%g: %s after step %d of %d, so %s; set a lower share, or train "
            "for more epochs", self._start, how_many,
            self._start_step, steps, consequence,
        )  # fmt: skip

    def _measure(self, trainer: Trainer, module: LightningModule) -> None:
        """Measure the statistics of the mean, once for each of its states."""
        if self._measured_step == self._latest_update_step or self._shows_average:
            return
        self._measured_step = self._latest_update_step
        data = find_data_module(trainer)
        if isinstance(module, SegmentationTask) and data is not None:
            assert self._average_model is not None
            self._show_average(module)
            measure_batchnorm(module, data.fixed_train_batches(self._batches), module.device)
            measured = zip(self._average_model.module.buffers(), module.buffers(), strict=True)
            for kept, statistic in measured:
                kept.data.copy_(statistic.data)
            self._show_training(module)
