"""A track of sound or subtitles that is copied."""

from __future__ import annotations

from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.packet import Packet
from av.stream import Stream

from outtake.video.read.probe import VideoInfo, open_container
from outtake.video.write.audio_encoder import set_missing_layout
from outtake.video.write.matroska_wma import add_wma_track, is_wma


class CopiedTrack:
    """A track whose packets go into the target bit for bit.

    Args:
        info: The source.
        source: The track that is read.
        target: The container, whose header is not written yet.

    Attributes:
        stream: The new track.

    Raises:
        av.FFmpegError, ValueError: The container does not take the track.
    """

    def __init__(self, info: VideoInfo, source: Stream, target: OutputContainer) -> None:
        if source.codec_context is None:
            raise ValueError("FFmpeg does not know this codec")
        self.stream: Stream
        if is_wma(source) and target.format.name == "matroska":
            packet_bytes = _first_packet_bytes(info, source.index)
            self.stream = add_wma_track(target, source, packet_bytes)
        else:
            self.stream = target.add_stream_from_template(source, opaque=True)
        if isinstance(self.stream, AudioStream):
            set_missing_layout(self.stream.codec_context)

    def convert(self, packet: Packet[Stream]) -> list[Packet[Stream]]:
        """Return the packet as one of the new track."""
        packet.stream = self.stream
        return [packet]

    def flush(self) -> list[Packet[Stream]]:
        """Return nothing: no packet is held back."""
        return []


def _first_packet_bytes(info: VideoInfo, index: int) -> int:
    with open_container(info.address or info.path) as source:
        packets = source.demux(source.streams[index])
        return next((packet.size for packet in packets if packet.size), 0)
