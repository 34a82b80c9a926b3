"""Resuming a run exactly: its last checkpoint is saved between two steps and restored there."""

from __future__ import annotations

import logging
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Any

from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.callbacks import ModelCheckpoint, WeightAveraging
from pytorch_lightning.utilities.exceptions import SIGTERMException

from outtake.core.errors import CheckpointError
from outtake.core.signals import set_handlers
from outtake.core.types import Batch
from outtake.training import collectives, loop_state
from outtake.training.loop_state import LoopPosition
from outtake.training.optimizer_average import OptimizerAverage
from outtake.training.optimizer_options import apply_changed_options
from outtake.training.parameter_groups import options_of_groups
from outtake.training.random_state import random_state, restore_random_state
from outtake.training.task import SegmentationTask
from outtake.training.trainer_info import find_callbacks, find_data_module

RESUME_KEY = "resume"
STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)
# The largest share of the time that the checkpoints of epochs may take.
SAVE_SHARE = 0.05
_PATH_KEYS = ("best_model_path", "kth_best_model_path", "last_model_path")

log = logging.getLogger(__name__)


def hangup_signals() -> tuple[signal.Signals, ...]:
    """Return the signal that the end of a terminal sends; none where ``nohup`` has it ignored."""
    ends_process = signal.getsignal(signal.SIGHUP) is signal.SIG_DFL
    return (signal.SIGHUP,) if ends_process else ()


class StopRequested(SystemExit):
    """A signal asked the fit to end, and it ended between two steps.

    Attributes:
        signal_number: The number of the signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(128 + number)
        self.signal_number = number


class LastCheckpoint(Callback):
    """Save ``last.ckpt`` between two steps: every so many, after epochs and at a signal.

    After an epoch it is saved unless the last save took more than a twentieth of the time that has
    passed since: on a GPU an epoch may be shorter than writing the weights of a large network.

    A run that is resumed from it gives the bits that it would have given without the interruption.
    Besides what Lightning restores, these are restored: the state of every random generator, the
    place in the order of the samples, the running means of epoch-wide metrics and the place of the
    loggers.

    SIGTERM, the end of the terminal (SIGHUP) and the first Ctrl-C end the fit after the running
    step, with a checkpoint of it; a second Ctrl-C ends it at once. This callback must be the first
    one: what the others do at the beginning of a step belongs to that step.

    Args:
        path: The path of ``last.ckpt``.
        every_n_steps: The number of optimizer steps between two checkpoints; None saves after
            epochs and at a signal only.
        signals: Further signals that end the fit as SIGTERM does.
    """

    def __init__(
        self, path: Path, every_n_steps: int | None = None, signals: Sequence[int] = ()
    ) -> None:
        self._path = path
        self._every_n_steps = every_n_steps
        self.signals = (*STOP_SIGNALS, *hangup_signals(), *signals)
        self._saved_position: LoopPosition | None = None
        self._position_to_save: LoopPosition | None = None
        self._saved_step = 0
        self._saved_at_s, self._save_took_s = 0.0, 0.0
        self._to_restore: dict[str, Any] | None = None
        self._saved_options: list[dict[str, Any]] | None = None
        self._resumes_mid_epoch = False
        self._random_state_before_validation: dict[str, Any] | None = None
        self._stopped_mid_epoch: tuple[LoopPosition, dict[str, Any]] | None = None
        self.requested_signal: int | None = None

    def on_load_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Distribute what was saved; some of it can be restored only when the fit has begun.

        Raises:
            CheckpointError: The checkpoint was not saved by this callback.
        """
        rebase_checkpoint_paths(trainer, checkpoint, self._path.parent)
        loaded = checkpoint.get(RESUME_KEY)
        if loaded is None:
            raise CheckpointError("only last.ckpt and previous.ckpt of a run can be resumed from")
        epochs = int(checkpoint["loops"]["fit_loop"]["epoch_progress"]["current"]["processed"])
        batches = int(loaded["batches"])
        data = find_data_module(trainer)
        if data is not None:
            data.start_at(epochs, batches)
        self._to_restore, self._saved_options = loaded, loaded["optimizers"]
        self._saved_position = LoopPosition(epochs, batches, bool(loaded["validating"]))

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Let changed options of a resumed run take effect; take the signals over from Lightning.

        Lightning puts its handlers back at the end.
        """
        self._saved_step = trainer.global_step
        if self._saved_options is not None and isinstance(pl_module, SegmentationTask):
            options, self._saved_options = self._saved_options, None
            apply_changed_options(
                trainer,
                options,
                pl_module.make_planned_optimizer,
                pl_module.make_planned_schedule,
            )
        self.install_signal_handlers()

    def install_signal_handlers(self) -> None:
        """Only note the signals from here on; they are acted on between two steps."""
        set_handlers(dict.fromkeys(self.signals, self._note_signal))

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save the epoch before, all of whose records are written by now, where that is cheap."""
        self._resumes_mid_epoch, self._stopped_mid_epoch = False, None
        if self._to_restore is not None:
            # Before anything of this epoch is logged, and after all that refuses a resumption.
            loop_state.restore_loggers(trainer, self._to_restore["loggers"])
        position = loop_state.between_epochs(trainer)
        if (
            position.epochs
            and self._to_restore is None
            and (self._is_due(trainer) or self._is_worth_saving(trainer))
        ):
            self._save(trainer, position)
        self._stop_if_requested(trainer, position)

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Batch, batch_idx: int
    ) -> None:
        """Restore what was loaded; save the step before if a checkpoint is due."""
        self._restore(trainer)
        if self._resumes_mid_epoch:
            loop_state.skip_metric_reset(trainer)
        self._resumes_mid_epoch = False
        self._random_state_before_validation = None
        position = loop_state.between_batches(trainer)
        if position is None or not position.batches:
            return
        if self._is_due(trainer):
            self._save(trainer, position)
        self._stop_if_requested(trainer, position)

    def on_train_batch_end(self, trainer: Trainer, *_: Any) -> None:
        """Let the logs of a resumed run go on, whose first batch is done."""
        loop_state.write_held_records(trainer)

    def on_validation_batch_end(self, trainer: Trainer, *_: Any) -> None:
        """Let the logs of a run go on that was ended before or in a validation."""
        if not trainer.sanity_checking:
            loop_state.write_held_records(trainer)

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Restore what was loaded; keep the random state that validation may change."""
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
        """Stop inside a validation, which may take long; it is run anew on resumption."""
        position = loop_state.before_validation(trainer) if trainer.state.fn == "fit" else None
        if position is not None:
            self._stop_if_requested(trainer, position)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save an epoch that a limit has cut short, before other callbacks count it as whole.

        If it ended with a validation of its own, the other callbacks have yet to see the score:
        it is saved at the end of the fit, with the state of this moment.
        """
        position = loop_state.stopped_mid_epoch(trainer)
        if position is None:
            return
        self._stopped_mid_epoch = position, self._resume_state(trainer, position)
        if self._random_state_before_validation is None:
            self._save(trainer, position)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save the last epoch."""
        stopped = self._stopped_mid_epoch
        self._save(trainer, stopped[0] if stopped else loop_state.between_epochs(trainer))

    def on_exception(
        self, trainer: Trainer, pl_module: LightningModule, exception: BaseException
    ) -> None:
        """Save after a signal that ended the fit inside a step.

        The signal went to the whole process group and ended the workers of the data loader before
        the step was over. With several ranks, the others may not be there to save; there, workers
        ignore the signal.
        """
        if self.requested_signal is None and not isinstance(exception, SIGTERMException):
            return
        if trainer.world_size > 1:
            return
        position = loop_state.after_exception(trainer)
        if position is not None and not isinstance(exception, StopRequested):
            self._save(trainer, position)

    def on_save_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Add what Lightning leaves out to the checkpoints that this callback saves."""
        position = self._position_to_save
        if position is None:
            return
        fit_loop = checkpoint["loops"]["fit_loop"]
        loop_state.rewrite_loop_counters(fit_loop, position, int(trainer.num_training_batches))
        checkpoint["epoch"] = position.epochs if position.batches else position.epochs - 1
        stopped = self._stopped_mid_epoch
        checkpoint[RESUME_KEY] = stopped[1] if stopped else self._resume_state(trainer, position)

    def _resume_state(self, trainer: Trainer, position: LoopPosition) -> dict[str, Any]:
        draws = self._random_state_before_validation if position.validating else None
        return {
            "batches": position.batches,
            "validating": position.validating,
            "random": collectives.all_gather(draws or random_state()),
            "sums": loop_state.running_means(trainer) if position.batches else {},
            "watched": loop_state.callback_metrics(trainer),
            "logged_steps": loop_state.logger_step(trainer),
            "optimizers": _planned_options(trainer),
            "loggers": loop_state.read_logger_states(trainer),
        }

    def _restore(self, trainer: Trainer) -> None:
        if self._to_restore is None:
            return
        loaded, self._to_restore = self._to_restore, None
        self._resumes_mid_epoch = int(loaded["batches"]) > 0
        loop_state.restore_logger_step(trainer, int(loaded["logged_steps"]))
        loop_state.restore_callback_metrics(trainer, loaded["watched"])
        loop_state.restore_running_means(trainer, loaded["sums"])
        loop_state.restore_loggers(trainer, loaded["loggers"])
        states = loaded["random"]
        if len(states) == trainer.world_size:
            restore_random_state(states[trainer.global_rank])
        else:
            log.warning(
                f"this run resumes with {trainer.world_size} processes and had {len(states)}: "
                "samples and weights are those that it would have had, dropout draws anew"
            )

    def _save(self, trainer: Trainer, position: LoopPosition) -> None:
        if position == self._saved_position:
            return
        if position.validating:
            # Validation runs on the averaged weights, which are swapped in for the time.
            for averaging in (
                *find_callbacks(trainer, WeightAveraging),
                *find_callbacks(trainer, OptimizerAverage),
            ):
                averaging.on_validation_epoch_end(trainer, trainer.lightning_module)
        self._position_to_save = position
        begin_s = time.perf_counter()
        try:
            trainer.save_checkpoint(self._path)
        finally:
            self._position_to_save = None
        self._saved_position, self._saved_step = position, trainer.global_step
        self._saved_at_s = time.perf_counter()
        self._save_took_s = self._saved_at_s - begin_s

    def _is_due(self, trainer: Trainer) -> bool:
        step, every = trainer.global_step, self._every_n_steps
        return bool(every) and step % int(every or 1) == 0 and step != self._saved_step

    def _is_worth_saving(self, trainer: Trainer) -> bool:
        since_s = time.perf_counter() - self._saved_at_s
        worth = self._save_took_s <= SAVE_SHARE * since_s
        # All ranks save together.
        return bool(collectives.all_reduce_max(int(worth), trainer.strategy.root_device))

    def _stop_if_requested(self, trainer: Trainer, position: LoopPosition) -> None:
        # Whichever rank received the signal, all end between the same two steps.
        requested = collectives.all_reduce_max(
            self.requested_signal or 0, trainer.strategy.root_device
        )
        if requested:
            self.requested_signal = requested
            self._save(trainer, position)
            raise StopRequested(requested)

    def _note_signal(self, number: int, frame: FrameType | None) -> None:
        if self.requested_signal == signal.SIGINT == number:
            raise KeyboardInterrupt
        self.requested_signal = number


def _planned_options(trainer: Trainer) -> list[dict[str, Any]]:
    """Return the options with which the optimizer was made, of each group of weights."""
    task = trainer.lightning_module
    if not isinstance(task, SegmentationTask):
        return []
    return options_of_groups(task.make_planned_optimizer())


def rebase_checkpoint_paths(trainer: Trainer, checkpoint: dict[str, Any], folder: Path) -> None:
    """Make the paths in a checkpoint those of its present folder, in place.

    Lightning keeps whole paths and forgets the best score where the folder is another. The next
    checkpoint would then replace the best one, however much worse it is.

    Args:
        trainer: The trainer whose callbacks are about to load their state.
        checkpoint: The checkpoint from which the run resumes.
        folder: The folder in which this run keeps its checkpoints.
    """
    for callback in find_callbacks(trainer, ModelCheckpoint):
        state = checkpoint.get("callbacks", {}).get(callback.state_key)
        if state is None or Path(callback.dirpath or "").resolve() != folder.resolve():
            continue
        former = Path(str(state["dirpath"]))
        moved = {key: _rebase_path(str(state[key]), former, folder) for key in _PATH_KEYS}
        # Where only the last checkpoint was copied there is no best one to keep.
        if moved["best_model_path"] and not Path(moved["best_model_path"]).is_file():
            continue
        best = {
            _rebase_path(path, former, folder): score
            for path, score in state["best_k_models"].items()
        }
        state |= {**moved, "best_k_models": best, "dirpath": callback.dirpath}


def _rebase_path(path: str, former: Path, folder: Path) -> str:
    return str(folder.resolve() / Path(path).name) if Path(path).parent == former else path
