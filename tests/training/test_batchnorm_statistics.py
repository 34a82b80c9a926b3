from __future__ import annotations

import torch
from torch import nn

from outtake.core.labels import LabelSpace
from outtake.models.normalisation import Normalize
from outtake.training.batchnorm_statistics import list_batchnorm, measure_batchnorm
from outtake.training.losses.cross_entropy import CrossEntropy
from outtake.training.parameter_groups import ParameterOptions
from outtake.training.task import SegmentationTask

CPU = torch.device("cpu")


def make_task(*layers: nn.Module) -> SegmentationTask:
    labels = LabelSpace.from_names(("a", "b", "c"))
    return SegmentationTask(
        nn.Sequential(*layers), Normalize(3), labels, CrossEntropy(ignore_index=255)
    )


def batches(count: int) -> list[dict]:
    generator = torch.Generator().manual_seed(0)
    return [
        {"image": torch.randint(0, 256, (2, 3, 8, 8), generator=generator).to(torch.uint8)}
        for _ in range(count)
    ]


def test_statistics_become_the_mean_over_the_batches_and_nothing_else_changes() -> None:
    norm = nn.BatchNorm2d(3)
    task = make_task(norm, nn.Dropout(0.5)).train()
    norm.running_mean += 100
    frozen = nn.BatchNorm2d(3).eval().requires_grad_(False)
    task.net.append(frozen)
    before = torch.get_rng_state()
    assert measure_batchnorm(task, batches(4), CPU) == 4
    assert torch.equal(torch.get_rng_state(), before), "dropout drew nothing"
    seen = [task.normalize(batch["image"]).float() for batch in batches(4)]
    wanted = torch.stack([each.mean((0, 2, 3)) for each in seen]).mean(0)
    assert torch.allclose(norm.running_mean, wanted, atol=1e-4)
    assert norm.momentum == 0.1 and norm.training and task.training and not frozen.training
    assert not frozen.running_mean.any(), "what is frozen stays"


def test_frozen_statistics_stay_with_several_processes_until_they_are_released() -> None:
    labels = LabelSpace.from_names(("a", "b", "c"))
    net = nn.Sequential(nn.BatchNorm2d(3), nn.BatchNorm2d(3))
    options = ParameterOptions(freeze=("0",), unfreeze_epoch=2)
    loss = CrossEntropy(ignore_index=255)
    task = SegmentationTask(net, Normalize(3), labels, loss, parameter_options=options)
    task.frozen.prepare(2)  # gives frozen weights gradients, which are dropped
    assert list_batchnorm(task) == [net[1]]
    task.frozen.release_at(2)
    assert list_batchnorm(task) == [net[0], net[1]]


def test_a_network_without_batch_normalisation_sees_nothing() -> None:
    assert measure_batchnorm(make_task(nn.Conv2d(3, 3, 1)), iter(()), CPU) == 0
