"""The validation of the last weights, whatever the interval between validations."""

from __future__ import annotations

from typing import Any

from pytorch_lightning import Callback, LightningModule, Trainer


class FinalValidation(Callback):
    """Validates after the last epoch, and where a limit of steps or time ends a fit.

    The interval between validations may leave these weights out; without a score they could not be
    the best ones, which those at the end of a schedule often are. ``limit_val_batches=0`` still
    turns validation off. It must come after what stops a fit.
    """

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Look at the epoch in the middle of which a run resumes, which begins only once."""
        self.on_train_epoch_start(trainer, pl_module)

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Let the last epoch be validated."""
        if trainer.current_epoch + 1 == trainer.max_epochs:
            _validate_this_epoch(trainer)

    def on_train_batch_end(self, trainer: Trainer, *_: Any) -> None:
        """Let the last step be validated."""
        if 0 < trainer.max_steps <= trainer.global_step:
            trainer.should_stop = True  # inside an epoch, Lightning validates no other way
        if trainer.should_stop:
            _validate_this_epoch(trainer)


def _validate_this_epoch(trainer: Trainer) -> None:
    if trainer.check_val_every_n_epoch is not None:
        trainer.check_val_every_n_epoch = 1
