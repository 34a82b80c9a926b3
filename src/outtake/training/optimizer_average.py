"""Optimizers that average the weights themselves: what is validated and saved is their average.

A schedule-free optimizer (Defazio et al. 2024) takes its gradients at one point, y, and its answer
is another, x, the running average. The network holds y while it trains. It must hold x, with
statistics of batch normalisation that fit x, when it is validated, saved for use, or handed on.
"""

from __future__ import annotations

from typing import Any

import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from torch.optim import Optimizer

from outtake.training.batchnorm_statistics import list_batchnorm, measure_batchnorm
from outtake.training.task import SegmentationTask
from outtake.training.trainer_info import find_data_module

TRAINING_STATE = "current_model_state"  # the key that Lightning's averages use too
BATCHNORM_BATCHES = 20

State = dict[str, torch.Tensor]


def averages_weights(optimizer: Optimizer) -> bool:
    """Return whether an optimizer must be told of training and evaluation."""
    return callable(getattr(optimizer, "train", None)) and callable(
        getattr(optimizer, "eval", None)
    )


class OptimizerAverage(Callback):
    """Put the average of a schedule-free optimizer in the place of the weights where it counts.

    The weights of training are kept aside meanwhile and put back, bit for bit: the optimizer's own
    way back would round. Other optimizers are left alone.
    """

    def __init__(self) -> None:
        self._training_state: State | None = None
        self._statistics: State = {}
        self._measured_step = -1
        self._has_ended = False

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Tell the optimizer that training begins; one that was restored knows."""
        self._has_ended = False
        for optimizer in _find_averaging(trainer):
            optimizer.train()

    def on_validation_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Put the average into the network for the validation."""
        self._enter(trainer, pl_module)

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Put the weights of training back."""
        self.restore_training_weights(trainer, pl_module)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Leave the average in the network."""
        self._enter(trainer, pl_module)
        self._training_state, self._has_ended = None, True

    def on_save_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Save the average as the weights, and those of training beside it."""
        if not _find_averaging(trainer) or self._has_ended or self._training_state is not None:
            return
        checkpoint[TRAINING_STATE] = _copy(checkpoint["state_dict"])
        # The state of the optimizer is in the checkpoint already, as that of training.
        self._enter(trainer, pl_module)
        checkpoint["state_dict"] = _copy(pl_module.state_dict())
        self.restore_training_weights(trainer, pl_module)

    def on_load_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Load the weights of training; those of other averages are loaded by their callbacks."""
        if TRAINING_STATE in checkpoint and "averaging_state" not in checkpoint:
            pl_module.load_state_dict(checkpoint[TRAINING_STATE])

    def restore_training_weights(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Put the weights of training back, if the average is in their place."""
        if self._training_state is None:
            return
        _write(pl_module, self._training_state)
        self._training_state = None
        for optimizer in _find_averaging(trainer):
            for group in optimizer.param_groups:
                group["train_mode"] = True

    def _enter(self, trainer: Trainer, module: LightningModule) -> None:
        optimizers = _find_averaging(trainer)
        if not optimizers or self._has_ended or self._training_state is not None:
            return
        names = {id(weight): name for name, weight in module.named_parameters()}
        kept = [
            names[id(weight)]
            for optimizer in optimizers
            for group in optimizer.param_groups
            for weight in group["params"]
        ]
        layers = list_batchnorm(module)
        buffers = {
            name for name, value in module.named_buffers()
            if any(value is own for layer in layers for own in layer.buffers())
        }  # fmt: skip
        state = module.state_dict(keep_vars=True)
        self._training_state = _copy({name: state[name] for name in (*kept, *buffers)})
        for optimizer in optimizers:
            optimizer.eval()
        if self._measured_step != trainer.global_step:
            data = find_data_module(trainer)
            if isinstance(module, SegmentationTask) and data is not None:
                measure_batchnorm(
                    module, data.fixed_train_batches(BATCHNORM_BATCHES), module.device
                )
            self._statistics = _copy({name: state[name] for name in buffers})
            self._measured_step = trainer.global_step
        _write(module, self._statistics)


def _find_averaging(trainer: Trainer) -> list[Any]:
    return [optimizer for optimizer in trainer.optimizers if averages_weights(optimizer)]


def _copy(state: State) -> State:
    return {name: tensor.detach().clone() for name, tensor in state.items()}


@torch.no_grad()
def _write(module: torch.nn.Module, state: State) -> None:
    there = module.state_dict(keep_vars=True)
    for name, tensor in state.items():
        there[name].copy_(tensor)
