"""Steps of a training that are tried and thrown away: what they take, what they do to a loss."""

from __future__ import annotations

import logging
import tempfile
import time
from collections.abc import Callable
from itertools import islice
from typing import Any

import torch
from omegaconf import DictConfig
from pytorch_lightning import Callback, Trainer

from outtake.config.instantiate import resolve_config
from outtake.core.errors import ConfigError
from outtake.data.datamodule import DataModule
from outtake.training.distributed.launch_environment import detect_env
from outtake.training.optimizer_average import OptimizerAverage
from outtake.training.precision import resolve_precision
from outtake.training.task import SegmentationTask

# The first step also prepares.
_TIMED_STEPS = 12

log = logging.getLogger(__name__)


def run_steps(
    cfg: DictConfig,
    task: SegmentationTask,
    data: DataModule,
    steps: int,
    callback: Callback,
    batches_per_step: int = 1,
) -> Trainer:
    """Run steps of a training, and leave nothing behind.

    Args:
        cfg: The config of the training.
        task: The task, which is changed.
        data: Its data.
        steps: The number of steps of the optimizer.
        callback: Watches them.
        batches_per_step: The number of batches whose gradients are accumulated for a step.
    """
    on_gpu = detect_env(resolve_config(cfg.trainer)).uses_gpu
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(
            accelerator=str(cfg.trainer.accelerator),
            devices=1,
            precision=resolve_precision(cfg.trainer.get("precision"), on_gpu=on_gpu),
            gradient_clip_val=cfg.trainer.get("gradient_clip_val"),
            gradient_clip_algorithm=cfg.trainer.get("gradient_clip_algorithm"),
            accumulate_grad_batches=batches_per_step,
            max_steps=steps,
            max_epochs=-1,
            limit_val_batches=0,
            logger=False,
            callbacks=[OptimizerAverage(), callback],
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            use_distributed_sampler=False,
            default_root_dir=folder,
        )
        trainer.fit(task, datamodule=data)
    return trainer


class StepClock(Callback):
    """Times the steps after the first, which also prepares."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def on_train_batch_end(self, trainer: Trainer, *_: Any) -> None:
        """Note the time."""
        if trainer.strategy.root_device.type != "cpu":
            torch.accelerator.synchronize()
        self.times.append(time.perf_counter())

    def seconds_per_step(self) -> float:
        """Return the mean time of a step."""
        return (self.times[-1] - self.times[0]) / max(len(self.times) - 1, 1)

    def usual_seconds(self) -> float:
        """Return the median time of a step, which other work on the machine sways less."""
        times = sorted(b - a for a, b in zip(self.times, self.times[1:], strict=False))
        return times[len(times) // 2]


def fit_epochs_to_budget(
    cfg: DictConfig, make_task: Callable[[], SegmentationTask], data: DataModule, budget_s: float
) -> int:
    """Return how many epochs a training can have in a time, by steps and a validation of it.

    A whole number of epochs, so that the schedule ends where the run does, and a run that resumes
    has the schedule that it began with, on a machine of any speed.

    Args:
        cfg: The config of the training.
        make_task: Builds its task.
        data: Its data.
        budget_s: The time that training and validation may take.

    Raises:
        ConfigError: Not one epoch fits.
    """
    began = time.perf_counter()
    clock = StepClock()
    batches = limit_batches(len(data.train_dataloader()), cfg.trainer.get("limit_train_batches"))
    task = make_task()
    trainer = run_steps(cfg, task, data, _TIMED_STEPS, clock)
    step_s = clock.usual_seconds()
    before = time.perf_counter()
    limit = limit_batches(len(data.val_dataloader()), cfg.trainer.get("limit_val_batches"))
    # The Trainer leaves the task on the CPU.
    _validate_once(task.to(trainer.strategy.root_device), data, limit)
    validation_s = time.perf_counter() - before
    epoch_s = batches * step_s + validation_s * _validations_per_epoch(cfg, batches)
    if epoch_s > budget_s:
        raise ConfigError(
            f"budget_s={budget_s:g}: an epoch of {batches} steps takes about {epoch_s:.1f} s on "
            "this machine; give more, or a smaller data.samples_per_epoch"
        )
    left_s = budget_s - (time.perf_counter() - began)
    epochs = max(1, int(left_s / epoch_s))
    log.info(
        "budget_s=%g: %.0f ms a step and %.1f s a validation make trainer.max_epochs=%d of %d "
        "steps", budget_s, 1000 * step_s, validation_s, epochs, batches,
    )  # fmt: skip
    return epochs


def limit_batches(batches: int, limit: float | None) -> int:
    """Return how many batches an epoch has with a limit of Lightning: a number, or a share."""
    if limit is None:
        return batches
    return min(limit, batches) if isinstance(limit, int) else int(limit * batches)


def _validations_per_epoch(cfg: DictConfig, batches: int) -> float:
    every = cfg.trainer.get("val_check_interval")
    epochs = cfg.trainer.get("check_val_every_n_epoch")
    if isinstance(every, int):
        in_epoch = batches / every if epochs is None else batches // every
    else:
        # A time between two validations is not known beforehand.
        in_epoch = 1 / every if isinstance(every, float) else 1
    return in_epoch / (epochs or 1)


def _validate_once(task: SegmentationTask, data: DataModule, batches: int) -> None:
    task.eval()
    device = next(task.parameters()).device
    with torch.inference_mode():
        for batch in islice(data.val_dataloader(), batches):
            task.predict(batch["image"].to(device))
