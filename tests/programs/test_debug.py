"""``debug=fast|overfit|profile``: runs that answer one question and leave no dashboard."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType

import pytest

from outtake.config.build_data import build_data
from outtake.config.compose import compose
from outtake.programs.train import train
from tests.training.one_layer import QUICK

# callbacks and logger are the preset's own.
DATA = [each for each in QUICK if not each.startswith(("trainer.max", "callbacks", "logger"))]


def assert_no_dashboard(run: Path) -> None:
    assert not {"tensorboard", "wandb", "dashboards"} & {path.name for path in run.iterdir()}


def test_fast_does_everything_on_one_batch(tmp_path: Path) -> None:
    overrides = [*DATA, "data.crop=[64,64]", "debug=fast"]
    train(compose("train", overrides), tmp_path / "run", overrides)
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert summary["steps"] == 1 and "val/miou" in summary["best"]
    assert (tmp_path / "run" / "checkpoints" / "best.ckpt").is_file()
    assert_no_dashboard(tmp_path / "run")


def test_overfit_learns_four_images_by_heart(runs: ModuleType, pairs: Path, tmp_path: Path) -> None:
    own = (
        "data.batch_size",
        "data.crop",
        "trainer.max_epochs",
        "trainer.log",
        "callbacks=",
        "check",
    )
    given = [each for each in runs.options(pairs) if not each.startswith(own)]
    overrides = [*given, "debug=overfit", "optimizer.lr=0.1", "trainer.max_epochs=20"]
    best = train(compose("train", overrides), tmp_path / "run", overrides)
    splits = json.loads((tmp_path / "run" / "data.json").read_text())["splits"]
    assert splits["train"]["count"] == 4
    assert splits["train"]["fingerprint"] == splits["val"]["fingerprint"]
    assert best > 0.95
    assert_no_dashboard(tmp_path / "run")


def test_profile_shows_where_the_time_goes(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    overrides = [*DATA, "data.crop=[64,64]", "debug=profile"]
    train(compose("train", overrides), tmp_path / "run", overrides)
    assert "run_training_epoch" in caplog.text
    assert_no_dashboard(tmp_path / "run")


def test_a_preset_has_the_last_word_but_for_single_keys() -> None:
    cfg = compose("train", ["experiment=camvid", "debug=fast", "trainer.max_epochs=2"])
    assert cfg.trainer.max_epochs == 2 and cfg.trainer.limit_train_batches == 1
    assert not cfg.logger and cfg.model._target_.endswith("PIDNet")


@pytest.mark.parametrize("experiment", ["camvid", "camvid_fast", "demo"])
def test_overfit_takes_back_what_a_recipe_sets_of_steps_and_crops(experiment: str) -> None:
    overrides = [f"experiment={experiment}", "data=scenes", "debug=overfit"]
    data = build_data(compose("train", overrides))
    assert data.augmentation.crop is None
