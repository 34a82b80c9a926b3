"""What a video is, read from its container and its first frame."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path

import av
from av.container import InputContainer
from av.sidedata.sidedata import Type as SideDataType
from av.video.stream import VideoStream

from outtake.core.errors import VideoError
from outtake.video.colour import ColourTags
from outtake.video.hdr10 import Hdr10Metadata
from outtake.video.interlacing import FieldOrder, read_field_order
from outtake.video.orientation import Orientation
from outtake.video.read.container_crop import find_shown_part
from outtake.video.read.find_alpha import is_film_transparent
from outtake.video.read.open_media import check_header
from outtake.video.read.open_media import find_video_stream as find_video_stream
from outtake.video.read.open_media import open_container as open_container
from outtake.video.read.picture_decoder import PictureDecoder
from outtake.video.read.safety_limits import SafetyLimits
from outtake.video.read.stream_address import (
    ffmpeg_reason,
    is_camera,
    is_url,
    redact_address,
    timeout_error,
)
from outtake.video.read.timestamps import PresentationTimes
from outtake.video.stored_picture import is_transparent

_BROADCAST_CONTAINERS = ("mpegts", "mpeg")
_UNKEPT = {
    SideDataType.A53_CC: "closed captions in the picture",
    SideDataType.DYNAMIC_HDR_PLUS: "HDR10+ metadata",
    SideDataType.DOVI_METADATA: "Dolby Vision metadata",
    SideDataType.STEREO3D: "the note that it is stereo 3D",
    SideDataType.SPHERICAL: "the note that it is a 360 degree picture",
}


@dataclass(frozen=True)
class VideoInfo:
    """A video, or a folder of images, as it is shown.

    Attributes:
        path: The file or folder.
        width: The width in pixels, after the turn that ``rotation`` asks for.
        height: The height in pixels, after that turn.
        rotation: Clockwise degrees by which the stored picture is turned for showing.
        fps: Average frames per second.
        time_base: Seconds per unit of a frame's pts.
        frames: The number of frames that the container promises, or an estimate; None if unknown.
        frames_counted: Whether ``frames`` is the container's own count instead of an estimate.
        duration_s: The duration in seconds; None if unknown.
        codec: FFmpeg's name, ``images`` for a folder.
        pix_fmt: FFmpeg's name of the stored pixel format.
        bit_depth: Bits per component, as stored.
        has_audio: Whether there is an audio track.
        sample_aspect_ratio: Width of a pixel over its height, after the turn.
        colour: Colour tags.
        orientation: The turn that the reader applies.
        metadata: Title, creation time and the like.
        first_s: The time of the whole clip's first frame.
        start_s: The beginning of the selected part; None for the first frame.
        end_s: The end of that part (the first moment left out); None for the end of the source.
        live: Whether it is a camera or a stream without a known end, which cannot be opened twice.
        field_order: Which field comes first, if the clip is interlaced.
        timecode: The timecode of the first frame of the selected part, if there is one.
        hdr10: Mastering display and light levels, if there are any.
        has_alpha: Whether what is stored is transparent anywhere: in the first frame, or in one of
            those all over a file that were looked at.
        images: The images of a sequence, in the order of showing; the n-th is at the time n.
        unkept: What the first frame carries beside the picture that no output keeps, by name.
        address: The address of a stream, with everything needed to open it again; ``path`` is its
            name without a password.
        origin_s: What the source's own clock shows at the clip's 0, a multiple of ``time_base``.
            The times of frames, ``start_s`` and ``end_s`` count from there.
        deinterlaced: Whether interlaced frames are made progressive when they are read.
        cropped: Whether the container shows only a part of the stored pictures, which is read.
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
    first_s: Fraction = Fraction(0)
    start_s: float | None = None
    end_s: float | None = None
    live: bool = False
    frames_counted: bool = False
    field_order: FieldOrder | None = None
    timecode: str | None = None
    hdr10: Hdr10Metadata | None = None
    has_alpha: bool = False
    images: tuple[Path, ...] = field(default=(), repr=False)
    unkept: tuple[str, ...] = ()
    address: str | None = field(default=None, repr=False)
    origin_s: Fraction = Fraction(0)
    deinterlaced: bool = False
    cropped: bool = False

    def of_view(self) -> VideoInfo:
        """Return the description of a picture about the clip, such as a preview: RGB of its own."""
        return replace(
            self, pix_fmt="rgb24", field_order=None, hdr10=None, has_alpha=False, unkept=()
        )

    @property
    def span_s(self) -> tuple[Fraction, Fraction | None]:
        """When what is read begins, and when it ends, about; the end is None if unknown."""
        begin_s = self.first_s if self.start_s is None else Fraction(self.start_s)
        if self.end_s is not None:
            return begin_s, Fraction(self.end_s)
        return begin_s, begin_s + Fraction(self.duration_s) if self.duration_s else None

    @property
    def chroma(self) -> str:
        """The chroma that is stored: ``420``, ``422``, ``444`` and so on, ``rgb`` or ``grey``."""
        return chroma_of(self.pix_fmt)


def chroma_of(pix_fmt: str) -> str:
    """Return the chroma of a pixel format: ``420``, ``422``, ..., ``rgb`` or ``grey``."""
    known = av.VideoFormat(pix_fmt, 16, 16)
    parts = [part for part in known.components if not part.is_alpha]
    if known.is_rgb or known.has_palette:
        return "rgb"
    if len(parts) < 2:
        return "grey"
    size = (parts[1].width, parts[1].height)
    return {(16, 16): "444", (8, 16): "422", (8, 8): "420", (16, 8): "440", (4, 16): "411"}.get(
        size, "410"
    )


def probe(source: str | Path, limits: SafetyLimits | None = None) -> VideoInfo:
    """Describe a video file; its first frame is decoded, because headers may be wrong.

    Raises:
        VideoError: The file is missing, not a video, without a video track, empty or truncated, or
            its frames are too large.
    """
    return probe_with_start(source, limits)[0]


def probe_with_start(
    source: str | Path, limits: SafetyLimits | None = None
) -> tuple[VideoInfo, Fraction]:
    """Return what :func:`probe` returns, and when the first frame is by the source's clock."""
    limits = limits or SafetyLimits()
    with open_container(source, limits) as container:
        stream = find_video_stream(container, source)
        check_header(source, stream, limits)
        frame, pts = _decode_first_frame(container, stream, redact_address(source), limits)
        info = describe_video(source, container, stream, frame, limits)
        first_s = pts * info.time_base
        return replace(info, origin_s=_find_origin_s(container, stream, first_s)), first_s


def _find_origin_s(container: InputContainer, picture: VideoStream, first_s: Fraction) -> Fraction:
    """Return the clip's 0 by the source's clock: what lies before it is in no track.

    Where 0 has a meaning, sound before it is the encoder's delay, and no player plays it. The
    clocks of broadcasts begin anywhere.
    """
    starts = [
        stream.start_time * stream.time_base
        for stream in (picture, *container.streams.audio)
        if stream.start_time is not None and stream.time_base
    ]
    earliest = min([first_s, *starts])
    if container.format.name not in _BROADCAST_CONTAINERS:
        earliest = min(first_s, max(earliest, Fraction(0)))
    unit = picture.time_base or Fraction(1, 90000)
    return math.floor(earliest / unit) * unit


def describe_video(
    source: str | Path,
    container: InputContainer,
    stream: VideoStream,
    frame: av.VideoFrame,
    limits: SafetyLimits,
) -> VideoInfo:
    """Describe a video from its container, track and first frame; a file, where need be, by more.

    Raises:
        VideoError: The file cannot be opened again.
    """
    orientation = _read_orientation(frame)
    width, height = frame.width, frame.height
    aspect = stream.sample_aspect_ratio or Fraction(1)
    if orientation.transpose:
        width, height, aspect = height, width, 1 / aspect
    part = find_shown_part(stream)
    fps = stream.average_rate or stream.guessed_rate or Fraction(25)
    duration_s = _video_duration_s(container, stream)
    frames = stream.frames or (round(duration_s * fps) if duration_s else None)
    return VideoInfo(
        path=Path(redact_address(source)),
        width=width,
        height=height,
        rotation=orientation.clockwise_degrees,
        fps=fps,
        time_base=stream.time_base or Fraction(1, 90000),
        frames=frames,
        frames_counted=bool(stream.frames),
        duration_s=duration_s,
        codec=stream.codec_context.codec.canonical_name,
        pix_fmt=frame.format.name,
        bit_depth=max(component.bits for component in frame.format.components),
        has_audio=bool(container.streams.audio),
        sample_aspect_ratio=aspect,
        colour=ColourTags.from_frame(frame),
        orientation=orientation,
        metadata=dict(container.metadata),
        field_order=read_field_order(frame),
        timecode=_find_timecode(container, stream),
        hdr10=Hdr10Metadata.from_frame(frame),
        has_alpha=_has_alpha(source, frame, limits),
        unkept=tuple(name for kind, name in _UNKEPT.items() if kind in frame.side_data),
        live=is_live(container, source),
        address=source if isinstance(source, str) and is_url(source) else None,
        cropped=part is not None and part.size == (frame.width, frame.height),
    )


def is_live(container: InputContainer, source: str | Path) -> bool:
    """Return whether a source is a camera, or a stream without a known end."""
    if not isinstance(source, str) or not (is_url(source) or is_camera(source)):
        return False
    return not container.duration and not any(s.duration for s in container.streams.video)


def _has_alpha(source: str | Path, frame: av.VideoFrame, limits: SafetyLimits) -> bool:
    if is_transparent(frame) or not any(part.is_alpha for part in frame.format.components):
        return is_transparent(frame)
    is_file = not isinstance(source, str) or not (is_url(source) or is_camera(source))
    return is_file and is_film_transparent(Path(source), limits)


def _find_timecode(container: InputContainer, stream: VideoStream) -> str | None:
    """Return the timecode of the picture, of a timecode track, or of the whole file."""
    data = [other.metadata for other in container.streams if other.type == "data"]
    for metadata in (stream.metadata, *data, container.metadata):
        for key, value in metadata.items():
            if key.lower() == "timecode":
                return value
    return None


def _read_orientation(frame: av.VideoFrame) -> Orientation:
    matrix = frame.side_data.get(SideDataType.DISPLAYMATRIX)
    return Orientation() if matrix is None else Orientation.from_display_matrix(bytes(matrix))


def track_duration_s(stream: VideoStream) -> float | None:
    """Return the stated duration of the track itself; Matroska keeps it in a tag, if at all."""
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    tag = re.fullmatch(r"(\d+):(\d+):(\d+(?:\.\d+)?)", stream.metadata.get("DURATION", ""))
    if tag is None:
        return None
    end_s = int(tag[1]) * 3600 + int(tag[2]) * 60 + float(tag[3])
    return end_s - float(max(stream.start_time or 0, 0) * (stream.time_base or 0))


def _video_duration_s(container: InputContainer, stream: VideoStream) -> float | None:
    whole_s = container.duration / av.time_base if container.duration else None
    if whole_s and "matroska" in container.format.name:  # it is the end, counted from 0
        whole_s -= max(container.start_time or 0, 0) / av.time_base
    return track_duration_s(stream) or whole_s


def _decode_first_frame(
    container: InputContainer, stream: VideoStream, name: str, limits: SafetyLimits
) -> tuple[av.VideoFrame, int]:
    """Return the first frame and its time."""
    times, decoder = PresentationTimes(container, stream), PictureDecoder(stream)
    try:
        for packet in times.read_ahead(container.demux(stream)):
            times.add_packet(packet)
            for frame in decoder.decode(packet):
                return frame, times.time_of_frame(frame) or 0
    except av.ExitError as error:
        raise timeout_error(name, limits) from error
    except (av.FFmpegError, ValueError, EOFError) as error:
        # FFmpeg forgets a size that it must not accept.
        large = f"; or its frames exceed read.limits.max_pixels={limits.max_pixels}"
        why = ffmpeg_reason(error) + (large if not stream.width else "")
        raise VideoError(f"{name} has no readable frame ({why})") from error
    raise VideoError(f"{name} holds no frame")
