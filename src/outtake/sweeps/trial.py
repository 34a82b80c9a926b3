"""The trial's side: report values, stop when told to, leave a result, end with the driver.

The driver tells a trial where to report in one environment variable. Nothing here needs torch, so
that a trial may be any program.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import os
import signal
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from outtake.sweeps.trial_result import TrialResult, TrialStatus, write_result

if TYPE_CHECKING:
    from optuna import Study
    from optuna.storages import BaseStorage

log = logging.getLogger(__name__)

TRIAL_ENV_VARIABLE = "OUTTAKE_SWEEP_TRIAL"
_ATTEMPTS = 3
_PAUSE_S = 1.0


@dataclass(frozen=True)
class TrialEnv:
    """Where a trial reports, and where it leaves its result.

    The address of a database may hold a password: it travels in the environment and is never
    written to a file.

    Attributes:
        storage: The address of the shared storage, see :mod:`outtake.sweeps.storage`.
        study: The name of the study in the storage.
        trial_id: The id of the trial in the storage.
        number: The number of the trial in the study.
        metrics: The metrics of the objectives. The only one is reported after each validation; of
            several none is, because Optuna cannot prune with them.
        pruner: ``kind`` (a class of ``optuna.pruners``) and its arguments.
        result_path: The path of the JSON file that says how the trial ended.
        ends_with_driver: Whether standard input stays open for as long as the driver lives.
    """

    storage: str
    study: str
    trial_id: int
    number: int
    metrics: Sequence[str]
    pruner: Mapping[str, Any]
    result_path: str
    ends_with_driver: bool = True

    def to_environment(self) -> dict[str, str]:
        """Return the environment variable that carries these values."""
        return {TRIAL_ENV_VARIABLE: json.dumps(dataclasses.asdict(self))}


def read_trial_env() -> TrialEnv | None:
    """Return what a sweep told this process, or None if no sweep started it."""
    text = os.environ.get(TRIAL_ENV_VARIABLE)
    return TrialEnv(**json.loads(text)) if text else None


class TrialReporter:
    """Reports for one trial of a sweep.

    Args:
        trial_env: What the sweep told this process.
    """

    def __init__(self, trial_env: TrialEnv) -> None:
        self.trial_env = trial_env
        self._storage: BaseStorage | None = None
        self._study: Study | None = None

    def report(self, value: float, step: int) -> bool:
        """Report the metric at a step and return whether the trial must stop.

        A storage that fails for a while costs reports, not the training.

        Args:
            value: The value of the metric.
            step: The step, counted from 0.
        """
        if len(self.trial_env.metrics) > 1:
            return False
        for attempt in range(_ATTEMPTS):
            try:
                return self._report_once(value, step)
            except Exception as error:
                # Each driver of a database raises errors of its own.
                if attempt + 1 == _ATTEMPTS:
                    log.warning("the sweep's storage does not answer (%s)", type(error).__name__)
                else:
                    time.sleep(_PAUSE_S)
        return False

    def _report_once(self, value: float, step: int) -> bool:
        import optuna  # a trial that reports nothing does not need it

        from outtake.sweeps.storage import make_pruner, open_storage

        if self._storage is None or self._study is None:
            self._storage = open_storage(self.trial_env.storage, create=False)
            self._study = optuna.load_study(
                study_name=self.trial_env.study,
                storage=self._storage,
                sampler=optuna.samplers.RandomSampler(),
                pruner=make_pruner(self.trial_env.pruner),
            )
        try:
            self._storage.set_trial_intermediate_value(self.trial_env.trial_id, step, float(value))
        except optuna.exceptions.UpdateFinishedTrialError:
            # The driver took this trial for lost and has started it again.
            return True
        trial = self._storage.get_trial(self.trial_env.trial_id)
        return self._study.pruner.prune(self._study, trial)

    def finish(self, values: Mapping[str, float]) -> None:
        """Leave the metrics of a finished trial."""
        self.record_status(TrialStatus.FINISHED, values=values)

    def record_status(
        self, status: TrialStatus, message: str = "", values: Mapping[str, float] = {}
    ) -> None:
        """Leave a result: how the trial ended, one line for the user, and metrics."""
        write_result(Path(self.trial_env.result_path), TrialResult(status, values, message))


def watch_driver() -> None:
    """End this process when the sweep's driver is gone, however it ended.

    The driver holds the other end of standard input and never writes to it. The next driver would
    start again what this process has begun: the two must not work side by side.
    """
    threading.Thread(target=_kill_on_stdin_close, name="sweep-driver-watch", daemon=True).start()


def _kill_on_stdin_close() -> None:
    try:
        while os.read(0, 1024):
            pass
    except OSError:
        pass
    if os.getpgrp() == os.getpid():
        os.killpg(os.getpid(), signal.SIGKILL)  # workers too
    os._exit(128 + signal.SIGKILL)


_reporter: list[TrialReporter] = []


def trial_reporter() -> TrialReporter | None:
    """Return the reporter of this process, or None if no sweep started it."""
    trial_env = read_trial_env()
    if trial_env is None:
        return None
    if not _reporter or _reporter[0].trial_env != trial_env:
        _reporter[:] = [TrialReporter(trial_env)]
        if trial_env.ends_with_driver:
            watch_driver()
    return _reporter[0]
