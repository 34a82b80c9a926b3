"""How a trial ended, and what follows from it."""

from __future__ import annotations

import json
import math
import re
import signal
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from outtake.core.errors import NonFiniteLossError, OutOfMemoryError, OuttakeError, RankLostError
from outtake.core.files import write_json
from outtake.core.oom import mentions_out_of_memory
from outtake.core.redact import redact
from outtake.sweeps.trial_env import PRUNED_EXIT_CODE

_TAIL_LINES = 60
_NON_FINITE = re.compile(r"the loss became (?:nan|-?inf)|NonFiniteLoss", re.IGNORECASE)
_DISK_FAILURE = re.compile(
    r"No space left on device|Input/output error|Disk quota exceeded|Stale file handle"
    r"|Read-only file system",
    re.IGNORECASE,
)
_TERMINATION_CODES = {128 + signal.SIGHUP, 128 + signal.SIGINT, 128 + signal.SIGTERM}
_FIRST_SIGNAL_CODE, _LAST_SIGNAL_CODE = 129, 159


class TrialStatus(StrEnum):
    """The ways in which a trial can end."""

    FINISHED = "finished"
    PRUNED = "pruned"
    DIVERGED = "diverged"
    OUT_OF_MEMORY = "out_of_memory"
    TIMED_OUT = "timed_out"
    FAILED = "failed"
    LOST = "lost"


class PrunedTrialError(OuttakeError):
    """A trial that stopped because its sweep told it to."""

    exit_code = PRUNED_EXIT_CODE


@dataclass(frozen=True)
class TrialResult:
    """How a trial ended.

    Attributes:
        status: only ``LOST`` is no result: the machine's fault, tried again.
        values: metrics by name; NaN where one is not finite.
        message: one line for the user.
    """

    status: TrialStatus
    values: Mapping[str, float] = field(default_factory=dict)
    message: str = ""


def write_result(path: Path, outcome: TrialResult) -> None:
    """Leave a result where the driver finds it, whole or not at all."""
    record = {
        "outcome": outcome.status.value,
        "values": outcome.values,
        "message": redact(outcome.message),
    }
    write_json(path, record)


def read_result(path: Path) -> TrialResult | None:
    """Return what a trial left, None if it left nothing that can be read."""
    try:
        record = json.loads(path.read_text())
        values = {
            str(key): math.nan if value is None else float(value)
            for key, value in record.get("values", {}).items()
        }
        return TrialResult(TrialStatus(record["outcome"]), values, str(record.get("message", "")))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def classify_exit(code: int, result: Path, log: Path) -> TrialResult:
    """Tell how a process ended from its exit code, the result that it left, and its log.

    Out of memory and a loss that is not finite are results of the trial's settings, wherever they
    show. A signal, a process of several that died, or a failing disk are the machine's. Any other
    error is the trial's own.

    Args:
        code: exit code; negative for a signal.
        result: where a result may be.
        log: what the process printed.
    """
    left_result = read_result(result)
    if left_result is not None:
        return left_result
    if code == PRUNED_EXIT_CODE:
        return TrialResult(TrialStatus.PRUNED)
    lines = read_log_tail(log)
    last_line = next((line for line in reversed(lines) if line.strip()), "")
    text = "\n".join(lines)
    if code == OutOfMemoryError.exit_code or mentions_out_of_memory(text):
        return TrialResult(TrialStatus.OUT_OF_MEMORY, message=last_line)
    if code == NonFiniteLossError.exit_code or _NON_FINITE.search(text):
        return TrialResult(TrialStatus.DIVERGED, message=last_line)
    if code < 0 or code in _TERMINATION_CODES or _FIRST_SIGNAL_CODE <= code <= _LAST_SIGNAL_CODE:
        number = -code if code < 0 else code - 128
        return TrialResult(TrialStatus.LOST, message=f"ended by {_signal_name(number)}")
    if code == RankLostError.exit_code or _DISK_FAILURE.search(text):
        return TrialResult(TrialStatus.LOST, message=last_line)
    if code == 0:
        return TrialResult(TrialStatus.FAILED, message="it ended without leaving a result")
    return TrialResult(TrialStatus.FAILED, message=last_line or f"exit code {code}")


def objective_values(
    outcome: TrialResult, metrics: Sequence[str]
) -> tuple[TrialResult, list[float] | None]:
    """Return the outcome and, if the trial is finished, the values of the objectives.

    A value that is not finite makes it a trial that diverged, a missing one a failed trial.
    """
    if outcome.status is not TrialStatus.FINISHED:
        return outcome, None
    missing = [metric for metric in metrics if metric not in outcome.values]
    if missing:
        known = ", ".join(sorted(outcome.values)) or "none"
        message = f"its result has no {missing[0]}; it has {known}"
        return TrialResult(TrialStatus.FAILED, outcome.values, message), None
    values = [outcome.values[metric] for metric in metrics]
    for metric, value in zip(metrics, values, strict=True):
        if not math.isfinite(value):
            return TrialResult(
                TrialStatus.DIVERGED, outcome.values, f"{metric} is not finite"
            ), None
    return outcome, values


def read_log_tail(log: Path) -> list[str]:
    """Return the last lines of a log; empty if it can not be read."""
    try:
        with log.open(errors="replace") as file:
            return [line.rstrip() for line in deque(file, _TAIL_LINES)]
    except OSError:
        return []


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def numeric_values(record: Mapping[str, Any]) -> dict[str, float]:
    """Return the numbers of a record of metrics."""
    return {
        key: float(value)
        for key, value in record.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    }
