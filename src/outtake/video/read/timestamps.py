"""Track the time of each frame, and find frames that are missing."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise
from statistics import median_low
from typing import TYPE_CHECKING

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from outtake.core.errors import VideoError
from outtake.video.read.time_table import TimeTable

if TYPE_CHECKING:
    from outtake.video.read.probe import VideoInfo

# A last picture may be shown for long, so a gap at the end proves nothing but is worth a warning.
_MAX_LAST_DURATION = 2.5
_GAP_FACTOR = 1.9
# Enough packets to see whether a codec that reorders frames says so in its times.
_READ_AHEAD_PACKETS = 64
# No codec shows a frame later than this many after the one that was decoded next.
_MAX_REORDER = 32

# Containers that store only the time of decoding, and codecs for which FFmpeg can
# not tell from it when a frame is shown. PyAV lets it guess that from the packet that follows.
_DTS_ONLY_CONTAINERS = {"avi", "asf"}
REORDERING_CODECS = {"h264", "hevc", "vvc"}
# Containers into which such packets are copied, and then lack the times of showing.
_REMUXED_CONTAINERS = {"mov", "matroska", "flv"}


class PresentationTimes:
    """The time at which each frame is shown.

    That is the frame's own time, except where the packets have the times of decoding although the
    codec reorders frames: always in AVI and ASF, and in other files whose muxer knew no other.
    There the frame that is shown as the n-th has the time of the n-th packet. Matroska has no times
    before 0: frames there have those that precede the first known one.

    Args:
        container: The container that is read.
        stream: Its video track.

    Attributes:
        by_decoding_order: Whether frames have no time of their own.
    """

    def __init__(self, container: InputContainer, stream: VideoStream) -> None:
        name = stream.codec_context.codec.canonical_name if stream.codec_context else ""
        self.by_decoding_order = (
            container.format.name in _DTS_ONLY_CONTAINERS and name in REORDERING_CODECS
        )
        self._uses_dts = self.by_decoding_order
        formats = {*container.format.name.split(",")}
        self._is_matroska = "matroska" in formats
        self._may_be_unordered = (
            bool(formats & _REMUXED_CONTAINERS)
            and name in REORDERING_CODECS
            and bool(stream.codec_context.has_b_frames)
        )
        self._waiting: deque[tuple[int | None, int | None]] = deque()
        self._before_zero: deque[int] = deque()
        self._begun = False
        self._latest: int | None = None

    def read_ahead(
        self, packets: Iterator[av.Packet[VideoStream]]
    ) -> Iterator[av.Packet[VideoStream]]:
        """Yield all packets, after a look at the first ones to see what their times mean."""
        head: list[av.Packet[VideoStream]] = []
        failure: Exception | None = None
        ended = False
        try:
            while self._is_doubtful(head) and not ended:
                packet = next(packets, None)
                ended = packet is None
                head += [] if packet is None else [packet]
        except Exception as error:  # what was read before the damage is good
            failure = error
        known = [packet.pts for packet in head if packet.pts is not None]
        missing = sum(packet.pts is None for packet in head if packet.size)
        dated = any(packet.pts is None and packet.dts is not None for packet in head)
        if missing and not dated and self._is_matroska and len(known) > 1:
            step = max(median_low(b - a for a, b in pairwise(sorted(known))), 1)
            self._before_zero.extend(min(known) - step * n for n in range(missing, 0, -1))
        elif self._may_be_unordered and _is_rising(known) and not missing:
            self.by_decoding_order = True
        yield from head
        if failure:
            raise failure
        if not ended:
            yield from packets

    def _is_doubtful(self, head: list[av.Packet[VideoStream]]) -> bool:
        """Return whether more packets are needed to know what the times of these mean."""
        if self.by_decoding_order or len(head) >= _READ_AHEAD_PACKETS:
            return False
        if self._is_matroska and any(packet.pts is None for packet in head):
            return True
        known = [packet.pts for packet in head if packet.pts is not None]
        return (self._may_be_unordered or (self._is_matroska and not head)) and _is_rising(known)

    def add_packet(self, packet: av.Packet[VideoStream]) -> None:
        """Note a packet before it is decoded."""
        if not self.by_decoding_order or not packet.size:
            return
        if not self._uses_dts and packet.pts is not None:
            if self._latest is not None and packet.pts < self._latest:
                # Times of decoding never go back, so these are of showing after all: the packets
                # at the beginning just had no other order. Frames so far had their own times.
                self.by_decoding_order = False
                self._waiting.clear()
                return
            self._latest = packet.pts
        self._waiting.append((packet.pts, packet.dts if self._uses_dts else packet.pts))

    def time_of_packet(self, packet: av.Packet[VideoStream]) -> int | None:
        """Return when the frame of a packet is shown, or one whose place it has; None if unknown.

        All packets together have the times of all frames.
        """
        time: int | None = packet.dts if self._uses_dts else packet.pts
        return time

    def time_of_frame(self, frame: av.VideoFrame) -> int | None:
        """Return when the next decoded frame is shown; None if that is unknown."""
        pts: int | None = frame.pts
        if pts is None and self._before_zero:
            return self._before_zero.popleft()
        if not self.by_decoding_order:
            return pts
        if not self._begun:
            self._begun = True
            # What lies before it could not be decoded: a cut inside a group of pictures.
            while pts is not None and self._waiting and (self._waiting[0][0] or 0) < pts:
                self._waiting.popleft()
        return self._waiting.popleft()[1] if self._waiting else None


def _is_rising(times: list[int]) -> bool:
    return all(a < b for a, b in pairwise(times))


class TimestampTracker:
    """Gives the frames of a clip their times, and notices frames that were lost.

    Args:
        info: The whole clip.
        first_s: The time of its first frame, by the source's clock, as all times here.
        times: The times of its frames; by default each frame has its own.
        time_table: Takes the times of its packets; None where these are not compared.

    Attributes:
        path: The path of the clip, for messages.
        time_base: Seconds per unit of a time.
        frames: The number of frames that came so far.
        packets: The number of packets that were read so far.
        warned_of_damage: Whether there was a warning of a damaged packet.
        frame_step: The average time from frame to frame.
        last_frame_duration: The duration that the last frame states for itself; None if
            it states none.
        gap_s: The time, counted from the first frame, after which at least one frame is missing
            if all frames last equally long; repeated fields (1.5 times as long) do not count.
    """

    def __init__(
        self,
        info: VideoInfo,
        first_s: Fraction,
        times: PresentationTimes | None = None,
        time_table: TimeTable | None = None,
    ) -> None:
        self._first_s = first_s
        self._times = times
        self.path = info.path
        self.time_base: Fraction = info.time_base
        self.frames = 0
        self.packets = 0
        self.warned_of_damage = False
        self.frame_step = max(round(1 / info.fps / info.time_base), 1)
        self._first: int | None = None
        self._last: int | None = None
        self._expected: set[int] = set()
        self._widest = self.frame_step
        self._narrowest: int | None = None
        self.last_frame_duration: int | None = None
        self._last_stored_pts: int | None = None
        self._last_packet_pts: int | None = None
        self.gap_s: float | None = None
        self.time_table = time_table

    @property
    def last_pts(self) -> int:
        """The time of the last frame."""
        return self._last or 0

    @property
    def is_last_decoded(self) -> bool:
        """Whether the frame shown last was also decoded last."""
        return self._last_stored_pts is not None and self._last_stored_pts == self._last_packet_pts

    @property
    def _by_decoding_order(self) -> bool:
        return self._times is not None and self._times.by_decoding_order

    @property
    def time_s(self) -> float:
        """About when the frame after the last good one is shown, counted from the first."""
        return 0.0 if self._last is None else self.length_s

    @property
    def end_s(self) -> float:
        """The time in seconds at which the last frame starts, counted from the clip's first."""
        return 0.0 if self._last is None else float(self._last * self.time_base - self._first_s)

    @property
    def length_s(self) -> float:
        """The approximate time in seconds at which the last frame ends, counted from the first."""
        return self.end_s + float(self.frame_step * self.time_base)

    def expect_frame(self, packet: av.Packet[VideoStream]) -> None:
        """Note a packet that must give a frame."""
        if packet.pts is not None:
            self._expected.add(packet.pts)

    def time_of_frame(self, frame: av.VideoFrame) -> int | None:
        """Return when the next decoded frame is shown; None if that is unknown."""
        return frame.pts if self._times is None else self._times.time_of_frame(frame)

    def add_frame(self, frame: av.VideoFrame, pts: int | None) -> int:
        """Return a frame's time: its own, unless it has none or repeats the last one's.

        Args:
            frame: The next decoded frame.
            pts: What :meth:`time_of_frame` returned for it.

        Raises:
            VideoError: Time jumps back.
        """
        if pts is None:  # a bare stream has no times: the frame rate is all there is
            pts = 0 if self._last is None else self._last + self.frame_step
        self._expected.discard(pts if frame.pts is None else frame.pts)
        if self._last is not None and pts <= self._last:
            if self._last - pts > self.frame_step:
                raise VideoError(
                    f"{self.path} jumps back in time, from {self.time_s:.3f} to "
                    f"{float(pts * self.time_base - self._first_s):.3f} s, as joined recordings "
                    "do; split it there, or repair it with 'ffmpeg -i IN OUT'"
                )
            pts = self._last + 1
        if self._first is None:
            self._first = pts
        if self._last is not None:
            self._update_gaps(self._last, pts)
        self._last, self._last_stored_pts = pts, frame.pts
        self.last_frame_duration = frame.duration or None
        self.frames += 1
        return pts

    def _update_gaps(self, last: int, pts: int) -> None:
        gap = pts - last
        self._widest = max(self._widest, gap)
        if self._narrowest and gap > _GAP_FACTOR * self._narrowest and self.gap_s is None:
            self.gap_s = float(last * self.time_base - self._first_s)
        self._narrowest = min(self._narrowest or gap, gap)

    def add_packet(self, packet: av.Packet[VideoStream]) -> None:
        """Note a packet before it is decoded."""
        if packet.size:
            self._last_packet_pts = packet.pts
        if self.time_table is not None:
            self.time_table.add_packet(packet)
        if self._times is not None:
            self._times.add_packet(packet)

    def duration_until(self, time_s: Fraction) -> int:
        """Return the time from when the last frame starts to a moment in the clip's own time."""
        return int(time_s / self.time_base) - (self._last or 0)

    def is_truncated(self, promised_s: float, last_frame_duration: int | None = None) -> bool:
        """Return whether the clip ends so early that its last frame cannot fill the rest.

        Args:
            promised_s: The stated duration of the clip.
            last_frame_duration: The stated duration of the last frame, if any.
        """
        longest = max(
            _MAX_LAST_DURATION * self._widest, (last_frame_duration or 0) + self.frame_step
        )
        if self._by_decoding_order:
            longest += _MAX_REORDER * self.frame_step  # it counts from when decoding begins
        return promised_s - self.end_s > longest * self.time_base

    def check_complete(self, before: int | None = None) -> None:
        """Raise an error if frames that are in the file did not come out of the decoder.

        What lies before the first frame that can be decoded (a cut inside a group of pictures)
        is not shown by any player and does not count.

        Args:
            before: The time before which frames are checked; all of them by default.

        Raises:
            VideoError: There are such frames, or no frame came.
        """
        if self._first is None:
            raise VideoError(f"{self.path} holds no frame")
        if before is not None and self._by_decoding_order:
            before -= _MAX_REORDER * self.frame_step  # expected are times of decoding
        lost = [
            pts for pts in self._expected if pts > self._first and (before is None or pts < before)
        ]
        if lost:
            raise VideoError(
                f"{self.path} is damaged: {len(lost)} frames could not be decoded, the first at "
                f"{float(min(lost) * self.time_base - self._first_s):.3f} s"
            )
