"""The tables of an MP4 that say when frames are decoded and when they are shown, compared."""

from __future__ import annotations

from array import array
from fractions import Fraction
from itertools import pairwise

import av
from av.video.stream import VideoStream

# How far apart two frames may be shown that are decoded one step apart, in steps.
_LEAST_STEP, _MOST_STEP = Fraction(3, 4), Fraction(5, 4)
_ROUNDING = Fraction(1, 10)  # of a step, in the stated duration
_FEWEST = 3


class TimeTable:
    """The times of the packets of a track whose frames are decoded at equal steps.

    A damaged byte in a table of offsets (``ctts``) moves a frame to another time, and often out of
    the part that the file says is shown (its edit list), where the demuxer drops it without a word.
    Where all steps of decoding are equal, those of showing are too, and the stated duration tells
    how many frames there are. Where they are not, nothing is known.
    """

    def __init__(self) -> None:
        self._decoded, self._shown = array("q"), array("q")  # of a film of many hours too
        self._is_complete = True

    def add_packet(self, packet: av.Packet[VideoStream]) -> None:
        """Note the next packet of the track."""
        if not packet.size:
            return
        if packet.dts is None or packet.pts is None:
            self._is_complete = False
            return
        self._decoded.append(packet.dts)
        if not packet.is_discard:
            self._shown.append(packet.pts)

    def find_fault(self, duration: int | None, time_base: Fraction) -> str | None:
        """Return what does not agree, for a sentence; None if nothing is known to be wrong.

        Args:
            duration: The stated duration of what is shown, in units of ``time_base``.
            time_base: Seconds per unit of a time.
        """
        steps = {second - first for first, second in pairwise(self._decoded)}
        if not self._is_complete or len(self._decoded) < _FEWEST or len(steps) != 1:
            return None
        (step,) = steps
        if step <= 0:
            return None
        times = sorted(self._shown)
        if duration and len(times) < len(self._decoded):
            promised = min(int(Fraction(duration, step) + _ROUNDING), len(self._decoded))
            if len(times) < promised:
                return (
                    f"{promised - len(times)} of {promised} frames have a time outside of what the "
                    "file says is shown, and are missing"
                )
        odd = [
            first
            for first, second in pairwise(times)
            if not _LEAST_STEP * step <= second - first <= _MOST_STEP * step
        ]
        if odd:
            after_s = float((odd[0] - times[0]) * time_base)
            return (
                f"frames of equal length are shown at unequal times, at first after {after_s:.3f} s"
            )
        return None
