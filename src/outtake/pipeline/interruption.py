"""How a removal ends before its time: what is kept, and what the user is told about it."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

from outtake.core.errors import ConfigError, OutOfMemoryError, Terminated, VideoError
from outtake.core.oom import is_out_of_memory
from outtake.core.signals import handle_signals, ignore_sigint, raise_on_signal
from outtake.pipeline.job import Job
from outtake.video.write.output import Output, PartialOutput

_MAX_REASON_CHARACTERS = 120


def salvage_outputs(
    job: Job, outputs: list[Output], error: BaseException | None = None
) -> list[str]:
    """Keep what can be played and what can be resumed, and return messages that say so.

    Args:
        job: The job.
        outputs: Its outputs.
        error: What ended it. Repeating the command does not help with an input that is damaged,
            or with masks that do not fit.
    """
    with ignore_sigint():
        partial: PartialOutput | None = outputs[0].salvage()
    if partial is None:
        for output in outputs:
            if not output.has_segments():
                output.discard()
        return []
    messages = [f"{partial.frames} frames ({partial.seconds:.1f} s) are kept in {partial.path}"]
    can_resume = job.write_options.resume and not outputs[0].info.live
    if not can_resume or isinstance(error, VideoError | ConfigError):
        return messages
    done = job.count_finished_frames(outputs)
    if not done:
        return [*messages, "no segment is complete, so the same command starts at the first frame"]
    where = "there" if done == partial.frames else f"after the first {done}"
    return [*messages, f"the same command resumes {where}"]


@contextmanager
def explain_oom() -> Iterator[None]:
    """Turn full memory into one line. The network that labels explains its own."""
    try:
        yield
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        reason = " ".join(str(error).split())[:_MAX_REASON_CHARACTERS]
        raise OutOfMemoryError(
            f"out of memory ({reason or type(error).__name__}): set a smaller job.max_memory_mb "
            "(frames of clean_plate), or network.batch_size, network.short_side or network.window "
            "(the network that labels); a network that removes takes less with "
            "remover.max_side_px, or remover.device=cpu"
        ) from error


def sigterm_as_interrupt() -> AbstractContextManager[None]:
    """Let SIGTERM, as a scheduler sends it, end a job like Ctrl-C."""
    return raise_on_signal(signal.SIGTERM, Terminated)


@contextmanager
def stop_live_on_ctrl_c(live: bool) -> Iterator[threading.Event]:
    """Yield an event that Ctrl-C sets, if the clip is live: a camera has no end of its own."""
    stop_event = threading.Event()
    with handle_signals({signal.SIGINT: lambda *_: stop_event.set()} if live else {}):
        yield stop_event
