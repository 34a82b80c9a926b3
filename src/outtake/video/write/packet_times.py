"""When the packets of a joined file are decoded and shown."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise

from av.packet import Packet
from av.video.stream import VideoStream

from outtake.video.read.probe import VideoInfo
from outtake.video.write.segment_store import SegmentRecord


class PacketTimes:
    """Gives the packets of all segments, in the order of storing, their real times."""

    def __init__(
        self,
        info: VideoInfo,
        records: Sequence[SegmentRecord],
        *,
        reorder: int,
        durations_of_decoding: bool,
    ) -> None:
        self._durations_of_decoding = durations_of_decoding
        self._time_base = info.time_base
        self._frame_step = max(round(1 / info.fps / info.time_base), 1)
        self._pts = [pts for record in records for pts in record.pts]
        self._end = self._pts[-1] + (records[-1].last_frame_duration or self._frame_step)
        if any(a >= b for a, b in pairwise(self._pts)):
            raise ValueError("segments overlap in time")
        # The first frame of a part of a clip, and of a live clip, is at 0.
        self._origin = self._pts[0] if info.start_s is not None or info.live else 0
        self._reorder = max(reorder, *(record.reorder for record in records))
        self._first_dts_step = self._choose_first_dts_step()
        self.frames = 0
        self.time_s = 0.0

    @property
    def origin_s(self) -> Fraction:
        """The time of the source that is 0 in the target."""
        return self._origin * self._time_base

    @property
    def end_s(self) -> float:
        """The time in seconds at which the last frame ends in the target."""
        return float((self._end - self._origin) * self._time_base)

    def assign(self, packet: Packet[VideoStream], rank: int) -> None:
        """Give the next packet its times; ``rank`` is the number of its frame as shown."""
        packet.time_base = self._time_base
        packet.pts = self._pts[rank] - self._origin
        packet.dts = self._decoding_time(self.frames - self._reorder) - self._origin
        packet.duration = self._packet_duration(rank)
        self.time_s = float(packet.pts * self._time_base)
        self.frames += 1

    def check_complete(self) -> None:
        """Raise an error unless there was a packet for each frame."""
        if self.frames != len(self._pts):
            raise ValueError(f"there are {self.frames} packets for {len(self._pts)} frames")

    def _packet_duration(self, rank: int) -> int:
        """Return the duration of a packet; those of the last packets decide the length of the file.

        They are the packet shown last and the packet stored last: MP4 has durations of
        decoding, which add up to the length of the track.
        """
        last = len(self._pts) - 1
        if rank == last and not (self.frames == last and self._durations_of_decoding):
            return self._end - self._pts[rank]
        if self.frames < last:
            return self._frame_step
        decoded = (
            self._decoding_time(self.frames - self._reorder) + self._reorder * self._first_dts_step
        )
        until_end = max(self._end - decoded, 1)
        return until_end if rank == last else min(until_end, self._end - self._pts[rank])

    def _decoding_time(self, rank: int) -> int:
        return self._pts[rank] if rank >= 0 else self._pts[0] + rank * self._first_dts_step

    def _choose_first_dts_step(self) -> int:
        """Return the time between packets that are decoded before the first frame is shown.

        FFmpeg's muxer for MP4 takes as the first frame the one, of the packets decoded at 0 or
        before, that is shown soonest after its decoding. If that could be another frame, all
        frames would be early by the difference. So the others are decoded after 0. If there is
        no time for that, they are decoded so shortly after the first that none is shown sooner, if
        the time base is fine enough.
        """
        first, between = self._pts[0] - self._origin, self._reorder - 1
        if first <= 0 or between <= 0:
            return self._frame_step
        if first > between:
            return min(self._frame_step, (first - 1) // between)
        return max(min(self._frame_step, (self._pts[1] - self._pts[0]) // between), 1)
