"""The place of a fit between two steps, in terms of Lightning's loop counters.

Lightning's counters say where a fit is inside a step: what a hook saves is restored as if the step
were half done. An exact resumption needs a place between two steps instead. There are three:
between two batches, between two epochs, and after the batches but before the validation that
follows them. This module rewrites the counters of a checkpoint to such a place, and keeps what
Lightning does not: the sums behind epoch-wide means.

Lightning's private attributes are used in this module only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from pytorch_lightning import Trainer
from pytorch_lightning.trainer.connectors.logger_connector.result import (
    _Metadata,
    _ResultMetric,
    _Sync,
)

_COUNTERS = ("ready", "started", "processed", "completed")
_METADATA_FIELDS = (
    "fx",
    "name",
    "prog_bar",
    "logger",
    "on_step",
    "on_epoch",
    "enable_graph",
    "add_dataloader_idx",
    "dataloader_idx",
    "metric_attribute",
)


@dataclass(frozen=True)
class LoopPosition:
    """A place between two steps.

    Attributes:
        epochs: The number of epochs that are done.
        batches: The number of batches of the running epoch that are done; 0 between two epochs.
        validating: Whether the validation that follows these batches is still to come.
    """

    epochs: int
    batches: int = 0
    validating: bool = False


def between_batches(trainer: Trainer) -> LoopPosition | None:
    """Return the place before the batch that begins now; None inside accumulated gradients."""
    done = int(trainer.fit_loop.epoch_loop.batch_progress.current.completed)
    if done % int(trainer.accumulate_grad_batches):
        return None
    return LoopPosition(_epochs_done(trainer), done)


def between_epochs(trainer: Trainer) -> LoopPosition:
    """Return the place before the epoch that begins now, or after the last."""
    return LoopPosition(_epochs_done(trainer))


def stopped_mid_epoch(trainer: Trainer) -> LoopPosition | None:
    """Return the place of a fit that ends inside its epoch; None where the epoch is over.

    For the hook at the end of an epoch. Gradients that have accumulated since the last step of the
    optimizer are in no checkpoint: their batches are not done.
    """
    done = int(trainer.fit_loop.epoch_loop.batch_progress.current.completed)
    if done >= trainer.num_training_batches:
        return None
    return LoopPosition(_epochs_done(trainer), done - done % int(trainer.accumulate_grad_batches))


def before_validation(trainer: Trainer) -> LoopPosition | None:
    """Return the place before the validation that is running; None inside accumulated gradients."""
    done = int(trainer.fit_loop.epoch_loop.batch_progress.current.completed)
    # The last batch of an epoch ends a step, full or not.
    if done % int(trainer.accumulate_grad_batches) and done < trainer.num_training_batches:
        return None
    return LoopPosition(_epochs_done(trainer), done, validating=True)


def after_exception(trainer: Trainer) -> LoopPosition | None:
    """Return the place of a fit that an exception ended; None if that was inside a step."""
    batches: Any = trainer.fit_loop.epoch_loop.batch_progress.current
    epochs: Any = trainer.fit_loop.epoch_progress.current
    if trainer.validating:
        return before_validation(trainer)
    if batches.ready != batches.completed:
        return None
    if epochs.ready == epochs.completed:
        return between_epochs(trainer)
    # Before an epoch has begun, and after its batches, the batch counters are of another epoch.
    if epochs.started != epochs.ready or epochs.processed != epochs.completed:
        return None
    return between_batches(trainer) if batches.completed else between_epochs(trainer)


def rewrite_loop_counters(
    fit_loop: dict[str, Any], position: LoopPosition, num_batches: int
) -> None:
    """Rewrite the state of a fit loop to a place between two steps.

    Args:
        fit_loop: The state of the loop as in a checkpoint; changed in place.
        position: The place from which the fit resumes.
        num_batches: The number of batches of an epoch.
    """
    running = position.batches > 0
    epochs, batches = fit_loop["epoch_progress"], fit_loop["epoch_loop.batch_progress"]
    # When a fit has ended, an epoch that was cut short counts as completed.
    undone = epochs["current"]["completed"] - position.epochs
    for tally in (epochs["total"], epochs["current"]):
        done = tally["completed"] - undone
        tally.update(dict.fromkeys(_COUNTERS, done))
        if running:
            tally.update(ready=done + 1, started=done + 1)
    batches["total"].update(dict.fromkeys(_COUNTERS, batches["total"]["completed"]))
    batches["current"].update(dict.fromkeys(_COUNTERS, position.batches))
    batches["is_last_batch"] = position.batches == num_batches
    if position.validating:
        # Lightning then begins at the validation, which counts as one that was cut short.
        validation = fit_loop["epoch_loop.val_loop.batch_progress"]
        validation["total"].update(ready=1, started=1, processed=0, completed=0)
        validation["current"].update(dict.fromkeys(_COUNTERS, 0))
        validation["is_last_batch"] = False


def running_means(trainer: Trainer) -> dict[str, Any]:
    """Return the sums behind the metrics that training logs once an epoch."""
    kept: dict[str, Any] = {}
    for key, metric in trainer.fit_loop.epoch_loop._results.items():
        if not (metric.is_tensor and metric.meta.on_epoch) or metric.has_reset:
            continue
        kept[key] = {
            "meta": {name: getattr(metric.meta, name) for name in _METADATA_FIELDS},
            "reduce": metric.meta.reduce_fx.__name__,
            "sync": [metric.meta.sync.should, metric.meta.sync.rank_zero_only],
            "value": metric.value.detach().cpu(),
        }
        if metric.meta.is_mean_reduction:
            kept[key]["count"] = torch.as_tensor(metric.cumulated_batch_size).cpu()
    return kept


def restore_running_means(trainer: Trainer, saved: dict[str, Any]) -> None:
    """Restore what :func:`running_means` gave."""
    results = trainer.fit_loop.epoch_loop._results
    device = trainer.strategy.root_device
    for key, kept in saved.items():
        meta = _Metadata(**kept["meta"], reduce_fx=kept["reduce"])
        should, rank_zero_only = kept["sync"]
        reduce = trainer.strategy.reduce
        meta.sync = _Sync(fn=reduce, _should=should, rank_zero_only=rank_zero_only)
        metric = _ResultMetric(meta, is_tensor=True)
        metric.value = kept["value"].to(device)
        if "count" in kept:
            metric.cumulated_batch_size = kept["count"].to(device)
        metric._update_count = 1
        results[key] = metric


def callback_metrics(trainer: Trainer) -> dict[str, torch.Tensor]:
    """Return the metrics that callbacks see, such as the score of the last validation."""
    kept = trainer._logger_connector._callback_metrics
    return {key: torch.as_tensor(value).detach().cpu() for key, value in kept.items()}


def restore_callback_metrics(trainer: Trainer, metrics: dict[str, torch.Tensor]) -> None:
    """Restore what :func:`callback_metrics` gave, where there is nothing newer."""
    device = trainer.strategy.root_device
    now = trainer._logger_connector._callback_metrics
    for key, value in metrics.items():
        now.setdefault(key, value.to(device))


def logger_step(trainer: Trainer) -> int:
    """Return the step number that loggers are given."""
    return int(trainer.fit_loop.epoch_loop._batches_that_stepped)


def restore_logger_step(trainer: Trainer, step: int) -> None:
    """Restore what :func:`logger_step` gave: Lightning may have counted one step more."""
    trainer.fit_loop.epoch_loop._batches_that_stepped = step


def read_logger_states(trainer: Trainer) -> dict[str, Any]:
    """Return the states of the loggers that have one."""
    return {
        type(logger).__name__: logger.state_dict()
        for logger in trainer.loggers
        if hasattr(logger, "state_dict")
    }


def restore_loggers(trainer: Trainer, states: dict[str, Any]) -> None:
    """Restore what :func:`read_logger_states` gave, and take it out.

    What is logged from then on stays. A log loses what was logged after that, because it will be
    done, and logged, again.
    """
    for logger in trainer.loggers:
        state = states.pop(type(logger).__name__, None)
        if state is not None and hasattr(logger, "load_state_dict"):
            logger.load_state_dict(state)


def write_held_records(trainer: Trainer) -> None:
    """Let logs that hold their records until a resumed run has done a batch write them."""
    for logger in trainer.loggers:
        if hasattr(logger, "write_held"):
            logger.write_held()


def skip_metric_reset(trainer: Trainer) -> None:
    """Mark the batch that begins now as not the first: the first one clears the sums."""
    trainer._logger_connector._first_loop_iter = False


def _epochs_done(trainer: Trainer) -> int:
    return int(trainer.fit_loop.epoch_progress.current.completed)
