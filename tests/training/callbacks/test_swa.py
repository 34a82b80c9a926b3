from __future__ import annotations

from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, cast

import pytest
import torch

from outtake.config.compose import compose
from outtake.core.errors import ConfigError
from outtake.programs.train import train
from outtake.training.callbacks.swa import StochasticWeightAveraging
from outtake.training.checkpoint_files import read_checkpoint
from outtake.training.task import SegmentationTask
from outtake.training.training_length import Resumption

SWA = "+callbacks.swa._target_=outtake.training.callbacks.swa.StochasticWeightAveraging"


def test_the_last_epochs_are_averaged_at_their_ends() -> None:
    callback = StochasticWeightAveraging(start=0.5)
    trainer: Any = SimpleNamespace(
        num_training_batches=8,
        accumulate_grad_batches=2,
        estimated_stepping_batches=16,
        is_global_zero=True,
        global_step=0,
    )
    callback.on_train_start(trainer, SimpleNamespace())
    averaged = [step for step in range(1, 17) if callback.should_update(step_idx=step - 1)]
    assert averaged == [12, 16] and not callback.should_update(epoch_idx=3)


def test_the_ends_of_epochs_are_found_where_those_before_a_resumption_were_longer() -> None:
    callback = StochasticWeightAveraging(start=0.5)
    trainer: Any = SimpleNamespace(
        num_training_batches=8,
        accumulate_grad_batches=2,
        estimated_stepping_batches=16,
        max_epochs=4,
        max_steps=-1,
        is_global_zero=True,
        global_step=11,
        lightning_module=SimpleNamespace(resumption=Resumption(epochs=2, batches=2, steps=11)),
    )
    callback.on_train_start(trainer, SimpleNamespace())
    averaged = [step for step in range(12, 20) if callback.should_update(step_idx=step - 1)]
    assert averaged == [14, 18]


@pytest.mark.parametrize(
    ("start", "steps", "done", "averaged", "said"),
    [
        (0.75, 16, 0, 0, "only one epoch ends after step 12 of 16, so the mean is that of one poi"),
        (0.8, 15, 0, 0, "no epoch ends after step 12 of 15, so nothing is averaged; set a lower"),
        (0.5, 16, 0, 0, None),
        (0.5, 16, 12, 1, None),  # resumed: the end at step 12 is in the mean
        (0.5, 16, 12, 0, "only one epoch ends after step 8 of 16"),
        (0.5, 16, 16, 2, None),
    ],
)
def test_a_mean_of_one_point_or_none_is_said(
    start: float,
    steps: int,
    done: int,
    averaged: int,
    said: str | None,
    caplog: pytest.LogCaptureFixture,
) -> None:
    callback = StochasticWeightAveraging(start=start)
    callback._average_model = cast("Any", SimpleNamespace(n_averaged=averaged))
    resumption = Resumption(epochs=done // 4, batches=0, steps=done) if done else None
    trainer: Any = SimpleNamespace(
        num_training_batches=8,
        accumulate_grad_batches=2,
        estimated_stepping_batches=steps,
        is_global_zero=True,
        global_step=done,
        max_epochs=-(-steps // 4),
        max_steps=steps,
        lightning_module=SimpleNamespace(resumption=resumption),
    )
    callback.on_train_start(trainer, cast("Any", SimpleNamespace()))
    assert len(caplog.messages) == (said is not None)
    assert said is None or said in caplog.text


@pytest.mark.parametrize("steps", [float("inf"), -1])
def test_a_mean_of_the_last_part_of_an_endless_training_is_refused(steps: float) -> None:
    trainer: Any = SimpleNamespace(
        num_training_batches=8, accumulate_grad_batches=1, estimated_stepping_batches=steps
    )
    with pytest.raises(ConfigError, match=r"trainer\.max_epochs or trainer\.max_steps"):
        StochasticWeightAveraging().on_train_start(trainer, SimpleNamespace())


@pytest.mark.parametrize(
    ("options", "message"), [({"start": 1.0}, "below 1"), ({"batchnorm_batches": 0}, "batchnorm")]
)
def test_values_out_of_range_are_refused(options: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        StochasticWeightAveraging(**options)


def test_the_mean_is_what_is_validated_and_saved(
    runs: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ends: list[torch.Tensor] = []
    validated: list[torch.Tensor] = []
    end, step = SegmentationTask.on_train_epoch_end, SegmentationTask.validation_step

    def on_end(task: SegmentationTask) -> None:
        ends.append(task.net[0].weight.detach().clone())
        end(task)

    def on_step(task: SegmentationTask, batch: Any, index: int) -> torch.Tensor:
        validated.append(task.net[0].weight.detach().clone())
        return step(task, batch, index)

    monkeypatch.setattr(SegmentationTask, "on_train_epoch_end", on_end)
    monkeypatch.setattr(SegmentationTask, "validation_step", on_step)
    options = runs.options(runs.write_data(tmp_path / "data"), epochs=4)
    own = [each for each in options if "callbacks.ema" not in each]
    with pytest.raises(ConfigError, match=r"StochasticWeightAveraging .*keep one"):
        train(compose("train", [*options, SWA]), tmp_path / "two")
    train(compose("train", [*own, SWA, "+callbacks.swa.start=0.5"]), tmp_path / "run")
    mean = (ends[2] + ends[3]) / 2
    assert torch.equal(validated[0], ends[0]) and torch.equal(validated[1], ends[1])
    assert torch.allclose(validated[2], ends[2]) and torch.allclose(validated[3], mean)
    saved = read_checkpoint(tmp_path / "run" / "checkpoints" / "last.ckpt")
    assert torch.allclose(saved["state_dict"]["net.0.weight"], mean)
    assert torch.equal(saved["current_model_state"]["net.0.weight"], ends[3])
    # Batch normalisation knows the mean: its input is what the averaged layer before it gives.
    kept, other = (
        saved[key]["net.1.running_mean"] for key in ("state_dict", "current_model_state")
    )
    assert not torch.allclose(kept, other)
