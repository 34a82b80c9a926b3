"""Read a video together with its alpha, which the reader of clips leaves out."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import av

from outtake.core.errors import VideoError
from outtake.core.types import Frame
from outtake.video.colour import SWSCALE_THREADS
from outtake.video.read.open_media import check_header, find_video_stream, open_container
from outtake.video.read.picture_decoder import decode_track
from outtake.video.read.probe import probe
from outtake.video.read.safety_limits import SafetyLimits
from outtake.video.read.stream_address import ffmpeg_reason


def has_alpha(path: Path, limits: SafetyLimits) -> bool:
    """Return whether a video file has alpha.

    Raises:
        VideoError: The file cannot be read.
    """
    pix_fmt = probe(path, limits).pix_fmt
    return any(part.is_alpha for part in av.VideoFormat(pix_fmt, 16, 16).components)


def read_rgba(path: Path, limits: SafetyLimits, skip: int = 0) -> Generator[Frame, None, None]:
    """Yield the frames of a video with alpha, uint8 (H, W, 4), turned for showing.

    Args:
        path: The file.
        limits: Bounds on what it may ask for.
        skip: How many frames are left out.

    Raises:
        VideoError: The file cannot be read to its end.
    """
    info = probe(path, limits)
    with open_container(path, limits) as container:
        stream = find_video_stream(container, path)
        check_header(path, stream, limits)
        stream.thread_type = "AUTO"
        number = 0
        try:
            for frame in decode_track(container, stream):
                if frame.is_corrupt:
                    raise VideoError(f"{path} is damaged at frame {number}")
                if number >= skip:
                    rgba = frame.to_ndarray(format="rgba", threads=SWSCALE_THREADS)
                    yield info.orientation.apply(rgba)
                number += 1
        except (av.FFmpegError, EOFError) as error:
            raise VideoError(
                f"{path} is damaged after {number} frames ({ffmpeg_reason(error)})"
            ) from error
