"""What a trial's process is told, in one environment variable."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

VARIABLE = "OUTTAKE_SWEEP_TRIAL"
# The exit code of a process that stopped because it was told to.
PRUNED_CODE = 75


@dataclass(frozen=True)
class Ticket:
    """Where a trial reports, and where it leaves its result.

    An address of a database may hold a password: a ticket travels in the environment and is never
    written to a file.

    Attributes:
        storage: the address of the shared storage, see :func:`outtake.sweeps.storage`.
        study: the study's name in it.
        trial: the trial's id in the storage.
        number: the trial's number in the study.
        metric: what is reported after each validation.
        reports: False where nothing is reported: Optuna can not prune with several objectives.
        wanted: the metrics that the result has to hold.
        pruner: ``kind`` (a class of ``optuna.pruners``) and its arguments.
        result: path of the JSON file that says how the trial ended.
        watched: standard input stays open for as long as the driver lives.
    """

    storage: str
    study: str
    trial: int
    number: int
    metric: str
    reports: bool
    wanted: tuple[str, ...]
    pruner: Mapping[str, Any]
    result: str
    watched: bool = True

    def to_environment(self) -> dict[str, str]:
        """Return the variable that carries it."""
        return {VARIABLE: json.dumps(dataclasses.asdict(self))}


def ticket_of_environment() -> Ticket | None:
    """Return what a sweep told this process, None if none started it."""
    text = os.environ.get(VARIABLE)
    if not text:
        return None
    record = json.loads(text)
    record["wanted"] = tuple(record["wanted"])
    return Ticket(**record)
