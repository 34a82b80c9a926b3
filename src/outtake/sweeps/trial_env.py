"""What a trial's process is told, in one environment variable."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

TRIAL_ENV_VARIABLE = "OUTTAKE_SWEEP_TRIAL"
# The exit code of a process that stopped because it was told to.
PRUNED_EXIT_CODE = 75


@dataclass(frozen=True)
class TrialEnv:
    """Where a trial reports, and where it leaves its result.

    An address of a database may hold a password: a ticket travels in the environment and is never
    written to a file.

    Attributes:
        storage: the address of the shared storage, see :func:`outtake.sweeps.storage`.
        study: the study's name in it.
        trial_id: the trial's id in the storage.
        number: the trial's number in the study.
        reported_metric: what is reported after each validation.
        reports_metric: False where nothing is reported: Optuna can not prune with several
            objectives.
        required_metrics: the metrics that the result has to hold.
        pruner: ``kind`` (a class of ``optuna.pruners``) and its arguments.
        result_path: path of the JSON file that says how the trial ended.
        ends_with_driver: standard input stays open for as long as the driver lives.
    """

    storage: str
    study: str
    trial_id: int
    number: int
    reported_metric: str
    reports_metric: bool
    required_metrics: tuple[str, ...]
    pruner: Mapping[str, Any]
    result_path: str
    ends_with_driver: bool = True

    def to_environment(self) -> dict[str, str]:
        """Return the variable that carries it."""
        return {TRIAL_ENV_VARIABLE: json.dumps(dataclasses.asdict(self))}


def read_trial_env() -> TrialEnv | None:
    """Return what a sweep told this process, None if none started it."""
    text = os.environ.get(TRIAL_ENV_VARIABLE)
    if not text:
        return None
    record = json.loads(text)
    record["required_metrics"] = tuple(record["required_metrics"])
    return TrialEnv(**record)
