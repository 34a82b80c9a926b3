"""Runs of several processes on this machine, started by fork, for the proofs of distributed.py."""

from __future__ import annotations

import json
import os
import signal
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.reliability.runs import start, wait
from outtake.config.compose import compose
from outtake.programs.train import train

# No bias before a normalisation: its gradient is rounding alone, and Adam makes steps of it.
LAYERS = (
    "["
    "{_target_:torch.nn.Conv2d,in_channels:3,out_channels:6,kernel_size:3,padding:1,bias:false},"
    "{_target_:torch.nn.BatchNorm2d,num_features:6},{_target_:torch.nn.ReLU},"
    "DROPOUT{_target_:torch.nn.Conv2d,in_channels:6,out_channels:2,kernel_size:1}]"
)
TIMEOUT_S = 120.0


def options(data: Path, epochs: int, *, dropout: bool = False, ema: bool = True) -> list[str]:
    """Return overrides: batches that no 2 or 3 processes share evenly, clipped, accumulated."""
    layers = LAYERS.replace("DROPOUT", "{_target_:torch.nn.Dropout2d,p:0.3}," if dropout else "")
    average = [
        "+callbacks.ema._target_=outtake.training.callbacks.ema.ExponentialMovingAverage"
    ] * ema
    return [
        "data=folder",
        f"data.root={data}",
        "data.batch_size=5",
        "data.eval_batch_size=2",
        "data.workers=0",
        "data.crop=[24,24]",
        "model=custom",
        "model._target_=torch.nn.Sequential",
        f"+model._args_={layers}",
        "seed=4",  # one that predicts both classes from the first validation on
        "optimizer.lr=0.01",
        "scheduler=one_cycle",
        "~callbacks.progress",
        *average,
        *(["+callbacks.ema.decay=0.5"] * ema),
        "logger=none",
        "+trainer.enable_progress_bar=false",
        "trainer.accelerator=cpu",
        "trainer.gradient_clip_val=0.5",
        "trainer.accumulate_grad_batches=2",
        "trainer.log_every_n_steps=1",
        f"trainer.max_epochs={epochs}",
    ]


def several(strategy: str, timeout_s: int = 60) -> list[str]:
    """Return overrides for several processes."""
    blocks = ["trainer.strategy.min_parameters=10"] if strategy == "fsdp" else []
    return [f"trainer={strategy}", f"trainer.strategy.timeout_s={timeout_s}", *blocks]


def torchrun(number: int, count: int, port: int) -> dict[str, str]:
    """Return what torchrun tells a process."""
    return {
        "TORCHELASTIC_RUN_ID": "proof",
        "LOCAL_WORLD_SIZE": str(count),
        "WORLD_SIZE": str(count),
        "RANK": str(number),
        "LOCAL_RANK": str(number),
        "GROUP_RANK": "0",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
    }


def srun(number: int, count: int, port: int) -> dict[str, str]:
    """Return what srun tells a process, each on a machine of its own."""
    return {
        "SLURM_JOB_ID": "77",
        "SLURM_JOB_NAME": "proof",
        "SLURM_STEP_ID": "0",
        "SLURM_NTASKS": str(count),
        "SLURM_NTASKS_PER_NODE": "1",
        "SLURM_NNODES": str(count),
        "SLURM_STEP_NUM_NODES": str(count),
        "SLURM_PROCID": str(number),
        "SLURM_LOCALID": "0",
        "SLURM_NODEID": str(number),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
    }


class Ranks:
    """The processes of one run.

    Args:
        overrides: of ``train.py``.
        run: the run folder.
        count: of processes.
        environment: what tells a process its place, see :func:`torchrun`.
        inside: called in each process with its number before the training.
    """

    def __init__(
        self,
        overrides: Sequence[str],
        run: Path,
        count: int,
        environment: Callable[[int, int, int], Mapping[str, str]] = torchrun,
        inside: Callable[[int], None] = lambda number: None,
    ) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.logs = [run.with_name(f"{run.name}-{number}.log") for number in range(count)]

        def work(number: int) -> None:
            os.environ.update(environment(number, count, port) if count > 1 else {})
            inside(number)
            train(compose("train", list(overrides)), run, overrides)

        self.pids = [
            start(lambda number=number: work(number), self.logs[number]) for number in range(count)
        ]

    def codes(self, timeout_s: float = TIMEOUT_S) -> list[int]:
        """Wait for all to end, which is bounded, and return their exit codes."""
        until_s = time.monotonic() + timeout_s
        codes = [wait(pid, max(0.0, until_s - time.monotonic())) for pid in self.pids]
        for pid, code in zip(self.pids, codes, strict=True):
            if code is None:
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
        if None in codes:
            raise TimeoutError(f"processes hang ({codes}): {self.said()}")
        return [int(code) for code in codes if code is not None]

    def said(self) -> str:
        """Return the end of what each has printed."""
        return " || ".join(log.read_text()[-1500:] for log in self.logs if log.is_file())


def finish(overrides: Sequence[str], run: Path, count: int = 1, **options: Any) -> Path:
    """Train to the end; return the run folder."""
    ranks = Ranks(overrides, run, count, **options)
    codes = ranks.codes()
    if any(codes):
        raise RuntimeError(f"{run}: ended with {codes}: {ranks.said()}")
    return run


def values(run: Path, key: str) -> list[float]:
    """Return a metric's curve."""
    records = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [record[key] for record in records if key in record]


def confusions(run: Path) -> list[Any]:
    """Return the confusion matrix of every validation."""
    paths = sorted((run / "confusion").glob("*.json"))
    return [json.loads(path.read_text())["confusion"] for path in paths]


def difference(one: Path, other: Path, key: str) -> float:
    """Return the largest difference of a curve; infinite where one is longer."""
    first, second = values(one, key), values(other, key)
    if len(first) != len(second) or not first:
        return float("inf")
    return max(abs(a - b) for a, b in zip(first, second, strict=True))


def files(run: Path) -> list[str]:
    """Return the names of all files in a run folder."""
    return sorted(str(path.relative_to(run)) for path in run.rglob("*") if path.is_file())
