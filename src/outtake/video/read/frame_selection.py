"""Which frames of a clip are taken: from a time, to a time, and one of how many."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Self

from outtake.core.errors import ConfigError, VideoError
from outtake.video.read.probe import VideoInfo
from outtake.video.read.safety_limits import SafetyLimits
from outtake.video.timecode import advance_timecode

_TIME_PATTERN = re.compile(r"(?:(?:(\d+):)?(\d{1,2}):)?(\d+(?:\.\d*)?|\.\d+)")

# A header may be off by a little, so only a start clearly after the end is refused unread.
_HEADER_TOLERANCE_S = 1


@dataclass(frozen=True, slots=True)
class FrameSelection:
    """A part of a clip.

    Attributes:
        start_s: Frames before this time are left out; it counts from the first frame. None for
            the clip's beginning.
        end_s: Frames at this time and later are left out; None for the clip's end.
        every: One frame of this many is taken, beginning with the first of the part.
        skip: The number of selected frames that are done already: they are decoded and not yielded.
    """

    start_s: Fraction | None = None
    end_s: Fraction | None = None
    every: int = 1
    skip: int = 0

    @classmethod
    def from_config(
        cls,
        start: str | float | None = None,
        end: str | float | None = None,
        every: int = 1,
        skip: int = 0,
    ) -> Self:
        """Read a selection as the config gives it: seconds, or ``hh:mm:ss.fff``.

        Raises:
            ConfigError: A value is not a time or a count, or the end is not after the start.
        """
        start_s, end_s = parse_time("read.start", start), parse_time("read.end", end)
        if end_s is not None and end_s <= (start_s or 0):
            raise ConfigError(f"read.end={end}: must be after read.start={start or 0}")
        for key, count, least in (("every", every, 1), ("skip", skip, 0)):
            if isinstance(count, bool) or not isinstance(count, int) or count < least:
                raise ConfigError(f"read.{key}={count}: must be a whole number, {least} or more")
        return cls(start_s, end_s, every, skip)

    def apply_to(self, info: VideoInfo, first_s: Fraction, limits: SafetyLimits) -> VideoInfo:
        """Return the description of a clip of which only this part is read.

        Args:
            info: The whole clip.
            first_s: The time of its first frame.
            limits: Bounds that the part must keep to.

        Raises:
            VideoError: The selection lies after the end, or is too long.
        """
        whole_s = info.duration_s
        start_s = self.start_s or Fraction(0)
        if whole_s is not None and start_s > whole_s + _HEADER_TOLERANCE_S:
            raise self.empty_error(info, whole_s)
        ends = [Fraction(str(end)) for end in (self.end_s, whole_s) if end is not None]
        part_s = float(max(min(ends) - start_s, Fraction(0))) if ends else None
        frames = info.frames
        if frames is not None and part_s is not None and (self.start_s or self.end_s is not None):
            frames = min(frames, max(math.ceil(round(part_s * float(info.fps), 6)), 1))
        if frames is not None:
            frames = -(-frames // self.every)
        if not info.live:
            limits.check_length(info.path, frames, part_s)
        timecode = info.timecode and advance_timecode(
            info.timecode, math.ceil(start_s * info.fps), info.fps, self.every
        )
        return replace(
            info,
            fps=info.fps / self.every,
            frames=frames,
            frames_counted=info.frames_counted and self.start_s is None and self.end_s is None,
            duration_s=part_s,
            first_s=first_s,
            start_s=None if self.start_s is None else float(first_s + self.start_s),
            end_s=None if self.end_s is None else float(first_s + self.end_s),
            timecode=timecode,
        )

    def empty_error(self, info: VideoInfo, length_s: float) -> VideoError:
        """Return the error for a selection without a frame, of a clip of this length."""
        asked = ", ".join(
            f"read.{key}={float(value):g}"
            for key, value in (("start", self.start_s), ("end", self.end_s))
            if value is not None
        )
        return VideoError(
            f"{asked}: {info.path} has no frame there; it is {length_s:.3f} s long, at "
            f"{float(info.fps):.4g} frames per second"
        )


class FrameFilter:
    """Decides, frame by frame along a clip, which frames the selection takes.

    Args:
        selection: The selection.
        first_s: The time of the clip's first frame, by the same clock as those of the frames.
        limits: Bounds on how much may be selected.
        info: The whole clip.
    """

    def __init__(
        self, selection: FrameSelection, first_s: Fraction, limits: SafetyLimits, info: VideoInfo
    ) -> None:
        self._selection = selection
        self._limits = limits
        self._info = info
        self._start_s = first_s + (selection.start_s or 0)
        self._end_s = None if selection.end_s is None else first_s + selection.end_s
        self._inside = 0
        self._selected = 0

    def is_past_end(self, time_s: Fraction) -> bool:
        """Return whether a frame, and so all that follow, lies after the selection."""
        return self._end_s is not None and time_s >= self._end_s

    def accepts(self, time_s: Fraction) -> bool:
        """Count a frame that is not past the end, and return whether it is to be yielded.

        Raises:
            VideoError: The clip is longer than its header states and than is allowed.
        """
        if self._selection.start_s is not None and time_s < self._start_s:
            return False
        self._inside += 1
        if (self._inside - 1) % self._selection.every:
            return False
        self._selected += 1
        if not self._info.live:
            length_s = float(time_s - self._start_s)
            self._limits.check_length(self._info.path, self._selected, length_s)
        return self._selected > self._selection.skip

    def check_not_empty(self, length_s: float) -> None:
        """Raise an error if nothing was selected of a clip of this length.

        Raises:
            VideoError: The selection is empty.
        """
        if not self._selected:
            raise self._selection.empty_error(self._info, max(length_s, self._info.duration_s or 0))


def parse_time(key: str, value: str | float | None) -> Fraction | None:
    """Read a time as the config gives it: seconds, or ``hh:mm:ss.fff``; None stays None.

    Raises:
        ConfigError: The value is not a time.
    """
    if value is None:
        return None
    match = _TIME_PATTERN.fullmatch(str(value).strip()) if not isinstance(value, bool) else None
    if (
        match is None
        or (match[2] and Fraction(match[3]) >= 60)
        or (match[1] and int(match[2]) > 59)
    ):
        raise ConfigError(f"{key}={value}: give seconds (12.5) or hh:mm:ss.fff (00:01:12.5)")
    hours, minutes, seconds = (Fraction(part or 0) for part in match.groups())
    return hours * 3600 + minutes * 60 + seconds
