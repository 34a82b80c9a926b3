"""Count the frames of a video file without decoding them."""

from __future__ import annotations

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
    with open_container(path, limits) as container:
        stream = find_video_stream(container, path)
        if stream.codec_context.codec.canonical_name not in FRAME_PER_PACKET:
            return None
        try:
            packets = container.demux(stream)
            return sum(bool(packet.size) and not packet.is_discard for packet in packets)
        except av.FFmpegError as error:
            raise VideoError(
                f"{path} cannot be read to its end ({ffmpeg_reason(error)})"
            ) from error
