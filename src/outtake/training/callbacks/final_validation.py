"""The validation after the last epoch, whatever the interval between validations."""

from __future__ import annotations

from pytorch_lightning import Callback, LightningModule, Trainer


class FinalValidation(Callback):
    """Validates after the last epoch also where ``check_val_every_n_epoch`` leaves it out.

    Otherwise the last weights would have no score, so they could not be the best ones, and those
    at the end of a schedule often are. ``limit_val_batches=0`` still turns validation off.
    """

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Look at the epoch in the middle of which a run resumes, which begins only once."""
        self.on_train_epoch_start(trainer, pl_module)

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Let the last epoch be validated."""
        is_last = trainer.current_epoch + 1 == trainer.max_epochs
        if is_last and trainer.check_val_every_n_epoch is not None:
            trainer.check_val_every_n_epoch = 1
