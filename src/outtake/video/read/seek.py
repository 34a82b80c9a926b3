"""Reaching a late start without decoding all that lies before it."""

from __future__ import annotations

from contextlib import suppress
from fractions import Fraction

import av
from av.container import InputContainer
from av.video.stream import VideoStream

# A start after this is reached by seeking, to a key frame some time before it: what is not whole
# right after a key frame (open groups of pictures, refresh in stripes) is whole by then.
SEEK_MIN_START_S = 20
_SEEK_MARGIN_S = 5


def seek_to_key_frame_before(
    container: InputContainer, stream: VideoStream, time_s: Fraction
) -> int | None:
    """Go to a key frame well before a time, in a container that has an index.

    Returns:
        How many packets of an MP4 file lie before it; None where it cannot be reached.
    """
    if not {"mov", "matroska"} & {*container.format.name.split(",")} or not stream.time_base:
        return None
    target = int((time_s - _SEEK_MARGIN_S) / stream.time_base)
    with suppress(av.FFmpegError):
        container.seek(target, stream=stream)
        packet = next(container.demux(stream), None)
        if packet and packet.is_keyframe and packet.pts is not None and packet.pts <= target:
            container.seek(target, stream=stream)
            places = (i for i, entry in enumerate(stream.index_entries) if entry.pos == packet.pos)
            return next(places, 0) if "mov" in container.format.name else 0
    return None
