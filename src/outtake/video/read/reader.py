"""Frames out of a video file, one at a time."""

from __future__ import annotations

import logging
from collections.abc import Iterator
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
from outtake.video.read.check_truncation import check_end, last_hold
from outtake.video.read.convert import converted
from outtake.video.read.frame_selection import Picker, Selection
from outtake.video.read.input_digest import file_digest, text_digest
from outtake.video.read.open_media import open_container, picture_stream
from outtake.video.read.probe import VideoInfo, check_header, look
from outtake.video.read.safe_open import ShowingTimes
from outtake.video.read.safety_limits import Limits
from outtake.video.read.seek import SEEK_FROM_S, seek_before
from outtake.video.read.stream_address import reason, silent
from outtake.video.read.timestamps import Clock

# One packet is one shown frame in these, so a packet without its frame is a lost frame. Others
# have hidden packets (VP8), or packets that repeat a frame (MPEG-4 in AVI).
_FRAME_PER_PACKET = {
    "h264", "hevc", "av1", "mjpeg", "prores", "ffv1", "dnxhd", "png", "huffyuv", "ffvhuff",
    "utvideo", "rawvideo", "v210", "qtrle", "mpeg1video", "mpeg2video",
}  # fmt: skip

log = logging.getLogger(__name__)


class VideoReader:
    """A video file as an iterable of frames, each with its own time; never a silent short read.

    Frames are RGB, turned as they are to be shown, and decoded one by one. Enter it to open the
    file; each iteration starts at the first frame.

    Args:
        source: the file, or the address of a stream that has an end.
        selection: which frames are given out; all by default.
        limits: what the file may ask for.
        deep: give 16 bits per component beside the 8, where the source has more than 8.

    Attributes:
        info: what the selected part of the video is.

    Raises:
        VideoError: on entering, what :func:`outtake.video.read.probe.probe` raises; in an
            iteration, damage in the middle, a size that changes, or a selection without a frame.
            The frames before it were good.
    """

    def __init__(
        self,
        source: str | Path,
        *,
        selection: Selection | None = None,
        limits: Limits | None = None,
        deep: bool = True,
    ) -> None:
        self._source = source
        self._selection = selection or Selection()
        self._limits = limits or Limits()
        self._whole, self._first_s = look(source, self._limits)
        self.path = self._whole.path
        self.info: VideoInfo = self._selection.applied(self._whole, self._first_s, self._limits)
        self._deep = deep and self.info.bit_depth > 8
        self._state = _state(self.path)
        self._open: list[InputContainer] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        while self._open:
            self._open.pop().close()

    def __iter__(self) -> Iterator[TimedFrame]:
        if (self._selection.start_s or 0) > SEEK_FROM_S:
            part = self._walk(seek=True)
            try:
                first = next(part, None)
            except VideoError:
                first = None  # perhaps only for want of what lies before: read all of it
            if first is not None:
                yield first
                yield from part
                return
        yield from self._walk(seek=False)

    def _walk(self, *, seek: bool) -> Iterator[TimedFrame]:
        container, stream = self._opened()
        expected = len(stream.index_entries) if "mov" in container.format.name else 0
        checked_s: Fraction | None = None
        if seek:
            checked_s = self._first_s + (self._selection.start_s or 0)
            passed = seek_before(container, stream, checked_s)
            if passed is None:
                return
            expected = max(expected - passed, 0)
        times = ShowingTimes(container, stream)
        clock = Clock(self._whole, self._first_s, times)
        picker = Picker(self._selection, self._first_s, self._limits, self._whole)
        waiting: TimedFrame | None = None  # until it is known whether it is the last
        end: int | None = None
        try:
            for frame in self._decode(container, stream, clock, times):
                if checked_s is not None and (frame.pts or 0) * clock.time_base < checked_s:
                    continue  # it may lack what it refers to
                self._check(frame, clock)
                if frame.interlaced_frame and not clock.frames:
                    log.warning(
                        "%s is interlaced, and is written as it is; for clean masks deinterlace it "
                        "first, with 'ffmpeg -i IN -vf bwdif OUT'", self.path,
                    )  # fmt: skip
                pts = clock.tick(frame)
                if picker.is_past(pts * clock.time_base):
                    clock.check_complete(before=pts)
                    end = pts
                    break
                if picker.takes(pts * clock.time_base):
                    if waiting is not None:
                        yield waiting
                    waiting = converted(frame, pts, self.info, deep=self._deep)
            else:
                self._check_unchanged(clock)
                hold = last_hold(container, stream, clock, self._first_s)
                check_end(container, stream, clock, expected, hold)
                end = None if hold is None else clock.last + hold
        except VideoError:
            if waiting is not None:
                yield waiting
            raise
        if waiting is not None:
            yield self._held(waiting, end)
        picker.check(clock.length_s)

    def _held(self, frame: TimedFrame, end: int | None) -> TimedFrame:
        """Return the last frame of the selection, shown until ``end`` if that is known."""
        if end is None:
            return frame
        if self._selection.end_s is not None:
            end = min(end, int((self._first_s + self._selection.end_s) / self.info.time_base))
        return replace(frame, last_frame_duration=max(end - frame.pts, 1))

    def _opened(self) -> tuple[InputContainer, VideoStream]:
        container = open_container(self._source, self._limits)
        self._open.append(container)
        stream = picture_stream(container, self._source)
        check_header(self._source, stream, self._limits)
        stream.thread_type = "AUTO"
        return container, stream

    def digest(self) -> str:
        """Return what identifies the input: SHA-256 of the file, or of a stream's address."""
        if self.info.address:
            return text_digest(f"{self.info.address} {self._whole.duration_s}")
        return file_digest(self.path)

    def _decode(
        self,
        container: InputContainer,
        stream: VideoStream,
        clock: Clock,
        times: ShowingTimes,
    ) -> Iterator[av.VideoFrame]:
        packet_checked = stream.codec_context.codec.canonical_name in _FRAME_PER_PACKET
        try:
            for packet in container.demux(stream):
                if packet.size or packet.dts is not None:  # an empty one shows the last frame again
                    clock.packets += 1
                if packet.size:
                    if packet.is_corrupt and not clock.warned:
                        clock.warned = True  # joined transport streams have it without any damage
                        log.warning(
                            "%s: a packet at about %.3f s is marked as damaged",
                            self.path, clock.time_s,
                        )  # fmt: skip
                    if packet_checked and not packet.is_discard:
                        clock.expect(packet)
                    clock.read(packet)
                times.of_packet(packet)
                yield from packet.decode()
        except av.ExitError as error:
            raise silent(self._source, self._limits) from error
        except (av.FFmpegError, EOFError) as error:
            raise self._damaged(clock, reason(error)) from error

    def _check(self, frame: av.VideoFrame, clock: Clock) -> None:
        if frame.is_corrupt:
            raise self._damaged(clock, "a frame can not be decoded")
        stored = (frame.width, frame.height)
        shown = stored[::-1] if self.info.orientation.transpose else stored
        if shown != (self.info.width, self.info.height):
            raise VideoError(
                f"{self.path} changes its size from {self.info.width}x{self.info.height} to "
                f"{shown[0]}x{shown[1]} at {clock.time_s:.3f} s; split it there first"
            )

    def _check_unchanged(self, clock: Clock) -> None:
        if _state(self.path) != self._state:
            raise VideoError(
                f"{self.path} changed while it was read, after {clock.frames} frames; wait until "
                "it is complete"
            )

    def _damaged(self, clock: Clock, why: str) -> VideoError:
        return VideoError(
            f"{self.path} is damaged after {clock.frames} frames, at {clock.time_s:.3f} s "
            f"({why}); repair it with 'ffmpeg -i IN OUT' or cut that part out"
        )


def _state(path: Path) -> tuple[int, int] | None:
    """Return what changes when somebody writes to a file."""
    if not path.is_file():
        return None
    stat = path.stat()
    return stat.st_size, stat.st_mtime_ns
