"""An average of weights is not changed by a validation, in whatever precision the network is."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch
from pytorch_lightning import LightningModule
from torch import nn

from outtake.config.compose import compose
from outtake.programs.train import train
from outtake.training.callbacks.ema import ExponentialMovingAverage
from outtake.training.callbacks.swa import StochasticWeightAveraging
from outtake.training.callbacks.weight_average import WeightAverage
from outtake.training.task import SegmentationTask

KINDS = [torch.bfloat16, torch.float16, torch.float32, torch.float64]


class Net(LightningModule):
    """A layer with weights and with statistics."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.BatchNorm2d(3)
        nn.init.normal_(self.layer.weight)


def copies(module: nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.detach().clone() for name, value in module.state_dict().items()}


def is_equal(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("average_class", [ExponentialMovingAverage, StochasticWeightAveraging])
def test_a_validation_changes_neither_the_average_nor_the_network(
    average_class: type[WeightAverage], kind: torch.dtype
) -> None:
    callback = average_class()
    net, trainer = Net(), SimpleNamespace(global_step=1, datamodule=None)
    given: Any = trainer
    callback.setup(given, net, "fit")
    net.to(kind)  # as a strategy does after the setup
    average = callback._average_model
    assert average is not None
    with torch.no_grad():
        average.n_averaged.fill_(2)
        average.module.layer.weight.mul_(1 + 1e-6)
        net.layer.weight.mul_(1 + 1e-12)
    before, training = copies(average), copies(net)
    for _ in range(3):
        callback.on_validation_epoch_start(given, net)
        assert torch.equal(net.layer.weight, average.module.layer.weight.to(kind))
        callback.on_validation_epoch_end(given, net)
        callback.on_validation_epoch_end(given, net)  # where a signal ends it
    assert is_equal(before, copies(average)) and is_equal(training, copies(net))


@pytest.mark.parametrize("precision", ["bf16-true", "64-true"])
def test_the_average_of_a_run_is_that_of_its_weights(
    precision: str, runs: ModuleType, pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decay, seen, kept = 0.99, [], []
    batch_end, train_end = WeightAverage.on_train_batch_end, WeightAverage.on_train_end

    def on_batch_end(self: WeightAverage, trainer: Any, module: Any, *rest: Any) -> None:
        batch_end(self, trainer, module, *rest)
        weight = module.net[0].weight.detach().float()
        seen.append(seen[-1].lerp(weight, 1 - decay) if seen else weight.clone())

    def on_train_end(self: WeightAverage, trainer: Any, module: SegmentationTask) -> None:
        assert self._average_model is not None
        kept.append(self._average_model.module.net[0].weight.detach().clone())
        train_end(self, trainer, module)

    monkeypatch.setattr(WeightAverage, "on_train_batch_end", on_batch_end)
    monkeypatch.setattr(WeightAverage, "on_train_end", on_train_end)
    given = [each for each in runs.options(pairs, epochs=4) if "callbacks.ema" not in each]
    given += ["callbacks=ema", "~callbacks.progress", f"callbacks.ema.decay={decay}"]
    train(compose("train", [*given, f"trainer.precision={precision}"]), tmp_path / "run")
    moved = (seen[-1] - seen[0]).norm()
    assert moved > 0 and (kept[0].float() - seen[-1]).norm() < 1e-3 * moved


def test_statistics_that_were_measured_stay_with_the_mean(
    monkeypatch: pytest.MonkeyPatch, task: SegmentationTask
) -> None:
    task.net = nn.BatchNorm2d(3)
    callback, trainer = StochasticWeightAveraging(), SimpleNamespace(global_step=1)
    given: Any = trainer
    callback.setup(given, task, "fit")
    task.bfloat16()
    average = callback._average_model
    assert average is not None
    average.n_averaged.fill_(1)
    callback._latest_update_step = 1
    swa = "outtake.training.callbacks.swa"
    data = SimpleNamespace(fixed_train_batches=lambda count: [])
    monkeypatch.setattr(f"{swa}.find_data_module", lambda trainer: data)
    monkeypatch.setattr(
        f"{swa}.measure_batchnorm", lambda module, *_: module.net.running_mean.data.fill_(0.5)
    )
    callback.on_validation_epoch_start(given, task)
    assert (task.net.running_mean == 0.5).all()
    callback.on_validation_epoch_end(given, task)
    assert (average.module.net.running_mean == 0.5).all() and not task.net.running_mean.any()
