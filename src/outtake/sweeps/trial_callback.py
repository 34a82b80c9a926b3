"""The trial's side in Lightning: report validations, stop when told to, leave the result."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pytorch_lightning import Callback, LightningModule, Trainer

from outtake.config.schema import nearest_key
from outtake.core.errors import ConfigError, NonFiniteLossError
from outtake.core.oom import is_out_of_memory
from outtake.sweeps.trial import TrialReporter, trial_reporter
from outtake.sweeps.trial_result import PrunedTrialError, TrialStatus, numeric_values
from outtake.training.trainer_info import find_callbacks

# What a result has beside the record of the best validation, and of that what no metric is.
_FURTHER_METRICS = ("forward_ms", "parameters", "epoch", "step", "time_s")


class TrialCallback(Callback):
    """Reports a fit to the sweep that started this process.

    Args:
        reporter: The reporter of the trial.
    """

    def __init__(self, reporter: TrialReporter) -> None:
        self.reporter = reporter
        self.pruned_at: int | None = None

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Report the metric, and stop after this epoch if the sweep says so.

        Raises:
            ConfigError: A trial's result will not have what the sweep seeks.
        """
        if trainer.sanity_checking:
            return
        metrics = self.reporter.trial_env.metrics
        _check_metrics(metrics, trainer.callback_metrics)
        value = trainer.callback_metrics.get(metrics[0])
        if value is None:
            return
        stop = trainer.is_global_zero and self.reporter.report(float(value), trainer.current_epoch)
        if trainer.strategy.reduce_boolean_decision(stop, all=False):
            self.pruned_at = trainer.current_epoch
            trainer.should_stop = True

    def on_exception(
        self, trainer: Trainer, pl_module: LightningModule, exception: BaseException
    ) -> None:
        """Leave a result where the settings are to blame: full memory, or a loss that is NaN."""
        status = status_of_error(exception)
        if status is not None and trainer.is_global_zero:
            self.reporter.record_status(status, str(exception))

    def finish(self, trainer: Trainer, metrics: Mapping[str, Any]) -> None:
        """Leave the result of a fit that ended without an error.

        Raises:
            PrunedTrialError: The sweep stopped this fit.
        """
        values = numeric_values(metrics)
        if self.pruned_at is not None:
            message = f"pruned after epoch {self.pruned_at}"
            if trainer.is_global_zero:
                self.reporter.record_status(TrialStatus.PRUNED, message, values)
            raise PrunedTrialError(message)
        if trainer.is_global_zero:
            self.reporter.finish(values)


def _check_metrics(metrics: Sequence[str], logged: Iterable[str]) -> None:
    """Raise a ConfigError for a metric that no result will have, hours before the end."""
    # The record of the best validation has none of training.
    of_validation = sorted(key for key in logged if not key.startswith("train/"))
    known = [*of_validation, *_FURTHER_METRICS]
    for metric in metrics:
        if metric not in known:
            near = nearest_key(metric, known)
            advice = f"did you mean {near}? It has" if near else "it has"
            raise ConfigError(
                f"objectives: the result of a trial has no {metric}; {advice} {', '.join(known)}"
            )


def status_of_error(exception: BaseException) -> TrialStatus | None:
    """Return the status that an exception of the trial's settings means, or None for any other."""
    cause: BaseException | None = exception
    while cause is not None:
        if isinstance(cause, NonFiniteLossError):
            return TrialStatus.DIVERGED
        if is_out_of_memory(cause):
            return TrialStatus.OUT_OF_MEMORY
        cause = cause.__cause__ or cause.__context__
    return None


def trial_callbacks() -> list[Callback]:
    """Return the callback that reports to a sweep, or none if no sweep started this process."""
    reporter = trial_reporter()
    return [] if reporter is None else [TrialCallback(reporter)]


def finish_trial(trainer: Trainer, metrics: Mapping[str, Any]) -> None:
    """Report the metrics of a fit that has ended to the sweep, if there is one.

    Raises:
        PrunedTrialError: The sweep stopped this fit.
    """
    for callback in find_callbacks(trainer, TrialCallback):
        callback.finish(trainer, metrics)
