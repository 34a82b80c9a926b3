"""Open media: only complete files, which cannot make FFmpeg open anything else."""

from __future__ import annotations

import logging
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path

import av
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from outtake.core.errors import VideoError
from outtake.video.read.safety_limits import FILE_FORMATS, SafetyLimits
from outtake.video.read.stream_address import (
    ffmpeg_reason,
    is_camera,
    is_url,
    open_camera,
    open_stream,
    redact_address,
)
from outtake.video.read.truncation import find_broken_byte, find_mp4_rubbish, missing_bytes

log = logging.getLogger(__name__)

_PLAYLISTS = (b"#EXTM3U", b"ffconcat", b"<?xml", b"<MPD", b"v=0", b"[playlist]")


def open_container(source: Path | str, limits: SafetyLimits | None = None) -> InputContainer:
    """Open a complete video file, or a stream or camera by its address.

    Args:
        source: A path, or an address such as ``rtsp://HOST/PATH`` or ``camera:0``.
        limits: Bounds on the frame size and on the waiting time.

    Raises:
        VideoError: The file is missing, not a video or truncated, or the stream does not answer.
    """
    limits = limits or SafetyLimits()
    if isinstance(source, str) and is_camera(source):
        return open_camera(source, limits)
    if isinstance(source, str) and is_url(source):
        return open_stream(source, limits)
    return _open_file(Path(source), limits)


def open_video_file(path: Path, **options: str) -> InputContainer:
    """Open a file that holds its pictures itself; what it names is not followed.

    Args:
        path: The file.
        options: Further options of FFmpeg.

    Raises:
        av.FFmpegError, OSError, ValueError: The file cannot be read.
    """
    container: InputContainer = av.open(
        f"file:{path}",  # or a colon in a name would be taken for a protocol
        "r",
        metadata_errors="ignore",
        options={"protocol_whitelist": "file", "format_whitelist": FILE_FORMATS, **options},
    )
    return container


def check_header(source: str | Path, stream: VideoStream, limits: SafetyLimits) -> None:
    """Refuse large frames before one is decoded, and have the decoder refuse what comes later."""
    limits.check_size(redact_address(source), stream.width, stream.height)
    stream.codec_context.options = {"max_pixels": str(limits.max_pixels)}


def suggest_nearby(path: Path) -> str:
    """Return a hint that names what is there instead, so that a typing error is seen at once."""
    parent = path.parent
    if not parent.is_dir():
        return f"; there is no folder {parent} either"
    names = sorted(entry.name for entry in parent.iterdir() if not entry.name.startswith("."))
    found = get_close_matches(path.name, names, n=3) or names[:5]
    return f"; {parent} holds {', '.join(found)}" if found else f"; {parent} is empty"


def find_video_stream(container: InputContainer, path: Path | str) -> VideoStream:
    """Return the video track; cover art does not count.

    Raises:
        VideoError: There is no video track.
    """
    for stream in container.streams.video:
        if not stream.disposition & Disposition.attached_pic:
            if stream.codec_context is None:
                raise VideoError(
                    f"{redact_address(path)}: its video is of a codec that is not known"
                )
            return stream
    kinds = sorted({str(stream.type) for stream in container.streams}) or ["nothing"]
    raise VideoError(f"{redact_address(path)} has no video track; it holds {', '.join(kinds)}")


def _open_file(path: Path, limits: SafetyLimits) -> InputContainer:
    if not path.exists():
        raise VideoError(f"no such video: {path}{suggest_nearby(path)}")
    if path.is_fifo():
        raise VideoError(
            f"{path} is a pipe, which can be read once; store what it gives in a file, or send it "
            "to outtake infer-video as input=-"
        )
    if not path.is_file():
        raise VideoError(f"not a video file: {path}")
    try:
        state = path.stat()
        _check_not_truncated(path, state.st_size, state.st_mtime_ns)
        return open_video_file(path, max_pixels=str(limits.max_pixels))
    except OSError as error:
        if isinstance(error, av.FFmpegError):
            raise _unreadable_error(path, error) from error
        raise VideoError(f"cannot read {path}: {error.strerror or error}") from error
    except (av.FFmpegError, ValueError) as error:
        raise _unreadable_error(path, error) from error


@lru_cache(maxsize=64)
def _check_not_truncated(path: Path, size: int, modified_ns: int) -> None:
    """Refuse an incomplete file; each state of a file is checked once, because it takes a while."""
    lost = missing_bytes(path)
    if not size:
        raise VideoError(f"{path} is empty (0 bytes)")
    rubbish = _find_rubbish(path, size) if lost else None
    if rubbish is not None and rubbish < size:
        log.warning(
            "%s: the last %d bytes are no part of the film, whose index is complete without them",
            path, size - rubbish,
        )  # fmt: skip
    elif lost and rubbish is None:
        raise VideoError(
            f"{path} is truncated: {lost} of {size + lost} bytes are missing at its end; "
            "copy or record it again, or repair it with 'ffmpeg -i IN -c copy OUT'"
        )
    broken = find_broken_byte(path)
    if broken is not None:
        raise VideoError(
            f"{path} is damaged at byte {broken} of {size}; copy it again, or save what can "
            "be read with 'ffmpeg -i IN OUT'"
        )


def _find_rubbish(path: Path, size: int) -> int | None:
    """Return the byte from which an MP4 file holds rubbish; None if anything may be missing.

    Every packet that its index names must lie inside the file.
    """
    rubbish = find_mp4_rubbish(path)
    if rubbish is None:
        return None
    try:
        with open_video_file(path) as container:
            ends = [
                entry.pos + entry.size
                for stream in container.streams
                for entry in stream.index_entries
            ]
    except (av.FFmpegError, OSError, ValueError):
        return None
    return max(rubbish, *ends) if ends and max(ends) <= size else None


def _unreadable_error(path: Path, error: Exception) -> VideoError:
    with path.open("rb") as file:
        head = file.read(64).lstrip()
    if head.startswith(_PLAYLISTS):
        return VideoError(
            f"{path} is a list of other files, which is not followed; name the video itself"
        )
    return VideoError(f"{path} is not a readable video or is truncated ({ffmpeg_reason(error)})")
