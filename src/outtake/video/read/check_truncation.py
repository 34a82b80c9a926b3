"""Check, at the end of a file, that nothing of the video is missing."""

from __future__ import annotations

import logging
from fractions import Fraction

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from outtake.core.errors import VideoError
from outtake.video.read.probe import track_duration_s
from outtake.video.read.timestamps import TimestampTracker

# Broadcast formats: frames last equally long, and a packet that is lost leaves no other trace.
_CONSTANT_RATE_CONTAINERS = ("mpegts", "mpeg")

log = logging.getLogger(__name__)


# More than muxers can count is not a duration.
_MAX_TICKS = 2**31 - 1


def last_frame_duration(
    container: InputContainer, stream: VideoStream, clock: TimestampTracker, first_s: Fraction
) -> int | None:
    """Return, at the end of the file, how long its last frame is shown.

    Args:
        container: The container that was read.
        stream: Its video track.
        clock: The times of its frames.
        first_s: The time of the first frame, in the clip's own time.

    Returns:
        The duration in units of the track's time base; None if the container does not say it.
    """
    duration = clock.last_frame_duration
    if "mov" in container.format.name and not clock.is_last_decoded:
        # MP4 says how long a frame is until the one that is decoded next, not shown next.
        length_s = stream.duration * clock.time_base if stream.duration else Fraction(0)
        duration = clock.duration_until(first_s + length_s)
        duration = duration if duration > clock.frame_step else None
    return duration if duration and 0 < duration <= _MAX_TICKS else None


def check_not_truncated(
    container: InputContainer,
    stream: VideoStream,
    clock: TimestampTracker,
    expected: int,
    last_frame_duration: int | None = None,
) -> None:
    """Check, at the end of the file, that all frames came.

    Args:
        container: The container that was read.
        stream: Its video track.
        clock: The times of its frames.
        expected: The number of packets that an index names.
        last_frame_duration: The duration that :func:`last_frame_duration` returned.

    Raises:
        VideoError: Frames are missing.
    """
    if clock.packets < expected:
        raise VideoError(
            f"{clock.path} is truncated: {clock.packets} of {expected} frames are there; "
            "copy or record it again"
        )
    clock.check_complete()
    if clock.time_table is not None and clock.packets == len(stream.index_entries):
        fault = clock.time_table.find_fault(stream.duration, clock.time_base)
        if fault is not None:
            log.warning("%s: %s; its tables of times may be damaged", clock.path, fault)
            return
    promised_s = track_duration_s(stream)
    if not promised_s and container.duration and len(container.streams) == 1:
        promised_s = container.duration / av.time_base
    if promised_s and clock.is_truncated(promised_s, last_frame_duration):
        log.warning(
            "%s: the last frame is at %.3f s, but the file says that it lasts %.3f s; it may "
            "be damaged", clock.path, clock.end_s, promised_s,
        )  # fmt: skip
    elif clock.gap_s is not None and container.format.name in _CONSTANT_RATE_CONTAINERS:
        log.warning(
            "%s: a frame is missing after %.3f s; the file may be damaged",
            clock.path, clock.gap_s,
        )  # fmt: skip
