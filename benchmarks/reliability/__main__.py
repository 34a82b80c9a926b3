"""Prove what a training run promises: each subcommand is one proof, ``all`` runs them in turn.

    python -m benchmarks.reliability all                    every proof in full
    python -m benchmarks.reliability kills --count 200      one of them
    python -m benchmarks.reliability all --small            what the test suite runs
    python -m benchmarks.reliability kills --gpu --count 20 on a GPU, with its deterministic kernels

Every line that says FAILED or PARTED is a broken promise; the exit code is 1 then.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path

# Many short runs beside each other in time: more threads only wait for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# The runs are forked; a process that has initialised CUDA cannot pass it on.
os.environ.setdefault("PYTORCH_NVML_BASED_CUDA_CHECK", "1")

from benchmarks.reliability import checkpoints as checkpoints
from benchmarks.reliability import inputs as inputs
from benchmarks.reliability import numbers as numbers
from benchmarks.reliability import program_imports as program_imports
from benchmarks.reliability import stops as stops
from benchmarks.reliability.runs import DEVICE, begin_or_resume, finish, options, write_data
from benchmarks.reliability.secrets import secrets
from outtake.programs.library_warnings import quiet_libraries


def kills(folder: Path, count: int) -> Counter[str]:
    """Kill half of the runs with no loader process and half with two."""
    half, in_saves = count // 2, -(-count // 6)
    none = stops.kills(folder, half, in_saves, workers=0)
    return none + stops.kills(folder, half, in_saves, workers=2, seed=1)


def terminations(folder: Path, count: int) -> Counter[str]:
    """Terminate half of the runs with no loader process and half with two."""
    none = stops.terminations(folder, count - count // 2, workers=0)
    two = stops.terminations(folder, count // 2, workers=2, seed=1)
    return none + two | Counter({"slowest, ms": max(none["slowest, ms"], two["slowest, ms"])})


def malicious(folder: Path, count: int) -> Counter[str]:
    """Make a run, and what attacks its readers out of it."""
    run, data = folder / "run", write_data(folder / "data")
    if finish(lambda: begin_or_resume(run, options(data)), folder / "log"):
        raise RuntimeError(f"see {folder}/log")
    (folder / "inputs").mkdir()
    return inputs.malicious(folder / "inputs", run)


# Each with what it counts at full size and at the size of the test suite.
PROOFS: dict[str, tuple[Callable[[Path, int], Counter[str]], int, int]] = {
    "kills": (kills, 200, 2),
    "terminations": (terminations, 100, 2),
    "full_disk": (checkpoints.full_disk, 1000, 20),
    "damaged": (checkpoints.damaged, 1000, 100),
    "non_finite": (numbers.non_finite, 20, 2),
    "malicious": (malicious, 0, 0),
    "secrets": (lambda folder, count: secrets(folder), 0, 0),
    "evaluated": (lambda folder, count: numbers.evaluated(folder), 0, 0),
    "out_of_memory": (lambda folder, count: numbers.out_of_memory(folder), 0, 0),
}


def main() -> None:
    """Run the proofs that the command line names."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("proofs", nargs="+", choices=["all", *PROOFS])
    parser.add_argument("--count", type=int, help="of kills, terminations or damaged files")
    parser.add_argument("--small", action="store_true", help="at the size of the test suite")
    parser.add_argument("--gpu", action="store_true", help="train on the first GPU")
    chosen = parser.parse_args()
    if chosen.gpu:
        DEVICE[:] = ["trainer.accelerator=gpu", "trainer.deterministic=true"]
    quiet_libraries()
    broken = False
    for name in PROOFS if "all" in chosen.proofs else chosen.proofs:
        proof, *sizes = PROOFS[name]
        began_s = time.monotonic()
        with (
            tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder,
            redirect_stdout(io.StringIO()),
        ):
            tally = proof(Path(folder), chosen.count or sizes[chosen.small])
        print(f"{name}: {time.monotonic() - began_s:.0f} s")
        for what, times in tally.items():
            broken |= "FAILED" in what or "PARTED" in what or "SILENTLY" in what
            print(f"  {times:5d}  {what}")
        sys.stdout.flush()
    sys.exit(1 if broken else 0)


if __name__ == "__main__":
    main()
