"""Encode sound again, where a container does not take it as it is."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal

import av
import numpy as np
from av.audio.codeccontext import AudioCodecContext
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.packet import Packet
from av.stream import Stream

# What encode.audio takes: copied where it goes, copied or refused, one codec, or left out.
AudioChoice = Literal["auto", "copy", "aac", "opus", "flac", "mp3", "ac3", "none"]

# FFmpeg's layout for a number of channels, where a file does not say which loudspeakers they are.
_DEFAULT_LAYOUTS = {
    1: "mono", 2: "stereo", 3: "2.1", 4: "4.0", 5: "5.0", 6: "5.1", 7: "6.1", 8: "7.1",
}  # fmt: skip
_UNSPECIFIED = " channels"  # FFmpeg's name of a layout that is only a number
_BIT_RATE_PER_CHANNEL = 96_000
# Times of sound are rounded, in ASF to those of whole blocks; a wider step is a gap.
_MAX_JITTER_S = 0.1


@dataclass(frozen=True, slots=True)
class AudioCodec:
    """A codec in which sound is encoded.

    Attributes:
        encoder: FFmpeg's encoder.
        layouts: The layout that is encoded, by the number of channels; more are mixed down.
        lossless: Whether every sample is kept.
    """

    encoder: str
    layouts: dict[int, str]
    lossless: bool = False


_SURROUND = {1: "mono", 2: "stereo", 3: "3.0", 4: "4.0", 5: "5.0", 6: "5.1"}
AUDIO_CODECS = {
    "aac": AudioCodec("aac", _SURROUND | {8: "7.1"}),
    "opus": AudioCodec("libopus", _SURROUND | {4: "quad", 7: "6.1", 8: "7.1"}),
    "flac": AudioCodec("flac", _SURROUND | {4: "quad", 7: "6.1", 8: "7.1"}, lossless=True),
    "mp3": AudioCodec("libmp3lame", {1: "mono", 2: "stereo"}),
    "ac3": AudioCodec("ac3", _SURROUND),
}
# What the automatic choice encodes, by container: the codec that its players know.
_AUTOMATIC_CODECS = {"mp4": "aac", "mov": "aac", "matroska": "aac", "webm": "opus"}


def automatic_codec(container: str, source_codec: str) -> str:
    """Return the codec for sound that a container does not take as it is.

    Args:
        container: FFmpeg's name of the container.
        source_codec: FFmpeg's name of the sound's codec.
    """
    if container == "matroska" and source_codec.startswith("pcm_"):
        return "flac"  # nothing is lost
    return _AUTOMATIC_CODECS[container]


def set_missing_layout(context: AudioCodecContext) -> None:
    """Name the loudspeakers of sound whose file gives only their number, as PCM in AVI does."""
    layout = context.layout
    if layout.name.endswith(_UNSPECIFIED) and layout.nb_channels in _DEFAULT_LAYOUTS:
        context.layout = _DEFAULT_LAYOUTS[layout.nb_channels]


class AudioTrackEncoder:
    """Decodes the packets of a sound track and encodes them as a new track of a container.

    Samples follow each other without a seam; where the source has a gap, the target has it too, and
    where it has more samples than its times allow, those that are too many are left out.

    Args:
        source: The track that is read; its packets are decoded here alone.
        target: The container, whose header is not written yet.
        codec: The new codec.

    Attributes:
        stream: The new track.
        undecodable: The number of packets that could not be decoded.
        cut_s: How many seconds of samples were left out.
        moved: The number of times that the source's clock went back; what comes after follows what
            came before, until the clock is right again.

    Raises:
        av.FFmpegError, ValueError: The encoder is not there, the container does not take it, or
            FFmpeg does not know the codec of the source.
    """

    def __init__(self, source: AudioStream, target: OutputContainer, codec: AudioCodec) -> None:
        if source.codec_context is None:
            raise ValueError("FFmpeg does not know this codec")
        set_missing_layout(source.codec_context)
        source.codec_context.flush_buffers()
        self._source = source
        self.undecodable = 0
        self.cut_s = 0.0
        self.moved = 0
        context = source.codec_context
        stream = target.add_stream(codec.encoder, rate=_choose_rate(codec, context.sample_rate))
        assert isinstance(stream, AudioStream)
        self.stream = stream
        fitting = [count for count in codec.layouts if count <= max(context.channels, 1)]
        channels = max(fitting)
        stream.codec_context.layout = codec.layouts[channels]
        if codec.lossless:
            deep = context.format is not None and context.format.bytes > 2
            stream.codec_context.format = "s32" if deep else "s16"
        else:
            stream.codec_context.bit_rate = channels * _BIT_RATE_PER_CHANNEL
        self._resampler: AudioResampler | None = None
        self._kind: tuple[str, str, int] | None = None
        self._next_sample: int | None = None
        self._last_s = Fraction(0)  # the time of the last frame by the source
        self._shift_s = Fraction(0)  # what is added to it, where the source's clock went back

    def convert(self, packet: Packet[Stream]) -> list[Packet[AudioStream]]:
        """Return the packets that a packet of the source makes; times are those of the source."""
        return [made for frame in self._decode(packet) for made in self._encode(frame)]

    def _decode(self, packet: Packet[Stream] | None) -> list[AudioFrame]:
        try:
            return self._source.decode(packet)
        except av.FFmpegError:  # each decoder has its own for damage
            self.undecodable += packet is not None
            return []

    def flush(self) -> list[Packet[AudioStream]]:
        """Return what decoder and encoder still hold back."""
        made = [made for frame in self._decode(None) for made in self._encode(frame)]
        made += self._drain_resampler()
        return [*made, *self.stream.encode(None)]

    def _encode(self, frame: AudioFrame) -> list[Packet[AudioStream]]:
        kind = (frame.format.name, frame.layout.name, frame.sample_rate)
        made = []
        if kind != self._kind:  # broadcasts change from stereo to surround and back
            made = self._drain_resampler()
            context = self.stream.codec_context
            self._resampler = AudioResampler(context.format, context.layout, context.sample_rate)
            if self._kind and self._kind[2] != kind[2]:
                self._next_sample = None
            self._kind = kind
        placed = self._place(frame)
        assert self._resampler is not None
        for resampled in self._resampler.resample(placed) if placed else ():
            made += self.stream.encode(resampled)
        return made

    def _drain_resampler(self) -> list[Packet[AudioStream]]:
        if self._resampler is None:
            return []
        rest = self._resampler.resample(None)
        return [made for frame in rest if frame for made in self.stream.encode(frame)]

    def _place(self, frame: AudioFrame) -> AudioFrame | None:
        """Give a frame the time at which the last one ended, unless it comes clearly later.

        If it comes clearly earlier, as where a recorder's clock was slow, its beginning is cut off
        to the time at which the last one ended; None if nothing remains.
        """
        rate = frame.sample_rate
        if frame.pts is not None and frame.time_base:
            start = self._start_s(frame.pts * frame.time_base, rate) * rate
            ahead = 0 if self._next_sample is None else self._next_sample - round(start)
            if self._next_sample is None or ahead < -_MAX_JITTER_S * rate:
                self._next_sample = round(start)
            elif ahead > _MAX_JITTER_S * rate:
                self.cut_s += min(ahead, frame.samples) / rate
                if ahead >= frame.samples:
                    return None
                frame = _cut_beginning(frame, ahead)
        frame.pts = self._next_sample = self._next_sample or 0
        frame.time_base = Fraction(1, rate)
        self._next_sample += frame.samples
        return frame

    def _start_s(self, time_s: Fraction, rate: int) -> Fraction:
        """Return when a frame starts; if the source's clock goes back, it follows the last one."""
        if self._next_sample is not None:
            end_s = Fraction(self._next_sample, rate)
            if time_s < self._last_s - _MAX_JITTER_S:
                self._shift_s = end_s - time_s
                self.moved += 1
            elif time_s >= end_s - _MAX_JITTER_S:
                self._shift_s = Fraction(0)  # the clock is right again
        self._last_s = time_s
        return time_s + self._shift_s


def _cut_beginning(frame: AudioFrame, samples: int) -> AudioFrame:
    """Return a frame without its first samples."""
    first = samples if frame.format.is_planar else samples * frame.layout.nb_channels
    kept: Any = np.ascontiguousarray(frame.to_ndarray()[:, first:])
    made = AudioFrame.from_ndarray(kept, format=frame.format.name, layout=frame.layout.name)
    made.sample_rate = frame.sample_rate
    return made


def _choose_rate(codec: AudioCodec, rate: int) -> int:
    """Return the sample rate that an encoder takes and that loses least."""
    rates: list[int] = sorted(av.Codec(codec.encoder, "w").audio_rates or [])
    if not rates or rate in rates:
        return rate
    return next((higher for higher in rates if higher >= rate), rates[-1])
