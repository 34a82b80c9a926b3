"""What a video is, read from its container and its first frame."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from difflib import get_close_matches
from fractions import Fraction
from pathlib import Path

import av
from av.container import InputContainer
from av.sidedata.sidedata import Type as SideDataType
from av.stream import Disposition
from av.video.stream import VideoStream

from outtake.errors import VideoError
from outtake.video.colour import ColourTags
from outtake.video.orientation import Orientation
from outtake.video.structure import broken_at, missing_bytes


@dataclass(frozen=True)
class VideoInfo:
    """A video, or a folder of images, as it is shown.

    Attributes:
        path: the file or folder.
        width: in pixels, after the turn that ``rotation`` asks for.
        height: likewise.
        rotation: clockwise degrees by which the stored picture is turned for showing.
        fps: average frames per second.
        time_base: seconds per unit of a frame's pts.
        frames: how many the container promises, an estimate where it keeps no count; None unknown.
        duration_s: None unknown.
        codec: FFmpeg's name, ``images`` for a folder.
        pix_fmt: FFmpeg's name of the stored pixel format.
        bit_depth: bits per component as stored; frames are always read with 8.
        has_audio: whether there is an audio track.
        sample_aspect_ratio: width of a pixel over its height, after the turn.
        colour: colour tags.
        orientation: the turn that the reader applies.
        metadata: title, creation time and the like.
    """

    path: Path
    width: int
    height: int
    fps: Fraction
    time_base: Fraction
    rotation: int = 0
    frames: int | None = None
    duration_s: float | None = None
    codec: str = "images"
    pix_fmt: str = "rgb24"
    bit_depth: int = 8
    has_audio: bool = False
    sample_aspect_ratio: Fraction = Fraction(1)
    colour: ColourTags = field(default_factory=ColourTags)
    orientation: Orientation = field(default_factory=Orientation)
    metadata: dict[str, str] = field(default_factory=dict)


def probe(path: str | Path) -> VideoInfo:
    """Describe a video file; its first frame is decoded, because only that knows the truth.

    Raises:
        VideoError: missing, not a video, no video track, empty or truncated.
    """
    file = Path(path)
    with open_container(file) as container:
        stream = picture_stream(container, file)
        return describe(file, container, stream, _first_frame(container, stream, file))


def open_container(path: Path) -> InputContainer:
    """Open a complete video file for reading.

    Raises:
        VideoError: missing, not a video, or truncated.
    """
    if not path.exists():
        raise VideoError(f"no such video: {path}{_nearby(path)}")
    if not path.is_file():
        raise VideoError(f"not a video file: {path}")
    try:
        size, lost = path.stat().st_size, missing_bytes(path)
        if not size:
            raise VideoError(f"{path} is empty (0 bytes)")
        if lost:
            raise VideoError(
                f"{path} is truncated: {lost} of {size + lost} bytes are missing at its end; "
                "copy or record it again, or repair it with 'ffmpeg -i IN -c copy OUT'"
            )
        broken = broken_at(path)
        if broken is not None:
            raise VideoError(
                f"{path} is damaged at byte {broken} of {size}; copy it again, or save what can "
                "be read with 'ffmpeg -i IN OUT'"
            )
        container: InputContainer = av.open(os.fspath(path), "r", metadata_errors="ignore")
        return container
    except OSError as error:
        raise VideoError(f"can not read {path}: {error.strerror or error}") from error
    except (av.FFmpegError, ValueError) as error:
        detail = getattr(error, "log", None)
        reason = detail[2].strip() if detail else getattr(error, "strerror", "") or str(error)
        raise VideoError(f"{path} is not a readable video or is truncated ({reason})") from error


def picture_stream(container: InputContainer, path: Path) -> VideoStream:
    """Return the video track; cover art does not count.

    Raises:
        VideoError: there is none.
    """
    for stream in container.streams.video:
        if not stream.disposition & Disposition.attached_pic:
            return stream
    kinds = sorted({str(stream.type) for stream in container.streams}) or ["nothing"]
    raise VideoError(f"{path} has no video track; it holds {', '.join(kinds)}")


def describe(
    path: Path, container: InputContainer, stream: VideoStream, frame: av.VideoFrame
) -> VideoInfo:
    """Describe a video from its container, track and first frame."""
    orientation = _orientation(frame)
    width, height = frame.width, frame.height
    aspect = stream.sample_aspect_ratio or Fraction(1)
    if orientation.transpose:
        width, height, aspect = height, width, 1 / aspect
    fps = stream.average_rate or stream.guessed_rate or Fraction(25)
    duration_s = _duration_s(container, stream)
    frames = stream.frames or (round(duration_s * fps) if duration_s else None)
    return VideoInfo(
        path=path,
        width=width,
        height=height,
        rotation=orientation.clockwise_degrees,
        fps=fps,
        time_base=stream.time_base or Fraction(1, 90000),
        frames=frames,
        duration_s=duration_s,
        codec=stream.codec_context.codec.canonical_name,
        pix_fmt=frame.format.name,
        bit_depth=max(component.bits for component in frame.format.components),
        has_audio=bool(container.streams.audio),
        sample_aspect_ratio=aspect,
        colour=ColourTags.of(frame),
        orientation=orientation,
        metadata=dict(container.metadata),
    )


def _orientation(frame: av.VideoFrame) -> Orientation:
    matrix = frame.side_data.get(SideDataType.DISPLAYMATRIX)
    found = Orientation.from_display_matrix(bytes(matrix)) if matrix is not None else None
    return found or Orientation()


def track_duration_s(stream: VideoStream) -> float | None:
    """Return how long the track itself is said to be; Matroska keeps that in a tag, if at all."""
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    tag = re.fullmatch(r"(\d+):(\d+):(\d+(?:\.\d+)?)", stream.metadata.get("DURATION", ""))
    return int(tag[1]) * 3600 + int(tag[2]) * 60 + float(tag[3]) if tag else None


def _duration_s(container: InputContainer, stream: VideoStream) -> float | None:
    whole_s = container.duration / av.time_base if container.duration else None
    return track_duration_s(stream) or whole_s


def _first_frame(container: InputContainer, stream: VideoStream, path: Path) -> av.VideoFrame:
    try:
        for frame in container.decode(stream):
            return frame
    except (av.FFmpegError, ValueError) as error:
        raise VideoError(f"{path} has no readable frame ({error})") from error
    raise VideoError(f"{path} holds no frame")


def _nearby(path: Path) -> str:
    """Name what is there instead, so that a typing error is found at a glance."""
    parent = path.parent
    if not parent.is_dir():
        return f"; there is no folder {parent} either"
    names = sorted(entry.name for entry in parent.iterdir() if not entry.name.startswith("."))
    shown = get_close_matches(path.name, names, n=3) or names[:5]
    return f"; {parent} holds {', '.join(shown)}" if shown else f"; {parent} is empty"
