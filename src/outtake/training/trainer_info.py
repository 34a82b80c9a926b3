"""What a trainer says of itself: callbacks, data, and the name of its running validation."""

from __future__ import annotations

from typing import Any, TypeVar

from pytorch_lightning import Trainer

from outtake.data.datamodule import DataModule

CallbackType = TypeVar("CallbackType")


def find_callbacks(trainer: Trainer, callback_type: type[CallbackType]) -> list[CallbackType]:
    """Return the callbacks of a class."""
    # Lightning sets the attribute where a type checker does not see it.
    every: list[Any] = trainer.callbacks  # type: ignore[attr-defined]
    return [callback for callback in every if isinstance(callback, callback_type)]


def find_data_module(trainer: Trainer) -> DataModule | None:
    """Return the data of a fit; None where they are loaders that somebody made."""
    data = getattr(trainer, "datamodule", None)
    return data if isinstance(data, DataModule) else None


def artifact_stem(trainer: Trainer) -> str:
    """Return the part of file names that says which validation is running.

    It is ``epoch_NNNN``, or ``epoch_NNNN_step_NNNNNN`` where another validation of the epoch would
    have the same name. Steps are the optimizer's steps so far; ``metrics.jsonl`` has the number of
    the last step, counted from 0, or of the running one while gradients accumulate.
    """
    step = f"_step_{trainer.global_step:06d}" if _has_several_validations(trainer) else ""
    return f"epoch_{trainer.current_epoch:04d}{step}"


def validation_title(trainer: Trainer) -> str:
    """Return the epoch, and where needed the step, of the running validation for a title."""
    step = f", step {trainer.global_step}" if _has_several_validations(trainer) else ""
    return f"epoch {trainer.current_epoch}{step}"


def _has_several_validations(trainer: Trainer) -> bool:
    if trainer.sanity_checking:
        return False
    every, batches = trainer.val_check_batch, trainer.num_training_batches
    if every is None:  # by the clock
        return True
    if every == float("inf"):
        return False
    progress = trainer.fit_loop.epoch_loop.batch_progress
    throughout = trainer.check_val_every_n_epoch is None
    if (every < batches) if throughout else (2 * every <= batches):
        return True
    # A time limit ends a fit with a validation of its own, and a run that resumes from there has
    # the validation of the whole epoch too.
    done = progress.total.completed if throughout else progress.current.completed
    return bool(done % every)
