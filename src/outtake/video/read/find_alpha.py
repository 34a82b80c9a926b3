"""Find out whether a clip is transparent anywhere, by a look at pictures all over it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import lru_cache
from itertools import islice
from pathlib import Path

import av
import cv2
from av.container import InputContainer
from av.video.stream import VideoStream
from PIL import Image

from outtake.core.errors import VideoError
from outtake.video.read.decode_film_image import FILM_SUFFIXES, read_film_image
from outtake.video.read.decode_image import (
    check_image_header,
    is_opaque,
    may_have_alpha,
    read_alpha,
)
from outtake.video.read.open_media import check_header, find_video_stream, open_container
from outtake.video.read.picture_decoder import decode_track
from outtake.video.read.safety_limits import SafetyLimits
from outtake.video.stored_picture import is_transparent

# A clip that is opaque is looked at in vain, so these bound how long opening it takes: lossless
# pictures of 8 megapixels take half a second each.
_MOST_FRAMES, _LEAST_FRAMES, _MOST_PIXELS = 24, 6, 50_000_000
_MOST_IMAGES = 8
# What a frame of these leaves out shows the frames before it, to the first: it cannot be decoded
# from the middle, where all that would be transparent.
_BUILT_ON_EACH_OTHER = ("gif", "apng")

# Where the header of a DPX file has the kind of its picture, and the kinds with alpha (SMPTE 268M).
_DPX_DESCRIPTOR, _DPX_WITH_ALPHA = 800, (51, 52)
# The channel A in the list of an EXR file: its name, after a length or a layer's, then its type.
_EXR_ALPHA = re.compile(rb"[\0.]A\0[\0-\2]\0\0\0")
_HEADER_BYTES = 4096

_State = tuple[Path, int, int]


def is_film_transparent(path: Path, limits: SafetyLimits) -> bool:
    """Return whether any frame is transparent of those looked at: all of a short film.

    Of a longer one these are frames all over it. What cannot be decoded does not count.
    """
    return _is_film_transparent(_state_of(path), limits)


def are_images_transparent(files: Sequence[Path], limits: SafetyLimits) -> bool | None:
    """Return whether any image of a clip is transparent.

    All with alpha in their headers are looked at, up to a number; of more, some all over the clip.
    What cannot be read does not count.

    Returns:
        None if none of those looked at is, and there are others.
    """
    with suppress(OSError):
        return _are_images_transparent(tuple(map(_state_of, files)), limits)
    return False


def is_image_transparent(file: Path, limits: SafetyLimits) -> bool:
    """Return whether an image is transparent anywhere; an EXR with alpha counts as such."""
    with suppress(
        VideoError, OSError, ValueError, SyntaxError, cv2.error, Image.DecompressionBombError
    ):
        if file.suffix.lower() in FILM_SUFFIXES:
            return read_film_image(file, limits).hides_anything
        check_image_header(file, limits)
        alpha = read_alpha(file) if may_have_alpha(file) else None
        return alpha is not None and not is_opaque(alpha)
    return False


def _state_of(path: Path) -> _State:
    stat = path.stat()
    return path, stat.st_size, stat.st_mtime_ns


@lru_cache(maxsize=64)
def _is_film_transparent(state: _State, limits: SafetyLimits) -> bool:
    path, *_ = state
    with open_container(path, limits) as container:
        stream = find_video_stream(container, path)
        check_header(path, stream, limits)
        stream.thread_type = "AUTO"
        return any(is_transparent(frame) for frame in _sample_frames(container, stream))


def _sample_frames(container: InputContainer, stream: VideoStream) -> Iterator[av.VideoFrame]:
    unit = stream.time_base or av.time_base
    length = stream.duration or int((container.duration or 0) / av.time_base / unit)
    frames = stream.frames or int(length * unit * (stream.average_rate or 0))
    fitting = _MOST_PIXELS // max(stream.width * stream.height, 1)
    places = max(_LEAST_FRAMES, min(_MOST_FRAMES, fitting))
    if stream.codec_context.codec.canonical_name in _BUILT_ON_EACH_OTHER:
        with suppress(av.FFmpegError, EOFError):
            shown = decode_track(container, stream)
            yield from islice(shown, 0, max(fitting, places), max(frames // places, 1))
        return
    if not length or frames <= places:
        with suppress(av.FFmpegError, EOFError):
            yield from islice(decode_track(container, stream), places)
        return
    for place in range(1, places + 1):
        target = (stream.start_time or 0) + length * place // places
        with suppress(av.FFmpegError, EOFError):
            container.seek(target, stream=stream)
            yield from islice(decode_track(container, stream), 1)


@lru_cache(maxsize=8)
def _are_images_transparent(states: tuple[_State, ...], limits: SafetyLimits) -> bool | None:
    files = [file for file, *_ in states if _has_alpha_in_header(file)]
    count = min(len(files), _MOST_IMAGES)
    chosen = [files[(len(files) - 1) * n // max(count - 1, 1)] for n in range(count)]
    if any(is_image_transparent(file, limits) for file in chosen):
        return True
    return None if count < len(files) else False


def _has_alpha_in_header(file: Path) -> bool:
    if file.suffix.lower() not in FILM_SUFFIXES:
        return may_have_alpha(file)
    try:
        with file.open("rb") as opened:
            header = opened.read(_HEADER_BYTES)
    except OSError:
        return False  # reading it says what is wrong
    if file.suffix.lower() == ".exr":
        return _EXR_ALPHA.search(header) is not None
    return header[_DPX_DESCRIPTOR : _DPX_DESCRIPTOR + 1] in (bytes([n]) for n in _DPX_WITH_ALPHA)
