"""Runs that are killed or terminated at random points, and must end as if nothing had happened."""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from benchmarks.reliability.faults import Points, kill_here, watched
from benchmarks.reliability.runs import (
    begin_or_resume,
    difference,
    final_state,
    finish,
    options,
    start,
    wait,
    write_data,
)
from outtake.training.checkpoint_files import read_checkpoint
from outtake.training.task import SegmentationTask

_STOPS_PER_JOB = 5


def reference(folder: Path, workers: int, epochs: int = 2) -> tuple[list[str], dict, float]:
    """Train without interruption; return the overrides, the final state and the seconds."""
    data = folder / "data"
    if not data.exists():
        write_data(data)
    overrides = options(data, workers, epochs)
    run = folder / f"whole-{workers}"
    began_s = time.monotonic()
    code = finish(lambda: begin_or_resume(run, overrides), folder / "whole.log")
    if code:
        raise RuntimeError(f"the uninterrupted run ended with {code}: see {folder}/whole.log")
    return overrides, final_state(run), time.monotonic() - began_s


def kills(folder: Path, count: int, in_saves: int, workers: int, seed: int = 0) -> Counter[str]:
    """Kill runs with SIGKILL, ``in_saves`` of them inside a save; compare what comes out."""
    overrides, wanted, took_s = reference(folder, workers)
    dice = random.Random(seed)
    tally: Counter[str] = Counter()

    def one_attempt(run: Path, log: Path) -> str:
        inside = tally["killed in a save"] < in_saves and (
            tally["killed at a random time"] >= count - in_saves or dice.random() < 0.5
        )
        if inside:
            points = Points(dice.randint(1, 600), kill_here)
            pid = start(lambda: _watched(points, lambda: begin_or_resume(run, overrides)), log)
            code = wait(pid)
        else:
            pid = start(lambda: begin_or_resume(run, overrides), log)
            code = wait(pid, dice.uniform(0, took_s))
            if code is None:
                os.kill(pid, signal.SIGKILL)
                code = wait(pid)
        if code == -signal.SIGKILL:
            return "killed in a save" if inside else "killed at a random time"
        return "finished" if code == 0 else f"FAILED with {code}: {_end(log)}"

    def left() -> int:
        return count - tally["killed in a save"] - tally["killed at a random time"]

    while left() > 0 and not _broken(tally):
        _one_job(folder / f"kills-{workers}", tally, one_attempt, left, overrides, wanted)
    return tally


def terminations(folder: Path, count: int, workers: int, seed: int = 0) -> Counter[str]:
    """Terminate runs with SIGTERM; each must exit with 143 in 10 s and have lost no step."""
    overrides, wanted, took_s = reference(folder, workers, epochs=3)
    dice = random.Random(seed)
    tally: Counter[str] = Counter()

    def one_attempt(run: Path, log: Path) -> str:
        steps = run.with_suffix(".steps")
        steps.unlink(missing_ok=True)
        pid = start(lambda: _counted(steps, lambda: begin_or_resume(run, overrides)), log)
        code = wait(pid, dice.uniform(0.0, took_s))
        if code is not None:
            return "finished" if code == 0 else f"FAILED with {code}: {_end(log)}"
        sent_s = time.monotonic()
        os.kill(pid, signal.SIGTERM)
        code = wait(pid)
        seconds = time.monotonic() - sent_s
        tally["slowest, ms"] = max(tally["slowest, ms"], round(1000 * seconds))
        if code == 0:
            return "finished"
        if code == -signal.SIGTERM:
            return "before the program had begun"
        if code != 143 or seconds > 10:
            return f"FAILED: exit code {code} after {seconds:.1f} s: {_end(log)}"
        done = steps.read_text().split() if steps.is_file() else []
        if done and _saved_steps(run) != int(done[-1]):
            return f"FAILED: {done[-1]} steps done and {_saved_steps(run)} saved in {run}"
        return "terminated with 143"

    def left() -> int:
        return count - tally["terminated with 143"]

    while left() > 0 and not _broken(tally):
        _one_job(folder / f"terminations-{workers}", tally, one_attempt, left, overrides, wanted)
    return tally


def _one_job(
    place: Path,
    tally: Counter[str],
    attempt: Callable[[Path, Path], str],
    left: Callable[[], int],
    overrides: list[str],
    wanted: dict,
) -> None:
    """Stop a run a few times, let it finish, and compare."""
    place.mkdir(exist_ok=True)
    run = place / str(tally["jobs"])
    log = run.with_suffix(".log")
    for _ in range(_STOPS_PER_JOB):
        outcome = attempt(run, log)
        tally[outcome] += 1
        if left() <= 0 or outcome == "finished" or outcome.startswith("FAILED"):
            break
    tally["jobs"] += 1
    if finish(lambda: begin_or_resume(run, overrides), log):
        tally[f"FAILED to finish: {_end(log)}"] += 1
        return
    parted = difference(wanted, final_state(run))
    tally["jobs bit for bit as without interruption" if parted is None else f"PARTED {parted}"] += 1


def _broken(tally: Counter[str]) -> bool:
    return any(what.startswith(("FAILED", "PARTED")) for what in tally)


def _end(log: Path) -> str:
    """Return the end of a log as one line: the folder is deleted."""
    return " | ".join(log.read_text().split("\n")[-12:])


def _watched(points: Points, work: Callable[[], object]) -> None:
    with watched(points):
        work()


def _counted(path: Path, work: Callable[[], object]) -> None:
    """Note every step of the optimizer as soon as it is done."""
    file = os.open(path, os.O_CREAT | os.O_APPEND | os.O_WRONLY)

    def on_train_batch_end(task: SegmentationTask, *_: object) -> None:
        os.write(file, b"%d\n" % task.trainer.global_step)

    SegmentationTask.on_train_batch_end = on_train_batch_end
    work()


def _saved_steps(run: Path) -> int:
    path = run / "checkpoints" / "last.ckpt"
    return int(read_checkpoint(path)["global_step"]) if path.is_file() else 0
