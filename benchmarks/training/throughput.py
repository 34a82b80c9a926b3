"""Training throughput of Outtake against a bare PyTorch loop, as a ratio, in one run.

Both train the same model from the same weights on the same batches in the same precision, with
the same optimizer, schedule and gradient clipping. Outtake brings everything that it has on by
default: callbacks, JSON lines, TensorBoardDashboard. The two take turns, so that a machine whose
    speed
drifts is fair to both.

    python -m benchmarks.training.throughput [--steps 40] [--rounds 3] [OVERRIDE ...]
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from itertools import islice
from typing import Any

import torch
from omegaconf import DictConfig
from pytorch_lightning import LightningModule, Trainer, seed_everything

from outtake.config.build_data import build_data
from outtake.config.build_task import build_task
from outtake.config.compose import compose
from outtake.config.instantiate import instantiate
from outtake.core.types import Batch
from outtake.data.datamodule import DataModule
from outtake.programs.library_warnings import quiet_libraries
from outtake.programs.trainer_setup import make_trainer
from outtake.runs.logger_session import dashboard_session, make_loggers
from outtake.runs.run_folder import RunFolder
from outtake.training.callbacks.throughput import Throughput
from outtake.training.task import SegmentationTask

WARM_UP_STEPS = 5


class Clock(Throughput):
    """Takes the place of the run's own throughput callback, and notes when each step ends."""

    def __init__(self) -> None:
        super().__init__()
        self.times_s: list[float] = []

    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Batch,
        batch_idx: int,
    ) -> None:
        """Note the time."""
        super().on_train_batch_end(trainer, pl_module, outputs, batch, batch_idx)
        self.times_s.append(time.perf_counter())


def rate(times_s: list[float], batch_size: int) -> float:
    """Return samples per second after the warm-up."""
    kept = times_s[WARM_UP_STEPS - 1 :]
    return batch_size * (len(kept) - 1) / (kept[-1] - kept[0])


def prepared(cfg: DictConfig) -> tuple[DataModule, SegmentationTask]:
    """Build the data and the task of a run."""
    data = build_data(cfg)
    data.setup("fit")
    return data, build_task(cfg, data.labels, data.channels, frequencies=data.class_frequencies())


def outtake_rate(cfg: DictConfig) -> float:
    """Train with Outtake's own trainer."""
    with tempfile.TemporaryDirectory() as folder:
        run = RunFolder(folder)
        run.create()
        data, task = prepared(cfg)
        clock = Clock()
        trainer = make_trainer(cfg, run, clock)
        trainer.loggers = make_loggers(cfg, run)
        with dashboard_session(trainer.loggers, cfg, run):
            trainer.fit(task, datamodule=data)
    return rate(clock.times_s, int(cfg.data.batch_size))


def bare_rate(cfg: DictConfig, steps: int) -> float:
    """Train with the loop that one would write by hand."""
    data, task = prepared(cfg)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    task = task.to(device).train()
    net, normalize, criterion = task.net, task.normalize, task.loss
    optimizer = instantiate(cfg.optimizer)(net.parameters())
    scheduler = instantiate(cfg.scheduler)(optimizer, steps)
    loader, times_s = data.train_dataloader(), []
    autocast = torch.autocast(device.type, torch.bfloat16, enabled="bf16" in cfg.trainer.precision)

    def endless() -> Any:
        while True:
            yield from loader

    for batch in islice(endless(), steps):
        image, mask = batch["image"].to(device), batch["mask"].to(device)
        with autocast:
            x = normalize(image).contiguous(memory_format=task.memory_format)
            loss = criterion(net(x), mask)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), cfg.trainer.gradient_clip_val)
        optimizer.step()
        scheduler.step()
        loss.item()
        times_s.append(time.perf_counter())
    return rate(times_s, int(cfg.data.batch_size))


def main() -> None:
    """Print the rates and their ratio."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("overrides", nargs="*", help="KEY=VALUE for conf/train.yaml")
    arguments = parser.parse_args()
    quiet_libraries()
    os.environ.setdefault("WANDB_MODE", "offline")
    fixed = [f"+trainer.max_steps={arguments.steps}", "+trainer.limit_val_batches=0"]
    cfg = compose("train", ["logger=tensorboard", *fixed, *arguments.overrides])
    ratios = []
    for index in range(arguments.rounds):
        seed_everything(int(cfg.seed), workers=True, verbose=False)
        bare = bare_rate(cfg, arguments.steps)
        seed_everything(int(cfg.seed), workers=True, verbose=False)
        ours = outtake_rate(cfg)
        ratios.append(ours / bare)
        print(
            f"round {index + 1}: bare loop {bare:.2f}, Outtake {ours:.2f} samples/s, "
            f"ratio {ratios[-1]:.3f}"
        )
    print(f"median ratio {statistics.median(ratios):.3f} (floor 0.95)")


if __name__ == "__main__":
    main()
