"""Streams and cameras by their address, opened so that they cannot hang."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

import av
from av.container import InputContainer

from outtake.core.errors import VideoError
from outtake.video.read.safety_limits import FILE_FORMATS, SafetyLimits

_STREAM_CONTAINERS = FILE_FORMATS + ",live_flv,mpjpeg,hls,rtsp,rtp"

# The protocols that each scheme may lead to, never a file.
_HTTP_PROTOCOLS = "http,https,httpproxy,tcp,tls,crypto"
STREAM_PROTOCOLS = {
    "http": _HTTP_PROTOCOLS,
    "https": _HTTP_PROTOCOLS,
    "rtsp": "rtsp,rtp,srtp,udp,tcp",
    "rtsps": "rtsps,rtsp,rtp,srtp,udp,tcp,tls",
    "rtmp": "rtmp,tcp",
    "tcp": "tcp",
    "udp": "udp",
    "rtp": "rtp,udp",
}
CAMERA_PREFIX = "camera:"


def is_url(text: str) -> bool:
    """Return whether a text is a network address instead of a path."""
    return "://" in text and not text.startswith(("/", "."))


def is_camera(text: str) -> bool:
    """Return whether a text names a camera: ``camera:0``, ``/dev/video0``."""
    return text.startswith((CAMERA_PREFIX, "/dev/video"))


def redact_address(source: Path | str) -> str:
    """Return a source without its password or token, for messages and reports."""
    if not isinstance(source, str) or not is_url(source):
        return str(source)
    parts = urlsplit(source)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def open_stream(url: str, limits: SafetyLimits) -> InputContainer:
    """Open a network address.

    Raises:
        VideoError: The scheme is unknown, nobody answers in time, or it is not a video.
    """
    scheme = urlsplit(url).scheme.lower()
    if scheme not in STREAM_PROTOCOLS:
        raise VideoError(
            f"{redact_address(url)}: unknown kind of stream; use {', '.join(STREAM_PROTOCOLS)}"
        )
    options = {
        "protocol_whitelist": STREAM_PROTOCOLS[scheme],
        "format_whitelist": _STREAM_CONTAINERS,
        "max_pixels": str(limits.max_pixels),
    }
    if scheme.startswith("rtsp"):
        options["rtsp_transport"] = "tcp"  # over UDP a busy network loses pictures
    return _open_with_timeout(url, None, options, limits)


def open_camera(source: str, limits: SafetyLimits) -> InputContainer:
    """Open a camera by its number or device.

    Raises:
        VideoError: The camera is not there, or does not answer in time.
    """
    name = source.removeprefix(CAMERA_PREFIX)
    if sys.platform == "win32":
        kind, device = "dshow", f"video={name}"
    elif sys.platform == "darwin":
        kind, device = "avfoundation", name
    else:
        kind, device = "video4linux2", f"/dev/video{name}" if name.isdigit() else name
        if not Path(device).exists():
            there = sorted(str(path) for path in Path("/dev").glob("video*"))
            raise VideoError(
                f"no such camera: {source} ({device}); there is {', '.join(there) or 'none'}"
            )
    return _open_with_timeout(device, kind, {}, limits)


def _open_with_timeout(
    address: str, kind: str | None, options: dict[str, str], limits: SafetyLimits
) -> InputContainer:
    start_s = time.monotonic()
    try:
        container: InputContainer = av.open(
            address,
            "r",
            format=kind,
            metadata_errors="ignore",
            options=options,
            timeout=limits.timeout_s,
        )
        return container
    except av.ExitError as error:
        raise timeout_error(address, limits) from error
    except (av.FFmpegError, OSError, ValueError) as error:
        if time.monotonic() - start_s >= limits.timeout_s:  # RTSP says then that data is invalid
            raise timeout_error(address, limits) from error
        text = getattr(error, "strerror", None) or "not a stream of video"
        raise VideoError(f"cannot open {redact_address(address)}: {text}") from error


def timeout_error(source: Path | str, limits: SafetyLimits) -> VideoError:
    """Return the error for a stream that sends nothing."""
    return VideoError(
        f"{redact_address(source)} gave nothing for {limits.timeout_s:g} s; see whether it runs, "
        "or raise read.limits.timeout_s"
    )


def ffmpeg_reason(error: Exception) -> str:
    """Return FFmpeg's reason for an error, without the address."""
    detail = getattr(error, "log", None)
    return detail[2].strip() if detail else getattr(error, "strerror", "") or str(error)
