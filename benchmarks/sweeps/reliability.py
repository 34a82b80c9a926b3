"""What sweep.py promises, shown on trials that take no time: benchmarks/sweeps/toy.py.

    python -m benchmarks.sweeps.reliability              # about 10 minutes on two cores

- crashes: 100 trials of which a fifth raise, are killed or return NaN: all are accounted for
- kills: the driver is killed (SIGKILL) 50 times: no finished trial runs again, exactly n results
- workers: two at once against one, where trials only wait
- pruning: epochs saved, and the best value against the same search without pruning
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import optuna

from benchmarks.reliability.forked_programs import ForkedProgram
from outtake.sweeps.storage import open_storage, storage_address

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
TOY = HERE / "toy.py"
LIMIT_S = 900


def start(runs: Path, name: str, trials: int, fixed: str, *overrides: str) -> ForkedProgram:
    """Start a sweep over the toy."""
    given = [
        "--config-dir", str(HERE / "conf"), "sweep=toy", f"name={name}", f"paths.runs={runs}",
        f"n_trials={trials}", f"command=['{sys.executable}','{TOY}']", *overrides,
        "--", *fixed.split(),
    ]  # fmt: skip
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    printed = runs / f"printed-{len(list(runs.glob('printed-*')))}"
    return ForkedProgram("sweep", given, ROOT, printed, environment)


def run(runs: Path, name: str, trials: int, fixed: str, *overrides: str) -> None:
    """Run a sweep over the toy to its end."""
    done = start(runs, name, trials, fixed, *overrides).finish(LIMIT_S)
    if done.returncode:
        sys.exit(f"{done.stdout}{done.stderr}\nended with {done.returncode}")


def study_of(runs: Path, name: str, storage: str = "sqlite") -> optuna.Study:
    """Open what a sweep left."""
    address = storage_address(storage, runs / "sweeps" / name)
    return optuna.load_study(study_name=name, storage=open_storage(address))


def states(study: optuna.Study) -> Counter[str]:
    """Count trials by state."""
    return Counter(trial.state.name for trial in study.get_trials(deepcopy=False))


def statuses(study: optuna.Study) -> Counter[str]:
    """Count the trials that count by how they ended."""
    counted = (optuna.trial.TrialState.COMPLETE, optuna.trial.TrialState.PRUNED)
    kept = study.get_trials(deepcopy=False, states=counted)
    return Counter(trial.user_attrs["result"]["status"] for trial in kept)


def crashes(runs: Path, trials: int, chance: float = 0.2, seed: int = 0) -> dict[str, Any]:
    """Run trials of which some crash."""
    fixed = f"crash={chance} seed={seed} report=false"
    run(runs, "crashes", trials, fixed, "n_jobs=2")
    study = study_of(runs, "crashes")
    found, ended = states(study), statuses(study)
    starts = (runs / "sweeps" / "crashes" / "trials" / "starts.txt").read_text().splitlines()
    return {
        "accounted": sum(ended.values()),
        "stuck": found["RUNNING"] + found["WAITING"],
        "statuses": dict(ended),
        "lost and run again": found["FAIL"],
        "folders used twice": len(starts) - len({line.split()[0] for line in starts}),
    }


def kills(runs: Path, trials: int, wanted: int, seed: int = 0) -> dict[str, Any]:
    """Kill the driver again and again; see what ran twice."""
    rng = random.Random(seed)
    given = ("kills", trials, "sleep_s=0.2 report=false", "n_jobs=2")
    starts = runs / "sweeps" / "kills" / "trials" / "starts.txt"
    for killed in range(wanted):
        before = count_lines(starts)
        driver = start(runs, *given)
        # Now and then before the program has opened its storage, else while trials are at work.
        wait_s = rng.uniform(0.0, 1.5)
        until_s = time.monotonic() + LIMIT_S
        early = rng.random() < 0.2
        while not early and driver.poll() is None and count_lines(starts) == before:
            assert time.monotonic() < until_s, "no trial began"
            time.sleep(0.02)
        try:
            done = driver.finish(wait_s)
        except TimeoutError:
            continue  # it was killed
        sys.exit(f"ended with {done.returncode} after {killed} kills: {done.stderr}")
    run(runs, *given)
    study = study_of(runs, "kills")
    return {
        "kills": wanted,
        "results": sum(statuses(study).values()),
        "finished trials run again": repeated(runs),
        "interrupted and run again": states(study)["FAIL"],
        "stuck": states(study)["RUNNING"] + states(study)["WAITING"],
    }


def count_lines(path: Path) -> int:
    """Count the lines of a file; none if it is not there."""
    return path.read_bytes().count(b"\n") if path.is_file() else 0


def repeated(runs: Path) -> int:
    """Count the starts of a point after it had a result: each point has one result at most."""
    starts = runs / "sweeps" / "kills" / "trials" / "starts.txt"
    lines = [entry.split() for entry in starts.read_text().splitlines()]
    done: set[tuple[str, str]] = set()
    count = 0
    for name, x, y in lines:
        count += (x, y) in done
        if (starts.parent / name / "result.json").is_file():
            done.add((x, y))
    return count


def workers(runs: Path, trials: int, seconds: float) -> dict[str, Any]:
    """Time one worker against two where trials only wait."""
    took_s = {}
    for jobs in (1, 2):
        fixed = f"epochs=1 sleep_s={seconds} report=false"
        began_s = time.monotonic()
        run(runs, f"workers{jobs}", trials, fixed, f"n_jobs={jobs}")
        took_s[jobs] = time.monotonic() - began_s
    return {
        "one_s": round(took_s[1], 1),
        "two_s": round(took_s[2], 1),
        "speedup": round(took_s[1] / took_s[2], 3),
    }


def pruning(runs: Path, trials: int, epochs: int = 20) -> dict[str, Any]:
    """Count the epochs of a search with and without a pruner."""
    counted, best = {}, {}
    median = ["pruner.kind=MedianPruner", "+pruner.n_startup_trials=5", "+pruner.n_warmup_steps=2"]
    for name, pruner in (("all", ["pruner=NopPruner"]), ("pruned", median)):
        given = [*pruner, "storage=journal", "n_jobs=2"]
        run(runs, name, trials, f"epochs={epochs} sleep_s=0.002", *given)
        study = study_of(runs, name, "journal")
        counted[name] = sum(len(t.intermediate_values) for t in study.get_trials(deepcopy=False))
        best[name] = study.best_value
    return {
        "epochs": counted,
        "saved": round(1 - counted["pruned"] / counted["all"], 3),
        "best": {name: round(value, 5) for name, value in best.items()},
        "best against unpruned": round(best["pruned"] / best["all"], 5),
    }


def main() -> None:
    """Show what the command line asks for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", choices=["crashes", "kills", "workers", "pruning"])
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--kills", type=int, default=50)
    options = parser.parse_args()
    kept = {}
    with tempfile.TemporaryDirectory() as name:
        runs = Path(name)
        if options.only in (None, "crashes"):
            found = crashes(runs, options.trials)
            print(f"crashes: {found}", flush=True)
            kept["crashes"] = found["accounted"] == options.trials and not found["stuck"]
        if options.only in (None, "kills"):
            found = kills(runs, options.trials, options.kills)
            print(f"kills: {found}", flush=True)
            exact = found["results"] == options.trials
            kept["kills"] = exact and not found["finished trials run again"]
        if options.only in (None, "workers"):
            found = workers(runs, 16, 3.0)
            print(f"workers: {found}", flush=True)
            kept["workers"] = found["speedup"] >= 1.8
        if options.only in (None, "pruning"):
            found = pruning(runs, 60)
            print(f"pruning: {found}", flush=True)
            kept["pruning"] = found["saved"] >= 0.4 and found["best against unpruned"] >= 0.99
    print(", ".join(f"{name}: {'kept' if good else 'BROKEN'}" for name, good in kept.items()))
    sys.exit(0 if all(kept.values()) else 1)


if __name__ == "__main__":
    main()
