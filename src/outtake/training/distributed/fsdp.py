"""Fully sharded data parallelism: weights, gradients and optimizer state sharded over ranks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
from lightning_fabric.utilities.optimizer import _optimizers_to_device
from pytorch_lightning import Trainer
from pytorch_lightning.core.optimizer import LightningOptimizer
from pytorch_lightning.strategies import ModelParallelStrategy
from torch import distributed, nn
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_optimizer_state_dict,
    set_model_state_dict,
    set_optimizer_state_dict,
)
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.optim import Optimizer

from outtake.training import collectives
from outtake.training.probe_network import probe
from outtake.training.task import SegmentationTask
from outtake.training.trainer_info import find_data_module


class FSDP(ModelParallelStrategy):
    """Fully sharded data parallelism by torch's ``fully_shard``.

    Lightning's own strategy leaves the sharding to the module and bypasses its plugin when it reads
    checkpoints. Here the network is sharded when it is set up, and a checkpoint is that of a single
    process: whole, gathered by the first rank, read with its checksum compared. So any number of
    processes can resume from it, and everything that loads a checkpoint loads it.

    A block is a module that the network calls, which is found by a probe. A module whose parts are
    called past it could not gather their weights, which go with the block around it.

    Args:
        timeout_s: The seconds after which a process that does not answer ends the run.
        min_parameters: The number of parameters from which on a block is gathered before it is used
            and released after; smaller blocks go with the block around them.
    """

    def __init__(self, *, timeout_s: float = 600.0, min_parameters: int = 1_000_000) -> None:
        super().__init__(save_distributed_checkpoint=False, timeout=timedelta(seconds=timeout_s))
        self._min_parameters = min_parameters

    def setup_environment(self) -> None:
        """Join the group of all ranks."""
        self._setup_distributed()
        self._device_mesh = init_device_mesh(self.root_device.type, (self.world_size,))

    def setup(self, trainer: Trainer) -> None:
        """Shard the network, then make the optimizer of the shards."""
        assert self.accelerator is not None and isinstance(self.model, SegmentationTask)
        self.accelerator.setup(trainer)
        if self._layer_sync is not None:
            self._layer_sync.apply(self.model)
        self.precision_plugin.convert_module(self.model)
        # Channels-last weights cannot be sharded; maps may still be channels-last.
        self.model.net.to(memory_format=torch.contiguous_format)
        # Probed before the weights are on the device, which may have no room for a copy too.
        data = find_data_module(trainer)
        assert data is not None
        blocks = shardable_modules(self.model.net, data.channels)
        self.model_to_device()
        for tensor in (*self.model.parameters(), *self.model.buffers()):
            distributed.broadcast(tensor.data, 0)
        shard_network(self.model.net, self.device_mesh, blocks, self._min_parameters)
        self.barrier()
        self.setup_optimizers(trainer)
        self.setup_precision_plugin()
        _optimizers_to_device(self.optimizers, self.root_device)

    def optimizer_state(self, optimizer: Optimizer) -> dict[str, Any]:
        """Return the whole state as in a single process; empty on all ranks but the first."""
        assert self.model is not None
        if isinstance(optimizer, LightningOptimizer):
            optimizer = optimizer.optimizer
        options = StateDictOptions(full_state_dict=True, cpu_offload=True)
        whole = get_optimizer_state_dict(self.model, optimizer, options=options)
        names = _optimized_names(self.model, optimizer)
        numbers = {name: number for number, name in enumerate(names)}
        return _rename_parameters(whole, numbers) if self.is_global_zero else {}

    def load_checkpoint(
        self, checkpoint_path: str | Path, weights_only: bool | None = None
    ) -> dict[str, Any]:
        """Read a checkpoint and load the shards of this rank."""
        assert self.model is not None
        checkpoint: dict[str, Any] = self.checkpoint_io.load_checkpoint(checkpoint_path)
        options = StateDictOptions(full_state_dict=True)
        set_model_state_dict(self.model, checkpoint["state_dict"], options=options)
        for optimizer, state in zip(self.optimizers, checkpoint["optimizer_states"], strict=True):
            names = dict(enumerate(_optimized_names(self.model, optimizer)))
            named = _rename_parameters(state, names)
            with _without_untrained(self.model, named["state"]):
                set_optimizer_state_dict(self.model, optimizer, named, options=options)
            for group in optimizer.param_groups:
                # torch turns tuples, such as betas, into lists when it flattens the state.
                pairs = {k: tuple(v) for k, v in group.items() if isinstance(v, list)}
                group.update({k: v for k, v in pairs.items() if k != "params"})
        return checkpoint


def shardable_modules(net: nn.Module, channels: int) -> set[nn.Module]:
    """Return the modules of a network that can be sharded by themselves.

    They are the modules that all ranks found to be called. If a network cannot be probed on small
    images of so many channels, they are all modules that could be called.
    """
    # Not single layers: some networks use the weight of a layer without calling it.
    blocks = {
        name: module
        for name, module in net.named_modules()
        if next(module.children(), None) is not None
        and not isinstance(module, nn.ModuleList | nn.ModuleDict)
    }
    trial = probe(net, channels)
    called = collectives.all_gather(trial.called_modules if trial else frozenset(blocks))
    return {blocks[name] for name in frozenset.intersection(*called) & blocks.keys()}


def shard_network(net: nn.Module, mesh: Any, blocks: set[nn.Module], min_parameters: int) -> None:
    """Shard the parameters of a network over the ranks of a mesh, block by block, in place."""
    _shard_blocks(net, mesh, blocks, min_parameters)
    fully_shard(net, mesh=mesh)


def _shard_blocks(module: nn.Module, mesh: Any, blocks: set[nn.Module], min_parameters: int) -> int:
    """Return the number of parameters of a module that are left to the block around it."""
    left = sum(weight.numel() for weight in module.parameters(recurse=False))
    for child in module.children():
        small = _shard_blocks(child, mesh, blocks, min_parameters)
        if child in blocks and small >= min_parameters:
            fully_shard(child, mesh=mesh)
            small = 0
        left += small
    return left


@contextmanager
def _without_untrained(model: nn.Module, state: Mapping[str, Any]) -> Iterator[None]:
    """Hide the weights without optimizer state while that state is loaded.

    A weight that the network does not use has had no gradient and so has no state; torch refuses a
    checkpoint without it.
    """
    named = model.named_parameters()
    without = [weight for name, weight in named if weight.requires_grad and name not in state]
    if not state:
        without = []  # an optimizer that keeps nothing
    for weight in without:
        weight.requires_grad_(False)
    try:
        yield
    finally:
        for weight in without:
            weight.requires_grad_(True)


def _optimized_names(model: nn.Module, optimizer: Optimizer) -> list[str]:
    """Return the names of the weights of an optimizer in its order, which groups may change."""
    names = {weight: name for name, weight in model.named_parameters()}
    return [names[weight] for group in optimizer.param_groups for weight in group["params"]]


def _rename_parameters(state: Mapping[str, Any], names: Mapping[Any, Any]) -> dict[str, Any]:
    """Return the state of an optimizer with other names for its parameters."""
    return {
        "state": {names[key]: value for key, value in state["state"].items()},
        "param_groups": [
            {**group, "params": [names[key] for key in group["params"]]}
            for group in state["param_groups"]
        ],
    }
