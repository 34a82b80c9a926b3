"""How long a moving average of the weights remembers."""

from __future__ import annotations

import math

from pytorch_lightning import Trainer

from outtake.core.errors import ConfigError
from outtake.training.training_length import count_steps


def average_decay(trainer: Trainer, window_share: float, key: str, instead: str) -> float:
    """Return the share of a moving average that remains in a step of a training.

    An average that reaches back over a large part of a training is of weights that lie far apart,
    for which the statistics of batch normalisation are wrong. A decay that is good for a long
    training makes that of a short one, so the decay follows from the number of its steps. A run
    that is resumed with another length goes on with the decay of that, as with its schedule.

    Args:
        trainer: Knows the number of steps.
        window_share: How far back the average reaches, as a share of all steps: the weights of so
            long ago count 1 / e as much as those of now. At least one step.
        key: The option that the share is.
        instead: What to set where the length of the training shall not be known.

    Raises:
        ConfigError: The number of steps is not known.
    """
    steps = count_steps(trainer)
    if not 0 < steps < math.inf:
        raise ConfigError(
            f"{key} is a share of the steps of a training, whose number is not known: set "
            f"trainer.max_epochs or trainer.max_steps, or {instead}"
        )
    return math.exp(-1 / max(1.0, window_share * steps))
