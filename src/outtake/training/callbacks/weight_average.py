"""An average of the weights that a validation leaves as it is."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import torch
from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import WeightAveraging


class WeightAverage(WeightAveraging):
    """Lightning's average, in whose place the network validates without changing it by a bit.

    Lightning exchanges the two for a validation. The average is float32 whatever the precision of
    the network is: out of a network of half precision it would come back rounded, so that the small
    steps of a slow average are lost, and so would the weights of training in double precision. Here
    the weights of training are kept aside meanwhile, beside the average, and put back.
    """

    _training_state: list[torch.Tensor] | None = None

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Move the average to the device of the network, after that of a checkpoint was loaded.

        Lightning makes it before the network is moved to a GPU.
        """
        if self._average_model is not None and self._device is None:
            self._average_model.to(pl_module.device)

    def on_validation_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Put the average into the network for the validation."""
        self._show_average(pl_module)

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Put the weights of training back."""
        self._show_training(pl_module)

    @property
    def _shows_average(self) -> bool:
        return self._training_state is not None

    def _show_average(self, module: LightningModule) -> None:
        if self._average_model is None or self._shows_average:
            return
        pairs = list(zip(_values(self._average_model.module), _values(module), strict=True))
        self._training_state = [current.to(average.device, copy=True) for average, current in pairs]
        for average, current in pairs:
            current.copy_(average)

    def _show_training(self, module: LightningModule) -> None:
        if self._training_state is None:
            return
        for current, kept in zip(_values(module), self._training_state, strict=True):
            current.copy_(kept)
        self._training_state = None


def _values(module: torch.nn.Module) -> Iterator[torch.Tensor]:
    """Yield the weights and buffers, without their gradients."""
    return (each.data for each in itertools.chain(module.parameters(), module.buffers()))
