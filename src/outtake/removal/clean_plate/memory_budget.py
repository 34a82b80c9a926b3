"""How many frames fit into memory."""

from __future__ import annotations

from dataclasses import dataclass

from outtake.core.frames import Context

# Where memory is short, of what lies further back than this only every fourth frame is kept.
_DENSE, _THIN = 8, 4
KEYFRAME_STEP, _KEYFRAMES = 16, 32
# Bytes for a pixel of a frame: of its picture, its mask, and what is known of it. The picture and
# the mask stay where the next segment may look at them, however few frames are kept here.
_GIVEN, _KNOWN = 3 + 1, 1 + 1
# The deep picture is needed until the frame is given out.
_DEEP = 6
_THINNED = _GIVEN + _KNOWN / _THIN


@dataclass(frozen=True, slots=True)
class Room:
    """How many frames may be held.

    Attributes:
        ahead: of the current one.
        back: how far back frames are held,
        thin: and whether of those further back than a few only every fourth is.
        keyframes: before those.
    """

    ahead: int
    back: int
    thin: bool
    keyframes: int

    @classmethod
    def of(cls, height: int, width: int, reach: int, max_bytes: int, deep: bool = False) -> Room:
        """Return what fits into the memory at a frame size.

        Args:
            height: of the frames.
            width: likewise.
            reach: how far is looked at most, back and ahead.
            max_bytes: of the frames held.
            deep: whether they have deep pictures too.
        """
        behind, before = _GIVEN + _KNOWN, _GIVEN + _KNOWN + _DEEP * deep
        room = max_bytes / (height * width + 1)
        spare = int(room - behind - 2 * before) // behind  # one behind, one ahead, the current one
        keyframes = max(0, min(_KEYFRAMES, int(room / behind) // 5, spare))
        room -= keyframes * behind + before
        if room >= reach * (behind + before):
            return cls(reach, reach, False, keyframes)
        # As many behind as ahead, about.
        share = room * behind / (behind + before)
        back = min(int(share / behind), reach)
        thin = back > _DENSE
        if thin:
            back = min(_DENSE + int((share - _DENSE * behind) / _THINNED), reach)
            share = _DENSE * behind + (back - _DENSE) * _THINNED
        else:
            share = back * behind
        ahead = min(int((room - share) / before), reach)
        return cls(max(1, ahead), max(1, back), thin, keyframes)

    def context(self) -> Context:
        """Return this in the terms of all removers."""
        reach = self.keyframes * KEYFRAME_STEP
        far = reach if reach > self.back else 0
        return Context(self.back, self.ahead, far, KEYFRAME_STEP, labels=False, deep=False)

    def keeps(self, number: int, current: int) -> bool:
        """Return whether a frame that is behind the current one stays."""
        distance = current - number
        if self.thin and distance > _DENSE and number % _THIN:
            return False
        return distance <= self.back
