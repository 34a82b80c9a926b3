"""Training throughput of Outtake against a bare PyTorch loop, as a ratio, in one run.

Both train the same model from the same weights on the same batches in the same precision, with
the same optimizer, schedule and gradient clipping. Outtake brings everything that it has on by
default: callbacks, JSON lines, TensorBoardDashboard. The two take turns, so that a machine whose
speed drifts is fair to both.

    python -m benchmarks.training.throughput [--steps 40] [--rounds 3] [--cached] [OVERRIDE ...]

With ``--cached`` the bare loop repeats a few batches that lie on the device already: it neither
reads nor augments anything. On a GPU the share of the time that Outtake keeps it busy is printed
too, and the operations per second against those of a large matrix product in bfloat16.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from itertools import count, cycle, islice
from typing import Any

import torch
from omegaconf import DictConfig
from pytorch_lightning import LightningModule, Trainer, seed_everything

from benchmarks.training.gpu_use import BusyTime, count_sample_flops, measure_peak_flops
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
from outtake.training.precision import resolve_precision
from outtake.training.task import SegmentationTask

WARM_UP_STEPS = 5
CACHED_BATCHES = 8


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


def outtake_rate(cfg: DictConfig) -> tuple[float, float]:
    """Train with Outtake's own trainer; return its rate, and the share that a GPU is busy."""
    with tempfile.TemporaryDirectory() as folder:
        run = RunFolder(folder)
        run.create()
        data, task = prepared(cfg)
        clock = Clock()
        trainer = make_trainer(cfg, run, clock)
        trainer.loggers = make_loggers(cfg, run)
        with dashboard_session(trainer.loggers, cfg, run), BusyTime() as busy:
            trainer.fit(task, datamodule=data)
    times_s = clock.times_s
    share = busy.measure_share(times_s[WARM_UP_STEPS], times_s[-1])
    return rate(times_s, int(cfg.data.batch_size)), share


def print_gpu_use(cfg: DictConfig, samples_per_second: float, busy: float) -> None:
    """Print how much of the GPU a training uses.

    Args:
        cfg: The config of the run.
        samples_per_second: Its rate.
        busy: The share of the time that the GPU is busy.
    """
    data, task = prepared(cfg)
    batch = next(iter(data.train_dataloader()))
    device = find_device()
    image, mask = batch["image"].to(device), batch["mask"].to(device)
    flops = samples_per_second * count_sample_flops(task.to(device).train(), image, mask)
    peak = measure_peak_flops()
    print(
        f"{torch.cuda.get_device_name()}: busy {busy:.1%} of the time; {flops / 1e12:.1f} TFLOP/s, "
        f"{flops / peak:.1%} of the {peak / 1e12:.0f} of a bfloat16 matrix product"
    )


def find_device() -> torch.device:
    """Return the GPU where there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def bare_rate(cfg: DictConfig, steps: int, cached: bool) -> float:
    """Train with the loop that one would write by hand.

    Args:
        cfg: The config of the run.
        steps: How many batches are trained on.
        cached: Whether a few batches are repeated, from the memory of the device.
    """
    data, task = prepared(cfg)
    device = find_device()
    task = task.to(device).train()
    net, normalize, criterion = task.net, task.normalize, task.loss
    optimizer = instantiate(cfg.optimizer)(net.parameters())
    scheduler = instantiate(cfg.scheduler)(optimizer, steps)
    loader, times_s = data.train_dataloader(), []
    precision = resolve_precision(cfg.trainer.precision, on_gpu=device.type == "cuda")
    autocast = torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16-mixed")

    def endless() -> Any:
        for epoch in count():
            loader.batch_sampler.set_epoch(epoch)
            for batch in loader:
                yield batch["image"].to(device), batch["mask"].to(device)

    batches = endless()
    if cached:
        batches = cycle(list(islice(batches, CACHED_BATCHES)))
    for image, mask in islice(batches, steps):
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
    parser.add_argument(
        "--cached", action="store_true", help="the bare loop repeats batches from memory"
    )
    parser.add_argument("overrides", nargs="*", help="KEY=VALUE for conf/train.yaml")
    arguments = parser.parse_args()
    quiet_libraries()
    os.environ.setdefault("WANDB_MODE", "offline")
    fixed = [f"+trainer.max_steps={arguments.steps}", "+trainer.limit_val_batches=0"]
    cfg = compose("train", ["logger=tensorboard", *fixed, *arguments.overrides])
    ratios, rates, shares = [], [], []
    for index in range(arguments.rounds):
        seed_everything(int(cfg.seed), workers=True, verbose=False)
        bare = bare_rate(cfg, arguments.steps, arguments.cached)
        seed_everything(int(cfg.seed), workers=True, verbose=False)
        ours, busy = outtake_rate(cfg)
        rates.append(ours)
        shares.append(busy)
        ratios.append(ours / bare)
        print(
            f"round {index + 1}: bare loop {bare:.2f}, Outtake {ours:.2f} samples/s, "
            f"ratio {ratios[-1]:.3f}"
        )
    print(f"median ratio {statistics.median(ratios):.3f} (floor 0.95)")
    if torch.cuda.is_available():
        print_gpu_use(cfg, statistics.median(rates), statistics.median(shares))


if __name__ == "__main__":
    main()
