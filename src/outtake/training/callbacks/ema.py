"""An exponential moving average of the weights, on the device of the weights."""

from __future__ import annotations

from typing import Any

import torch
from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import EMAWeightAveraging


class ExponentialMovingAverage(EMAWeightAveraging):
    """Lightning's moving average, made to follow the network to its device.

    Lightning makes the average before the network is moved to a GPU. It stays on the CPU, and every
    step copies every weight to the host.

    Args:
        decay: The share of the average that remains in a step.
        device: The device of the average instead, as ``cpu`` where the memory of the GPU is short.
        options: Anything else that Lightning's callback takes.
    """

    def __init__(
        self, decay: float = 0.999, device: torch.device | str | None = None, **options: Any
    ) -> None:
        super().__init__(device=device, decay=decay, **options)

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Move the average to the device of the network, after that of a checkpoint was loaded."""
        if self._average_model is not None and self._device is None:
            self._average_model.to(pl_module.device)
