"""A resumed run trains with the options that its config names, from the first step on."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest
import torch

from outtake.config.compose import compose
from outtake.config.instantiate import instantiate
from outtake.programs.train import train
from outtake.training.checkpoint_files import read_checkpoint

STEPS = 4  # of an epoch


def planned_rates(overrides: list[str], steps: int) -> list[float]:
    """The rate of each step of a run that has these options from the beginning."""
    cfg = compose("train", overrides)
    optimizer = instantiate(cfg.optimizer)([torch.nn.Parameter(torch.zeros(1))])
    schedule = instantiate(cfg.scheduler)(optimizer, steps) if cfg.get("scheduler") else None
    rates = []
    for _ in range(steps):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if schedule is not None:
            schedule.step()
    return rates


def logged_rates(runs: ModuleType, run: Path) -> list[float]:
    return [record["lr-AdamW"] for record in runs.records(run) if "lr-AdamW" in record]


@pytest.mark.parametrize("scheduler", ["one_cycle", "null"])
def test_what_is_changed_on_resumption_takes_effect(
    runs: ModuleType, pairs: Path, tmp_path: Path, scheduler: str
) -> None:
    begun = [*runs.options(pairs, epochs=1), f"scheduler={scheduler}"]
    train(compose("train", begun), tmp_path / "run")
    changed = ["optimizer.lr=0.02", "optimizer.weight_decay=0.3", "trainer.max_epochs=3"]
    train(compose("train", [f"resume={tmp_path / 'run'}", *changed]), overrides=changed)
    if scheduler == "null":  # one record for each epoch
        assert logged_rates(runs, tmp_path / "run")[-2:] == [0.02, 0.02]
    else:
        planned = planned_rates([*begun, *changed], 3 * STEPS)
        rates = logged_rates(runs, tmp_path / "run")
        assert rates[STEPS:] == pytest.approx(planned[STEPS:], rel=1e-9)
    saved = read_checkpoint(tmp_path / "run" / "checkpoints" / "last.ckpt")
    (group,) = saved["optimizer_states"][0]["param_groups"]
    assert group["weight_decay"] == 0.3 and (group["lr"] == 0.02) == (scheduler == "null")


def test_a_longer_run_follows_its_schedule_from_the_first_step(
    runs: ModuleType, pairs: Path, tmp_path: Path
) -> None:
    begun = [*runs.options(pairs, epochs=1), "scheduler=cosine"]
    train(compose("train", begun), tmp_path / "run")
    before = logged_rates(runs, tmp_path / "run")
    longer = ["trainer.max_epochs=2", "+scheduler.lr_min=1e-5"]
    train(compose("train", [f"resume={tmp_path / 'run'}", *longer]), overrides=longer)
    after = logged_rates(runs, tmp_path / "run")
    assert after[:STEPS] == before
    planned = planned_rates([*begun, longer[0], longer[1].lstrip("+")], 2 * STEPS)
    assert after[STEPS:] == pytest.approx(planned[STEPS:])
