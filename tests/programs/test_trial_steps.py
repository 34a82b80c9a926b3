"""What a budget of time makes of the options of a trainer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from omegaconf import OmegaConf
from torch import nn

from outtake.config.compose import compose
from outtake.programs import trial_steps
from outtake.programs.train import train
from outtake.programs.trial_steps import StepClock, fit_epochs_to_budget, limit_batches
from outtake.training.task import SegmentationTask


@pytest.mark.parametrize(
    ("limit", "batches"), [(None, 12), (1.0, 12), (0.5, 6), (4, 4), (40, 12), (0, 0)]
)
def test_a_limit_is_a_number_or_a_share(limit: float | None, batches: int) -> None:
    assert limit_batches(12, limit) == batches


@pytest.mark.parametrize(
    ("trainer", "epochs"),
    [
        ({}, 25),  # 12 steps of 0.1 s and a validation of 2.8 s
        ({"limit_train_batches": 2}, 33),
        ({"limit_val_batches": 0.5}, 39),
        ({"val_check_interval": 0.25}, 8),
        ({"val_check_interval": 3}, 8),
        ({"val_check_interval": 24, "check_val_every_n_epoch": None}, 38),
        ({"check_val_every_n_epoch": 2}, 38),
    ],
)
def test_a_budget_knows_how_much_of_it_each_epoch_takes(
    trainer: dict[str, Any], epochs: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]

    def run(*given: Any) -> Any:
        clock = next(one for one in given if isinstance(one, StepClock))
        clock.times = [0.1 * step for step in range(12)]
        return SimpleNamespace(strategy=SimpleNamespace(root_device="cpu"))

    def build() -> Any:
        return nn.Linear(1, 1)

    def validate(task: nn.Module, data: Any, batches: int) -> None:
        now[0] += 0.7 * batches

    monkeypatch.setattr(trial_steps, "run_steps", run)
    monkeypatch.setattr(trial_steps, "_validate_once", validate)
    monkeypatch.setattr(trial_steps.time, "perf_counter", lambda: now[0])
    data: Any = SimpleNamespace(train_dataloader=lambda: range(12), val_dataloader=lambda: range(4))
    cfg = OmegaConf.create({"trainer": {"check_val_every_n_epoch": 1, **trainer}})
    assert fit_epochs_to_budget(cfg, build, data, 102.8) == epochs


def test_a_budget_measures_steps_that_train_all_weights(
    runs: ModuleType, pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained: list[bool] = []

    def fit(cfg: Any, make_task: Callable[[], SegmentationTask], *_: Any) -> int:
        trained.extend(weight.requires_grad for weight in make_task().net.parameters())
        return 1

    monkeypatch.setattr("outtake.programs.train.fit_epochs_to_budget", fit)
    overrides = [*runs.options(pairs), "freeze=['0']", "unfreeze_epoch=1", "budget_s=60"]
    train(compose("train", overrides), tmp_path / "run", overrides)
    assert trained
    assert all(trained)
