"""A run begins from the weights of another one, and records which."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import ModuleType

import pytest
import torch

from outtake.config.compose import compose
from outtake.core.errors import CheckpointError
from outtake.programs.train import train
from outtake.training.checkpoint_files import read_checkpoint


def test_a_run_begins_from_another_and_resumes_without_it(
    runs: ModuleType, pairs: Path, tiny_run: Path, tmp_path: Path, caplog
) -> None:
    source = tmp_path / "source"
    shutil.copytree(tiny_run, source)
    still = ["optimizer.lr=0", f"init_from={source}"]
    with caplog.at_level("INFO", "outtake"):
        train(compose("train", [*runs.options(pairs, epochs=1), *still]), tmp_path / "run")
    (line,) = [message for message in caplog.messages if "init_from=" in message]
    assert "8 of 8 tensors taken" in line and "init_from.json" in line
    given = read_checkpoint(source / "checkpoints" / "best.ckpt")["state_dict"]
    begun = read_checkpoint(tmp_path / "run" / "checkpoints" / "last.ckpt")
    # But for the rounding of their moving average.
    assert torch.allclose(begun["state_dict"]["net.0.weight"], given["net.0.weight"], atol=1e-6)
    record = json.loads((tmp_path / "run" / "init_from.json").read_text())
    assert record["checkpoint"].endswith("best.ckpt") and len(record["taken"]) == 8
    assert begun["epoch"] == 0, "a run of its own"

    shutil.rmtree(source)
    longer = [f"resume={tmp_path / 'run'}", "trainer.max_epochs=2"]
    train(compose("train", longer), overrides=longer)
    assert read_checkpoint(tmp_path / "run" / "checkpoints" / "last.ckpt")["epoch"] == 1


def test_nothing_is_left_behind_where_nothing_fits(
    runs: ModuleType, pairs: Path, tmp_path: Path
) -> None:
    torch.save({"other.weight": torch.zeros(1)}, tmp_path / "weights.pth")
    begun = [*runs.options(pairs, epochs=1), f"init_from={tmp_path / 'weights.pth'}"]
    with pytest.raises(CheckpointError, match="nothing of it fits"):
        train(compose("train", begun), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_the_papers_stages_train_one_from_the_other(pairs: Path, tmp_path: Path) -> None:
    small = [
        "data=folder",
        f"data.root={pairs}",
        "data.workers=0",
        "model.width=0.02",
        "trainer.accelerator=cpu",
        "trainer.max_steps=2",
        "callbacks=none",
        "logger=none",
    ]
    stages = {"fcn32s_paper": "model.encoder_weights=null", "fcn16s_paper": "init_from={}"}
    for stage, begins in stages.items():
        begun = [f"experiment={stage}", *small, begins.format(tmp_path / "fcn32s_paper")]
        train(compose("train", begun), tmp_path / stage)
    checkpoint = read_checkpoint(tmp_path / "fcn16s_paper" / "checkpoints" / "last.ckpt")
    groups = checkpoint["optimizer_states"][0]["param_groups"]
    options = {group["name"]: (group["lr"], group["weight_decay"]) for group in groups}
    assert options == {"default": (1e-12, 5e-4), "biases": (2e-12, 0.0)}
    assert checkpoint["state_dict"]["net.score_pool4.weight"].any(), "trained from zero"
    record = json.loads((tmp_path / "fcn16s_paper" / "init_from.json").read_text())
    assert record["missing"] == ["score_pool4.weight", "score_pool4.bias"]
