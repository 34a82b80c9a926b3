"""The trial's side: report values, be told to stop, leave a result, end with the driver.

Nothing here needs torch, so that a trial may be any program.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from outtake.sweeps.trial_env import TrialEnv, read_trial_env
from outtake.sweeps.trial_result import TrialResult, TrialStatus, write_result

if TYPE_CHECKING:
    from optuna import Study
    from optuna.storages import BaseStorage

log = logging.getLogger(__name__)

_ATTEMPTS = 3
_PAUSE_S = 1.0


class TrialReporter:
    """Reports for one trial of a sweep.

    Args:
        trial_env: what the sweep told this process.
    """

    def __init__(self, trial_env: TrialEnv) -> None:
        self.trial_env = trial_env
        self._storage: BaseStorage | None = None
        self._study: Study | None = None

    def report(self, value: float, step: int) -> bool:
        """Report the metric at a step (counted from 0); return whether the trial shall stop.

        A storage that fails for a while costs reports, not the training.
        """
        if not self.trial_env.reports_metric:
            return False
        for attempt in range(_ATTEMPTS):
            try:
                return self._report_once(value, step)
            except Exception as error:
                # Whatever the database's driver raises.
                if attempt + 1 == _ATTEMPTS:
                    log.warning("the sweep's storage does not answer (%s)", type(error).__name__)
                else:
                    time.sleep(_PAUSE_S)
        return False

    def _report_once(self, value: float, step: int) -> bool:
        import optuna  # late: a trial that reports nothing does not need it

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
            # The driver took this trial for lost and began it anew.
            return True
        trial = self._storage.get_trial(self.trial_env.trial_id)
        return self._study.pruner.prune(self._study, trial)

    def finish(self, values: Mapping[str, float]) -> None:
        """Leave the metrics of a finished trial."""
        write_result(Path(self.trial_env.result_path), TrialResult(TrialStatus.FINISHED, values))

    def record_status(
        self, ending: TrialStatus, message: str = "", values: Mapping[str, float] = {}
    ) -> None:
        """Leave another result."""
        write_result(Path(self.trial_env.result_path), TrialResult(ending, values, message))


def watch_driver() -> None:
    """End this process when the sweep's driver is gone, however it went.

    The driver holds the other end of standard input and never writes to it. What this process has
    begun would be run again by the next driver: the two must not work side by side.
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
    """Return this process's report, None if no sweep started it."""
    ticket = read_trial_env()
    if ticket is None:
        return None
    if not _reporter or _reporter[0].trial_env != ticket:
        _reporter[:] = [TrialReporter(ticket)]
        if ticket.ends_with_driver:
            watch_driver()
    return _reporter[0]
