"""Sweeps of which a trial is one line of Python."""

from __future__ import annotations

import dataclasses
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from outtake.sweeps.driver import Driver
from outtake.sweeps.progress import SweepProgress
from outtake.sweeps.search_space import parse_space
from outtake.sweeps.storage import storage_address
from outtake.sweeps.study import SweepStudy, trial_status
from outtake.sweeps.sweep_config import Objective, SweepConfig

# What a trial does: VALUE is out of its overrides.
TRIAL = """
import json, os, sys, time
given = dict(a.split("=", 1) for a in sys.argv[1:])
trial = json.loads(os.environ["OUTTAKE_SWEEP_TRIAL"])
def leave(status="finished", **values):
    with open(trial["result_path"] + ".part", "w") as file:
        json.dump({"status": status, "values": values}, file)
    os.replace(trial["result_path"] + ".part", trial["result_path"])
x = float(given["x"])
"""


LEAVE = "leave(**{'val/miou': 1 - (x - 0.3) ** 2, 'forward_ms': 2 - x})\n"


GOOD = TRIAL + LEAVE


MIOU = Objective("miou", "val/miou", "maximize", 0.0)


FORWARD = Objective("forward", "forward_ms", "minimize", 99.0)


def make_sweep(folder: Path, code: str = GOOD, **changes: Any) -> SweepConfig:
    folder = folder / "sweeps" / "s"
    folder.mkdir(parents=True, exist_ok=True)
    settings = SweepConfig(
        name="s",
        folder=folder,
        parameters=parse_space({"x": {"low": 0.0, "high": 1.0}}),
        objectives=[MIOU],
        fixed=["a=1"],
        command=[sys.executable, "-c", code],
        n_trials=4,
        n_jobs=2,
        retries=2,
        timeout_s=None,
        give_up_after=3,
        storage=storage_address("journal", folder),
        sampler={"kind": "RandomSampler"},
        pruner={"kind": "NopPruner"},
        seed=0,
        gpu_slots=[],
        threads=None,
        resume_command="python sweep.py sweep=s",
    )
    return dataclasses.replace(settings, **changes)


def drive(sweep: SweepConfig) -> SweepStudy:
    trials = SweepStudy(sweep)
    with SweepProgress(sweep, None) as shown:
        Driver(sweep, trials, shown).run()
    return trials


def trials_started(sweep: SweepConfig) -> int:
    return len(list(sweep.trials_folder.iterdir()))


def count_statuses(trials: SweepStudy) -> Counter[str]:
    return Counter(str(trial_status(trial)) for trial in trials.counted_trials())
