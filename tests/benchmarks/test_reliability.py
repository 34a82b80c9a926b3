"""The proofs of ``benchmarks/reliability``, at small size: one process runs them all."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

# What each must say, and how often at least.
PROMISES = {
    "kills": {
        "killed in a save": 2,
        "jobs bit for bit as without interruption": 2,
    },
    "terminations": {
        "terminated with 143": 2,
        "jobs bit for bit as without interruption": 2,
    },
    "full_disk": {"ENOSPC: refused, both load": 10, "EIO: refused, both load": 10},
    "damaged": {"with its .sha256: refused": 30, "without its .sha256: refused": 30},
    "non_finite": {"stopped in time, batch kept, checkpoints finite": 2},
    "malicious": {"inputs": 60, "refused with one line": 60},
    "secrets": {
        "secrets that are nowhere": 10,
        "wandb files among them": 1,
        "MLflow databases among them": 1,
        "pictures and tables among them": 10,
    },
    "evaluated": {"equal mIoU and confusion matrix": 2},
    "out_of_memory": {"one line with batch, shape and what to set": 4},
}


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, int]]:
    environment = {**os.environ, "TMPDIR": str(tmp_path_factory.mktemp("proofs"))}
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.reliability", "all", "--small"],
        capture_output=True,
        text=True,
        timeout=280,
        env=environment,
    )
    tallies: dict[str, dict[str, int]] = {}
    for line in done.stdout.splitlines():
        if line.startswith(" "):
            number, what = line.split(maxsplit=1)
            tallies[list(tallies)[-1]][what] = int(number)
        elif ": " in line and line.split(":")[0] in PROMISES:
            tallies[line.split(":")[0]] = {}
    assert tallies.keys() == PROMISES.keys(), done.stdout + done.stderr
    return tallies


@pytest.mark.slow
@pytest.mark.parametrize("proof", PROMISES)
def test_a_promise_is_kept(said: dict[str, dict[str, int]], proof: str) -> None:
    found = said[proof]
    broken = [what for what in found if any(w in what for w in ("FAILED", "PARTED", "SILENTLY"))]
    assert not broken
    for what, least in PROMISES[proof].items():
        assert found.get(what, 0) >= least, found
