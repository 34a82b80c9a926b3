"""The validation of the last weights, whatever the interval between validations."""

from __future__ import annotations

import math
from typing import Any

from pytorch_lightning import Callback, LightningModule, Trainer


class FinalValidation(Callback):
    """Validates after the last epoch, and where a limit of steps or time ends a fit.

    The interval between validations may leave these weights out; without a score they could not be
    the best ones, which those at the end of a schedule often are. ``limit_val_batches=0`` still
    turns validation off. It must come after what stops a fit.
    """

    def __init__(self) -> None:
        self._interval: int | float | None = None  # what was set for the validation of a resumption

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Look at the epoch in the middle of which a run resumes, which begins only once.

        A run that was ended in its last validation has no step left after which to ask for it.
        """
        self.on_train_epoch_start(trainer, pl_module)
        batches = trainer.fit_loop.epoch_loop.batch_progress
        done, every = batches.current.completed, trainer.val_check_batch
        if _is_last_epoch(trainer) and done >= trainer.num_training_batches and every is not None:
            throughout = trainer.check_val_every_n_epoch is None
            self._interval = every
            trainer.val_check_batch = batches.total.completed if throughout else done

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Put the interval back, which the names of files follow from."""
        if self._interval is not None:
            trainer.val_check_batch, self._interval = self._interval, None

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Let the last epoch be validated."""
        if _is_last_epoch(trainer):
            _validate_this_epoch(trainer)

    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Let the last step be validated."""
        ends_epoch = batch_idx + 1 >= trainer.num_training_batches
        is_between = (
            ends_epoch and _is_last_epoch(trainer) and not _ends_interval(trainer, batch_idx)
        )
        if is_between or 0 < trainer.max_steps <= trainer.global_step:
            trainer.should_stop = True  # between two intervals, Lightning validates no other way
        if trainer.should_stop:
            _validate_this_epoch(trainer)


def _ends_interval(trainer: Trainer, batch_idx: int) -> bool:
    """Return whether a validation follows a batch anyway, if its epoch is validated."""
    every = trainer.val_check_batch
    if every is None or every == math.inf:  # by the clock; once for each pass
        return every is not None
    throughout = trainer.check_val_every_n_epoch is None
    done = trainer.fit_loop.epoch_loop.total_batch_idx if throughout else batch_idx
    return (done + 1) % every == 0


def _is_last_epoch(trainer: Trainer) -> bool:
    return trainer.current_epoch + 1 == trainer.max_epochs


def _validate_this_epoch(trainer: Trainer) -> None:
    if trainer.check_val_every_n_epoch is not None:
        trainer.check_val_every_n_epoch = 1
