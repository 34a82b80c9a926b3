"""What is said of the limits of a training before it begins."""

from __future__ import annotations

import logging
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from omegaconf import OmegaConf

from outtake.config.compose import compose
from outtake.core.errors import ConfigError
from outtake.programs.trainer_setup import make_trainer, warn_of_hidden_values, warn_of_limits
from outtake.runs.run_folder import RunFolder

DATA = cast("Any", SimpleNamespace(train_dataloader=lambda: range(10)))


@pytest.mark.parametrize(
    ("epochs", "steps", "options", "said"),
    [
        (2, 1000, {}, ["trainer.max_epochs=2 ends the training after 8 steps, before"]),
        (2, 8, {}, []),
        (-1, 1000, {"unfreeze_epoch": 5}, []),
        (-1, 20, {"unfreeze_epoch": 5}, ["unfreeze_epoch=5: the training has 5 epochs"]),
        (2, -1, {"unfreeze_epoch": 2}, ["unfreeze_epoch=2: the training has 2 epochs"]),
        (3, 8, {"unfreeze_epoch": 2}, ["unfreeze_epoch=2: the training has 2 epochs"]),
        (3, -1, {"unfreeze_epoch": 2}, []),
        (2, -1, {"scheduler": {"warmup_steps": 8}}, ["scheduler.warmup_steps=8: the training has"]),
        (2, -1, {"scheduler": {"warmup_steps": 7}}, []),
        (-1, 5, {"optimizer": {"warmup_steps": 6}}, ["optimizer.warmup_steps=6: the training has"]),
        (2, -1, {"optimizer": {"warmup_steps": 8}, "scheduler": None}, []),
        (-1, -1, {"optimizer": {"warmup_steps": 8}, "unfreeze_epoch": 3}, []),
    ],
)
def test_what_a_training_ends_before_is_said(
    epochs: int,
    steps: int,
    options: dict[str, Any],
    said: list[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    trainer = SimpleNamespace(
        max_epochs=epochs, max_steps=steps, limit_train_batches=1.0, accumulate_grad_batches=3
    )
    with caplog.at_level("WARNING", "outtake"):
        warn_of_limits(cast("Any", trainer), DATA, OmegaConf.create(options))
    assert [line.startswith(start) for line, start in zip(caplog.messages, said, strict=True)] == [
        True
    ] * len(said)


@pytest.mark.parametrize("group", ["scheduler", "optimizer"])
def test_a_warmup_that_is_no_number_of_steps_is_refused(group: str) -> None:
    trainer = SimpleNamespace(
        max_epochs=2, max_steps=-1, limit_train_batches=1.0, accumulate_grad_batches=1
    )
    options = OmegaConf.create({group: {"warmup_steps": "x"}})
    with pytest.raises(ConfigError, match=rf"{group}\.warmup_steps=x: must be a whole number"):
        warn_of_limits(cast("Any", trainer), DATA, options)


@pytest.mark.parametrize("precision", ["bf16-true", "16-true", "64-true", "32-true", "bf16-mixed"])
def test_an_average_of_lightning_needs_a_precision_that_it_keeps(
    precision: str, tmp_path: Path
) -> None:
    average = "+callbacks.ema._target_=pytorch_lightning.callbacks.EMAWeightAveraging"
    given = ["callbacks=none", average, f"trainer.precision={precision}"]
    cfg, folder = compose("train", [*given, "trainer.accelerator=cpu"]), RunFolder(tmp_path)
    if precision in ("32-true", "bf16-mixed"):
        make_trainer(cfg, folder)
    else:
        with pytest.raises(ConfigError, match=r"EMAWeightAveraging rounds .* callbacks=ema"):
            make_trainer(cfg, folder)


def test_what_was_hidden_in_a_config_is_named(caplog: pytest.LogCaptureFixture) -> None:
    tree = {"logger": {"mlflow": {"uri": "http://<redacted>@host"}}, "seed": 1, "api_key": None}
    with caplog.at_level(logging.WARNING, "outtake"):
        warn_of_hidden_values(tree)
    (said,) = caplog.messages
    assert said.startswith("logger.mlflow.uri holds <redacted>") and "give it again" in said
