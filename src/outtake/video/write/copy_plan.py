"""Which packets of a source could be copied: its closed groups of pictures, found before any work.

A run is what lies between two IDR pictures: nothing outside it is needed to decode it. It is copied
if every frame of it came out unchanged, whatever the remover; all others are encoded.
"""

from __future__ import annotations

import zlib
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import av
import numpy as np
from av.packet import Packet
from av.video.stream import VideoStream

from outtake.core.errors import OutputError, VideoError
from outtake.video.colour import PLANAR_YUV
from outtake.video.orientation import Orientation
from outtake.video.read.open_media import find_video_stream, open_container
from outtake.video.read.probe import VideoInfo
from outtake.video.read.timestamps import PresentationTimes
from outtake.video.write.encoding_plan import Encoding, EncodingRequest
from outtake.video.write.parameter_sets import (
    ParameterSets,
    can_be_copied,
    is_idr,
    parse_header,
    split_units,
)
from outtake.video.write.sequence_parameters import read_stated_reorder


@dataclass(frozen=True, slots=True)
class SourceRun:
    """Packets of a source from an IDR picture up to the next.

    Attributes:
        first: The time of its first frame, counted from the clip's 0 in the source's time base.
        last: The time of its last frame.
        frames: The number of its frames.
        times_crc32: The CRC-32 of the times of all its frames.
        reorder: The largest number of frames by which a packet comes after its turn.
        bytes: The size of its packets.
    """

    first: int
    last: int
    frames: int
    times_crc32: int
    reorder: int
    bytes: int

    def has_times(self, times: Sequence[int]) -> bool:
        """Return whether these are the times of its frames, in the order of showing."""
        return len(times) == self.frames and crc32_of_times(times) == self.times_crc32


@dataclass(frozen=True)
class CopyPlan:
    """What may be copied of a source.

    Attributes:
        info: The source.
        runs: The runs that can be copied, in the order of showing.
        sets: Their parameter sets.
        encoder_id: The number of the encoder's own parameter sets, which the source does not use.
    """

    info: VideoInfo
    runs: tuple[SourceRun, ...]
    sets: ParameterSets
    encoder_id: int

    @cached_property
    def _starts(self) -> list[int]:
        return [run.first for run in self.runs]

    @property
    def bytes_per_frame(self) -> float:
        """The mean size of a packet that can be copied."""
        return sum(run.bytes for run in self.runs) / sum(run.frames for run in self.runs)

    def find_run(self, time: int) -> SourceRun | None:
        """Return the run in which a time lies."""
        index = bisect_right(self._starts, time) - 1
        return self.runs[index] if index >= 0 and time <= self.runs[index].last else None

    def adapt_encoding(self, encoding: Encoding) -> Encoding:
        """Return the encoding of what lies between copied runs."""
        options = dict(encoding.options)
        given = options.get("x264-params")
        options["x264-params"] = ":".join(filter(None, (given, f"sps-id={self.encoder_id}")))
        options["forced-idr"] = "1"
        return replace(encoding, options=options)


def crc32_of_times(times: Sequence[int]) -> int:
    """Return the CRC-32 of times."""
    return zlib.crc32(np.asarray(times, np.int64).tobytes())


def plan_copying(request: EncodingRequest, encoding: Encoding, info: VideoInfo) -> CopyPlan | None:
    """Return what may be copied of a source; None if nothing may.

    Args:
        request: What is asked for.
        encoding: What was chosen for it.
        info: The source.

    Raises:
        OutputError: ``copy_unchanged`` is ``always``, and nothing can be copied.
    """
    if request.copy_unchanged == "never":
        return None
    automatic = request.copy_unchanged == "auto"
    if automatic and _asks_for_a_rate(request):
        return None
    found = find_obstacle(encoding, info) or find_runs(info)
    if isinstance(found, CopyPlan):
        return found
    if automatic:
        return None
    raise OutputError(
        f"encode.copy_unchanged=always: no packet of {info.path} can be copied, because {found}; "
        "use encode.copy_unchanged=auto"
    )


def _asks_for_a_rate(request: EncodingRequest) -> bool:
    """Return whether the user has a say in how large the output is, or who can play it."""
    chosen = (request.crf, request.bitrate, request.profile, request.level)
    return request.passes > 1 or any(value is not None for value in chosen)


def find_obstacle(encoding: Encoding, info: VideoInfo) -> str | None:
    """Return why no packet of a source fits an encoding, as far as their descriptions say it."""
    depth_and_chroma = info.pix_fmt.replace("yuvj", "yuv")
    fits = (info.width, info.height) if PLANAR_YUV.fullmatch(depth_and_chroma) else (2, 2)
    limits = [f"encode.{key}" for key, value in encoding.limits.items() if value is not None]
    reasons = {
        f"it is {info.codec}, and only h264 is copied": info.codec != "h264",
        f"the output is {encoding.name}, and only h264 is copied": (
            encoding.codec.encoder != "libx264"
        ),
        "it is a stream": info.live or info.address is not None or not info.path.is_file(),
        "its picture is turned": info.orientation != Orientation(),
        "its container shows only a part of each picture": info.cropped,
        "it is interlaced": info.field_order is not None,
        "read.deinterlace makes other pictures of it": info.deinterlaced,
        f"its {depth_and_chroma} becomes {encoding.pix_fmt(*fits)}": (
            encoding.pix_fmt(*fits) != depth_and_chroma
        ),
        "its colour tags change": info.colour.for_yuv(info.width, info.height) != info.colour,
        "encode.passes=2 encodes all frames": encoding.passes > 1,
        f"{' and '.join(limits)} is asked for": bool(limits),
    }
    return next((reason for reason, holds in reasons.items() if holds), None)


def find_runs(info: VideoInfo) -> CopyPlan | str:
    """Read all packets of a source; return what can be copied of it, or why nothing can."""
    try:
        with open_container(info.path) as container:
            stream = find_video_stream(container, info.path)
            sets, length_bytes = parse_header(stream.codec_context.extradata)
            times = PresentationTimes(container, stream)
            packets = times.read_ahead(container.demux(stream))
            origin = int(info.origin_s / info.time_base)
            runs = list(_find_runs(packets, sets, length_bytes, origin))
            if times.by_decoding_order:
                return "its packets do not say when their frames are shown"
            stated = [read_stated_reorder(unit) for unit in sets.sequence.values()]
    except (av.FFmpegError, VideoError, ValueError) as error:
        return f"its packets cannot be read ({error})"
    encoder_id = sets.unused_id()
    if encoder_id is None or not sets.can_be_described():
        return "its parameter sets do not go into one header with those of the encoder"
    if not runs:
        return "no group of pictures in it is closed"
    if None in stated and any(run.reorder for run in runs):
        # Some players would lose a frame where the order changes behind what the encoder made.
        return "it does not say how far its frames are reordered"
    return CopyPlan(info, tuple(runs), sets, encoder_id)


class _RunBuilder:
    """Collects the packets of one run."""

    def __init__(self) -> None:
        self.times: list[int] = []
        self.bytes = 0
        self.is_sound = True

    def build(self, next_first: int | None) -> SourceRun | None:
        """Return the run, if it is whole and its frames lie before those of the next."""
        shown = sorted(self.times)
        if not self.is_sound or not shown or shown[0] != self.times[0]:
            return None
        if len({*shown}) < len(shown) or (next_first is not None and shown[-1] >= next_first):
            return None
        ranks = {time: rank for rank, time in enumerate(shown)}
        reorder = max(place - ranks[time] for place, time in enumerate(self.times))
        times_crc32 = crc32_of_times(shown)
        return SourceRun(shown[0], shown[-1], len(shown), times_crc32, reorder, self.bytes)


def _find_runs(
    packets: Iterable[Packet[VideoStream]],
    sets: ParameterSets,
    length_bytes: int | None,
    origin: int,
) -> Iterator[SourceRun]:
    current: _RunBuilder | None = None
    latest = None  # of the frames so far
    for packet in packets:
        if not packet.size:
            continue
        units = split_units(bytes(packet), length_bytes)
        time = None if packet.pts is None else packet.pts - origin
        if is_idr(units):
            if current and (run := current.build(time)):
                yield run
            current = _RunBuilder()
            # What lies before an IDR picture is shown before it, or the two are not apart.
            current.is_sound = latest is None or (time is not None and latest < time)
        if current is None:
            current = _RunBuilder()
            current.is_sound = False
        sound = can_be_copied(units, sets) and not (packet.is_corrupt or packet.is_discard)
        if time is None or not sound:
            current.is_sound = False
        current.bytes += packet.size
        if time is not None:
            current.times.append(time)
            latest = time if latest is None else max(latest, time)
    if current and (run := current.build(None)):
        yield run
