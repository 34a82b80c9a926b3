"""Whether the end of a file was the end of the film."""

from __future__ import annotations

import logging

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from outtake.errors import VideoError
from outtake.video.clock import Clock
from outtake.video.probe import track_duration_s

# Broadcast formats: frames last equally long, and a packet that is lost leaves no other trace.
_EVEN = ("mpegts", "mpeg")

log = logging.getLogger(__name__)


def check_end(container: InputContainer, stream: VideoStream, clock: Clock, expected: int) -> None:
    """Find out, at the end of the file, whether that was all."""
    if clock.packets < expected:
        raise VideoError(
            f"{clock.path} is truncated: {clock.packets} of {expected} frames are there; "
            "copy or record it again"
        )
    clock.check_complete()
    promised_s = track_duration_s(stream)
    if not promised_s and container.duration and len(container.streams) == 1:
        promised_s = container.duration / av.time_base
    if promised_s and clock.falls_short_of(promised_s):
        log.warning(
            "%s: the last frame is at %.3f s, but the file says that it lasts %.3f s; it may "
            "be damaged", clock.path, clock.end_s, promised_s,
        )  # fmt: skip
    elif clock.hole_s is not None and container.format.name in _EVEN:
        log.warning(
            "%s: a frame is missing after %.3f s; the file may be damaged",
            clock.path, clock.hole_s,
        )  # fmt: skip
