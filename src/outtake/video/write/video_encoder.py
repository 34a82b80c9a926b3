"""Encode pictures into packets."""

from __future__ import annotations

import os
from fractions import Fraction

import av
import cv2
from av.container import OutputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from outtake.core.cpu import restore_scheduling
from outtake.core.errors import OutputError
from outtake.core.types import TimedFrame
from outtake.video.colour import FULL_RANGE, LIMITED_RANGE
from outtake.video.interlacing import CONTAINER_FIELD_ORDER, FieldMarker
from outtake.video.read.probe import VideoInfo
from outtake.video.stored_picture import is_unchanged, make_encoder_frame
from outtake.video.write.codecs import Codec, encoder_frame_rates
from outtake.video.write.encoding_plan import Encoding

# x264 and FFmpeg's MPEG-2 write other bits with another number of threads. Fixed, every machine and
# every start of the same job agree; more would help only where encoding is not what takes the time.
_X264_THREADS = 4
_X264_THREADS_LARGE = 8
_FIXED_THREADS = ("libx264", "mpeg2video")
_LARGE_FRAME_PX = 1920 * 1088
# Its AVX-512 code for macroblock-tree rate control reads memory that nothing has written, for some
# widths: what it writes is left to chance. With AVX2 it is as fast, and all machines agree.
_X264_DETERMINISTIC = "asm=avx2"
_AVX2 = 11  # CV_CPU_AVX2


class VideoTrackEncoder:
    """A video track of an open container, and the encoder that fills it.

    Args:
        container: The container to which the track is added; its header is not written yet.
        encoding: The codec and its options.
        info: The source: rate, time base, pixel aspect and colours.
        width: The width of the frames in pixels.
        height: The height of the frames in pixels.
    """

    def __init__(
        self,
        container: OutputContainer,
        encoding: Encoding,
        info: VideoInfo,
        width: int,
        height: int,
    ) -> None:
        if encoding.codec.encoder == "libsvtav1":
            os.environ.setdefault("SVT_LOG", "1")  # it greets every job with twenty lines
        self.colour = info.colour.for_yuv(width, height)
        self.pix_fmt = encoding.pix_fmt(width, height)
        self._copy_unchanged = self.colour == info.colour
        self._high_bit_depth = encoding.bit_depth > 8
        self._time_base = info.time_base
        options = dict(encoding.options)
        if encoding.codec.encoder == "libx264" and cv2.checkHardwareSupport(_AVX2):
            given = options.get("x264-params")
            options["x264-params"] = ":".join(filter(None, (_X264_DETERMINISTIC, given)))
        if encoding.codec.encoder == "ffv1" and width % 2 + height % 2:
            options.pop("slices")  # four do not fit each odd size of 4:2:0; it finds a number
        rate = coded_frame_rate(encoding.codec, info)
        stream = container.add_stream(encoding.codec.encoder, rate=rate, options=options)
        assert isinstance(stream, VideoStream)
        self.stream = stream
        context = stream.codec_context
        context.width, context.height, context.pix_fmt = width, height, self.pix_fmt
        # The times of frames that the encoder counts; None where it is told them.
        self._counted: list[int] | None = [] if encoding.codec.fixed_rates else None
        self._encoder_time_base = 1 / rate if encoding.codec.fixed_rates else info.time_base
        context.time_base = self._encoder_time_base
        context.thread_type = "AUTO"
        if encoding.codec.encoder in _FIXED_THREADS:
            large = width * height > _LARGE_FRAME_PX
            context.thread_count = _X264_THREADS_LARGE if large else _X264_THREADS
        if encoding.alpha:
            stream.metadata["alpha_mode"] = "1"
        self._fields = FieldMarker(encoding.field_order) if encoding.field_order else None
        tag_video_stream(stream, info, self.pix_fmt)
        if encoding.codec.encoder == "libsvtav1":
            # Opened by root it makes its threads, and the one that opens it, real-time.
            with restore_scheduling():
                context.open()

    def encode(self, frame: TimedFrame, pts: int) -> list[Packet[VideoStream]]:
        """Encode a frame at a time in units of the source's time base."""
        return self.encode_made(self.make_frame(frame, pts))

    def make_frame(self, frame: TimedFrame, pts: int) -> av.VideoFrame:
        """Return a frame as the encoder takes it."""
        encoded = make_encoder_frame(
            frame,
            self.pix_fmt,
            self.colour,
            high_bit_depth=self._high_bit_depth,
            copy=self._copy_unchanged,
        )
        encoded.pts, encoded.time_base = pts, self._time_base
        return encoded

    def is_unchanged(self, frame: TimedFrame) -> bool:
        """Return whether :meth:`make_frame` gives the very samples that the source stores."""
        deep = self._high_bit_depth
        return self._copy_unchanged and is_unchanged(frame, self.pix_fmt, high_bit_depth=deep)

    def encode_made(self, made: av.VideoFrame, pts: int | None = None) -> list[Packet[VideoStream]]:
        """Encode a frame that :meth:`make_frame` made, perhaps at another time."""
        if pts is not None:
            made.pts, made.time_base = pts, self._time_base
        if self._counted is not None:
            self._counted.append(made.pts or 0)
            made.pts, made.time_base = len(self._counted) - 1, self._encoder_time_base
        return self._with_times(
            self.stream.encode(self._fields.mark(made) if self._fields else made)
        )

    def flush(self) -> list[Packet[VideoStream]]:
        """Return the packets that the encoder still holds back."""
        return self._with_times(self.stream.encode(None))

    def _with_times(self, packets: list[Packet[VideoStream]]) -> list[Packet[VideoStream]]:
        """Give packets of counted frames the times of these."""
        for packet in packets if self._counted is not None else ():
            assert self._counted is not None and packet.pts is not None
            packet.pts = packet.dts = self._counted[packet.pts]
            packet.time_base = self._time_base
        return packets


def nominal_frame_rate(info: VideoInfo) -> Fraction:
    """Return frames per second as containers store them; players go by the times of frames."""
    return info.fps.limit_denominator(1001) or Fraction(1, 1001)


def coded_frame_rate(codec: Codec, info: VideoInfo) -> Fraction:
    """Return the frame rate that the encoder is told: the nearest of those that it knows."""
    rate = nominal_frame_rate(info)
    known = encoder_frame_rates(codec.encoder) if codec.fixed_rates else ()
    return min(known, key=lambda each: abs(each - rate), default=rate)


def tag_video_stream(stream: VideoStream, info: VideoInfo, pix_fmt: str) -> None:
    """Set the source's pixel aspect, colours and order of fields on a track."""
    context = stream.codec_context
    colour = info.colour.for_yuv(context.width, context.height)
    context.sample_aspect_ratio = info.sample_aspect_ratio
    context.color_primaries = colour.primaries
    context.color_trc = colour.transfer
    if info.field_order:
        context.field_order = CONTAINER_FIELD_ORDER[info.field_order]
    if not av.VideoFormat(pix_fmt).is_rgb:
        context.colorspace = colour.matrix
        context.color_range = FULL_RANGE if colour.full_range else LIMITED_RANGE


def explain_encoder_error(error: Exception, encoding: Encoding) -> OutputError | None:
    """Return what an encoder's failure to open means for the user, if that is known."""
    if encoding.codec.gpu and "avcodec_open2" in str(error):
        plain = {"h264_nvenc": "h264", "hevc_nvenc": "h265", "av1_nvenc": "av1"}[encoding.name]
        return OutputError(
            f"encode.codec={encoding.name} cannot be opened here: it needs an NVIDIA GPU with "
            "NVENC and "
            f"its driver; use encode.codec={plain}"
        )
    chosen = [f"encode.{key}={value}" for key, value in encoding.limits.items() if value]
    if chosen and isinstance(error, ValueError | av.FFmpegError):
        return OutputError(
            f"encode.codec={encoding.name} does not open with {' and '.join(chosen)} for "
            f"{encoding.pix_fmt(2, 2)}; leave them null"
        )
    return None
