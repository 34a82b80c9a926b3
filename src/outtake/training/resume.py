"""The checkpoint that a run goes on from, exactly: saved between two steps, and put back there."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Any

from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.callbacks import WeightAveraging
from pytorch_lightning.utilities.exceptions import SIGTERMException

from outtake.core.types import Batch
from outtake.data.datamodule import DataModule
from outtake.training import collectives, loop_state
from outtake.training.find_callbacks import find_callbacks
from outtake.training.loop_state import LoopPosition
from outtake.training.random_state import random_state, restore_random_state
from outtake.training.relocate_checkpoints import rebase_checkpoint_paths

RESUME_KEY = "resume"
STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)

log = logging.getLogger(__name__)


class StopRequested(SystemExit):
    """A signal asked the fit to end, and it ended between two steps.

    Attributes:
        signal_number: which.
    """

    def __init__(self, number: int) -> None:
        super().__init__(128 + number)
        self.signal_number = number


class LastCheckpoint(Callback):
    """Save ``last.ckpt`` between two steps: every so many, after every epoch and at a signal.

    A run that is resumed from it gives the bits that it would have given without the interruption:
    beside what Lightning restores, the state of every random generator, the place in the order of
    the samples, the sums behind epoch-wide metrics and the loggers' place are put back.

    SIGTERM and the first Ctrl-C end the fit after the running step, with a checkpoint of it; a
    second Ctrl-C ends it at once. Has to be the first of the callbacks: what the others do at the
    beginning of a step belongs to that step.

    Args:
        path: of ``last.ckpt``.
        every_n_steps: of the optimizer; None saves after every epoch and at a signal only.
        signals: further ones that end the fit as SIGTERM does.
    """

    def __init__(
        self, path: Path, every_n_steps: int | None = None, signals: Sequence[int] = ()
    ) -> None:
        self._path = path
        self._every_n_steps = every_n_steps
        self.signals = (*STOP_SIGNALS, *signals)
        self._saved_position: LoopPosition | None = None
        self._position_to_save: LoopPosition | None = None
        self._saved_step = 0
        self._to_restore: dict[str, Any] | None = None
        self._resumes_mid_epoch = False
        self._random_state_before_validation: dict[str, Any] | None = None
        self._stopped_mid_epoch: tuple[LoopPosition, dict[str, Any]] | None = None
        self.requested_signal: int | None = None

    def on_load_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Hand each part to whom it concerns; some can only take it when the fit has begun."""
        rebase_checkpoint_paths(trainer, checkpoint, self._path.parent)
        loaded = checkpoint.get(RESUME_KEY)
        epochs = int(checkpoint["loops"]["fit_loop"]["epoch_progress"]["current"]["processed"])
        batches = int(loaded["batches"]) if loaded else 0
        data = trainer.datamodule  # type: ignore[attr-defined]
        if isinstance(data, DataModule):
            data.start_at(epochs, batches)
        if loaded:
            self._to_restore = loaded
            self._saved_position = LoopPosition(epochs, batches, bool(loaded["validating"]))
            for logger in trainer.loggers:
                state = loaded["loggers"].get(type(logger).__name__)
                if state is not None and hasattr(logger, "load_state_dict"):
                    logger.load_state_dict(state)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Take the signals over from Lightning, which gives them back at the end."""
        self._saved_step = trainer.global_step
        self.install_signal_handlers()

    def install_signal_handlers(self) -> None:
        """Let the signals be noted only, to be acted on between two steps."""
        if threading.current_thread() is threading.main_thread():
            for number in self.signals:
                signal.signal(number, self._note_signal)

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save the epoch before, all of whose records are written by now."""
        place, self._resumes_mid_epoch, self._stopped_mid_epoch = (
            loop_state.between_epochs(trainer),
            False,
            None,
        )
        if place.epochs and self._to_restore is None:
            self._save(trainer, place)
        self._stop_if_requested(trainer, place)

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Batch, batch_idx: int
    ) -> None:
        """Put back what was loaded; save the step before, if it is time."""
        self._restore(trainer)
        if self._resumes_mid_epoch:
            loop_state.skip_metric_reset(trainer)
            self._resumes_mid_epoch = False
        self._random_state_before_validation = None
        place = loop_state.between_batches(trainer)
        if place is None or not place.batches:
            return
        due = self._every_n_steps and trainer.global_step % self._every_n_steps == 0
        if due and trainer.global_step != self._saved_step:
            self._save(trainer, place)
        self._stop_if_requested(trainer, place)

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Put back what was loaded; remember what validation might draw."""
        self._restore(trainer)
        self._random_state_before_validation = random_state()

    def on_validation_batch_start(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        batch: Batch,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """End a validation that may take long; it is begun anew when the run goes on."""
        place = loop_state.before_validation(trainer) if trainer.state.fn == "fit" else None
        if place is not None:
            self._stop_if_requested(trainer, place)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save an epoch that a limit has cut short, before the others take it for a whole one.

        If it has ended with a validation of its own, the others have still to see the score: it is
        saved at the end of the fit, with what was known here.
        """
        place = loop_state.stopped_mid_epoch(trainer)
        if place is None:
            return
        self._stopped_mid_epoch = place, self._resume_state(trainer, place)
        if self._random_state_before_validation is None:
            self._save(trainer, place)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save the last epoch."""
        self._save(
            trainer,
            self._stopped_mid_epoch[0]
            if self._stopped_mid_epoch
            else loop_state.between_epochs(trainer),
        )

    def on_exception(
        self, trainer: Trainer, pl_module: LightningModule, exception: BaseException
    ) -> None:
        """Save at a signal that did not come through here.

        It went to the whole group, and ended the loader's workers before the step was over. With
        several ranks, the others may not be there to save: their workers are told not to end.
        """
        if self.requested_signal is None and not isinstance(exception, SIGTERMException):
            return
        if trainer.world_size > 1:
            return
        place = loop_state.after_exception(trainer)
        if place is not None and not isinstance(exception, StopRequested):
            self._save(trainer, place)

    def on_save_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Add what Lightning leaves out, to the checkpoints that are saved here."""
        place = self._position_to_save
        if place is None:
            return
        fit_loop = checkpoint["loops"]["fit_loop"]
        loop_state.rewrite_loop_counters(fit_loop, place, int(trainer.num_training_batches))
        checkpoint["epoch"] = place.epochs if place.batches else place.epochs - 1
        checkpoint[RESUME_KEY] = (
            self._stopped_mid_epoch[1]
            if self._stopped_mid_epoch
            else self._resume_state(trainer, place)
        )

    def _resume_state(self, trainer: Trainer, place: LoopPosition) -> dict[str, Any]:
        draws = self._random_state_before_validation if place.validating else None
        return {
            "batches": place.batches,
            "validating": place.validating,
            "random": collectives.all_gather(draws or random_state()),
            "sums": loop_state.running_means(trainer) if place.batches else {},
            "watched": loop_state.callback_metrics(trainer),
            "logged_steps": loop_state.logger_step(trainer),
            "loggers": {
                type(logger).__name__: logger.state_dict()
                for logger in trainer.loggers
                if hasattr(logger, "state_dict")
            },
        }

    def _restore(self, trainer: Trainer) -> None:
        if self._to_restore is None:
            return
        loaded, self._to_restore = self._to_restore, None
        self._resumes_mid_epoch = int(loaded["batches"]) > 0
        loop_state.restore_logger_step(trainer, int(loaded["logged_steps"]))
        loop_state.restore_callback_metrics(trainer, loaded["watched"])
        loop_state.restore_running_means(trainer, loaded["sums"])
        draws = loaded["random"]
        # A single state is that of a version that knew one process.
        states = draws if isinstance(draws, list) else [draws]
        if len(states) == trainer.world_size:
            restore_random_state(states[trainer.global_rank])
        else:
            log.warning(
                f"this run goes on with {trainer.world_size} processes and had {len(states)}: "
                "samples and weights are those that it would have had, dropout draws anew"
            )

    def _save(self, trainer: Trainer, place: LoopPosition) -> None:
        if place == self._saved_position:
            return
        if place.validating:
            # Validation runs on the averaged weights, which are swapped in for the time.
            for averaging in find_callbacks(trainer, WeightAveraging):
                averaging.on_validation_epoch_end(trainer, trainer.lightning_module)
        self._position_to_save = place
        try:
            trainer.save_checkpoint(self._path)
        finally:
            self._position_to_save = None
        self._saved_position, self._saved_step = place, trainer.global_step

    def _stop_if_requested(self, trainer: Trainer, place: LoopPosition) -> None:
        # Whichever rank was told, all end between the same two steps.
        requested = collectives.all_reduce_max(
            self.requested_signal or 0, trainer.strategy.root_device
        )
        if requested:
            self.requested_signal = requested
            self._save(trainer, place)
            raise StopRequested(requested)

    def _note_signal(self, number: int, frame: FrameType | None) -> None:
        if self.requested_signal == signal.SIGINT == number:
            raise KeyboardInterrupt
        self.requested_signal = number
