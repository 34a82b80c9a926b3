"""The driver: keeps trials at work until there are as many results as were asked for."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Protocol

from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import FrozenTrial

from outtake.core.errors import OutputError, OuttakeError, Terminated
from outtake.sweeps.driver_lock import Lease, TakenOverError
from outtake.sweeps.study import LOSSES, SweepStudy, ending
from outtake.sweeps.sweep_config import Sweep, trial_name
from outtake.sweeps.trial_env import Ticket
from outtake.sweeps.trial_process import (
    LOG,
    RESULT,
    TrialProcess,
    end_leftover,
    start_process,
)
from outtake.sweeps.trial_result import Ending, Outcome, judge, objective_values, read_result

_POLL_S = 0.05
# A trial that is asked to end may finish its step and write a checkpoint.
_GRACE_S = 30.0


class SweepFailedError(OuttakeError):
    """A sweep of which no trial works."""


class Watcher(Protocol):
    """What looks on: a progress display, or nothing."""

    def trial_ended(self, trial: FrozenTrial, outcome: Outcome, seconds: float) -> None:
        """A trial has a result, or will be run again."""

    def tick(self, done: int, running: list[TrialProcess]) -> None:
        """Time passes."""


class Driver:
    """Runs a sweep.

    Args:
        sweep: the settings.
        trials: its study.
        watcher: is told what happens.
    """

    def __init__(self, sweep: Sweep, trials: SweepStudy, watcher: Watcher) -> None:
        self._sweep = sweep
        self._trials = trials
        self._watcher = watcher
        self._running: dict[int, TrialProcess] = {}
        self._done = 0

    def run(self) -> None:
        """Run until there are ``n_trials`` results.

        Raises:
            KeyboardInterrupt: the user or the system ended it; what was running will run again.
            SweepFailedError: nothing works.
            TakenOverError: another driver is at work; the trials that it settled are its own.
        """
        lease = Lease(self._trials.study)
        with _sigterm():
            try:
                for trial in self._trials.running():
                    self._settle_orphan(trial)
                self._done = len(self._trials.results())
                while self._start() or self._running:
                    self._collect()
                    self._watcher.tick(self._done, list(self._running.values()))
                    time.sleep(_POLL_S)
                    # Before anything is begun or collected: this driver may have slept for hours.
                    lease.beat()
            except TakenOverError:
                self._end_all(settle=False)
                raise
            except UpdateFinishedTrialError as error:
                self._end_all(settle=False)
                raise lease.lost() from error
            finally:
                # Nothing runs here any more unless something went wrong.
                self._end_all()
                lease.release()

    def _settle_orphan(self, trial: FrozenTrial) -> None:
        if trial.state.is_finished():  # by a driver that took the sweep over
            return
        folder = self._sweep.trial_folder(trial.number)
        end_leftover(folder)
        left = read_result(folder / RESULT)
        if left is None:
            stopped = Outcome(Ending.LOST, message="its driver was stopped")
            self._trials.run_again(trial, stopped)
        else:
            outcome, values = objective_values(left, self._metrics)
            self._trials.settle(trial, outcome, values)

    @property
    def _metrics(self) -> list[str]:
        return [objective.metric for objective in self._sweep.objectives]

    def _start(self) -> bool:
        """Fill the free places; return whether there was one to fill."""
        began = False
        while (
            self._done + len(self._running) < self._sweep.n_trials
            and len(self._running) < self._sweep.n_jobs
        ):
            self._start_one()
            began = True
        return began

    def _start_one(self) -> None:
        sweep = self._sweep
        asked = self._trials.ask()
        taken = {running.slot for running in self._running.values()}
        slot = next(index for index in range(sweep.n_jobs) if index not in taken)
        folder = sweep.trial_folder(asked.number)
        ticket = Ticket(
            storage=sweep.storage,
            study=sweep.name,
            trial=asked._trial_id,
            number=asked.number,
            metric=sweep.objectives[0].metric,
            reports=len(sweep.objectives) == 1,
            wanted=tuple(self._metrics),
            pruner=sweep.pruner,
            result=str((folder / RESULT).absolute()),
        )
        command = [*sweep.command, *sweep.overrides(asked.params)]
        command.append(f"name={trial_name(asked.number)}")
        environment = self._environment(slot) | ticket.to_environment()
        try:
            started = start_process(asked.number, folder, slot, command, environment)
        except OutputError as error:
            # What lies in that folder is not this trial's: nobody shall take it for its result.
            self._trials.run_again(
                self._trial(asked.number), Outcome(Ending.LOST, message=str(error))
            )
            raise
        self._running[asked.number] = started

    def _environment(self, slot: int) -> dict[str, str]:
        sweep = self._sweep
        environment = {**os.environ, "OUTTAKE_RUNS": str(sweep.trials.absolute())}
        environment.setdefault("WANDB_RUN_GROUP", sweep.name)
        environment["PYTHONUNBUFFERED"] = "1"
        if sweep.slots:
            environment["CUDA_VISIBLE_DEVICES"] = sweep.slots[slot]
        if sweep.threads is not None:
            environment.setdefault("OMP_NUM_THREADS", str(sweep.threads))
        return environment

    def _collect(self) -> None:
        for running in list(self._running.values()):
            code = running.code()
            if code is not None:
                self._ended(running, judge(code, running.folder / RESULT, running.folder / LOG))
            elif self._sweep.timeout_s is not None and running.seconds > self._sweep.timeout_s:
                running.signal(signal.SIGKILL)
                running.process.wait()
                running.code()
                late = f"ended after {self._sweep.timeout_s:g} s"
                left = read_result(running.folder / RESULT)
                self._ended(running, left or Outcome(Ending.TIMED_OUT, message=late))

    def _ended(self, running: TrialProcess, outcome: Outcome) -> None:
        del self._running[running.number]
        trial = self._trial(running.number)
        if trial.state.is_finished():  # the storage would say so too late: after a copy is queued
            raise UpdateFinishedTrialError(f"trial {trial.number}")
        outcome, values = objective_values(outcome, self._metrics)
        losses = int(trial.user_attrs.get(LOSSES, 0))
        if outcome.ending is Ending.LOST and losses < self._sweep.retries:
            self._trials.run_again(trial, outcome, lost=True)
        else:
            self._trials.settle(trial, outcome, values)
            self._done += 1
        self._watcher.trial_ended(self._trial(running.number), outcome, running.seconds)
        self._check_that_something_works(running)

    def _check_that_something_works(self, last: TrialProcess) -> None:
        results = self._trials.results()
        failed = [trial for trial in results if ending(trial) is Ending.FAILED]
        if len(failed) == len(results) >= self._sweep.give_up_after:
            said = failed[-1].user_attrs["outcome"]["message"]
            raise SweepFailedError(
                f"the first {len(failed)} trials all failed, the last with: {said} (see "
                f"{last.folder / LOG}); when that is mended, delete {self._sweep.folder} and "
                "begin again"
            )

    def _trial(self, number: int) -> FrozenTrial:
        return self._trials.study.get_trials(deepcopy=False)[number]

    def _end_all(self, *, settle: bool = True) -> None:
        """End what runs, gently at first; a result that was left by then counts.

        Args:
            settle: False where another driver has settled these trials, or is about to.
        """
        if not self._running:
            return
        limit_s = time.monotonic() + _GRACE_S
        try:
            for running in self._running.values():
                running.signal(signal.SIGINT)
            while time.monotonic() < limit_s and any(
                running.process.poll() is None for running in self._running.values()
            ):
                time.sleep(_POLL_S)
        finally:  # a second Ctrl-C ends the waiting
            for running in self._running.values():
                running.signal(signal.SIGKILL)
            for running in self._running.values():
                running.process.wait()
            for running in list(self._running.values()):
                running.code()
                del self._running[running.number]
                if not settle:
                    continue
                with contextlib.suppress(UpdateFinishedTrialError):  # by another driver, just now
                    self._settle_orphan(self._trial(running.number))


@contextmanager
def _sigterm() -> Iterator[None]:
    """Make SIGTERM end the driver in order, as Ctrl-C does."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise Terminated("ended by SIGTERM")

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
