"""Read the frames of a stream or a camera as they come."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from types import TracebackType
from typing import Self

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from outtake.core.errors import VideoError
from outtake.core.types import TimedFrame
from outtake.video.interlacing import FieldChoice, make_progressive, mark_fields
from outtake.video.read.frame_selection import FrameFilter, FrameSelection
from outtake.video.read.frame_watcher import FrameWatcher
from outtake.video.read.open_media import check_header, find_video_stream
from outtake.video.read.picture_decoder import PictureDecoder
from outtake.video.read.probe import VideoInfo, describe_video
from outtake.video.read.reader import to_timed_frame
from outtake.video.read.safety_limits import SafetyLimits
from outtake.video.read.stream_address import ffmpeg_reason, redact_address, timeout_error
from outtake.video.read.timestamps import TimestampTracker

log = logging.getLogger(__name__)


class StreamReader:
    """A stream or camera as an iterable of frames; it can be read once.

    A reader that joins a stream finds a group of pictures half over, and a packet may be lost on
    the way: such frames are left out, and one line at the end says how many. It ends where the
    stream or the selection ends.

    Args:
        address: The address, for messages.
        container: The open stream; it is closed on leaving.
        selection: The frames that are yielded; ``start`` and ``end`` count from the first one.
        limits: Bounds on the frame size and on the waiting time for a frame.
        high_bit_depth: Whether frames have 16 bits per component beside the 8, if the source has
            more than 8.
        deinterlace: Whether interlaced frames become progressive.
        fields: Which field of each frame comes first, or whether there are none; ``auto`` is what
            the stream says.

    Attributes:
        info: The description of the stream, known once its first frame has come.

    Raises:
        VideoError: No picture comes in time, the size changes, or time jumps back.
    """

    def __init__(
        self,
        address: str,
        container: InputContainer,
        *,
        selection: FrameSelection | None = None,
        limits: SafetyLimits | None = None,
        high_bit_depth: bool = True,
        deinterlace: bool = False,
        fields: FieldChoice = "auto",
    ) -> None:
        self._address = address
        self._container = container
        self._limits = limits or SafetyLimits()
        self._selection = selection or FrameSelection()
        self._lost_packets = 0
        try:
            stream = find_video_stream(container, address)
            check_header(address, stream, self._limits)
            stream.thread_type = "SLICE"  # frame threads would hold frames back
            self._decoder = PictureDecoder(stream)
            self._frames = self._decode_frames(stream)
            if fields in ("tff", "bff"):
                self._frames = mark_fields(self._frames, fields)
            if deinterlace:
                self._frames = make_progressive(self._frames)
            first = next(self._frames, None)
            if first is None:
                raise VideoError(f"{redact_address(address)} holds no frame")
            self._first: av.VideoFrame | None = first
            info = describe_video(address, container, stream, first, self._limits)
            if fields == "none":
                info = replace(info, field_order=None)
            self._origin = first.pts or 0
            self._first_s = self._origin * info.time_base
            self._whole_info = replace(info, origin_s=self._first_s)
            self.info: VideoInfo = self._selection.apply_to(
                self._whole_info, Fraction(0), self._limits
            )
        except BaseException:
            container.close()
            raise
        self._high_bit_depth = high_bit_depth and self.info.bit_depth > 8
        if self.info.has_audio:
            log.warning("%s: the sound of a live stream is not recorded", self.info.path)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._container.close()

    def __iter__(self) -> Iterator[TimedFrame]:
        first, self._first = self._first, None
        if first is None:
            raise VideoError(f"{self.info.path} is live and can be read only once")
        clock = TimestampTracker(self._whole_info, self._first_s)
        frame_filter = FrameFilter(self._selection, self._first_s, self._limits, self._whole_info)
        watcher = FrameWatcher(self._whole_info)
        frame: av.VideoFrame | None = first
        while frame is not None:
            watcher.check_frame(frame, clock.time_s)
            watcher.check_aspect(self._decoder.sample_aspect_ratio, clock.time_s)
            pts = clock.add_frame(frame, frame.pts)
            if frame_filter.is_past_end(pts * clock.time_base):
                break
            if frame_filter.accepts(pts * clock.time_base):
                yield to_timed_frame(
                    frame, pts - self._origin, self.info, high_bit_depth=self._high_bit_depth
                )
            frame = next(self._frames, None)
        if self._lost_packets:
            log.warning("%s: %d damaged packets were left out", self.info.path, self._lost_packets)
        frame_filter.check_not_empty(clock.length_s)

    def digest(self) -> str:
        """Return an empty text: a live stream cannot be read again."""
        return ""

    def _decode_frames(self, stream: VideoStream) -> Iterator[av.VideoFrame]:
        """Yield the frames that can be decoded; sound without a picture counts as silence."""
        heard_s = time.monotonic()
        packets = self._container.demux()
        while True:
            try:
                packet = next(packets, None)
            except av.ExitError as error:
                raise timeout_error(self._address, self._limits) from error
            except (av.FFmpegError, EOFError) as error:
                raise VideoError(
                    f"{redact_address(self._address)} broke off: {ffmpeg_reason(error)}"
                ) from error
            if packet is None:
                return
            if packet.stream.index == stream.index:
                for frame in self._decode_packet(packet):
                    yield frame
                    heard_s = time.monotonic()
            if time.monotonic() - heard_s > self._limits.timeout_s:
                raise timeout_error(self._address, self._limits)

    def _decode_packet(self, packet: av.Packet) -> list[av.VideoFrame]:
        try:
            frames = [frame for frame in self._decoder.decode(packet) if not frame.is_corrupt]
        except (av.FFmpegError, EOFError):
            frames = []
            self._lost_packets += 1
        return frames
