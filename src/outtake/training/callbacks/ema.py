"""The moving average of the weights, on the device that they are on."""

from __future__ import annotations

from typing import Any

import torch
from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import EMAWeightAveraging


class ExponentialMovingAverage(EMAWeightAveraging):
    """Lightning's moving average, which stays on the CPU when the network is moved to a GPU.

    It is made before the network is moved, and would copy every weight to the host in every step.

    Args:
        decay: what remains of the average in a step.
        device: where to keep it instead, such as ``cpu`` where the GPU's memory is short.
        options: anything else that Lightning's callback takes.
    """

    def __init__(
        self, decay: float = 0.999, device: torch.device | str | None = None, **options: Any
    ) -> None:
        super().__init__(device=device, decay=decay, **options)

    @property
    def state_key(self) -> str:
        """The name in a checkpoint: that of Lightning's, whose checkpoints can be gone on with."""
        return EMAWeightAveraging.__qualname__

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Follow the network to its device, after a checkpoint's average was loaded."""
        if self._average_model is not None and self._device is None:
            self._average_model.to(pl_module.device)
