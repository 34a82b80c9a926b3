"""The tracks beside the picture, copied packet by packet."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from typing import Any

import av
from av.container import InputContainer, OutputContainer
from av.packet import Packet
from av.stream import Discard, Stream

from outtake.core.errors import OutputError, VideoError
from outtake.video.read.probe import VideoInfo, find_video_stream, open_container

log = logging.getLogger(__name__)

# What describes the old file or its encoder, and would be wrong in the new one.
_STALE_TAGS = {
    "major_brand", "minor_version", "compatible_brands", "encoder", "rotate", "duration",
    "vendor_id",
}  # fmt: skip

# Seeking is by pictures; the audio and subtitles of that moment lie around it.
_SEEK_MARGIN_S = 10
_MAX_TICKS = 10_000_000


class TrackCopier:
    """Copies audio, subtitles, chapters and metadata of a video bit for bit.

    It opens the source a second time and does not read ahead: packets are taken when the
    picture has reached their time, so memory stays small whatever the length.

    Args:
        info: The source.
        target: An open container whose header is not written yet.
        suffix: The suffix of the target, for messages.
        audio: Whether the audio is copied.
        origin_s: The time of the source that is 0 in the target. If only a part of a source is
            used, what begins before it is left out.
        quiet: Whether tracks that are left out go without a warning.

    Raises:
        OutputError: The target's container cannot hold the source's audio.
        VideoError: The source cannot be read.
    """

    def __init__(
        self,
        info: VideoInfo,
        target: OutputContainer,
        *,
        suffix: str,
        audio: bool,
        origin_s: Fraction = Fraction(0),
        quiet: bool = False,
    ) -> None:
        self._path = info.path
        self._target = target
        self._suffix = suffix
        self._origin_s = origin_s
        self._is_part = info.start_s is not None
        self._level = logging.DEBUG if quiet else logging.WARNING
        self._copies: dict[int, Stream] = {}
        self._next: Packet[Stream] | None = None
        self._source: InputContainer = open_container(info.address or info.path)
        picture = find_video_stream(self._source, info.path)
        try:
            for stream in self._source.streams:
                if stream.index != picture.index and (audio or stream.type != "audio"):
                    self._add_track(stream)
        except BaseException:
            self._source.close()
            raise
        target.metadata.update(drop_stale_tags(self._source.metadata))
        chapters = self._selected_chapters(info)
        if chapters:
            with suppress(ValueError):  # a container without chapters
                target.set_chapters(chapters)
        self._packets = self._demux()

    def _add_track(self, stream: Stream) -> None:
        kind = stream.type
        if kind not in ("audio", "subtitle"):
            log.log(self._level, "%s: its %s track is not copied", self._path.name, kind)
            return
        context = stream.codec_context
        name = context.codec.canonical_name if context else "unknown"
        try:
            if context is None:
                raise ValueError("FFmpeg does not know this codec")
            copy = self._target.add_stream_from_template(stream, opaque=True)
        except (ValueError, av.FFmpegError) as error:
            if kind == "audio":
                raise OutputError(
                    f"a {self._suffix} file cannot hold the {name} audio of {self._path.name}; "
                    "write .mkv, or set encode.audio=drop"
                ) from error
            log.log(
                self._level, "%s: a %s file cannot hold its %s subtitles",
                self._path.name, self._suffix, name,
            )  # fmt: skip
            return
        copy.metadata.update(drop_stale_tags(stream.metadata))
        copy.disposition = stream.disposition
        self._copies[stream.index] = copy

    def _selected_chapters(self, info: VideoInfo) -> list[Any]:
        """Return the chapters in the target's time, without those outside it."""
        found = []
        for chapter in self._source.chapters():
            base = chapter["time_base"] or Fraction(1, 1000)
            shift = round(self._origin_s / base)
            start, end = max(chapter["start"] - shift, 0), chapter["end"] - shift
            if info.end_s is not None:
                end = min(end, int((Fraction(info.end_s) - self._origin_s) / base))
            if start < end or not (self._is_part or info.end_s is not None):
                found.append({**chapter, "start": start, "end": end})
        return found

    def _demux(self) -> Iterator[Packet[Stream]]:
        if not self._copies:
            return
        for stream in self._source.streams:
            if stream.index not in self._copies and stream.type != "attachment":
                stream.discard = Discard.all
        streams = [self._source.streams[index] for index in self._copies]
        if self._origin_s > 2 * _SEEK_MARGIN_S and self._is_part:
            with suppress(av.FFmpegError):  # then it is read from the start
                self._source.seek(int((self._origin_s - _SEEK_MARGIN_S) * av.time_base))
        try:
            for packet in self._source.demux(streams):
                if packet.size and self._shift_times(packet):
                    yield packet
        except av.FFmpegError as error:
            raise VideoError(f"{self._path} is damaged: {error}") from error

    def _shift_times(self, packet: Packet[Stream]) -> bool:
        """Shift a packet to the target's time; return False if it lies outside the target."""
        if packet.dts is None:  # nothing is reordered in audio and subtitles
            packet.dts = packet.pts
        if not self._origin_s:
            return True
        assert packet.time_base is not None
        shift = round(self._origin_s / packet.time_base)
        start = (packet.dts if packet.pts is None else packet.pts) or 0
        if start < shift:
            end = start + (packet.duration or 0)
            if packet.stream.type != "subtitle" or end <= shift:
                return False
            packet.pts, packet.duration = shift, end - shift  # its text is still to be read
            packet.dts = shift
        packet.pts = None if packet.pts is None else packet.pts - shift
        packet.dts = None if packet.dts is None else packet.dts - shift
        return True

    def copy_until(self, time_s: float) -> None:
        """Copy every packet that starts before ``time_s`` in the target's time."""
        while True:
            packet = self._next or next(self._packets, None)
            if packet is None:
                return
            assert packet.time_base is not None
            if float((packet.dts or 0) * packet.time_base) >= time_s:
                self._next = packet
                return
            self._next = None
            packet.stream = self._copies[packet.stream_index]
            self._target.mux(packet)

    def close(self) -> None:
        """Close the source."""
        self._source.close()


def has_tracks(info: VideoInfo) -> bool:
    """Return whether there may be tracks to copy: not of a live source or of images."""
    if info.live or info.codec == "images":
        return False
    return info.address is not None or info.path.is_file()


def movie_timescale(info: VideoInfo) -> int:
    """Return the ticks per second that hold the times of every track of a source exactly.

    If those are too many for a container to count, they hold the times of the picture only.
    """
    picture = max(info.time_base.denominator, 1000)
    if not has_tracks(info):
        return picture
    with open_container(info.address or info.path) as source:
        bases = [stream.time_base for stream in source.streams if stream.type == "audio"]
    ticks = math.lcm(picture, *(base.denominator for base in bases if base))
    return ticks if ticks <= _MAX_TICKS else picture


def drop_stale_tags(metadata: dict[str, str]) -> dict[str, str]:
    """Return metadata without what describes the old file or its encoder."""
    return {
        key: value
        for key, value in metadata.items()
        if key.lower() not in _STALE_TAGS
        and not key.upper().startswith(("_STATISTICS", "NUMBER_OF_", "BPS"))
    }
