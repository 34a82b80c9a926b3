"""The settings of a sweep."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from outtake.config.program_options import ObjectiveOptions
from outtake.config.schema import parse
from outtake.core.errors import ConfigError
from outtake.sweeps.search_space import parse_space
from outtake.sweeps.sweep_config import make_objectives, to_wandb_sweep
from tests.sweeps.one_line_trials import (
    FORWARD,
    MIOU,
    make_sweep,
)


def test_objectives_are_read_and_checked() -> None:
    good = {"metric": "val/miou", "direction": "maximize", "worst": 0}
    option = parse(ObjectiveOptions, good, "objectives.miou")
    (objective,) = make_objectives({"miou": option, "gone": None})
    assert objective.is_better(0.5, 0.4) and not objective.is_better(0.4, 0.5)
    for bad in ({"metric": "x"}, {**good, "direction": "up"}):
        with pytest.raises(ConfigError, match=r"objectives\.a\.direction"):
            parse(ObjectiveOptions, bad, "objectives.a")
    with pytest.raises(ConfigError, match="objectives is empty"):
        make_objectives({})


def test_wandb_takes_the_same_space(tmp_path: Path) -> None:
    space = {
        "lr": {"key": "optimizer.lr", "low": 1e-4, "high": 1e-2, "log": True},
        "decay": {"low": 0.0, "high": 1.0},
        "batch": {"key": "data.batch_size", "low": 4, "high": 16, "step": 4},
        "model": ["fcn8s", "unet"],
        "crop": [None, [64, 64]],
    }
    sweep = make_sweep(tmp_path, parameters=parse_space(space), pruner={"kind": "MedianPruner"})
    record = to_wandb_sweep(sweep)
    assert record["metric"] == {"name": "val/miou", "goal": "maximize"}
    assert record["parameters"] == {
        "optimizer.lr": {"distribution": "log_uniform_values", "min": 1e-4, "max": 1e-2},
        "decay": {"distribution": "uniform", "min": 0.0, "max": 1.0},
        "data.batch_size": {"values": [4, 8, 12, 16]},
        "model": {"values": ["fcn8s", "unet"]},
        "crop": {"values": ["null", "[64,64]"]},
    }
    assert record["early_terminate"]["type"] == "hyperband"
    # What wandb's agent makes of it, without its server.
    from wandb.sdk.launch.sweeps.utils import create_sweep_command, create_sweep_command_args

    args = create_sweep_command_args({"args": {"optimizer.lr": {"value": 0.001}}})
    line = create_sweep_command(record["command"])
    assert "a=1" in line and line[-1] == "${args_no_hyphens}"
    assert args["args_no_hyphens"] == ["optimizer.lr=0.001"]
    with pytest.raises(ConfigError, match="one objective"):
        to_wandb_sweep(dataclasses.replace(sweep, objectives=[MIOU, FORWARD]))
