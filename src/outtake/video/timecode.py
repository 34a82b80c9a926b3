"""SMPTE timecode: the number that a camera gives the first frame, ``hh:mm:ss:ff``."""

from __future__ import annotations

import re
from fractions import Fraction

# Two frame numbers of each minute are left out, but of each tenth minute none, for each 30 fps.
_DROPPED_PER_30 = 2
_PATTERN = re.compile(r"(\d{1,2}):(\d{2}):(\d{2})([:;.])(\d{2,3})")


def advance_timecode(text: str, frames: int, fps: Fraction, every: int = 1) -> str:
    """Return the timecode of a later frame.

    Args:
        text: The timecode of the first frame; a semicolon before the frames says that frame numbers
            are dropped, as at 29.97 frames per second.
        frames: By how many frames it is later.
        fps: Frames per second of the clip.
        every: One of how many frames is left; the rate falls by as much.

    Returns:
        The timecode, with a colon before the frames where the rate that is left drops no numbers;
        the text as it is if it is not a timecode.
    """
    match = _PATTERN.fullmatch(text.strip())
    rate = round(fps)
    if match is None or rate < 1:
        return text
    hours, minutes, seconds, number = (int(match[group]) for group in (1, 2, 3, 5))
    drop = match[4] != ":" and rate % 30 == 0
    total = ((hours * 60 + minutes) * 60 + seconds) * rate + number
    dropped = _DROPPED_PER_30 * rate // 30 if drop else 0
    whole_minutes = hours * 60 + minutes
    count = total - dropped * (whole_minutes - whole_minutes // 10) + frames
    if dropped:
        tens, rest = divmod(count, 600 * rate - 9 * dropped)
        passed = max(rest - dropped, 0) // (60 * rate - dropped)
        count += dropped * (9 * tens + passed)
    seconds, number = divmod(count, rate)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    # At a rate that no timecode drops numbers at, a semicolon would be refused by every container.
    separator = match[4] if drop and round(fps / every) % 30 == 0 else ":"
    return f"{hours % 24:02d}:{minutes:02d}:{seconds:02d}{separator}{number // every:02d}"
