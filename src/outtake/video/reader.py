"""Frames out of a video file, one at a time."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Self

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from outtake.errors import VideoError
from outtake.types import TimedFrame
from outtake.video.colour import to_rgb
from outtake.video.probe import (
    VideoInfo,
    open_container,
    picture_stream,
    probe,
    track_duration_s,
)

# One packet is one shown frame in these, so a packet without its frame is a lost frame. Others
# have hidden packets (VP8), or packets that repeat a frame (MPEG-4 in AVI).
_FRAME_PER_PACKET = {"h264", "hevc"}

# A last picture may be held for long, so a gap at the end proves nothing; it is worth a warning.
_SHORT_BY_S = 1.0

log = logging.getLogger(__name__)


class VideoReader:
    """A video file as an iterable of frames, each with its own time; never a silent short read.

    Frames are RGB, turned as they are to be shown, and decoded one by one. Enter it to open the
    file; each iteration starts at the first frame.

    Attributes:
        info: what the video is.

    Raises:
        VideoError: on entering, what :func:`outtake.video.probe.probe` raises; in an iteration,
            damage in the middle or a size that changes. The frames before it were good.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.info: VideoInfo = probe(self.path)
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
        container = open_container(self.path)
        self._open.append(container)
        stream = picture_stream(container, self.path)
        stream.thread_type = "AUTO"
        expected = len(stream.index_entries) if "mov" in container.format.name else 0
        clock = _Clock(self.info)
        for frame in self._decode(container, stream, clock):
            image = self.info.orientation.apply(to_rgb(frame, self.info.colour))
            yield TimedFrame(image, clock.tick(frame), clock.time_base)
        if clock.packets < expected:
            raise VideoError(
                f"{self.path} is truncated: {clock.packets} of {expected} frames are there; "
                "copy or record it again"
            )
        clock.check_complete()
        promised_s = track_duration_s(stream)
        if promised_s and promised_s - clock.end_s > _SHORT_BY_S:
            log.warning(
                "%s: the last frame is at %.3f s, but the file says that it lasts %.3f s; it may "
                "be damaged", self.path, clock.end_s, promised_s,
            )  # fmt: skip

    def _decode(
        self, container: InputContainer, stream: VideoStream, clock: _Clock
    ) -> Iterator[av.VideoFrame]:
        packet_checked = stream.codec_context.codec.canonical_name in _FRAME_PER_PACKET
        try:
            for packet in container.demux(stream):
                if packet.size:
                    clock.packets += 1
                    if packet.is_corrupt and not clock.warned:
                        clock.warned = True  # joined transport streams have it without any damage
                        log.warning(
                            "%s: a packet at about %.3f s is marked as damaged",
                            self.path, clock.time_s,
                        )  # fmt: skip
                    if packet_checked and not packet.is_discard:
                        clock.expect(packet.pts)
                for frame in packet.decode():
                    self._check(frame, clock)
                    yield frame
        except (av.FFmpegError, EOFError) as error:
            raise self._damaged(clock, getattr(error, "strerror", "") or str(error)) from error

    def _check(self, frame: av.VideoFrame, clock: _Clock) -> None:
        if frame.is_corrupt:
            raise self._damaged(clock, "a frame can not be decoded")
        stored = (frame.width, frame.height)
        shown = stored[::-1] if self.info.orientation.transpose else stored
        if shown != (self.info.width, self.info.height):
            raise VideoError(
                f"{self.path} changes its size from {self.info.width}x{self.info.height} to "
                f"{shown[0]}x{shown[1]} at {clock.time_s:.3f} s; split it there first"
            )

    def _damaged(self, clock: _Clock, reason: str) -> VideoError:
        return VideoError(
            f"{self.path} is damaged after {clock.frames} frames, at {clock.time_s:.3f} s "
            f"({reason}); repair it with 'ffmpeg -i IN OUT' or cut that part out"
        )


class _Clock:
    """Gives frames their time, and notices those that never came."""

    def __init__(self, info: VideoInfo) -> None:
        self._path = info.path
        self.time_base: Fraction = info.time_base
        self.frames = 0
        self.packets = 0
        self.warned = False
        self._step = max(round(1 / info.fps / info.time_base), 1)
        self._first: int | None = None
        self._last: int | None = None
        self._expected: set[int] = set()

    @property
    def time_s(self) -> float:
        """When the frame after the last good one was to be shown, about."""
        return float((0 if self._last is None else self._last + self._step) * self.time_base)

    @property
    def end_s(self) -> float:
        """When the last frame starts, counted from the first."""
        return float(((self._last or 0) - (self._first or 0)) * self.time_base)

    def expect(self, pts: int | None) -> None:
        """A packet with this time was read; a frame has to follow."""
        if pts is not None:
            self._expected.add(pts)

    def tick(self, frame: av.VideoFrame) -> int:
        """Return a frame's time: its own, unless it has none or repeats the last one's.

        Raises:
            VideoError: it jumps back.
        """
        pts: int | None = frame.pts
        if pts is None:  # AVI keeps no times: the frame rate is all there is
            pts = 0 if self._last is None else self._last + self._step
        self._expected.discard(pts)
        if self._last is not None and pts <= self._last:
            if self._last - pts > self._step:
                raise VideoError(
                    f"{self._path} jumps back in time, from {self.time_s:.3f} to "
                    f"{float(pts * self.time_base):.3f} s, as joined recordings do; "
                    "split it there, or repair it with 'ffmpeg -i IN OUT'"
                )
            pts = self._last + 1
        if self._first is None:
            self._first = pts
        self._last = pts
        self.frames += 1
        return pts

    def check_complete(self) -> None:
        """Complain about frames that were in the file and did not come out.

        What lies before the first frame that can be decoded (a cut inside a group of pictures)
        is not shown by any player and does not count.
        """
        lost = [pts for pts in self._expected if self._first is not None and pts > self._first]
        if self._first is None:
            raise VideoError(f"{self._path} holds no frame")
        if lost:
            raise VideoError(
                f"{self._path} is damaged: {len(lost)} frames could not be decoded, the first at "
                f"{float(min(lost) * self.time_base):.3f} s"
            )
