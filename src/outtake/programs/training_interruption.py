"""A training run that ends early: each way says what to do next and has its own exit code."""

from __future__ import annotations

import os
import re
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

from pytorch_lightning import Trainer
from pytorch_lightning.utilities.exceptions import SIGTERMException
from torch.distributed import DistError

from outtake.config.compose import program_command
from outtake.core.errors import (
    ConfigError,
    NonFiniteLossError,
    OutOfMemoryError,
    OuttakeError,
    RankLostError,
    SharedMemoryError,
)
from outtake.core.memory import lacks_shared_memory, shared_memory_error
from outtake.core.oom import is_out_of_memory
from outtake.core.override_text import format_override
from outtake.core.signals import handle_signals, keep_handlers
from outtake.data.datamodule import DataModule
from outtake.programs.command_line import TERMINATED_EXIT_CODE
from outtake.programs.training_records import ResumptionRecorder
from outtake.runs.run_ending import RunEnding
from outtake.runs.run_folder import RunFolder
from outtake.sweeps.trial_result import PrunedTrialError
from outtake.training.callbacks.nan_guard import NanGuard
from outtake.training.checkpoint_files import LAST_CHECKPOINT
from outtake.training.distributed.launch_environment import LAUNCHED_RANKS, global_rank
from outtake.training.distributed.requeue import is_requeue_signal, requeue_job
from outtake.training.resume import LastCheckpoint, StopRequested
from outtake.training.trainer_info import find_callbacks

_NO_DETERMINISTIC_KERNEL = re.compile(r"(\S+) does not have a deterministic implementation")
# gloo raises plain RuntimeErrors.
_PEER_FAILURE = re.compile(
    r"gloo|NCCL|Connection (?:closed|reset|refused)|Broken pipe|Timed out waiting", re.IGNORECASE
)


@contextmanager
def exit_on_sigterm() -> Iterator[None]:
    """Let SIGTERM end the process with 143 where no fit is running, which would save first."""
    if signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return
    received: list[int] = []

    def leave(number: int, frame: FrameType | None) -> None:
        received.append(number)
        raise SystemExit(128 + number)

    with handle_signals({signal.SIGTERM: leave}):
        try:
            yield
        except Exception:
            # A library that is left at any line may fail while it cleans up, and hide the reason.
            if not received:
                raise
            raise SystemExit(128 + received[0]) from None


@contextmanager
def record_ending(
    trainer: Trainer, folder: RunFolder, recorder: ResumptionRecorder | None = None
) -> Iterator[None]:
    """Leave in the run folder how a fit ended that did not reach its end.

    Args:
        trainer: The trainer.
        folder: The run folder.
        recorder: What records that a resumed run goes on: before it does, how the run ended before
            still holds. None for a new run.
    """
    if not trainer.is_global_zero:
        yield
        return
    if recorder is None:
        folder.discard_ending()
    try:
        yield
    except BaseException as error:
        if recorder is None or recorder.goes_on:
            # The error itself matters more than a note of it that cannot be written.
            with suppress(OSError, OuttakeError):
                folder.write_ending(_describe_ending(error))
        raise
    if recorder is not None and not recorder.goes_on:
        folder.discard_ending()
        recorder.write_notes()


def _describe_ending(error: BaseException) -> RunEnding:
    message = " ".join(str(error).split())
    if isinstance(error, NonFiniteLossError):
        return RunEnding("diverged", message)
    if isinstance(error, KeyboardInterrupt | SystemExit | PrunedTrialError):
        return RunEnding("stopped", "" if isinstance(error, SystemExit) else message)
    return RunEnding("failed", message or type(error).__name__)


@contextmanager
def translate_training_errors(
    trainer: Trainer, folder: RunFolder, data: DataModule
) -> Iterator[None]:
    """Turn what ends a fit into something that a user can act on.

    Raises:
        KeyboardInterrupt: At Ctrl-C, with the command that resumes the run.
        SystemExit: 143 at SIGTERM, after that command was printed.
        NonFiniteLossError: After ``non_finite.json`` was written.
        OutOfMemoryError: With the batch and what to set.
        ConfigError: Something has no deterministic kernel, and only such were asked for; or the
            network needs more than one image in a batch.
    """
    (last,) = find_callbacks(trainer, LastCheckpoint)
    former = {number: signal.getsignal(number) for number in last.signals}
    with keep_handlers(*last.signals):
        try:
            # From here on: a signal that raises inside the trainer's setup finds it half made.
            last.install_signal_handlers()
            yield
        except NonFiniteLossError as error:
            _write_non_finite_batch(folder, data, error)
            raise
        except OuttakeError:
            raise
        except SystemExit as end:
            number = _signal_number(end, trainer)
            if number is None:
                raise
            ending = exit_for_signal(number, folder)
            if is_requeue_signal(number):
                requeue_job(number, former[number])
            raise ending from None
        except (ValueError, RuntimeError, MemoryError, OSError) as error:
            translated = _translate(error, trainer, folder, last)
            if translated is None:
                raise
            raise translated from error


def _translate(
    error: Exception, trainer: Trainer, folder: RunFolder, last: LastCheckpoint
) -> BaseException | None:
    """Return what to raise instead of an error of a library; None for the error itself."""
    if isinstance(error, ValueError):
        return _batch_norm_error() if "more than 1 value per channel" in str(error) else None
    if trainer.world_size > 1 and is_peer_failure(error):
        if LAUNCHED_RANKS in os.environ:
            # The launcher of the processes knows which of them failed, and says so.
            return SystemExit(RankLostError.exit_code)
        return RankLostError(
            f"another process of this run is gone or does not answer; {resume_hint(folder)}"
        )
    if last.requested_signal is not None and isinstance(error, RuntimeError):
        # The signal went to the whole process group and ended the workers of the data loader.
        return exit_for_signal(last.requested_signal, folder)
    if lacks_shared_memory(error):
        return SharedMemoryError(f"{shared_memory_error('data.workers')}; {resume_hint(folder)}")
    if is_out_of_memory(error):
        return _out_of_memory_error(trainer)
    if (refused := _NO_DETERMINISTIC_KERNEL.search(str(error))) is not None:
        return ConfigError(
            f"trainer.deterministic=true: {refused[1]} has no deterministic kernel on "
            f"{trainer.strategy.root_device}; choose a model or loss without it, or "
            "trainer.deterministic=warn, which allows it"
        )
    return None


def _batch_norm_error() -> ConfigError:
    return ConfigError(
        "the network normalises a map of one pixel over the images of a batch: set "
        "data.batch_size to 2 or more for each process, or data.crop larger"
    )


def is_peer_failure(error: BaseException) -> bool:
    """Return whether an exception says that another rank did not answer."""
    return isinstance(error, DistError) or _PEER_FAILURE.search(str(error)) is not None


def resume_hint(folder: RunFolder) -> str:
    """Return the command that resumes a run, if it has saved a checkpoint."""
    if (folder.checkpoints / LAST_CHECKPOINT).is_file():
        command = f"{program_command('train')} {format_override('resume', folder.path)}"
        return f"resume with: {command}"
    return f"nothing was saved yet, {folder.path} can be deleted"


def exit_for_signal(number: int, folder: RunFolder) -> BaseException:
    """Return what ends this process as a signal does, after printing how to resume."""
    if number == signal.SIGINT:
        return KeyboardInterrupt(resume_hint(folder))
    if not global_rank():
        what = "preempted" if is_requeue_signal(number) else "terminated"
        print(f"{what}; {resume_hint(folder)}", file=sys.stderr, flush=True)
    return SystemExit(128 + number)


def _signal_number(end: SystemExit, trainer: Trainer) -> int | None:
    if isinstance(end, StopRequested):
        return end.signal_number
    if isinstance(end, SIGTERMException) or end.code == TERMINATED_EXIT_CODE:
        return signal.SIGTERM
    # Lightning ends the process with 1 at a Ctrl-C inside a step.
    return signal.SIGINT if trainer.interrupted else None


def _write_non_finite_batch(folder: RunFolder, data: DataModule, error: NonFiniteLossError) -> None:
    """Write the samples on which a run ended, with their files."""
    facts: dict[str, Any] = dict(error.facts)
    samples = data.report("train" if facts.get("split") == "training" else "val").samples
    facts["files"] = [
        {"id": samples[index].id, "image": samples[index].image, "mask": samples[index].mask}
        for index in facts.get("samples", [])
    ]
    if not global_rank():
        folder.write_json("non_finite.json", facts)


def _out_of_memory_error(trainer: Trainer) -> OutOfMemoryError:
    (guard,) = find_callbacks(trainer, NanGuard)
    batch = guard.describe_batch()
    size = "data.eval_batch_size" if "validation" in batch else "data.batch_size"
    return OutOfMemoryError(
        f"out of memory {batch} (epoch {trainer.current_epoch}, step {trainer.global_step}, "
        f"{trainer.precision}, on {trainer.strategy.root_device}): set a smaller {size} "
        "(trainer.accumulate_grad_batches=2 keeps the gradient of twice the batch), a smaller "
        "data.crop or data.short_side, or trainer.precision=bf16-mixed; nothing was changed by "
        "itself"
    )
