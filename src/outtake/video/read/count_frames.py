"""Count the frames of a video file, and find their times, without decoding them."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av

from outtake.core.errors import VideoError
from outtake.video.read.open_media import find_video_stream, open_container
from outtake.video.read.reader import FRAME_PER_PACKET
from outtake.video.read.safety_limits import SafetyLimits
from outtake.video.read.stream_address import ffmpeg_reason


def count_frames(path: Path, limits: SafetyLimits | None = None) -> int | None:
    """Return how many frames a file shows; None for a codec whose packets are not frames.

    Raises:
        VideoError: The file cannot be read.
    """
    packets = _read_packets(path, limits)
    return None if packets is None else len(packets)


def frame_times(
    path: Path, limits: SafetyLimits | None = None, until_s: Fraction | None = None
) -> list[Fraction] | None:
    """Return when each frame is shown, in seconds from the first, in order.

    None where packets are not frames, or say only when they are decoded.

    Args:
        path: The file.
        limits: Bounds on what it may ask for.
        until_s: Read no further than is needed for all frames up to this time; of those after it
            some may come, and some be missing. None reads the whole file.

    Raises:
        VideoError: The file cannot be read.
    """
    packets = _read_packets(path, limits, until_s)
    if packets is None or None in packets:
        return None
    times = sorted(time for time in packets if time is not None)
    return [time - times[0] for time in times]


def _read_packets(
    path: Path, limits: SafetyLimits | None, until_s: Fraction | None = None
) -> list[Fraction | None] | None:
    """Return the time of each packet that is a frame; None for a codec whose packets are not."""
    with open_container(path, limits) as container:
        stream = find_video_stream(container, path)
        if stream.codec_context.codec.canonical_name not in FRAME_PER_PACKET:
            return None
        base = stream.time_base or Fraction(1)
        times: list[Fraction | None] = []
        first_s: Fraction | None = None
        try:
            for packet in container.demux(stream):
                if not packet.size or packet.is_discard:
                    continue
                time = None if packet.pts is None else packet.pts * base
                if time is not None and (first_s is None or time < first_s):
                    first_s = time
                times.append(time)
                if until_s is None or first_s is None or packet.dts is None:
                    continue
                if packet.dts * base > first_s + until_s:
                    break  # no frame is shown before it can be decoded
            return times
        except av.FFmpegError as error:
            raise VideoError(
                f"{path} cannot be read to its end ({ffmpeg_reason(error)})"
            ) from error
