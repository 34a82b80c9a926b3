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

# The exit code of a process that stopped because its sweep told it to.
PRUNED_EXIT_CODE = 75
_TAIL_LINES = 60
_NON_FINITE = re.compile(r"the loss became (?:nan|-?inf)|NonFiniteLoss", re.IGNORECASE)
_DISK_FAILURE = re.compile(
    r"No space left on device|Input/output error|Disk quota exceeded|Stale file handle"
    r"|Read-only file system",
    re.IGNORECASE,
)
# A shell's exit codes for processes that a signal ended: 128 and the signal's number.
_FIRST_SIGNAL_CODE, _LAST_SIGNAL_CODE = 129, 159


class TrialStatus(StrEnum):
    """The ways in which a trial can end; only ``LOST`` is no result, and the trial runs again."""

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
        status: The way in which it ended.
        values: The metrics by name; NaN where one is not finite.
        message: One line for the user.
    """

    status: TrialStatus
    values: Mapping[str, float] = field(default_factory=dict)
    message: str = ""

    def to_record(self) -> dict[str, Any]:
        """Return the result as plain containers, with secrets hidden."""
        return {
            "status": self.status.value,
            "values": dict(self.values),
            "message": redact(self.message),
        }


def write_result(path: Path, result: TrialResult) -> None:
    """Write a result where the driver finds it, atomically."""
    write_json(path, result.to_record())


def read_result(path: Path) -> TrialResult | None:
    """Return the result that a trial left, or None if there is none that can be read."""
    try:
        record = json.loads(path.read_text())
        values = {
            str(key): math.nan if value is None else float(value)
            for key, value in record.get("values", {}).items()
        }
        return TrialResult(TrialStatus(record["status"]), values, str(record.get("message", "")))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def classify_exit(code: int, result_path: Path, log_path: Path) -> TrialResult:
    """Return how a process ended, by its exit code, the result that it left, and its log.

    Running out of memory and a loss that is not finite are results of the trial's settings, whoever
    says so. A signal, one of several processes that died, or a failing disk are the machine's
    fault. Any other error is the trial's own.

    Args:
        code: The exit code, which is negative for a signal.
        result_path: The file in which a result may be.
        log_path: The file with what the process printed.
    """
    result = read_result(result_path)
    if result is not None:
        return result
    if code == PRUNED_EXIT_CODE:
        return TrialResult(TrialStatus.PRUNED)
    lines = read_log_tail(log_path)
    last_line = next((line for line in reversed(lines) if line.strip()), "")
    text = "\n".join(lines)
    if code == OutOfMemoryError.exit_code or mentions_out_of_memory(text):
        return TrialResult(TrialStatus.OUT_OF_MEMORY, message=last_line)
    if code == NonFiniteLossError.exit_code or _NON_FINITE.search(text):
        return TrialResult(TrialStatus.DIVERGED, message=last_line)
    if code < 0 or _FIRST_SIGNAL_CODE <= code <= _LAST_SIGNAL_CODE:
        number = -code if code < 0 else code - 128
        return TrialResult(TrialStatus.LOST, message=f"ended by {_signal_name(number)}")
    if code == RankLostError.exit_code or _DISK_FAILURE.search(text):
        return TrialResult(TrialStatus.LOST, message=last_line)
    if code == 0:
        return TrialResult(TrialStatus.FAILED, message="it ended without leaving a result")
    return TrialResult(TrialStatus.FAILED, message=last_line or f"exit code {code}")


def objective_values(
    result: TrialResult, metrics: Sequence[str]
) -> tuple[TrialResult, list[float] | None]:
    """Return the result and, if the trial is finished, the values of the objectives.

    A trial of which a value is not finite has diverged; one of which a value is missing has
    failed.
    """
    if result.status is not TrialStatus.FINISHED:
        return result, None
    missing = [metric for metric in metrics if metric not in result.values]
    if missing:
        known = ", ".join(sorted(result.values)) or "none"
        message = f"its result has no {missing[0]}; it has {known}"
        return TrialResult(TrialStatus.FAILED, result.values, message), None
    values = [result.values[metric] for metric in metrics]
    for metric, value in zip(metrics, values, strict=True):
        if not math.isfinite(value):
            message = f"{metric} is not finite"
            return TrialResult(TrialStatus.DIVERGED, result.values, message), None
    return result, values


def read_log_tail(log_path: Path) -> list[str]:
    """Return the last lines of a log, or none if it cannot be read."""
    try:
        with log_path.open(errors="replace") as file:
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
