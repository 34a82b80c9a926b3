"""Distributed data parallelism: the whole network on every rank."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import torch
from pytorch_lightning.strategies import DDPStrategy
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

from outtake.core.errors import ConfigError
from outtake.training import collectives
from outtake.training.probe_network import probe
from outtake.training.task import SegmentationTask
from outtake.training.trainer_info import find_data_module

_ADVICE = "set trainer.strategy.find_unused_parameters=true, which is slower"
_UNUSED_PARAMETER_INDEX = re.compile(r"did not receive grad for rank \d+: (\d+)")


class DDP(DDPStrategy):
    """Data parallelism by torch's ``DistributedDataParallel``.

    torch expects a gradient for every weight, and raises an error at the second step if a network
    does not use all its weights. Here, unused weights are found beforehand and left out of the
    exchange. They stay in the optimizer and the checkpoint, so that both are those of a single
    process.

    Args:
        timeout_s: The seconds after which a process that does not answer ends the run.
        find_unused_parameters: Whether to look for weights without a gradient in every step
            instead.
    """

    def __init__(self, *, timeout_s: float = 600.0, find_unused_parameters: bool = False) -> None:
        super().__init__(
            timeout=timedelta(seconds=timeout_s), find_unused_parameters=find_unused_parameters
        )
        self._find_unused_each_step = find_unused_parameters

    def configure_ddp(self) -> None:
        """Exclude the weights that no gradient reaches, then wrap the task."""
        assert isinstance(self.model, SegmentationTask)
        if not self._find_unused_each_step:
            data = find_data_module(self.model.trainer)
            assert data is not None
            exclude_unused_parameters(self.model, data.channels)
        super().configure_ddp()

    def training_step(self, *args: Any, **kwargs: Any) -> Any:
        """Run a training step.

        Raises:
            ConfigError: The network did not use all weights in the step before.
        """
        try:
            return super().training_step(*args, **kwargs)
        except RuntimeError as error:
            if "find_unused_parameters" not in str(error):
                raise
            raise ConfigError(
                f"the network did not use {self._describe_unused(error)}; {_ADVICE}"
            ) from error

    def _describe_unused(self, error: RuntimeError) -> str:
        found = _UNUSED_PARAMETER_INDEX.search(str(error))
        if found is None or not isinstance(self.model, DistributedDataParallel):
            return "all of its weights in a step"
        left_out = self.model.parameters_to_ignore
        names = self.model.module.named_parameters()
        exchanged = [
            name for name, weight in names if weight.requires_grad and name not in left_out
        ]
        return f"{exchanged[int(found[1])]} (or more) in a step"


def exclude_unused_parameters(task: SegmentationTask, channels: int) -> None:
    """Exchange no gradients of weights that the network never uses on images of some channels."""
    trial = probe(task.net, channels, heads=task.trains_heads)
    # Only the weights on which all ranks agree.
    common = set.intersection(
        *map(set, collectives.all_gather(trial.unused_parameters if trial else []))
    )
    weights: dict[str, nn.Parameter] = {
        f"net.{name}": weight for name, weight in task.net.named_parameters() if name in common
    }
    for weight in weights.values():
        # As torch does with the other weights: all ranks begin with those of the first.
        distributed.broadcast(weight.data, 0)
    forbid_gradients(weights, _ADVICE)
    # torch offers no public way.
    ignore = DistributedDataParallel._set_params_and_buffers_to_ignore_for_model
    ignore(task, list(weights))  # type: ignore[no-untyped-call]


def forbid_gradients(weights: dict[str, nn.Parameter], advice: str) -> None:
    """End the fit if a gradient reaches one of some weights.

    Raises:
        ConfigError: Later, in the backward pass in which that happens.
    """
    for name, weight in weights.items():
        hook = _gradient_error_hook(name, advice)
        weight.register_post_accumulate_grad_hook(hook)  # type: ignore[no-untyped-call]


def _gradient_error_hook(name: str, advice: str) -> Callable[[torch.Tensor], None]:
    def refuse(weight: torch.Tensor) -> None:
        raise ConfigError(f"the network uses {name} in some steps only; {advice}")

    return refuse
