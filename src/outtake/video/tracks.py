"""The tracks beside the picture, copied packet by packet."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import av
from av.container import OutputContainer
from av.packet import Packet
from av.stream import Stream

from outtake.errors import OutputError, VideoError
from outtake.video.probe import open_container, picture_stream

log = logging.getLogger(__name__)

# What describes the old file or its encoder, and would be wrong in the new one.
_STALE_TAGS = {
    "major_brand", "minor_version", "compatible_brands", "encoder", "rotate", "duration",
    "vendor_id",
}  # fmt: skip


class CopiedTracks:
    """Audio, subtitles, chapters and metadata of a video, handed on bit for bit.

    It opens the source a second time and reads ahead of nothing: packets are taken when the
    picture has come to their time, so memory stays small whatever the length.

    Raises:
        OutputError: the target's container can not hold the source's audio.
        VideoError: the source can not be read.
    """

    def __init__(self, source: Path, target: OutputContainer, *, audio: bool) -> None:
        self._source = open_container(source)
        self._path = source
        self._target = target
        self._pairs: dict[int, Stream] = {}
        picture = picture_stream(self._source, source)
        try:
            for stream in self._source.streams:
                if stream.index != picture.index and (audio or stream.type != "audio"):
                    self._add(stream)
        except OutputError:
            self._source.close()
            raise
        target.metadata.update(current_tags(self._source.metadata))
        with suppress(ValueError):  # a container without chapters
            target.set_chapters(self._source.chapters())
        self._packets = self._demux()
        self._next: Packet[Stream] | None = None

    def _add(self, stream: Stream) -> None:
        kind = stream.type
        if kind not in ("audio", "subtitle"):
            log.warning("%s: its %s track is not copied", self._path.name, kind)
            return
        name = stream.codec_context.codec.canonical_name
        try:
            copy = self._target.add_stream_from_template(stream, opaque=True)
        except (ValueError, av.FFmpegError) as error:
            holder = Path(self._target.name).suffixes[-2]
            if kind == "audio":
                raise OutputError(
                    f"a {holder} file can not hold the {name} audio of {self._path.name}; "
                    "write .mkv, or set audio=drop"
                ) from error
            log.warning("%s: a %s file can not hold its %s subtitles", self._path, holder, name)
            return
        copy.metadata.update(current_tags(stream.metadata))
        copy.disposition = stream.disposition
        self._pairs[stream.index] = copy

    def _demux(self) -> Iterator[Packet[Stream]]:
        if not self._pairs:
            return
        streams = [self._source.streams[index] for index in self._pairs]
        try:
            for packet in self._source.demux(streams):
                if packet.size:
                    if packet.dts is None:  # nothing is reordered in audio and subtitles
                        packet.dts = packet.pts
                    yield packet
        except av.FFmpegError as error:
            raise VideoError(f"{self._path} is damaged: {error}") from error

    def copy_until(self, time_s: float) -> None:
        """Copy every packet that starts before ``time_s``."""
        while True:
            packet = self._next or next(self._packets, None)
            if packet is None:
                return
            if float((packet.dts or 0) * packet.time_base) >= time_s:
                self._next = packet
                return
            self._next = None
            packet.stream = self._pairs[packet.stream_index]
            self._target.mux(packet)

    def close(self) -> None:
        """Release the source."""
        self._source.close()


def current_tags(metadata: dict[str, str]) -> dict[str, str]:
    """Return metadata without what describes the old file or its encoder."""
    return {
        key: value
        for key, value in metadata.items()
        if key.lower() not in _STALE_TAGS
        and not key.upper().startswith(("_STATISTICS", "NUMBER_OF_", "BPS"))
    }
