"""PCM that is copied into MP4 or MOV: gaps in it are filled, and what is too much is cut off."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import av
from av.audio.stream import AudioStream
from av.packet import Packet

# Times of other containers are rounded. Sound that is early by less is not noticed.
_MAX_JITTER_S = 0.04
# Of unsigned samples and of G.711; all others are 0.
_SILENCE = {"pcm_u8": b"\x80", "pcm_alaw": b"\xd5", "pcm_mulaw": b"\xff"}


class PcmFitter:
    """Keeps the samples of a copied track at their times, where the muxer counts them alone.

    FFmpeg's muxer for MP4 and MOV lets the samples of PCM follow each other, whatever the times of
    its packets. So a gap is filled with silence, and of samples that overlap those before them the
    beginning is left out.

    Args:
        stream: The new track.

    Attributes:
        silence_s: How many seconds of silence were added.
        cut_s: How many seconds of sound were left out.
    """

    def __init__(self, stream: AudioStream) -> None:
        name, context = stream.codec_context.codec.canonical_name, stream.codec_context
        bits = re.search(r"\d+", name)
        self._sample_bytes = context.layout.nb_channels * (int(bits[0]) if bits else 8) // 8
        self._rate = context.sample_rate
        self._silence = _SILENCE.get(name, b"\0") * self._sample_bytes
        self._end: int | None = None
        self.silence_s = self.cut_s = 0.0

    def fit(self, packet: Packet[Any]) -> Iterator[Packet[Any]]:
        """Yield what is muxed for a packet: silence before it, and what of it is not too early."""
        assert packet.dts is not None and packet.time_base
        start = round(packet.dts * packet.time_base * self._rate)
        gap = 0 if self._end is None else start - self._end
        if self._end is None:
            self._end = start
        if gap > _MAX_JITTER_S * self._rate:
            self.silence_s += gap / self._rate
            while self._end < start:  # a second each, so that memory stays small
                samples = min(start - self._end, self._rate)
                yield self._make_packet(self._silence * samples, packet)
        elif gap < -_MAX_JITTER_S * self._rate:
            kept = bytes(packet)[-gap * self._sample_bytes :]
            self.cut_s += (packet.size - len(kept)) / self._sample_bytes / self._rate
            if kept:
                yield self._make_packet(kept, packet)
            return
        yield self._place(packet)

    def _make_packet(self, data: bytes, like: Packet[Any]) -> Packet[Any]:
        made: Packet[Any] = av.Packet(data)
        made.stream, made.time_base = like.stream, like.time_base
        return self._place(made)

    def _place(self, packet: Packet[Any]) -> Packet[Any]:
        """Return a packet as one that begins where the samples before it end."""
        assert self._end is not None and packet.time_base
        samples = packet.size // self._sample_bytes
        packet.pts = packet.dts = round(self._end / self._rate / packet.time_base)
        packet.duration = round(samples / self._rate / packet.time_base)
        self._end += samples
        return packet


def needs_fitting(container: str, stream: object) -> bool:
    """Return whether a copied track is PCM, G.711 included, in MP4 or MOV."""
    return (
        container in ("mp4", "mov")
        and isinstance(stream, AudioStream)
        and stream.codec_context.codec.canonical_name.startswith("pcm_")
    )
