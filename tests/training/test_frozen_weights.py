"""Frozen weights stay bit for bit, with the statistics of their normalisations."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch import nn

from outtake.config.compose import compose
from outtake.core.errors import ConfigError
from outtake.core.labels import LabelSpace
from outtake.models.normalisation import Normalize
from outtake.programs.train import train
from outtake.training.checkpoint_files import read_checkpoint
from outtake.training.frozen_weights import FrozenWeights
from outtake.training.losses.cross_entropy import CrossEntropy
from outtake.training.parameter_groups import ParameterOptions
from outtake.training.task import SegmentationTask


def make_net() -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.Conv2d(4, 2, 1))


def make_task(options: ParameterOptions) -> SegmentationTask:
    return SegmentationTask(
        make_net(),
        Normalize(3),
        LabelSpace.from_names(["a", "b"]),
        CrossEntropy(),
        lambda weights: torch.optim.SGD(weights, 0.1, momentum=0.9, weight_decay=0.1),
        parameter_options=options,
    )


def test_frozen_normalisations_keep_their_statistics_in_training() -> None:
    task = make_task(ParameterOptions(freeze=("0", "1"), unfreeze_epoch=3)).train()
    norm = task.net[1]
    assert task.net.training and not norm.training
    images = torch.randint(0, 256, (2, 3, 8, 8), dtype=torch.uint8)
    before = norm.running_mean.clone()
    task(images)
    assert torch.equal(norm.running_mean, before)
    task.frozen.release_at(2)
    assert not norm.training and not norm.weight.requires_grad
    task.frozen.release_at(3)
    assert norm.training and norm.weight.requires_grad
    task.train()(images)
    assert not torch.equal(norm.running_mean, before)


@pytest.mark.parametrize("unfreeze_epoch", [None, 2])
def test_the_optimizer_holds_what_is_trained_now_or_later(unfreeze_epoch) -> None:
    task = make_task(ParameterOptions(freeze=("0", "1"), unfreeze_epoch=unfreeze_epoch))
    (group,) = task.configure_optimizers().param_groups
    held = {id(weight) for weight in group["params"]}
    frozen = {id(weight) for layer in task.net[:2] for weight in layer.parameters()}
    assert (frozen <= held) == (unfreeze_epoch is not None)
    assert id(task.net[2].weight) in held


@pytest.mark.parametrize("world_size", [1, 2])
def test_neither_momentum_nor_decay_changes_a_frozen_weight(world_size: int) -> None:
    net = make_net()
    frozen = FrozenWeights(net, ParameterOptions(freeze=("0",), unfreeze_epoch=1))
    frozen.prepare(world_size)
    assert net[0].weight.requires_grad == (world_size > 1), "others wait for its gradient"
    optimizer = torch.optim.SGD(net.parameters(), 0.1, momentum=0.9, weight_decay=0.1)
    before = net[0].weight.clone()
    for epoch in (0, 0, 1):
        frozen.release_at(epoch)
        optimizer.zero_grad()
        net(torch.rand(2, 3, 4, 4)).sum().backward()
        frozen.drop_gradients()
        optimizer.step()
        assert torch.equal(net[0].weight, before) == (epoch == 0)


def test_a_run_freezes_until_an_epoch_and_says_so(
    runs: ModuleType, pairs: Path, tmp_path: Path, caplog
) -> None:
    base = [*runs.options(pairs, epochs=1), "~callbacks.ema"]
    train(compose("train", base), tmp_path / "source")
    freeze = ["freeze=['0','1']", "unfreeze_epoch=1", f"init_from={tmp_path / 'source'}"]
    with caplog.at_level("INFO", "outtake"):
        train(compose("train", [*base, *freeze]), tmp_path / "run")
    (line,) = [message for message in caplog.messages if message.startswith("freeze: ")]
    assert "until epoch 1" in line and "statistics of 1 normalisations" in line

    def weights(run: str, name: str = "last") -> dict[str, torch.Tensor]:
        return read_checkpoint(tmp_path / run / "checkpoints" / f"{name}.ckpt")["state_dict"]

    given, begun = weights("source", "best"), weights("run")
    kept = [key for key in given if key.startswith(("net.0.", "net.1."))]
    assert all(torch.equal(begun[key], given[key]) for key in kept if "batches" not in key)
    assert not torch.equal(begun["net.4.weight"], given["net.4.weight"])
    longer = [f"resume={tmp_path / 'run'}", "trainer.max_epochs=2"]
    train(compose("train", longer), overrides=longer)
    thawed = weights("run")
    assert not torch.equal(thawed["net.0.weight"], given["net.0.weight"])
    assert not torch.equal(thawed["net.1.running_mean"], given["net.1.running_mean"])


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("freeze=[encoder]", "matches no weight"),
        ("unfreeze_epoch=2", "nothing is frozen"),
        ("+parameter_groups.default.match=0", "choose another name"),
        ("+parameter_groups.a.lr_scale=2", "match has no value"),
        ("+parameter_groups.a={match: '0', lr: 2}", "lr: no such config key"),
    ],
)
def test_a_mistake_is_one_line_before_there_is_a_run_folder(
    runs: ModuleType, pairs: Path, tmp_path: Path, override: str, said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        train(compose("train", [*runs.options(pairs), override]), tmp_path / "run")
    assert not (tmp_path / "run").exists()
