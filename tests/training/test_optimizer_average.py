from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from outtake.config.compose import compose
from outtake.core.errors import ConfigError
from outtake.programs.train import train
from outtake.training.checkpoint_files import read_checkpoint
from outtake.training.task import SegmentationTask

pytest.importorskip("schedulefree")
OPTIMIZER = ["optimizer=schedule_free_sgd", "optimizer.warmup_steps=0"]


@pytest.fixture
def options(runs: ModuleType, tmp_path: Path) -> list[str]:
    given = runs.options(runs.write_data(tmp_path / "data"), epochs=2)
    return [each for each in given if "callbacks.ema" not in each]


def test_the_average_is_validated_and_saved_and_training_goes_on_from_its_own_weights(
    options: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """z is recomputed here by hand: x is the mean of all z, and the network trains at y."""
    seen: dict[str, list[torch.Tensor]] = {"trained": [], "validated": []}
    z_mean: list[torch.Tensor] = []
    training, validation = SegmentationTask.training_step, SegmentationTask.validation_step

    def on_training(task: SegmentationTask, batch: Any, index: int) -> torch.Tensor:
        weight = task.net[0].weight
        state = task.trainer.optimizers[0].state[weight]
        if "z" in state:
            z_mean.append(state["z"].clone())
        seen["trained"].append(weight.detach().clone())
        return training(task, batch, index)

    def on_validation(task: SegmentationTask, batch: Any, index: int) -> torch.Tensor:
        seen["validated"].append(task.net[0].weight.detach().clone())
        return validation(task, batch, index)

    monkeypatch.setattr(SegmentationTask, "training_step", on_training)
    monkeypatch.setattr(SegmentationTask, "validation_step", on_validation)
    train(compose("train", [*options, *OPTIMIZER, "scheduler=null"]), tmp_path / "run")
    saved = read_checkpoint(tmp_path / "run" / "checkpoints" / "last.ckpt")
    x, y = (saved[key]["net.0.weight"] for key in ("state_dict", "current_model_state"))
    z = next(
        each["z"]
        for each in saved["optimizer_states"][0]["state"].values()
        if each["z"].shape == x.shape
    )
    mean = torch.stack([*z_mean, z]).mean(0)
    assert len(z_mean) == 7, "eight steps"
    assert torch.allclose(x, mean, atol=1e-5), "the average of all z"
    assert torch.allclose(y, 0.9 * x + 0.1 * z, atol=1e-5) and not torch.allclose(x, y, atol=1e-5)
    assert torch.equal(seen["validated"][-1], x)
    first = torch.stack(z_mean[:4]).mean(0)
    assert torch.allclose(seen["validated"][0], first, atol=1e-5), "after the first epoch too"
    expected = 0.9 * first + 0.1 * z_mean[3]
    assert torch.allclose(seen["trained"][4], expected, atol=1e-5), "back at y after validation"
    assert saved["optimizer_states"][0]["param_groups"][0]["train_mode"] is True
    statistics = [saved[key]["net.1.running_mean"] for key in ("state_dict", "current_model_state")]
    assert not torch.equal(*statistics), "measured for x"


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["scheduler=poly"], "SGDScheduleFree .*scheduler=null"),
        (
            ["scheduler=null", "+callbacks.ema._target_=outtake.training.callbacks.ema."
             "ExponentialMovingAverage"],
            "optimizer SGDScheduleFree and ExponentialMovingAverage .*keep one",
        ),
    ],
)  # fmt: skip
def test_two_averages_or_a_schedule_are_refused_and_leave_nothing(
    options: list[str], tmp_path: Path, more: list[str], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        train(compose("train", [*options, *OPTIMIZER, *more]), tmp_path / "run")
    assert not (tmp_path / "run").exists()
