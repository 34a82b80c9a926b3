"""What dashboards cost a training run: none, all of them, and two that hang, taking turns.

The same short run on the scenes, with every picture and table, logged more often than by default
and validated every twelve steps. Compared is the time from the fifth step to the last, validations
and checkpoints included; what the end of a run waits for its dashboards stands beside it. Those
that hang are one that never returns from its first record, and wandb itself, online, against a
server that takes connections and never answers.

    python benchmarks/dashboards.py [--epochs 5] [--rounds 5] [OVERRIDE ...]
"""

from __future__ import annotations

import argparse
import logging
import os
import socket
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pytorch_lightning import seed_everything
from train_throughput import WARM_UP_STEPS, Clock

from outtake.apps.config import compose
from outtake.apps.dashboards import logging_to, make_loggers
from outtake.apps.train import make_trainer, quiet_libraries
from outtake.build import build_data, build_task
from outtake.experiments.compare_records import read_records
from outtake.experiments.dashboards.logger import DashboardLogger
from outtake.experiments.run_folder import RunFolder

LIMIT = 0.05
FIXED = (
    "backbone=mobilenet_v2",
    "data.source.clips={train:12,val:2,test:1}",
    "data.batch_size=8",
    "trainer.log_every_n_steps=2",
    "~callbacks.progress",
)
KINDS = {"none": "none", "all": "all", "hanging": "wandb"}


class Hanging:
    """A dashboard that takes a record and never comes back."""

    def __getattr__(self, name: str) -> Any:
        return lambda *_: threading.Event().wait()


@contextmanager
def silent_server() -> Iterator[None]:
    """Let wandb talk to a server on this machine that never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=1000) as server:
        changed = {
            "WANDB_BASE_URL": f"http://127.0.0.1:{server.getsockname()[1]}",
            "WANDB_API_KEY": 40 * "a",
        }
        os.environ.update(changed)
        try:
            yield
        finally:
            for name in changed:
                del os.environ[name]


def measure(kind: str, overrides: Sequence[str], folder: Path) -> tuple[float, float, int]:
    """Train once.

    Returns:
        Seconds of the compared steps, seconds that the end waited, records in ``metrics.jsonl``.
    """
    cfg = compose("train", [f"logger={KINDS[kind]}", f"paths.runs={folder}", *overrides])
    seed_everything(int(cfg.seed), workers=True, verbose=False)
    run = RunFolder(folder / "run")
    run.create()
    data = build_data(cfg)
    data.setup("fit")
    task = build_task(cfg, data.labels, data.channels, frequencies=data.class_frequencies())
    clock = Clock()
    trainer = make_trainer(cfg, run, clock)
    loggers = make_loggers(cfg, run)
    if kind == "hanging":
        loggers.append(DashboardLogger("hanging", Hanging))
        for logger in loggers:
            if isinstance(logger, DashboardLogger):
                logger.finish_timeout_s = 2.0
    trainer.loggers = loggers
    with logging_to(loggers, cfg, run):
        trainer.fit(task, datamodule=data)
        ended_s = time.perf_counter()
    waited_s = time.perf_counter() - ended_s
    took_s = clock.times_s[-1] - clock.times_s[WARM_UP_STEPS - 1]
    return took_s, waited_s, len(read_records(run.metrics))


def main() -> None:
    """Print a line for each round, and the overheads."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("overrides", nargs="*", help="KEY=VALUE for conf/train.yaml")
    arguments = parser.parse_args()
    quiet_libraries()
    logging.getLogger("outtake").setLevel(logging.ERROR)  # the dashboards that hang say so
    overrides = [*FIXED, f"trainer.max_epochs={arguments.epochs}", *arguments.overrides]
    took_s: dict[str, list[float]] = {kind: [] for kind in KINDS}
    waited_s: dict[str, list[float]] = {kind: [] for kind in KINDS}
    records = set()
    for index in range(arguments.rounds):
        # Turned by one each round: no kind is always the first.
        kinds = [*KINDS][index % len(KINDS) :] + [*KINDS][: index % len(KINDS)]
        for kind in kinds:
            with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
                if kind == "hanging":
                    with silent_server():
                        took, waited, count = measure(kind, overrides, Path(folder))
                else:
                    took, waited, count = measure(kind, overrides, Path(folder))
            took_s[kind].append(took)
            waited_s[kind].append(waited)
            records.add(count)
        steps = ", ".join(f"{kind} {took_s[kind][-1]:.2f} s" for kind in KINDS)
        print(f"round {index + 1}: {steps}", flush=True)
    for kind in KINDS:
        ratios = [ours / bare for ours, bare in zip(took_s[kind], took_s["none"], strict=True)]
        overhead, end_s = statistics.median(ratios) - 1, statistics.median(waited_s[kind])
        print(
            f"{kind}: overhead {100 * overhead:+.1f}% (limit {100 * LIMIT:.0f}%), the end waited "
            f"{end_s:.1f} s"
        )
    print(f"records in metrics.jsonl: {', '.join(map(str, sorted(records)))} (one number is right)")


if __name__ == "__main__":
    main()
