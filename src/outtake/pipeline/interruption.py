"""How a removal ends before its time: what is kept, and what is said about it."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from outtake.core.errors import ConfigError, OutOfMemoryError, Terminated, VideoError
from outtake.core.oom import is_out_of_memory
from outtake.pipeline.job import Job
from outtake.pipeline.stage_threads import ignore_sigint
from outtake.video.write.output import Output, PartialOutput

_MAX_REASON_CHARACTERS = 120


def salvage_outputs(
    job: Job, outputs: list[Output], error: BaseException | None = None
) -> list[str]:
    """Keep what can be played and what can be continued; return what to say about it.

    Args:
        job: what was done.
        outputs: where it went.
        error: what ended it. The same command does not get past an input that is damaged, or
            past masks that do not fit.
    """
    with ignore_sigint():
        salvaged: PartialOutput | None = outputs[0].salvage()
    if salvaged is None:
        for output in outputs:
            if not output.has_segments():
                output.discard()
        return []
    messages = [f"{salvaged.frames} frames ({salvaged.seconds:.1f} s) are kept in {salvaged.path}"]
    resumes = job.write_options.get("resume") and not outputs[0].info.live
    if not resumes or isinstance(error, VideoError | ConfigError):
        return messages
    done = job.count_finished_frames(outputs)
    if not done:
        return [*messages, "no segment is complete, so the same command begins at the first frame"]
    there = "from there" if done == salvaged.frames else f"after the first {done}"
    return [*messages, f"the same command goes on {there}"]


@contextmanager
def explain_oom() -> Iterator[None]:
    """Let full memory be one line. Where the network does not fit, that is said by itself."""
    try:
        yield
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        reason = " ".join(str(error).split())[:_MAX_REASON_CHARACTERS]
        raise OutOfMemoryError(
            f"out of memory ({reason or type(error).__name__}): set a smaller max_memory_mb (what "
            "clean_plate looks at), or batch_size, short_side or window (the network that labels); "
            "one that removes takes less with remover.max_side_px, or remover.device=cpu"
        ) from error


@contextmanager
def sigterm_as_interrupt() -> Iterator[None]:
    """Let SIGTERM, as a scheduler sends it, end a job as Ctrl-C does."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(*_: object) -> None:
        raise Terminated

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def stop_live_on_ctrl_c(live: bool) -> Iterator[threading.Event]:
    """A webcam has no end: there Ctrl-C means that it is enough."""
    stop_event = threading.Event()
    if not live or threading.current_thread() is not threading.main_thread():
        yield stop_event
        return
    before = signal.signal(signal.SIGINT, lambda *_: stop_event.set())
    try:
        yield stop_event
    finally:
        signal.signal(signal.SIGINT, before)
