"""How many steps a training has, of which those before a resumption may have been others."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from pytorch_lightning import Trainer

from outtake.training.checkpoint_files import read_checkpoint


@dataclass(frozen=True)
class Resumption:
    """The place at which a run resumes.

    Attributes:
        epochs: The number of epochs that are done.
        batches: The number of batches of the running epoch that are done.
        steps: The number of steps of the optimizer that are done.
    """

    epochs: int
    batches: int
    steps: int


def read_resumption(checkpoint: Path) -> Resumption:
    """Return the place at which a run resumes from a checkpoint."""
    saved = read_checkpoint(checkpoint)
    loop = saved["loops"]["fit_loop"]
    epochs = int(loop["epoch_progress"]["current"]["completed"])
    batches = int(loop["epoch_loop.batch_progress"]["current"]["completed"])
    return Resumption(epochs, batches, int(saved["global_step"]))


def count_steps(trainer: Trainer) -> int | float:
    """Return the number of the optimizer's steps of a training, from its beginning to its end.

    Epochs that were trained before a resumption may have had more or fewer steps than one has now:
    those are taken as they were. It is -1 or infinite where it is not known.
    """
    steps: int | float = trainer.estimated_stepping_batches
    resumed = _find_resumption(trainer)
    if resumed is None:
        return steps
    per_epoch, epochs = count_epoch_steps(trainer), trainer.max_epochs
    if per_epoch is None or epochs is None or epochs < 0:
        return steps
    whole = first_step_of_epoch(trainer) + (epochs - resumed.epochs) * per_epoch
    whole = max(whole, resumed.steps)
    return whole if trainer.max_steps == -1 else min(whole, trainer.max_steps)


def count_epoch_steps(trainer: Trainer) -> int | None:
    """Return the number of the optimizer's steps of an epoch; None if it is not known."""
    batches = trainer.num_training_batches
    return None if batches == math.inf else _steps(trainer, int(batches))


def first_step_of_epoch(trainer: Trainer) -> int:
    """Return how many steps were done before the epoch in which this fit begins."""
    resumed = _find_resumption(trainer)
    return 0 if resumed is None else resumed.steps - _steps(trainer, resumed.batches)


def _steps(trainer: Trainer, batches: int) -> int:
    return -(-batches // int(trainer.accumulate_grad_batches))


def _find_resumption(trainer: Trainer) -> Resumption | None:
    resumed = getattr(getattr(trainer, "lightning_module", None), "resumption", None)
    return resumed if isinstance(resumed, Resumption) else None
