"""Early stopping: ending a run that no longer improves."""

from __future__ import annotations

import logging
from collections.abc import Collection
from typing import Any

import pytorch_lightning.callbacks
from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.callbacks.early_stopping import EarlyStoppingReason

from outtake.core.errors import ConfigError
from outtake.core.validate import check_number
from outtake.training.task import SegmentationTask
from outtake.training.trainer_info import find_callbacks

log = logging.getLogger(__name__)


class EarlyStopping(pytorch_lightning.callbacks.EarlyStopping):
    """Lightning's early stopping, checked after every validation.

    A run that has stopped is over: it stops at once when it is resumed, unless its patience is now
    greater, which replaces that in the checkpoint.

    Args:
        monitor: The name of a metric that is logged by the end of a validation.
        **options: Lightning's own options: ``mode``, ``patience`` (in validations), ``min_delta``,
            ``stopping_threshold``, ``divergence_threshold``, ...
    """

    def __init__(self, monitor: str, **options: Any) -> None:
        for name, least in (("patience", 1), ("min_delta", 0)):
            if name in options:
                key = f"callbacks.early_stopping.{name}"
                check_number(key, options[name], least, whole=name == "patience")
        # A limit on steps or time may end a run before its first validation.
        super().__init__(monitor, **options, check_on_train_epoch_end=False)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the state, except the patience."""
        super().load_state_dict(state_dict | {"patience": self.patience})
        out_of_patience = self.stopping_reason == EarlyStoppingReason.PATIENCE_EXHAUSTED
        if out_of_patience and self.wait_count < self.patience:
            self.stopping_reason = EarlyStoppingReason.NOT_STOPPED
            self.stopped_epoch = 0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """End a fit that resumes a run which has stopped."""
        if self.stopping_reason != EarlyStoppingReason.NOT_STOPPED:
            further = (
                f"; a callbacks.early_stopping.patience above {self.patience} lets it resume"
                if self.stopping_reason == EarlyStoppingReason.PATIENCE_EXHAUSTED
                else ""
            )
            log.warning(f"this run has stopped early because of {self.monitor}{further}")
            trainer.should_stop = True

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Stop the fit if the metric no longer improves.

        Raises:
            ConfigError: No metric of that name is logged.
        """
        if not self._should_skip_check(trainer):
            self.check_monitor(trainer.callback_metrics)
        super().on_validation_end(trainer, pl_module)

    def check_monitor(self, metrics: Collection[str]) -> None:
        """Raise a ConfigError unless the metric is one of these."""
        if self.monitor not in metrics:
            raise ConfigError(
                f"callbacks.early_stopping.monitor={self.monitor}: no such metric; there are "
                f"{', '.join(sorted(metrics))}"
            )


def check_monitored(trainer: Trainer, task: SegmentationTask) -> None:
    """Raise a ConfigError if early stopping monitors what a fit will not log.

    Other callbacks may log anything: with them, the error shows at the first validation.
    """
    ours = ("outtake.", "pytorch_lightning.")
    if all(type(each).__module__.startswith(ours) for each in find_callbacks(trainer, Callback)):
        for stopping in find_callbacks(trainer, EarlyStopping):
            stopping.check_monitor(task.validation_metric_names())
