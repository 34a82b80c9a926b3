from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from outtake.drawing.rate_chart import draw_rate_chart
from outtake.training.rate_range import RateRange, smooth_losses, suggest_rate


def test_the_rate_of_the_optimizer_rises_evenly_and_groups_have_multiples_of_it() -> None:
    groups = [{"lr": 0.01}, {"lr": 0.1}, {"lr": 0.0}]  # an encoder with lr_scale=0.1 comes first
    trainer: Any = SimpleNamespace(
        optimizers=[SimpleNamespace(param_groups=groups, defaults={"lr": 0.1})],
        should_stop=False,
        global_step=0,
        accumulate_grad_batches=1,
    )
    module: Any = None
    sweep = RateRange(1e-4, 1e0, 5)
    sweep.on_train_start(trainer, module)
    for loss in (1.0, 0.9, 0.8, 0.7, 0.6):
        sweep.on_train_batch_start(trainer, module, None, 0)
        rate = sweep.rates[-1]
        assert [each["lr"] for each in groups] == pytest.approx([rate / 10, rate, 0.0])
        trainer.global_step += 1
        sweep.on_train_batch_end(trainer, module, {"loss": loss}, None, 0)
    assert sweep.rates == pytest.approx([1e-4, 1e-3, 1e-2, 1e-1, 1.0])
    assert not trainer.should_stop
    for _ in range(12):
        sweep.on_train_batch_start(trainer, module, None, 0)
        trainer.global_step += 1
        sweep.on_train_batch_end(trainer, module, {"loss": 50.0}, None, 0)
        if trainer.should_stop:
            break
    assert trainer.should_stop and len(sweep.losses) < 15


def test_a_step_of_several_batches_has_one_rate_and_their_mean_loss() -> None:
    groups = [{"lr": 0.1}]
    optimizers = [SimpleNamespace(param_groups=groups, defaults={"lr": 0.1})]
    trainer: Any = SimpleNamespace(
        optimizers=optimizers, should_stop=False, global_step=0, accumulate_grad_batches=2
    )
    module: Any = None
    sweep = RateRange(1e-2, 1e0, 3)
    sweep.on_train_start(trainer, module)
    for number, loss in enumerate((4.0, 2.0, 3.0, 1.0)):
        sweep.on_train_batch_start(trainer, module, None, number)
        assert groups[0]["lr"] == pytest.approx(1e-2 if number < 2 else 1e-1)
        trainer.global_step = (number + 1) // 2
        sweep.on_train_batch_end(trainer, module, {"loss": loss / 2}, None, number)
    assert sweep.rates == pytest.approx([1e-2, 1e-1]) and sweep.losses == [3.0, 2.0]


def test_the_steepest_fall_is_suggested() -> None:
    rates = np.geomspace(1e-6, 1.0, 200)
    losses = 2 - 1 / (1 + np.exp(-3 * (np.log10(rates) + 3)))  # falls most steeply at 1e-3
    losses = np.where(rates > 0.1, 9.0, losses)
    found = suggest_rate(rates.tolist(), losses.tolist())
    assert found is not None and 1e-3 <= found < 5e-3, "smoothing looks back over some steps"
    assert suggest_rate([1e-3, 1e-2, 1e-1], [1.0, 2.0, 3.0]) is None


def test_the_chart_marks_the_suggestion() -> None:
    rates, losses = np.geomspace(1e-5, 1, 30).tolist(), np.linspace(3, 1, 30).tolist()
    smooth = smooth_losses(losses)
    chart = draw_rate_chart(rates, losses, smooth, 1e-2, "a title")
    without = draw_rate_chart(rates, losses, smooth, None, "a title")
    changed = np.flatnonzero((chart != without).any(axis=(0, 2)))
    assert chart.shape == (440, 760, 3) and chart.dtype == np.uint8
    assert 70 + 0.6 * 666 - 3 <= changed[0] <= 70 + 0.6 * 666 + 3, "three fifths of the axis"
