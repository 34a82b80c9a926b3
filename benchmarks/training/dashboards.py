"""What dashboards cost a training run: none, all of them, and two that hang, taking turns.

The same short run on the scenes, with every picture and table, logged more often than by default
and validated every twelve steps. Compared is the time from the fifth step to the last, validations
and checkpoints included, and the same from the second epoch on, when all dashboards have started;
what the end of a run waits for its dashboards stands beside it. Those that hang are one that never
returns from its first record, and wandb itself, online, against a server that takes connections and
never answers.

    python -m benchmarks.training.dashboards [--epochs 5] [--rounds 5] [OVERRIDE ...]
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pytorch_lightning import seed_everything

from benchmarks.training.throughput import WARM_UP_STEPS, Clock, prepared
from outtake.config.compose import compose
from outtake.programs.library_warnings import quiet_libraries
from outtake.programs.trainer_setup import make_trainer
from outtake.runs.dashboards.queued_logger import DashboardLogger
from outtake.runs.logger_session import dashboard_session, make_loggers
from outtake.runs.metrics_diff import read_records
from outtake.runs.run_folder import RunFolder

FIXED = (
    "backbone=mobilenet_v2",
    "data.source.clips={train:12,val:2,test:1}",
    "data.batch_size=8",
    "trainer.log_every_n_steps=2",
    "~callbacks.progress",
    "+trainer.enable_progress_bar=false",
)
KINDS = {"none": "none", "all": "all", "hanging": "wandb"}


class Hanging:
    """A dashboard that takes a record and never comes back."""

    packages = "nothing"

    def __getattr__(self, name: str) -> Any:
        return lambda *_: threading.Event().wait()


@contextmanager
def silent_server() -> Iterator[str]:
    """Give the address of a server on this machine that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=1000) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def measure(kind: str, overrides: Sequence[str], folder: Path) -> tuple[float, float, float, int]:
    """Train once.

    Returns:
        Seconds from the fifth step on, seconds from the second epoch on, seconds that the end
        waited, and records in ``metrics.jsonl``.
    """
    cfg = compose("train", [f"logger={KINDS[kind]}", f"paths.runs={folder}", *overrides])
    seed_everything(int(cfg.seed), workers=True, verbose=False)
    run = RunFolder(folder / "run")
    run.create()
    data, task = prepared(cfg)
    clock = Clock()
    trainer = make_trainer(cfg, run, clock)
    loggers = make_loggers(cfg, run)
    if kind == "hanging":
        loggers.append(DashboardLogger("hanging", Hanging()))
        for logger in loggers:
            if isinstance(logger, DashboardLogger):
                logger.finish_timeout_s = 2.0
    trainer.loggers = loggers
    with dashboard_session(loggers, cfg, run):
        trainer.fit(task, datamodule=data)
        ended_s = time.perf_counter()
    waited_s = time.perf_counter() - ended_s
    whole_s = clock.times_s[-1] - clock.times_s[WARM_UP_STEPS - 1]
    later_s = clock.times_s[-1] - clock.times_s[int(trainer.num_training_batches) - 1]
    return whole_s, later_s, waited_s, len(read_records(run.metrics))


def measured(kind: str, overrides: Sequence[str], folder: Path) -> tuple[float, float, float, int]:
    """Do :func:`measure` in its own process, because clients keep their first settings."""
    with silent_server() as address:
        changed = {"WANDB_BASE_URL": address, "WANDB_API_KEY": 40 * "a"}
        environment = os.environ | (changed if kind == "hanging" else {"WANDB_MODE": "offline"})
        done = subprocess.run(
            [
                sys.executable, "-m", "benchmarks.training.dashboards",
                f"--measure={kind}", f"--folder={folder}", *overrides,
            ],
            env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True,
        )  # fmt: skip
    whole, later, waited, count = json.loads(done.stdout.splitlines()[-1])
    return whole, later, waited, count


def main() -> None:
    """Print a line for each round, and the overheads."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--measure", choices=KINDS, help="one run, and print what it took")
    parser.add_argument("--folder", type=Path, help="of that run")
    parser.add_argument("overrides", nargs="*", help="KEY=VALUE for conf/train.yaml")
    arguments = parser.parse_args()
    quiet_libraries()
    if arguments.measure:
        print(json.dumps(measure(arguments.measure, arguments.overrides, arguments.folder)))
        return
    overrides = [*FIXED, f"trainer.max_epochs={arguments.epochs}", *arguments.overrides]
    found: dict[str, list[tuple[float, float, float, int]]] = {kind: [] for kind in KINDS}
    for index in range(arguments.rounds):
        # Turned by one each round: no kind is always the first.
        for kind in [*KINDS][index % len(KINDS) :] + [*KINDS][: index % len(KINDS)]:
            with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
                found[kind].append(measured(kind, overrides, Path(folder)))
        steps = ", ".join(f"{kind} {found[kind][-1][0]:.2f} s" for kind in KINDS)
        print(f"round {index + 1}: {steps}", flush=True)
    for kind, runs in found.items():
        whole, later = (
            100
            * (
                statistics.median(
                    run[i] / none[i] for run, none in zip(runs, found["none"], strict=True)
                )
                - 1
            )
            for i in (0, 1)
        )
        end_s = statistics.median(run[2] for run in runs)
        print(
            f"{kind}: overhead {whole:+.1f}%, from the second epoch on {later:+.1f}%; the end "
            f"waited {end_s:.1f} s"
        )
    records = {run[3] for runs in found.values() for run in runs}
    print(f"records in metrics.jsonl: {', '.join(map(str, sorted(records)))} (one number is right)")


if __name__ == "__main__":
    main()
