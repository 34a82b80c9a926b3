"""Read the frames of a video file, one at a time."""

from __future__ import annotations

import hashlib
import logging
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from copy import copy
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Self

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from outtake.core.errors import VideoError
from outtake.core.types import TimedFrame
from outtake.video.colour import to_rgb, to_rgb16
from outtake.video.interlacing import FieldChoice, make_progressive, mark_fields
from outtake.video.read.check_truncation import check_not_truncated, last_frame_duration
from outtake.video.read.frame_selection import FrameFilter, FrameSelection
from outtake.video.read.frame_watcher import FrameWatcher
from outtake.video.read.inputs import sha256_of_input
from outtake.video.read.open_media import check_header, find_video_stream, open_container
from outtake.video.read.picture_decoder import PictureDecoder
from outtake.video.read.probe import VideoInfo, probe_with_start
from outtake.video.read.safety_limits import SafetyLimits
from outtake.video.read.stream_address import ffmpeg_reason, timeout_error
from outtake.video.read.time_table import TimeTable
from outtake.video.read.timestamps import REORDERING_CODECS, PresentationTimes, TimestampTracker
from outtake.video.stored_picture import keep_stored_picture

# In these codecs a packet is one shown frame, so a packet without its frame is a lost frame. Others
# have hidden packets (VP8), or packets that repeat a frame (MPEG-4 in AVI).
FRAME_PER_PACKET = {
    "h264", "hevc", "av1", "mjpeg", "prores", "ffv1", "dnxhd", "png", "huffyuv", "ffvhuff",
    "utvideo", "rawvideo", "v210", "qtrle", "mpeg1video", "mpeg2video",
}  # fmt: skip

# A start after this is reached by seeking to a key frame some time before it: what is incomplete
# right after a key frame (open groups of pictures, refresh in stripes) is complete by then.
_SEEK_MIN_START_S = 20
# Seeking goes by the time of decoding, and a key frame may be shown some frames after that: the
# second margin then leads to the one before it.
_SEEK_MARGINS_S = 5, 8

log = logging.getLogger(__name__)


class VideoReader:
    """A video file as an iterable of frames, each with its own time; never a silent short read.

    Frames are RGB, turned as they are to be shown, and decoded one by one. Enter it to open the
    file; each iteration starts at the first frame.

    Args:
        source: The file, or the address of a stream that has an end.
        selection: The frames that are yielded; all by default.
        limits: Bounds on what the file may ask for.
        high_bit_depth: Whether frames have 16 bits per component beside the 8, if the source has
            more than 8.
        deinterlace: Whether interlaced frames become progressive.
        fields: Which field of each frame comes first, or whether there are none; ``auto`` is what
            the file says.
        refuses_alpha: Whether a frame that is transparent anywhere is refused.

    Attributes:
        info: The description of the selected part.

    Raises:
        VideoError: On entering, as :func:`outtake.video.read.probe.probe`; in an
            iteration, for damage in the middle, a size that changes, alpha that is refused, or an
            empty selection. The frames yielded before it are good.
    """

    def __init__(
        self,
        source: str | Path,
        *,
        selection: FrameSelection | None = None,
        limits: SafetyLimits | None = None,
        high_bit_depth: bool = True,
        deinterlace: bool = False,
        fields: FieldChoice = "auto",
        refuses_alpha: bool = False,
    ) -> None:
        self._source = source
        self._deinterlace, self._fields = deinterlace, fields
        self._selection = selection or FrameSelection()
        self._limits = limits or SafetyLimits()
        whole_info, self._first_s = probe_with_start(source, self._limits)
        if fields != "auto":
            order = None if fields == "none" else fields
            whole_info = replace(whole_info, field_order=order)
        if deinterlace:
            whole_info = replace(whole_info, field_order=None, deinterlaced=True)
        self._whole_info = whole_info
        self.path = self._whole_info.path
        self._watcher = FrameWatcher(
            whole_info,
            expects_fields=deinterlace or fields != "auto",
            refuses_alpha=refuses_alpha,
        )
        self._origin = int(self._whole_info.origin_s / self._whole_info.time_base)
        self.info: VideoInfo = self._selection.apply_to(
            self._whole_info, self._first_s - self._whole_info.origin_s, self._limits
        )
        self._high_bit_depth = high_bit_depth and self.info.bit_depth > 8
        self._initial_state = _file_state(self.path)
        self._containers: list[InputContainer] = []

    def select(self, selection: FrameSelection) -> VideoReader:
        """Return a reader of other frames of the file, which is not looked at again for it.

        Raises:
            VideoError: The selection leaves nothing.
        """
        other = copy(self)
        other._selection, other._containers = selection, []
        other.info = selection.apply_to(
            self._whole_info, self._first_s - self._whole_info.origin_s, self._limits
        )
        return other

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        while self._containers:
            self._containers.pop().close()

    def __iter__(self) -> Iterator[TimedFrame]:
        for picture, pts, hold in self._read_selected():
            frame = to_timed_frame(picture, pts, self.info, high_bit_depth=self._high_bit_depth)
            yield frame if hold is None else replace(frame, last_frame_duration=hold)

    def decode_times(self) -> Iterator[Fraction]:
        """Yield when each frame is shown, in seconds; pictures are decoded and not converted."""
        for _, pts, _ in self._read_selected():
            yield pts * self.info.time_base

    def _read_selected(self) -> Iterator[tuple[av.VideoFrame, int, int | None]]:
        """Yield the selected pictures as they are stored, with their times in the clip.

        The third value is the time for which the last one is shown, if known.
        """
        if (self._selection.start_s or 0) > _SEEK_MIN_START_S:
            part = self._read_pictures(seek=True)
            try:
                first = next(part, None)
            except VideoError:
                first = None  # perhaps only for want of what lies before: read all of it
            if first is not None:
                yield first
                yield from part
                return
        yield from self._read_pictures(seek=False)

    def _read_pictures(self, *, seek: bool) -> Iterator[tuple[av.VideoFrame, int, int | None]]:
        container, stream = self._open_video()
        expected = len(stream.index_entries) if "mov" in container.format.name else 0
        min_time_s: Fraction | None = None
        if seek:
            min_time_s = self._first_s + (self._selection.start_s or 0)
            skipped_packets = _seek_to_key_frame_before(container, stream, min_time_s)
            if skipped_packets is None:
                return
            expected = max(expected - skipped_packets, 0)
        times = PresentationTimes(container, stream)
        table = TimeTable() if expected else None
        clock = TimestampTracker(self._whole_info, self._first_s, times, table)
        frame_filter = FrameFilter(self._selection, self._first_s, self._limits, self._whole_info)
        # Until it is known whether it is the last.
        pending: tuple[av.VideoFrame, int] | None = None
        end: int | None = None
        try:
            packets = times.read_ahead(container.demux(stream))
            for frame, pts in self._decode_timed(packets, stream, clock, min_time_s):
                if frame_filter.is_past_end(pts * clock.time_base):
                    clock.check_complete(before=pts)
                    end = pts
                    break
                if frame_filter.accepts(pts * clock.time_base):
                    if pending is not None:
                        yield (*pending, None)
                    pending = frame, pts - self._origin
            else:
                self._check_unchanged(clock)
                hold = last_frame_duration(container, stream, clock, self._first_s)
                check_not_truncated(container, stream, clock, expected, hold)
                end = None if hold is None else clock.last_pts + hold
        except VideoError:
            if pending is not None:
                yield (*pending, None)
            raise
        if pending is not None:
            picture, pts = pending
            yield picture, pts, self._last_duration(pts, end)
        frame_filter.check_not_empty(clock.length_s)

    def _decode_timed(
        self,
        packets: Iterator[av.Packet[VideoStream]],
        stream: VideoStream,
        clock: TimestampTracker,
        min_time_s: Fraction | None,
    ) -> Iterator[tuple[av.VideoFrame, int]]:
        """Yield decoded frames from a time on, each with its own time."""
        times: deque[int | None] = deque()
        frames = self._checked_frames(packets, stream, clock, min_time_s, times)
        if self._fields in ("tff", "bff"):
            frames = mark_fields(frames, self._fields)
        for frame in make_progressive(frames) if self._deinterlace else frames:
            yield frame, clock.add_frame(frame, times.popleft())

    def _checked_frames(
        self,
        packets: Iterator[av.Packet[VideoStream]],
        stream: VideoStream,
        clock: TimestampTracker,
        min_time_s: Fraction | None,
        times: deque[int | None],
    ) -> Iterator[av.VideoFrame]:
        """Yield decoded frames from a time on, and add the time of each to ``times``."""
        for frame in self._decode_frames(packets, stream, clock):
            own_pts = clock.time_of_frame(frame)
            if min_time_s is not None and (own_pts or 0) * clock.time_base < min_time_s:
                continue  # it may lack what it refers to
            if frame.is_corrupt:
                raise self._damaged_error(clock, "a frame cannot be decoded")
            self._watcher.check_frame(frame, clock.time_s)
            times.append(own_pts)
            yield frame

    def _last_duration(self, pts: int, end: int | None) -> int | None:
        """Return for how long the last selected frame is shown, None if that is unknown.

        Args:
            pts: Its time in the clip.
            end: When the frame after it is shown, by the source's clock.
        """
        if end is None:
            return None
        end -= self._origin
        if self._selection.end_s is not None:
            end_s = self._first_s - self.info.origin_s + self._selection.end_s
            end = min(end, int(end_s / self.info.time_base))
        return max(end - pts, 1)

    def _open_video(self) -> tuple[InputContainer, VideoStream]:
        container = open_container(self._source, self._limits)
        self._containers.append(container)
        stream = find_video_stream(container, self._source)
        check_header(self._source, stream, self._limits)
        stream.thread_type = "AUTO"
        return container, stream

    def digest(self) -> str:
        """Return what identifies the input: SHA-256 of the file, or of a stream's address."""
        if self.info.address:
            text = f"{self.info.address} {self._whole_info.duration_s}"
            return hashlib.sha256(text.encode()).hexdigest()
        return sha256_of_input(self.path)

    def _decode_frames(
        self,
        packets: Iterator[av.Packet[VideoStream]],
        stream: VideoStream,
        clock: TimestampTracker,
    ) -> Iterator[av.VideoFrame]:
        decoder = PictureDecoder(stream)
        packet_checked = stream.codec_context.codec.canonical_name in FRAME_PER_PACKET
        try:
            for packet in packets:
                if packet.size or packet.dts is not None:  # an empty one shows the last frame again
                    clock.packets += 1
                if packet.size:
                    if packet.is_corrupt and not clock.warned_of_damage:
                        # Once, because joined transport streams have it without any damage.
                        clock.warned_of_damage = True
                        log.warning(
                            "%s: a packet at about %.3f s is marked as damaged",
                            self.path, clock.time_s,
                        )  # fmt: skip
                    if packet_checked and not packet.is_discard:
                        clock.expect_frame(packet)
                clock.add_packet(packet)
                frames = decoder.decode(packet)
                if frames:
                    self._watcher.check_aspect(decoder.sample_aspect_ratio, clock.time_s)
                yield from frames
        except av.ExitError as error:
            raise timeout_error(self._source, self._limits) from error
        except (av.FFmpegError, EOFError) as error:
            raise self._damaged_error(clock, ffmpeg_reason(error)) from error

    def _check_unchanged(self, clock: TimestampTracker) -> None:
        if _file_state(self.path) != self._initial_state:
            raise VideoError(
                f"{self.path} changed while it was read, after {clock.frames} frames; wait until "
                "it is complete"
            )

    def _damaged_error(self, clock: TimestampTracker, reason: str) -> VideoError:
        return VideoError(
            f"{self.path} is damaged after {clock.frames} frames, at {clock.time_s:.3f} s "
            f"({reason}); repair it with 'ffmpeg -i IN OUT' or cut that part out"
        )


def _file_state(path: Path) -> tuple[int, int] | None:
    """Return the size and time of a file, which change when somebody writes to it."""
    if not path.is_file():
        return None
    stat = path.stat()
    return stat.st_size, stat.st_mtime_ns


def _seek_to_key_frame_before(
    container: InputContainer, stream: VideoStream, time_s: Fraction
) -> int | None:
    """Go to a key frame well before a time, in a container that has an index.

    Returns:
        The number of packets of an MP4 file before it; None if it cannot be reached.
    """
    formats = {*container.format.name.split(",")}
    # In AVI only codecs whose frames have their own times: others have those of decoding.
    own_times = stream.codec_context.codec.canonical_name not in REORDERING_CODECS
    indexed = {"mov", "matroska", "avi"} if own_times else {"mov", "matroska"}
    if not indexed & formats or not stream.time_base:
        return None
    for margin_s in _SEEK_MARGINS_S:
        target = int((time_s - margin_s) / stream.time_base)
        with suppress(av.FFmpegError):
            container.seek(target, stream=stream)
            packet = next(container.demux(stream), None)
            if packet and packet.is_keyframe and packet.pts is not None and packet.pts <= target:
                container.seek(target, stream=stream)
                entries = stream.index_entries if "mov" in container.format.name else ()
                return next((i for i, entry in enumerate(entries) if entry.pos == packet.pos), 0)
    return None


def to_timed_frame(
    frame: av.VideoFrame, pts: int, info: VideoInfo, *, high_bit_depth: bool
) -> TimedFrame:
    """Return a frame as RGB, turned for showing, and with 16 bits too if asked for."""
    turn, colour = info.orientation, info.colour
    image = turn.apply(to_rgb(frame, colour))
    image16 = turn.apply(to_rgb16(frame, colour)) if high_bit_depth else None
    stored = keep_stored_picture(frame, image, image16, has_alpha=info.has_alpha, turn=turn)
    return TimedFrame(image, pts, info.time_base, image16, stored=stored)
