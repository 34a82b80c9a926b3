"""The driver of a sweep: it keeps trials running until there are enough results."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from typing import Protocol

from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import FrozenTrial

from outtake.core.errors import OutputError, Terminated
from outtake.core.signals import raise_on_signal
from outtake.sweeps.driver_lock import DriverLease, TakenOverError
from outtake.sweeps.result import SweepFailedError
from outtake.sweeps.study import LOSSES_ATTR, SweepStudy, trial_message, trial_status
from outtake.sweeps.sweep_config import SweepConfig, trial_name
from outtake.sweeps.trial import TrialEnv
from outtake.sweeps.trial_process import (
    LOG_FILE,
    RESULT_FILE,
    TrialProcess,
    kill_orphan,
    start_trial_process,
)
from outtake.sweeps.trial_result import (
    TrialResult,
    TrialStatus,
    classify_exit,
    objective_values,
    read_result,
)

_POLL_S = 0.05
# A trial that is asked to end may finish its step and write a checkpoint.
_GRACE_S = 30.0


class ProgressListener(Protocol):
    """Whatever shows the progress of a sweep."""

    def on_trial_end(self, trial: FrozenTrial, result: TrialResult, seconds: float) -> None:
        """Show that a trial has a result, or will run again."""

    def on_poll(self, done: int, running: list[TrialProcess]) -> None:
        """Show which trials are running; called many times a second."""


class Driver:
    """Runs the trials of a sweep.

    Args:
        sweep: The settings of the sweep.
        study: The study of the sweep.
        listener: Whatever shows the progress.
    """

    def __init__(self, sweep: SweepConfig, study: SweepStudy, listener: ProgressListener) -> None:
        self._sweep = sweep
        self._study = study
        self._listener = listener
        self._running: dict[int, TrialProcess] = {}
        self._done = 0

    def run(self) -> None:
        """Run trials until there are ``n_trials`` results.

        Raises:
            KeyboardInterrupt: The user or the system ended the sweep; the trials that were running
                will run again.
            SweepFailedError: No trial works.
            TakenOverError: Another driver is at work, and the trials are its own.
        """
        lease = DriverLease(self._study.study)
        with raise_on_signal(signal.SIGTERM, lambda: Terminated("ended by SIGTERM")):
            try:
                for trial in self._study.running_trials():
                    self._record_orphan(trial)
                self._done = len(self._study.counted_trials())
                while self._fill_slots() or self._running:
                    self._poll()
                    self._listener.on_poll(self._done, list(self._running.values()))
                    time.sleep(_POLL_S)
                    # Before a trial is started or recorded: this driver may have slept for hours.
                    lease.heartbeat()
            except TakenOverError:
                self._stop_all(record=False)
                raise
            except UpdateFinishedTrialError as error:
                self._stop_all(record=False)
                raise lease.takeover_error() from error
            finally:
                # Nothing is running any more here unless something went wrong.
                self._stop_all()
                lease.release()

    def _record_orphan(self, trial: FrozenTrial) -> None:
        if trial.state.is_finished():  # by a driver that took the sweep over
            return
        folder = self._sweep.trial_folder(trial.number)
        kill_orphan(folder)
        result = read_result(folder / RESULT_FILE)
        if result is None:
            stopped = TrialResult(TrialStatus.LOST, message="its driver was stopped")
            self._study.requeue(trial, stopped)
        else:
            self._study.record_result(trial, *objective_values(result, self._metrics))

    @property
    def _metrics(self) -> list[str]:
        return [objective.metric for objective in self._sweep.objectives]

    def _fill_slots(self) -> bool:
        """Start trials in the free slots; return whether there was one to fill."""
        started = False
        while (
            self._done + len(self._running) < self._sweep.n_trials
            and len(self._running) < self._sweep.n_jobs
        ):
            self._start_one()
            started = True
        return started

    def _start_one(self) -> None:
        sweep = self._sweep
        trial = self._study.ask()
        occupied = {running.gpu_slot for running in self._running.values()}
        slot = next(index for index in range(sweep.n_jobs) if index not in occupied)
        folder = sweep.trial_folder(trial.number)
        trial_env = TrialEnv(
            storage=sweep.storage,
            study=sweep.name,
            trial_id=trial._trial_id,
            number=trial.number,
            metrics=self._metrics,
            pruner=sweep.pruner,
            result_path=str((folder / RESULT_FILE).absolute()),
        )
        command = [*sweep.command, *sweep.overrides(trial.params)]
        command.append(f"name={trial_name(trial.number)}")
        environment = self._trial_environment(slot) | trial_env.to_environment()
        try:
            process = start_trial_process(trial.number, folder, slot, command, environment)
        except OutputError as error:
            # What lies in that folder is not this trial's and must not be taken for its result.
            failed = TrialResult(TrialStatus.LOST, message=str(error))
            self._study.requeue(self._trial(trial.number), failed)
            raise
        self._running[trial.number] = process

    def _trial_environment(self, slot: int) -> dict[str, str]:
        sweep = self._sweep
        environment = {**os.environ, "OUTTAKE_RUNS": str(sweep.trials_folder.absolute())}
        environment.setdefault("WANDB_RUN_GROUP", sweep.name)
        environment["PYTHONUNBUFFERED"] = "1"
        if sweep.gpu_slots:
            environment["CUDA_VISIBLE_DEVICES"] = sweep.gpu_slots[slot]
        if sweep.threads is not None:
            environment.setdefault("OMP_NUM_THREADS", str(sweep.threads))
        return environment

    def _poll(self) -> None:
        for running in list(self._running.values()):
            code = running.poll()
            if code is not None:
                result = classify_exit(
                    code, running.folder / RESULT_FILE, running.folder / LOG_FILE
                )
                self._on_exit(running, result)
            elif self._sweep.timeout_s is not None and running.elapsed_s > self._sweep.timeout_s:
                running.send_signal(signal.SIGKILL)
                running.process.wait()
                running.poll()
                late = f"ended after {self._sweep.timeout_s:g} s"
                result = read_result(running.folder / RESULT_FILE) or TrialResult(
                    TrialStatus.TIMED_OUT, message=late
                )
                self._on_exit(running, result)

    def _on_exit(self, running: TrialProcess, result: TrialResult) -> None:
        del self._running[running.number]
        trial = self._trial(running.number)
        if trial.state.is_finished():  # the storage would say so too late: after a copy is queued
            raise UpdateFinishedTrialError(f"trial {trial.number}")
        result, values = objective_values(result, self._metrics)
        times_lost = int(trial.user_attrs.get(LOSSES_ATTR, 0))
        if result.status is TrialStatus.LOST and times_lost < self._sweep.retries:
            self._study.requeue(trial, result, count_loss=True)
        else:
            self._study.record_result(trial, result, values)
            self._done += 1
        self._listener.on_trial_end(self._trial(running.number), result, running.elapsed_s)
        self._check_not_all_failed(running)

    def _check_not_all_failed(self, last: TrialProcess) -> None:
        results = self._study.counted_trials()
        failed = [trial for trial in results if trial_status(trial) is TrialStatus.FAILED]
        if len(failed) == len(results) >= self._sweep.give_up_after:
            message = trial_message(failed[-1])
            raise SweepFailedError(
                f"the first {len(failed)} trials all failed, the last with: {message} (see "
                f"{last.folder / LOG_FILE}); correct the cause, delete {self._sweep.folder} and "
                "start the sweep again"
            )

    def _trial(self, number: int) -> FrozenTrial:
        return self._study.study.get_trials(deepcopy=False)[number]

    def _stop_all(self, *, record: bool = True) -> None:
        """Stop what is running, gently at first; a result that a trial leaves by then counts.

        Args:
            record: False where another driver has recorded these trials, or is about to.
        """
        if not self._running:
            return
        limit_s = time.monotonic() + _GRACE_S
        try:
            for running in self._running.values():
                running.send_signal(signal.SIGINT)
            while time.monotonic() < limit_s and any(
                running.process.poll() is None for running in self._running.values()
            ):
                time.sleep(_POLL_S)
        finally:  # a second Ctrl-C ends the waiting
            for running in self._running.values():
                running.send_signal(signal.SIGKILL)
            for running in self._running.values():
                running.process.wait()
            for running in list(self._running.values()):
                running.poll()
                del self._running[running.number]
                if not record:
                    continue
                with contextlib.suppress(UpdateFinishedTrialError):  # by another driver, just now
                    self._record_orphan(self._trial(running.number))
