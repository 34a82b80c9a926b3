"""The moving average is kept where the weights are, and is as long as the training asks for."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from pytorch_lightning import LightningModule
from pytorch_lightning.callbacks import EMAWeightAveraging, WeightAveraging
from torch import nn

from outtake.core.errors import ConfigError
from outtake.training.callbacks.ema import ExponentialMovingAverage


class Net(LightningModule):
    """A layer with weights and with statistics."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.BatchNorm2d(3)


def devices_after_setup(callback: WeightAveraging) -> set[str]:
    """Where the average is, part by part, once a network was moved as a strategy moves it."""
    trainer: Any = SimpleNamespace(global_step=1)
    net = Net()
    callback.setup(trainer, net, "fit")
    net.to("meta")  # stands for a GPU: another device that holds tensors
    callback.on_fit_start(trainer, net)
    average = callback._average_model
    assert average is not None
    return {tensor.device.type for tensor in (*average.parameters(), *average.buffers())}


def test_the_average_follows_the_network_to_its_device_unless_it_is_told_where_to_be() -> None:
    assert devices_after_setup(ExponentialMovingAverage()) == {"meta"}
    assert devices_after_setup(ExponentialMovingAverage(device="cpu")) == {"cpu"}


def test_the_average_of_before_was_left_behind() -> None:
    # If this fails, Lightning does it by itself, and on_fit_start can go.
    assert devices_after_setup(EMAWeightAveraging()) == {"cpu"}


@pytest.mark.parametrize("decay", [0.5, 0.9])
def test_the_average_is_lightnings(decay: float) -> None:
    ours, theirs = ExponentialMovingAverage(decay=decay), EMAWeightAveraging(decay=decay)
    net = Net()
    for callback in (ours, theirs):
        callback.setup(SimpleNamespace(), net, "fit")
    for step in range(1, 4):
        with torch.no_grad():
            net.layer.weight += 1.0
        for callback in (ours, theirs):
            trainer: Any = SimpleNamespace(global_step=step)
            callback.on_train_batch_end(trainer, net, None, None, 0)
    assert ours._average_model is not None and theirs._average_model is not None
    wanted = theirs._average_model.state_dict()
    found = ours._average_model.state_dict()
    assert found.keys() == wanted.keys()
    assert all(torch.allclose(found[name], wanted[name], atol=1e-6) for name in wanted)
    assert not torch.equal(found["module.layer.weight"], net.layer.weight)


def test_places_are_not_averaged_and_what_is_frozen_stays_as_it_is() -> None:
    callback, net = ExponentialMovingAverage(decay=0.9), Net()
    places = torch.arange(200)
    net.register_buffer("places", places.clone())
    frozen = torch.nn.init.normal_(net.layer.weight.detach().clone())
    with torch.no_grad():
        net.layer.weight.copy_(frozen)
    callback.setup(SimpleNamespace(), net, "fit")
    for step in range(1, 40):
        trainer: Any = SimpleNamespace(global_step=step)
        callback.on_train_batch_end(trainer, net, None, None, 0)
    average = callback._average_model
    assert average is not None
    assert torch.equal(average.module.places, places)
    assert torch.equal(average.module.layer.weight, frozen)


@pytest.mark.parametrize(("share", "steps"), [(0.04, 5000), (0.04, 500), (0.5, 10)])
def test_what_is_a_window_old_counts_a_third_of_what_is_new(share: float, steps: int) -> None:
    callback, net = ExponentialMovingAverage(share), Net()
    trainer: Any = SimpleNamespace(global_step=1, estimated_stepping_batches=steps)
    callback.setup(trainer, net, "fit")
    callback.on_train_start(trainer, net)
    average = callback._average_model
    assert average is not None
    with torch.no_grad():
        average.module.layer.weight.zero_()
        average.n_averaged.fill_(1)  # the first update copies
        net.layer.weight.fill_(1.0)
    for step in range(1, round(share * steps) + 1):
        trainer.global_step = step
        callback.on_train_batch_end(trainer, net, None, None, 0)
    assert 1 - average.module.layer.weight[0].item() == pytest.approx(np.exp(-1), abs=1e-3)


@pytest.mark.parametrize("steps", [float("inf"), -1])
def test_an_average_over_a_share_of_unknown_steps_is_refused(steps: float) -> None:
    callback = ExponentialMovingAverage()
    trainer: Any = SimpleNamespace(estimated_stepping_batches=steps)
    with pytest.raises(ConfigError, match=r"trainer\.max_steps, or callbacks\.ema\.decay="):
        callback.on_train_start(trainer, Net())
    ExponentialMovingAverage(decay=0.999).on_train_start(trainer, Net())


@pytest.mark.parametrize(
    "options", [{"window_share": 0}, {"window_share": 1.5}, {"decay": -0.1}, {"decay": 2}]
)
def test_a_window_and_a_decay_are_shares(options: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=f"callbacks.ema.{next(iter(options))}"):
        ExponentialMovingAverage(**options)
