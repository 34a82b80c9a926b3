"""A trial that takes no time and may fail: the proofs of sweep.py run it instead of train.py.

It takes overrides as train.py does, and reports through ``outtake.sweeps.trial``, without torch:

    x=0.3 y=0.7        the score is best, 1, at x=0.3, y=0.7
    epochs=20          validations; the score is reached along a noisy curve, faster where y is high
    sleep_s=0.01       for each
    crash=0.2          the chance to raise, to be killed, or to return NaN, a third each
    seed=0             of the crashes; each trial's name gives it its own
    report=true        false: no validation is reported, which starts faster

Each start adds a line to ``starts.txt`` among the trials' folders.
"""

from __future__ import annotations

import math
import os
import random
import signal
import sys
import time
from pathlib import Path

from outtake.sweeps.trial import trial_reporter
from outtake.sweeps.trial_result import PRUNED_EXIT_CODE, TrialStatus


def score(x: float, y: float, progress: float) -> float:
    """Return the score at a part (0 to 1) of the training; it ends at 1 for the best."""
    reached = 1 - ((x - 0.3) ** 2 + (y - 0.7) ** 2)
    rate = 3 + 4 * y
    noise = random.Random(f"{x} {y} {progress}").uniform(-0.01, 0.01) * (1 - progress)
    return reached * (1 - math.exp(-rate * progress)) / (1 - math.exp(-rate)) + noise


def crash(kind: str) -> None:
    """End as a program that went wrong."""
    if kind == "raise":
        raise RuntimeError("the toy raised")
    if kind == "kill":
        os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    """Run one trial."""
    given = dict(argument.split("=", 1) for argument in sys.argv[1:])
    report = trial_reporter()
    assert report is not None, "sweep.py starts this"
    with (Path(os.environ["OUTTAKE_RUNS"]) / "starts.txt").open("a") as file:
        file.write(f"{given['name']} {given['x']} {given['y']}\n")
    rng = random.Random(f"{given.get('seed', 0)} {given['name']}")
    kind = rng.choice(("raise", "kill", "nan")) if rng.random() < float(given["crash"]) else ""
    x, y, epochs = float(given["x"]), float(given["y"]), int(given["epochs"])
    value = 0.0
    for epoch in range(epochs):
        time.sleep(float(given["sleep_s"]))
        if epoch == epochs // 2:
            crash(kind)
        value = score(x, y, (epoch + 1) / epochs)
        stop = given.get("report", "true") == "true" and report.report(value, epoch)
        if stop:
            report.record_status(TrialStatus.PRUNED, f"after epoch {epoch}", {"val/miou": value})
            sys.exit(PRUNED_EXIT_CODE)
    report.finish({"val/miou": math.nan if kind == "nan" else value, "forward_ms": 1 + 10 * x})


if __name__ == "__main__":
    main()
