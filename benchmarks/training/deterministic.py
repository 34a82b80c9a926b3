"""What ``trainer.deterministic=true`` costs, and whether it gives the same bits, on this device.

    python -m benchmarks.training.deterministic [--rounds 3] [--epochs 4] [--steps 30]
        [OVERRIDE ...]

Trains the same config with and without it, in turns, each time in a process of its own, and prints
samples per second without the first epoch, their ratio, the device's memory, and in how many rounds
the weights were, bit for bit, those of the first.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import torch

from benchmarks.clips import ROOT
from outtake.runs.metrics_diff import read_records
from outtake.training.checkpoint_files import read_checkpoint


@dataclass(frozen=True)
class Measured:
    """One run: its rate, its peak of device memory (0 on a CPU) and its weights."""

    samples_per_second: float
    memory_mib: float
    weights: dict[str, torch.Tensor]

    def same_bits(self, other: Measured) -> bool:
        """Whether all weights are equal."""
        return self.weights.keys() == other.weights.keys() and all(
            torch.equal(weight, other.weights[name]) for name, weight in self.weights.items()
        )


def measure(run: Path, overrides: list[str]) -> Measured:
    """Train in a new process.

    Raises:
        SystemExit: the run failed; says what it printed last.
    """
    line = [sys.executable, str(ROOT / "train.py"), f"paths.runs={run.parent}", f"name={run.name}"]
    done = subprocess.run([*line, *overrides], capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr.strip().splitlines()[-1])
    records = read_records(run / "metrics.jsonl")
    rates = [r["train/samples_per_second"] for r in records if "train/samples_per_second" in r]
    memory = [r["train/memory_mib"] for r in records if "train/memory_mib" in r]
    weights = read_checkpoint(run / "checkpoints" / "last.ckpt")["state_dict"]
    return Measured(statistics.median(rates[1:]), max(memory, default=0.0), weights)


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--steps", type=int, default=30, help="of an epoch")
    parser.add_argument("overrides", nargs="*", help="KEY=VALUE for train.py")
    options = parser.parse_args()
    if options.rounds < 2 or options.epochs < 2:
        parser.error("at least two rounds and two epochs: the first ones are compared with")
    fixed = [
        f"trainer.max_epochs={options.epochs}",
        f"+trainer.limit_train_batches={options.steps}",
        "+trainer.limit_val_batches=2",
        "logger=none",
        *options.overrides,
    ]
    measured: dict[bool, list[Measured]] = {False: [], True: []}
    with tempfile.TemporaryDirectory() as name:
        for index in range(options.rounds):
            for strict, results in measured.items():
                run = Path(name) / f"{strict}_{index}".lower()
                results.append(measure(run, [*fixed, f"trainer.deterministic={strict}".lower()]))
            free, bound = measured[False][-1], measured[True][-1]
            print(
                f"round {index + 1}: {free.samples_per_second:.2f} samples/s, deterministic "
                f"{bound.samples_per_second:.2f}, ratio "
                f"{bound.samples_per_second / free.samples_per_second:.3f}",
                flush=True,
            )
        where = json.loads((run / "environment.json").read_text())["hardware"]["gpus"] or "the CPU"
    ratios = [
        bound.samples_per_second / free.samples_per_second
        for free, bound in zip(measured[False], measured[True], strict=True)
    ]
    print(f"on {where}: median ratio {statistics.median(ratios):.3f}")
    for strict, results in measured.items():
        equal = sum(results[0].same_bits(other) for other in results[1:])
        print(
            f"deterministic={str(strict).lower()}: {equal} of {len(results) - 1} rounds have the "
            f"weights of the first, {max(r.memory_mib for r in results):.0f} MiB"
        )


if __name__ == "__main__":
    main()
