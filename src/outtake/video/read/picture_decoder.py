"""Decode the pictures of a track from its packets."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import av
from av.container import InputContainer
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from outtake.video.read.container_crop import PictureCropper, find_shown_part

# FFmpeg's own decoders of these drop alpha, which WebM keeps beside the picture and says so.
_DECODERS_WITH_ALPHA = {"vp8": "libvpx", "vp9": "libvpx-vp9"}


class PictureDecoder:
    """Decodes the packets of a video track in their order, with their alpha.

    Frames are cropped to the part that the container shows.

    Args:
        stream: The track; its own decoder is used where that keeps alpha.
    """

    def __init__(self, stream: VideoStream) -> None:
        own = stream.codec_context
        name = _DECODERS_WITH_ALPHA.get(own.codec.canonical_name)
        said = {key.lower(): value for key, value in stream.metadata.items()}.get("alpha_mode")
        self._decoder = own
        if name is not None and said == "1" and name in av.codecs_available:
            decoder = av.CodecContext.create(name, "r")
            assert isinstance(decoder, VideoCodecContext)
            decoder.options, decoder.thread_count = dict(own.options), own.thread_count
            decoder.color_range, decoder.colorspace = own.color_range, own.colorspace
            decoder.color_primaries, decoder.color_trc = own.color_primaries, own.color_trc
            self._decoder = decoder
        part = find_shown_part(stream)
        self._cropper = None if part is None else PictureCropper(part)

    @property
    def sample_aspect_ratio(self) -> Fraction:
        """Width over height of the pixels that the track codes by now; 1 if it does not say."""
        return self._decoder.sample_aspect_ratio or Fraction(1)

    def decode(self, packet: av.Packet[VideoStream]) -> list[av.VideoFrame]:
        """Return the frames that a packet completes.

        An empty one ends the track, except where it has a time: it says that the last frame is
        shown on, in Ogg and NUT, and a decoder would take it for the end.
        """
        if not packet.size and packet.dts is not None:
            return []
        # The empty packet and not None at the end: the last frames would lack their time base.
        frames = self._decoder.decode(packet)
        return frames if self._cropper is None else [*map(self._cropper.crop, frames)]


def decode_track(container: InputContainer, stream: VideoStream) -> Iterator[av.VideoFrame]:
    """Yield the frames of a track from where the container is, with their alpha."""
    decoder = PictureDecoder(stream)
    for packet in container.demux(stream):
        yield from decoder.decode(packet)
