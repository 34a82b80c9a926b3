"""How a training run ends before its time: each way says what to do next, and has its exit code."""

from __future__ import annotations

import os
import re
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from pytorch_lightning import Trainer
from pytorch_lightning.utilities.exceptions import SIGTERMException
from torch.distributed import DistError

from outtake.core.errors import (
    ConfigError,
    NonFiniteLossError,
    OutOfMemoryError,
    OuttakeError,
    RankLostError,
)
from outtake.core.oom import is_out_of_memory
from outtake.data.datamodule import DataModule
from outtake.programs.command_line import TERMINATED_EXIT_CODE
from outtake.runs.run_folder import RunFolder
from outtake.training.callbacks.nan_guard import NanGuard
from outtake.training.checkpoint_files import LAST_CHECKPOINT
from outtake.training.distributed.environment import LAUNCHED_RANKS, global_rank
from outtake.training.distributed.requeue import is_requeue_signal, requeue_job
from outtake.training.find_callbacks import find_callbacks
from outtake.training.resume import LastCheckpoint, StopRequested

_NO_DETERMINISTIC_KERNEL = re.compile(r"(\S+) does not have a deterministic implementation")
# gloo raises plain RuntimeErrors.
_PEER_FAILURE = re.compile(
    r"gloo|NCCL|Connection (?:closed|reset|refused)|Broken pipe|Timed out waiting", re.IGNORECASE
)


@contextmanager
def exit_on_sigterm() -> Iterator[None]:
    """Let SIGTERM end the process with 143 where no fit is running, which saves first."""
    main = threading.current_thread() is threading.main_thread()
    if not main or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return
    told: list[int] = []

    def leave(number: int, frame: FrameType | None) -> None:
        told.append(number)
        raise SystemExit(128 + number)

    signal.signal(signal.SIGTERM, leave)
    try:
        yield
    except Exception:
        # What a library cleans up when it is left at any line may fail, and hide why it was left.
        if not told:
            raise
        raise SystemExit(128 + told[0]) from None
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


@contextmanager
def translate_training_errors(
    trainer: Trainer, folder: RunFolder, data: DataModule
) -> Iterator[None]:
    """Around a fit: turn what ends it into what a user can act on.

    Raises:
        KeyboardInterrupt: at Ctrl-C, with how to go on.
        SystemExit: 143 at SIGTERM, after how to go on was printed.
        NonFiniteLossError: after ``non_finite.json`` was written.
        OutOfMemoryError: with the batch and what to set.
        ConfigError: something has no deterministic kernel, and only such were asked for; or
            the network needs more than one image in a batch.
    """
    (last,) = find_callbacks(trainer, LastCheckpoint)
    former = {number: signal.getsignal(number) for number in last.signals}
    try:
        # From here on: an exception that a signal raises while the trainer sets itself up finds it
        # half made.
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
    except ValueError as error:
        if "more than 1 value per channel" in str(error):
            raise ConfigError(
                "the network normalises a map of one pixel over the images of a batch: set "
                "data.batch_size to 2 or more for each process, or data.crop larger"
            ) from error
        raise
    except (RuntimeError, MemoryError) as error:
        if trainer.world_size > 1 and is_peer_failure(error):
            if LAUNCHED_RANKS in os.environ:
                # What has started the processes knows which one it was, and says so.
                raise SystemExit(RankLostError.exit_code) from error
            raise RankLostError(
                f"another process of this run is gone or does not answer; {resume_hint(folder)}"
            ) from error
        if last.requested_signal is not None and isinstance(error, RuntimeError):
            # The signal went to the whole group, and the loader's processes were ended by it.
            raise exit_for_signal(last.requested_signal, folder) from None
        if is_out_of_memory(error):
            raise _out_of_memory_error(trainer) from error
        if (refused := _NO_DETERMINISTIC_KERNEL.search(str(error))) is not None:
            raise ConfigError(
                f"trainer.deterministic=true: {refused[1]} has no deterministic kernel on "
                f"{trainer.strategy.root_device}; choose a model or loss without it, or "
                "trainer.deterministic=warn, which takes it as it is"
            ) from error
        raise
    finally:
        if threading.current_thread() is threading.main_thread():
            for number, handler in former.items():
                signal.signal(number, handler)


def is_peer_failure(error: BaseException) -> bool:
    """Tell whether an exception says that another rank could not be talked to."""
    return isinstance(error, DistError) or _PEER_FAILURE.search(str(error)) is not None


def resume_hint(folder: RunFolder) -> str:
    """Return the command that resumes a run, if it has anything to go on from."""
    if (folder.checkpoints / LAST_CHECKPOINT).is_file():
        return f"go on with: python train.py resume={folder.path}"
    return f"nothing was saved yet, {folder.path} can be deleted"


def exit_for_signal(number: int, folder: RunFolder) -> BaseException:
    """Return what ends this process as a signal does, after saying how to go on."""
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
    """Write which samples a run ended on, by their names too."""
    facts: dict[str, Any] = dict(error.facts)
    pairs = data.report("train" if facts.get("split") == "training" else "val").samples
    facts["files"] = [
        {"id": pairs[index].id, "image": pairs[index].image, "mask": pairs[index].mask}
        for index in facts.get("samples", [])
    ]
    if not global_rank():
        folder.write_json("non_finite.json", facts)


def _out_of_memory_error(trainer: Trainer) -> OutOfMemoryError:
    (watch,) = find_callbacks(trainer, NanGuard)
    batch = watch.describe_batch()
    size = "data.eval_batch_size" if "validation" in batch else "data.batch_size"
    return OutOfMemoryError(
        f"out of memory {batch} (epoch {trainer.current_epoch}, step {trainer.global_step}, "
        f"{trainer.precision}, on {trainer.strategy.root_device}): set a smaller {size} "
        "(trainer.accumulate_grad_batches=2 keeps the gradient of twice the batch), a smaller "
        "data.crop or data.short_side, or trainer.precision=bf16-mixed; nothing was changed by "
        "itself"
    )
