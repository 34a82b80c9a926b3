"""An exponential moving average of the weights, on the device of the weights."""

from __future__ import annotations

import torch
from pytorch_lightning import LightningModule, Trainer

from outtake.core.validate import check_number
from outtake.training.callbacks.weight_average import WeightAverage
from outtake.training.moving_average import average_decay


class ExponentialMovingAverage(WeightAverage):
    """Lightning's moving average, as long as the training asks for, on the device of the network.

    Lightning makes the average before the network is moved to a GPU. It stays on the CPU, and every
    step copies every weight to the host: here it follows the network.

    Args:
        window_share: How far back the average reaches, as a share of all steps of the training: the
            weights of so long ago count 1 / e as much as those of now.
        decay: The share of the average that remains in a step instead, as 0.999.
        device: The device of the average instead, as ``cpu`` where the memory of the GPU is short.

    Raises:
        ConfigError: A number is not in its range, or the number of steps is not known and there is
            no ``decay``.
    """

    def __init__(
        self,
        window_share: float = 0.04,
        decay: float | None = None,
        device: torch.device | str | None = None,
    ) -> None:
        check_number("callbacks.ema.window_share", window_share, 0.0001, 1)
        check_number("callbacks.ema.decay", decay, 0, 1, optional=True)
        super().__init__(device=device, avg_fn=self._average)
        self._window_share, self._decay = window_share, decay
        self._decay_now = decay

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Choose the decay by the length of the training."""
        if self._decay is not None:
            return
        key = "callbacks.ema.window_share"
        instead = "callbacks.ema.decay=0.999"
        self._decay_now = average_decay(trainer, self._window_share, key, instead)

    def _average(
        self, average: torch.Tensor, current: torch.Tensor, _: torch.Tensor | int
    ) -> torch.Tensor:
        assert self._decay_now is not None
        if not average.is_floating_point():
            return current  # counts and places cannot be averaged
        # In this form what does not change stays as it is, to the bit.
        return average.lerp(current.to(average.dtype), 1 - self._decay_now)
