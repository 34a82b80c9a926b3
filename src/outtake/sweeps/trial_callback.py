"""The Lightning side of a trial: report each validation, stop when told, leave the result."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pytorch_lightning import Callback, LightningModule, Trainer

from outtake.core.errors import NonFiniteLossError
from outtake.core.oom import is_out_of_memory
from outtake.sweeps.trial_reporting import TrialReporter, trial_reporter
from outtake.sweeps.trial_result import PrunedTrialError, TrialStatus, numeric_values
from outtake.training.find_callbacks import find_callbacks


class TrialCallback(Callback):
    """Reports a fit to the sweep that started this process.

    Args:
        reporter: the trial's report.
    """

    def __init__(self, reporter: TrialReporter) -> None:
        self.reporter = reporter
        self.pruned_at: int | None = None

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Report the metric; stop after this epoch if the sweep says so."""
        value = trainer.callback_metrics.get(self.reporter.trial_env.reported_metric)
        if trainer.sanity_checking or value is None:
            return
        stop = trainer.is_global_zero and self.reporter.report(float(value), trainer.current_epoch)
        if trainer.strategy.reduce_boolean_decision(stop, all=False):
            self.pruned_at = trainer.current_epoch
            trainer.should_stop = True

    def on_exception(
        self, trainer: Trainer, pl_module: LightningModule, exception: BaseException
    ) -> None:
        """Leave a result where the settings are to blame: out of memory, a loss that is NaN."""
        ending = status_of_error(exception)
        if ending is not None and trainer.is_global_zero:
            self.reporter.record_status(ending, str(exception))

    def finish(self, trainer: Trainer, metrics: Mapping[str, Any]) -> None:
        """Leave the result of a fit that ended in order.

        Raises:
            PrunedTrialError: it was told to stop.
        """
        values = numeric_values(metrics)
        if self.pruned_at is not None:
            message = f"pruned after epoch {self.pruned_at}"
            if trainer.is_global_zero:
                self.reporter.record_status(TrialStatus.PRUNED, message, values)
            raise PrunedTrialError(message)
        if trainer.is_global_zero:
            self.reporter.finish(values)


def status_of_error(exception: BaseException) -> TrialStatus | None:
    """Return what an exception says about the trial's settings, None if nothing."""
    cause: BaseException | None = exception
    while cause is not None:
        if isinstance(cause, NonFiniteLossError):
            return TrialStatus.DIVERGED
        if is_out_of_memory(cause):
            return TrialStatus.OUT_OF_MEMORY
        cause = cause.__cause__ or cause.__context__
    return None


def trial_callbacks() -> list[Callback]:
    """Return the callback that reports to a sweep, if one started this process."""
    report = trial_reporter()
    return [] if report is None else [TrialCallback(report)]


def finish_trial(trainer: Trainer, metrics: Mapping[str, Any]) -> None:
    """Tell the sweep, if there is one, that a fit ended with these metrics.

    Raises:
        PrunedTrialError: the sweep had told it to stop.
    """
    for report in find_callbacks(trainer, TrialCallback):
        report.finish(trainer, metrics)
