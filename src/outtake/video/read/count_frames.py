"""Which frames a video file shows: their number and their times, as the reader yields them.

Packets are counted, which is quick, where a packet is a frame. What lies before the first picture
that can be decoded (a recording that begins inside a group of pictures, leading pictures of a copy
without the group before) is shown by no player and counts nowhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av

from outtake.core.errors import VideoError
from outtake.video.read.clip import Clip
from outtake.video.read.open_media import find_video_stream, open_container
from outtake.video.read.picture_decoder import PictureDecoder
from outtake.video.read.reader import FRAME_PER_PACKET, VideoReader
from outtake.video.read.safety_limits import SafetyLimits
from outtake.video.read.stream_address import ffmpeg_reason
from outtake.video.read.timestamps import PresentationTimes


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

    None where packets are not frames, say only when they are decoded, or two have one time, as in
    program streams that are cut: when such frames are shown depends on their order as decoded.
    :func:`decode_times` then tells.

    Args:
        path: The file.
        limits: Bounds on what it may ask for.
        until_s: Read no further than is needed for all frames up to this time; of those after it
            some may come, and some be missing. None reads the whole file.

    Raises:
        VideoError: The file cannot be read.
    """
    packets = _read_packets(path, limits, until_s)
    if packets is None or None in packets or len(set(packets)) < len(packets):
        return None
    times = sorted(time for time in packets if time is not None)
    return [time - times[0] for time in times]


def decode_times(clip: Clip, until_s: Fraction | None = None) -> Iterator[Fraction]:
    """Yield when each frame is shown, in seconds from the first, by decoding all of them.

    Args:
        clip: The whole clip, open.
        until_s: The first frame after this time is the last one; None for all.

    Raises:
        VideoError: It cannot be read.
    """
    if isinstance(clip, VideoReader):
        shown = clip.decode_times()
    else:
        shown = (frame.pts * frame.time_base for frame in clip)
    first_s: Fraction | None = None
    for time_s in shown:
        first_s = time_s if first_s is None else first_s
        yield time_s - first_s
        if until_s is not None and time_s - first_s > until_s:
            return


def _read_packets(
    path: Path, limits: SafetyLimits | None, until_s: Fraction | None = None
) -> list[Fraction | None] | None:
    """Return the time of each packet that is a frame, in seconds.

    None for a codec whose packets are not frames; an entry is None where a packet has no time.
    """
    with open_container(path, limits) as container:
        stream = find_video_stream(container, path)
        if stream.codec_context.codec.canonical_name not in FRAME_PER_PACKET:
            return None
        base = stream.time_base or Fraction(1)
        shown, decoder = PresentationTimes(container, stream), PictureDecoder(stream)
        times: list[int | None] = []
        first: int | None = None
        has_decoded = False
        try:
            for packet in shown.read_ahead(container.demux(stream)):
                if not has_decoded:
                    shown.add_packet(packet)
                    if frames := decoder.decode(packet):
                        first, has_decoded = shown.time_of_frame(frames[0]), True
                if not packet.size or packet.is_discard:
                    continue
                times.append(shown.time_of_packet(packet))
                if until_s is None or first is None or packet.dts is None:
                    continue
                if packet.dts * base > first * base + until_s:
                    break  # no frame is shown before it can be decoded
        except (av.FFmpegError, EOFError) as error:
            raise VideoError(
                f"{path} cannot be read to its end ({ffmpeg_reason(error)})"
            ) from error
        if not has_decoded:
            raise VideoError(f"{path} holds no frame")
        return [
            None if time is None else time * base
            for time in times
            if time is None or first is None or time >= first
        ]
