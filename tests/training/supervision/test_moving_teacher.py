"""The teacher that is an average of its student."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from outtake.training.supervision.moving_teacher import MovingTeacher


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32, torch.float64])
def test_the_average_is_no_coarser_than_float32(dtype: torch.dtype) -> None:
    net = nn.Linear(8, 8).to(dtype)
    nn.init.ones_(net.weight)
    trainer = SimpleNamespace(estimated_stepping_batches=4000)
    task: Any = SimpleNamespace(net=net, global_step=2000, trainer=trainer)
    teacher = MovingTeacher(window_share=0.25)
    own: Any = teacher._average(task)
    assert own.weight.dtype == torch.promote_types(dtype, torch.float32)
    nn.init.constant_(net.weight, 1.5)
    for _ in range(1000):
        task.global_step += 1
        teacher._average(task)
    share = (own.weight.mean().item() - 1) / 0.5
    assert share == pytest.approx(1 - 2.718281828**-1, abs=2e-3)
    restored = MovingTeacher(window_share=0.25)
    restored.restore(teacher.state())
    again: Any = restored._average(task)
    assert torch.equal(again.weight, own.weight)
