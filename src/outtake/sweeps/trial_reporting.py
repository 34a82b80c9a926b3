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

from outtake.sweeps.trial_env import Ticket, ticket_of_environment
from outtake.sweeps.trial_result import Ending, Outcome, write_result

if TYPE_CHECKING:
    from optuna import Study
    from optuna.storages import BaseStorage

log = logging.getLogger(__name__)

_TRIES = 3
_PAUSE_S = 1.0


class TrialReport:
    """Reports for one trial of a sweep.

    Args:
        ticket: what the sweep told this process.
    """

    def __init__(self, ticket: Ticket) -> None:
        self.ticket = ticket
        self._storage: BaseStorage | None = None
        self._study: Study | None = None

    def value(self, value: float, step: int) -> bool:
        """Report the metric at a step (counted from 0); return whether the trial shall stop.

        A storage that fails for a while costs reports, not the training.
        """
        if not self.ticket.reports:
            return False
        for attempt in range(_TRIES):
            try:
                return self._report(value, step)
            except Exception as error:
                # Whatever the database's driver raises.
                if attempt + 1 == _TRIES:
                    log.warning("the sweep's storage does not answer (%s)", type(error).__name__)
                else:
                    time.sleep(_PAUSE_S)
        return False

    def _report(self, value: float, step: int) -> bool:
        import optuna  # late: a trial that reports nothing does not need it

        from outtake.sweeps.storage import make_pruner, open_storage

        if self._storage is None or self._study is None:
            self._storage = open_storage(self.ticket.storage, fresh=False)
            self._study = optuna.load_study(
                study_name=self.ticket.study,
                storage=self._storage,
                sampler=optuna.samplers.RandomSampler(),
                pruner=make_pruner(self.ticket.pruner),
            )
        try:
            self._storage.set_trial_intermediate_value(self.ticket.trial, step, float(value))
        except optuna.exceptions.UpdateFinishedTrialError:
            # The driver took this trial for lost and began it anew.
            return True
        trial = self._storage.get_trial(self.ticket.trial)
        return self._study.pruner.prune(self._study, trial)

    def finish(self, values: Mapping[str, float]) -> None:
        """Leave the metrics of a finished trial."""
        write_result(Path(self.ticket.result), Outcome(Ending.FINISHED, values))

    def end(self, ending: Ending, message: str = "", values: Mapping[str, float] = {}) -> None:
        """Leave another result."""
        write_result(Path(self.ticket.result), Outcome(ending, values, message))


def end_with_driver() -> None:
    """End this process when the sweep's driver is gone, however it went.

    The driver holds the other end of standard input and never writes to it. What this process has
    begun would be run again by the next driver: the two must not work side by side.
    """
    threading.Thread(target=_wait_for_end, name="sweep-driver-watch", daemon=True).start()


def _wait_for_end() -> None:
    try:
        while os.read(0, 1024):
            pass
    except OSError:
        pass
    if os.getpgrp() == os.getpid():
        os.killpg(os.getpid(), signal.SIGKILL)  # workers too
    os._exit(128 + signal.SIGKILL)


_report: list[TrialReport] = []


def trial_report() -> TrialReport | None:
    """Return this process's report, None if no sweep started it."""
    ticket = ticket_of_environment()
    if ticket is None:
        return None
    if not _report or _report[0].ticket != ticket:
        _report[:] = [TrialReport(ticket)]
        if ticket.watched:
            end_with_driver()
    return _report[0]
