"""The range test of the learning rate (Smith 2017, "Cyclical learning rates")."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from pytorch_lightning import Callback, LightningModule, Trainer

_SMOOTHING = 0.9
_DIVERGED = 4.0  # times the lowest loss
_MIN_STEPS = 10


class RateRange(Callback):
    """Raise the rate from step to step, evenly in its logarithm, until the loss explodes.

    The rate is that of the optimizer; groups of weights have theirs as multiples of it.

    Args:
        lowest: The rate of the first step.
        highest: The rate of the last step.
        steps: The number of steps.

    Attributes:
        rates: The rate of each step so far.
        losses: The loss of each step so far, the mean over its batches.
    """

    def __init__(self, lowest: float, highest: float, steps: int) -> None:
        self._lowest = lowest
        self._factor = (highest / lowest) ** (1 / max(steps - 1, 1))
        self._scales: list[list[float]] = []
        self.rates: list[float] = []
        self.losses: list[float] = []
        self._losses_of_step: list[float] = []

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Note the multiple of each group."""
        self._scales = [
            [float(group["lr"]) / optimizer.defaults["lr"] for group in optimizer.param_groups]
            for optimizer in trainer.optimizers
        ]

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Set the rate; that of a step stays while its gradients are accumulated."""
        if trainer.global_step < len(self.rates):
            return
        rate = self._lowest * self._factor ** len(self.rates)
        for optimizer, scales in zip(trainer.optimizers, self._scales, strict=True):
            for group, scale in zip(optimizer.param_groups, scales, strict=True):
                group["lr"] = scale * rate
        self.rates.append(rate)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Note the loss, and stop where it has exploded."""
        self._losses_of_step.append(float(outputs["loss"]))
        if trainer.global_step < len(self.rates):
            return
        # Lightning has divided each by the number of batches.
        scale = trainer.accumulate_grad_batches
        self.losses.append(scale * float(np.mean(self._losses_of_step)))
        self._losses_of_step.clear()
        smooth = smooth_losses(self.losses)
        if len(smooth) >= _MIN_STEPS and smooth[-1] > _DIVERGED * min(smooth):
            trainer.should_stop = True


def smooth_losses(losses: Sequence[float]) -> list[float]:
    """Return the moving mean of losses, without the pull of its beginning."""
    mean, found = 0.0, []
    for count, loss in enumerate(losses, 1):
        mean = _SMOOTHING * mean + (1 - _SMOOTHING) * loss
        found.append(mean / (1 - _SMOOTHING**count))
    return found


def suggest_rate(rates: Sequence[float], losses: Sequence[float]) -> float | None:
    """Return the rate at which the smoothed loss falls most steeply over the rate's logarithm.

    None if it never falls. What comes after the lowest loss does not count.

    Args:
        rates: The rate of each step, rising.
        losses: The loss of each step.
    """
    smooth = np.array(smooth_losses(losses))
    end = int(smooth.argmin()) + 1
    if end < 3:
        return None
    slopes = np.gradient(smooth[:end], np.log(np.array(rates[:end])))
    place = int(slopes.argmin())
    return float(rates[place]) if slopes[place] < 0 and math.isfinite(slopes[place]) else None
